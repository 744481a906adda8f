"""The platform's REST API, with the faults a test asks for.

What is answered, and when, is one generator without I/O: it is served over real HTTP, and to the SDK's blocking requests
on fast-forwarded time, where no server on the same loop could answer them.
"""

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import Any

import attrs
from aiohttp import web

from calltransfer.errors import ConfigurationError
from calltransfer.sandbox.account import PAGE, Account
from calltransfer.sandbox.asked import Asked, Page, page
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

    def applies_to(self, request: Asked) -> bool:
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


@attrs.frozen
class Answer:
    """What a request is answered with."""

    text: str
    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Lost(Enum):
    """A request that gets no answer."""

    HANGING = auto()
    RESET = auto()


Course = Generator[float, None, Answer | Lost]
"""What becomes of a request: the seconds until each next step, and then its answer."""


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
        self._pages: list[Page] = [
            page("GET", "/v2/sip/call", self._list),
            page("GET", "/v2/sip/call/([^/]+)", self._get),
            page("POST", "/v2/sip/call/transfer", self._transfer),
            page("POST", "/v2/sip/call/end", self._end),
            page("POST", "/v2/sip/call/switch-room", self._switch),
            page("POST", "/v2/sip/call", self._dial),
            page("POST", "/v2/rooms", self._create_room),
            page("POST", "/v2/rooms/deactivate", self._deactivate_room),
            page("POST", "/v2/sessions/end", self._end_session),
            page("POST", "/v2/recordings/participant/merge", self._merge),
            page("POST", "/v2/recordings/participant/((?:track/)?(?:start|stop))", self._record),
            *self.account.pages,
        ]

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._over_http)
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

    def new_connection(self) -> int:
        """The number of one more connection."""
        return next(self._numbers)

    async def _over_http(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/agent-analytics"):
            return web.json_response({})
        if request.protocol not in self._connections:
            self._connections[request.protocol] = self.new_connection()
        asked = Asked(
            request.method,
            request.path,
            # The SDK sends no body for a room.
            body=await request.json() if request.can_read_body else None,
            query=request.query,
            authorization=request.headers.get("Authorization", ""),
            connection=self._connections[request.protocol],
        )
        answer = await self.answered(asked, gone=lambda: request.transport is None)
        if isinstance(answer, Answer):
            return web.Response(
                status=answer.status, text=answer.text, content_type="application/json", headers=answer.headers
            )
        if answer is Lost.RESET and request.transport is not None:
            request.transport.abort()
        return web.Response(status=503)  # nothing is done when the server stops, if it has not been before

    async def answered(self, asked: Asked, *, gone: Callable[[], bool]) -> Answer | Lost:
        """What a request is answered with, in its time; one that hangs, until who has asked is `gone`, or it stops."""
        answer: Answer | Lost | None = None
        course = self.course(asked)
        while answer is None:
            try:
                await asyncio.sleep(next(course))
            except StopIteration as over:
                answer = over.value
        while answer is Lost.HANGING and not gone() and not self._stopping.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._stopping.wait()
        return answer

    def course(self, asked: Asked) -> Course:
        """What becomes of a request."""
        self.requests.append(
            Request(asked.method, asked.path, self.network.now(), asked.connection, asked.authorization, asked.body)
        )
        yield self.latency
        fault = next((fault for fault in self.faults if fault.applies_to(asked)), None)
        if fault is None:
            return self._answer(asked)
        if fault.times is not None:
            fault.times -= 1
        fault.applied_at.append(self.network.now())
        answer = self._answer(asked) if fault.acted else None
        yield fault.delay
        if fault.hang:
            return Lost.HANGING
        if fault.reset:
            return Lost.RESET
        if fault.status is None and fault.body is None:
            return answer if answer is not None else self._answer(asked)
        text = fault.body if fault.body is not None else '{"message": "as asked for"}'
        return Answer(text, status=fault.status or 200, headers=fault.headers)

    def _answer(self, asked: Asked) -> Answer:
        try:
            return Answer(json.dumps(self._document_for(asked)))
        except Refused as refused:
            return Answer(json.dumps({"message": str(refused)}), status=refused.status)

    def _document_for(self, asked: Asked) -> Any:
        if not asked.authorization:
            raise Refused(401, "token is missing")
        for method, path, handler in self._pages:
            found = re.fullmatch(path, asked.path)
            if method == asked.method and found is not None:
                return handler(asked, *found.groups())
        raise Refused(404, "not found")

    # What the platform does

    def _list(self, asked: Asked) -> Any:
        legs = [
            leg
            for leg in self.network.legs.values()
            if asked.query.get("roomId", leg.room_id) == leg.room_id
            and asked.query.get("sessionId", leg.session_id) == leg.session_id
            and asked.query.get("type", leg.direction) == leg.direction
        ]
        if self.network.unknowns.newest_first:
            legs.reverse()
        number = int(asked.query.get("page", 1))
        last = max(1, -(-len(legs) // PAGE))
        return {
            "pageInfo": {"currentPage": number, "perPage": PAGE, "lastPage": last, "total": len(legs)},
            "data": [self._document(leg) for leg in legs[(number - 1) * PAGE : number * PAGE]],
        }

    def _get(self, _: Asked, leg_id: str) -> Any:
        return {"data": self._document(self._leg(leg_id))}

    def _transfer(self, asked: Asked) -> Any:
        order = asked.order
        if not order.get("callId") or not order.get("transferTo"):
            raise Refused(400, "callId and transferTo are required")
        leg = self.network.transfer(order["callId"], order["transferTo"])
        # The platform answers before anything has happened: the call is still answered.
        return {"message": "transfer initiated", "data": {"callId": leg.id, "status": "answered"}}

    def _end(self, asked: Asked) -> Any:
        leg = self._leg(asked.order.get("callId", ""))
        if leg.status == "ended" or (leg.over and leg.talking_to is None):
            raise Refused(400, "call is over")
        self.network.hang_up(leg.id)
        return {"message": "ended", "data": self._document(leg)}

    def _dial(self, asked: Asked) -> Any:
        leg = self.network.dial(asked.order)
        return {"message": "call initiated", "data": self._document(leg)}

    def _switch(self, asked: Asked) -> Any:
        order = asked.order
        if not order.get("callId") or not order.get("roomId"):
            raise Refused(400, "callId and roomId are required")
        leg = self.network.switch(order["callId"], order["roomId"], order.get("participantId"))
        # Answered before anything has happened, as a transfer is.
        data = {**self._document(leg), "status": "answered", "roomId": order["roomId"]}
        return {"statusCode": 200, "data": data}

    def _create_room(self, asked: Asked) -> Any:
        return {"roomId": self.network.create_room(asked.order).id}

    def _deactivate_room(self, asked: Asked) -> Any:
        room = self._room(asked.order.get("roomId", ""))
        room.disabled = True
        return {"meetingId": room.id, "userMeetingId": room.id, "disabled": True}

    def _end_session(self, asked: Asked) -> Any:
        room = self._room(asked.order.get("roomId", ""))
        self.network.end_session(room.id)
        return {"meetingId": room.id, "userMeetingId": room.id, "sessionId": room.session_id}

    def _record(self, asked: Asked, action: str) -> Any:
        room, participant_id = self._room(asked.order.get("roomId", "")), asked.order.get("participantId", "")
        if not room.has(participant_id):
            raise Refused(400, "participant is not yet joined the meeting")
        self.network.recordings.append((action, room.id, participant_id))
        return {}

    def _merge(self, asked: Asked) -> Any:
        order = asked.order
        room = self._room(order.get("roomId", ""))
        for participant in [*order.get("channel1", []), *order.get("channel2", [])]:
            self.network.recordings.append(("merge", room.id, participant["participantId"]))
        return {}

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
