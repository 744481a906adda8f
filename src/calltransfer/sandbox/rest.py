"""The platform's REST API, served over real HTTP, with the faults a test asks for."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import attrs
from aiohttp import web

from calltransfer.errors import ConfigurationError
from calltransfer.sandbox.account import PAGE, Account
from calltransfer.sandbox.leg import Leg
from calltransfer.sandbox.network import Network, Refused, Room

_LOOK_AGAIN = 1.0
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "*")


@attrs.define
class Fault:
    """Something that goes wrong with a request. The first fault that fits a request, and is not used up, is applied.

    Attributes:
        method: The requests it applies to: the method in capitals, "*" for all.
        path: The end of their path, such as "/transfer"; "" for all.
        status: Answer this HTTP status.
        body: Answer this text.
        delay: Answer this many seconds later.
        hang: Never answer.
        reset: Break the connection.
        acted: Do what was asked for first: the answer is lost, not the request.
        headers: Answer with these headers.
        times: How many requests it applies to; None: all.
        applied_at: When it was applied, each time, in seconds on the clock of the network.

    Raises:
        ConfigurationError: `method` is none, or nothing is to go wrong.
    """

    method: str
    path: str
    status: int | None = None
    body: str | None = None
    delay: float = 0.0
    hang: bool = False
    reset: bool = False
    acted: bool = False
    headers: dict[str, str] = attrs.field(factory=dict)
    times: int | None = None
    applied_at: list[float] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if self.method not in _METHODS:
            raise ConfigurationError(f"a fault is of {', '.join(_METHODS)}, not of {self.method!r}")
        if self.status is None and self.body is None and not (self.delay or self.hang or self.reset):
            raise ConfigurationError(
                "a fault needs status=, body=, delay=, hang= or reset=: nothing goes wrong otherwise"
            )

    def applies_to(self, request: web.Request) -> bool:
        """Whether it is meant for this request."""
        return self.times != 0 and self.method in {"*", request.method} and request.path.endswith(self.path)


@attrs.frozen
class Request:
    """A request that the platform has received.

    Attributes:
        method: The HTTP method.
        path: The path.
        at: Seconds on the clock of the network.
        connection: The same for requests on one connection.
        authorization: The header as it came.
        body: The JSON body; None where there is none.
    """

    method: str
    path: str
    at: float
    connection: int
    authorization: str
    body: Any


class RestServer:
    """Serves a network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.account = Account()
        self.latency = 0.0
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._connections: dict[Any, int] = {}
        self._numbers = itertools.count(1)
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        app = web.Application(middlewares=[self._received])
        app.add_routes(
            [
                web.get("/v2/sip/call", self._list),
                web.get("/v2/sip/call/{id}", self._get),
                web.post("/v2/sip/call/transfer", self._transfer),
                web.post("/v2/sip/call/end", self._end),
                web.post("/v2/sip/call/switch-room", self._switch),
                web.post("/v2/sip/call", self._dial),
                web.post("/v2/rooms", self._create_room),
                web.post("/v2/rooms/deactivate", self._deactivate_room),
                web.post("/v2/sessions/end", self._end_session),
                web.post("/v2/recordings/participant/merge", self._merge),
                web.post("/v2/recordings/participant/{action:(track/)?(start|stop)}", self._record),
                web.post("/v2/sessions/{id}/agent-analytics", self._analytics),
                *self.account.pages,
            ]
        )
        self._runner = web.AppRunner(app, keepalive_timeout=self.network.unknowns.keep_alive, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1]) if self._runner.addresses else port

    def forget(self) -> None:
        """Keeps no request so far, no fault that is used up, and no connection that is closed."""
        self.requests.clear()
        self._connections = {
            known: number for known, number in self._connections.items() if known.transport is not None
        }
        self.faults[:] = [fault for fault in self.faults if fault.times != 0]

    @property
    def open_connections(self) -> int:
        """How many connections clients hold open."""
        server = self._runner.server if self._runner is not None else None
        return len(server.connections) if server is not None else 0

    async def stop(self) -> None:
        """Listens no longer."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _received(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path.endswith("/agent-analytics"):
            return await handler(request)
        body = await request.json() if request.can_read_body else None
        if request.protocol not in self._connections:
            self._connections[request.protocol] = next(self._numbers)
        self.requests.append(
            Request(
                request.method,
                request.path,
                self.network.now(),
                self._connections[request.protocol],
                request.headers.get("Authorization", ""),
                body,
            )
        )
        await asyncio.sleep(self.latency)
        fault = next((fault for fault in self.faults if fault.applies_to(request)), None)
        if fault is None:
            return await self._answered(request, handler)
        if fault.times is not None:
            fault.times -= 1
        fault.applied_at.append(self.network.now())
        return await self._with_fault(fault, request, handler)

    async def _with_fault(
        self,
        fault: Fault,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        answer = await self._answered(request, handler) if fault.acted else None
        await asyncio.sleep(fault.delay)
        if fault.hang:
            await self._given_up(request)
            return web.Response(status=503)  # nothing is done when the server stops, if it has not been before
        if fault.reset:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.status is None and fault.body is None:
            return answer if answer is not None else await self._answered(request, handler)
        return web.Response(
            status=fault.status or 200,
            text=fault.body if fault.body is not None else '{"message": "as asked for"}',
            content_type="application/json",
            headers=fault.headers,
        )

    async def _given_up(self, request: web.Request) -> None:
        """Waits until the client has closed the connection, or the server stops."""
        while request.transport is not None and not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._stopping.wait()

    async def _answered(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if not request.headers.get("Authorization"):
            return web.json_response({"message": "token is missing"}, status=401)
        try:
            return await handler(request)
        except Refused as refused:
            return web.json_response({"message": str(refused)}, status=refused.status)

    async def _list(self, request: web.Request) -> web.Response:
        legs = [
            leg
            for leg in self.network.legs.values()
            if request.query.get("roomId", leg.room_id) == leg.room_id
            and request.query.get("sessionId", leg.session_id) == leg.session_id
            and request.query.get("type", leg.direction) == leg.direction
        ]
        if self.network.unknowns.newest_first:
            legs.reverse()
        page = int(request.query.get("page", 1))
        last = max(1, -(-len(legs) // PAGE))
        return web.json_response(
            {
                "pageInfo": {"currentPage": page, "perPage": PAGE, "lastPage": last, "total": len(legs)},
                "data": [self._document(leg) for leg in legs[(page - 1) * PAGE : page * PAGE]],
            }
        )

    async def _get(self, request: web.Request) -> web.Response:
        return web.json_response({"data": self._document(self._leg(request.match_info["id"]))})

    async def _transfer(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not body.get("callId") or not body.get("transferTo"):
            raise Refused(400, "callId and transferTo are required")
        leg = self.network.transfer(body["callId"], body["transferTo"])
        # The platform answers before anything has happened: the call is still answered.
        return web.json_response({"message": "transfer initiated", "data": {"callId": leg.id, "status": "answered"}})

    async def _end(self, request: web.Request) -> web.Response:
        leg = self._leg((await request.json()).get("callId", ""))
        if leg.status == "ended" or (leg.over and leg.talking_to is None):
            raise Refused(400, "call is over")
        self.network.hang_up(leg.id)
        return web.json_response({"message": "ended", "data": self._document(leg)})

    async def _dial(self, request: web.Request) -> web.Response:
        leg = self.network.dial(await request.json())
        return web.json_response({"message": "call initiated", "data": self._document(leg)})

    async def _switch(self, request: web.Request) -> web.Response:
        body = await request.json()
        if not body.get("callId") or not body.get("roomId"):
            raise Refused(400, "callId and roomId are required")
        leg = self.network.switch(body["callId"], body["roomId"], body.get("participantId"))
        # Answered before anything has happened, as a transfer is.
        data = {**self._document(leg), "status": "answered", "roomId": body["roomId"]}
        return web.json_response({"statusCode": 200, "data": data})

    async def _create_room(self, request: web.Request) -> web.Response:
        # The SDK sends no body.
        room = self.network.create_room(await request.json() if request.body_exists else {})
        return web.json_response({"roomId": room.id})

    async def _deactivate_room(self, request: web.Request) -> web.Response:
        room = self._room((await request.json()).get("roomId", ""))
        room.disabled = True
        return web.json_response({"meetingId": room.id, "userMeetingId": room.id, "disabled": True})

    async def _end_session(self, request: web.Request) -> web.Response:
        room = self._room((await request.json()).get("roomId", ""))
        self.network.end_session(room.id)
        return web.json_response({"meetingId": room.id, "userMeetingId": room.id, "sessionId": room.session_id})

    async def _record(self, request: web.Request) -> web.Response:
        body = await request.json()
        room, participant_id = self._room(body.get("roomId", "")), body.get("participantId", "")
        if not room.has(participant_id):
            raise Refused(400, "participant is not yet joined the meeting")
        self.network.recordings.append((request.match_info["action"], room.id, participant_id))
        return web.json_response({})

    async def _merge(self, request: web.Request) -> web.Response:
        body = await request.json()
        room = self._room(body.get("roomId", ""))
        for participant in [*body.get("channel1", []), *body.get("channel2", [])]:
            self.network.recordings.append(("merge", room.id, participant["participantId"]))
        return web.json_response({})

    async def _analytics(self, _: web.Request) -> web.Response:
        return web.json_response({})

    def _leg(self, leg_id: str) -> Leg:
        leg = self.network.legs.get(leg_id)
        if leg is None:
            raise Refused(self.network.unknowns.unknown_call_status, "call not found")
        return leg

    def _room(self, room_id: str) -> Room:
        room = self.network.rooms.get(room_id)
        if room is None:
            raise Refused(402, "Room not found.")
        return room

    def _document(self, leg: Leg) -> dict[str, Any]:
        return leg.document(keeps_log=self.network.unknowns.keeps_log)
