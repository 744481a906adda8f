"""A worker of the SDK's in a process of its own, on a network that outlives it.

The network, its REST server and the SDK's registry live in the test. The worker, started as an author starts it, runs
its jobs in processes, as it does by default. Of the SDK it has three things replaced: the registry's address, and, in
the job's process, what the sandbox always replaces: the addresses of the platform and the client of the media servers.
That one is joined to the network by a line of JSON for each event, and drops out of its rooms when its process dies, as
a broken connection to the media servers would.
"""

import asyncio
import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from calltransfer.sandbox.leg import Leg
from calltransfer.sandbox.network import Network, Room
from calltransfer.sandbox.people import Person
from calltransfer.sandbox.rest import Request, RestServer
from calltransfer.sandbox.unknowns import Trouble, Unknowns
from tests import A_HANG

SUPERVISOR, ROOM, HOST, TOKEN = "+14155550199", "room-of-the-caller", "127.0.0.1", "sandbox-token"


CLOSING = "Please call again."

# In the test


class Connection:
    """A connection of the job's to a room, as the network sees it."""

    def __init__(self, room_id: str, peer_id: str, writer: asyncio.StreamWriter) -> None:
        self.room_id = room_id
        self.peer_id = peer_id
        self._writer = writer

    def tell(self, event: str, **what: Any) -> None:
        self._writer.write(json.dumps({"event": event, "to": self.peer_id, **what}).encode() + b"\n")

    def peer_joined(self, peer: Mapping[str, Any]) -> None:
        self.tell("peer_joined", peer=dict(peer))

    def peer_left(self, peer_id: str) -> None:
        self.tell("peer_left", peer_id=peer_id)

    def removed(self) -> None:
        self.tell("removed")


class World:
    """Everything that is not the worker.

    Attributes:
        job: The process id of the job.
        worker: The worker's process.
        heard: The words that were said in the caller's room.
        served: Whether a job has connected.
        job_gone: Set when the job's process has ended.
        over: Set when the target's leg has.
    """

    job: int
    worker: asyncio.subprocess.Process

    def __init__(self) -> None:
        self.network = Network(Unknowns(carrier_gives_up_after=1_000), Trouble())
        self.server = RestServer(self.network)
        self.network.people[SUPERVISOR] = Person(number=SUPERVISOR, answers_after=None)
        self.network.dialled = self._dialled
        self.heard: list[str] = []
        self.served = False
        self.job_gone = asyncio.Event()
        self.over = asyncio.Event()
        self.rings: asyncio.Future[Leg] = asyncio.get_running_loop().create_future()

    def _dialled(self, leg: Leg, _person: Person | None) -> None:
        def moved(leg: Leg) -> None:
            if leg.status == "ringing" and not self.rings.done():
                self.rings.set_result(leg)
            if leg.over:
                self.over.set()

        leg.moved = moved

    @property
    def ends(self) -> list[Request]:
        """The requests to end a leg."""
        return [request for request in self.server.requests if request.path == "/v2/sip/call/end"]

    async def media(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves the job's connections to rooms."""
        self.served = True
        inside: dict[str, Connection] = {}
        with suppress(ConnectionError):
            while line := await reader.readline():
                message = json.loads(line)
                if message["do"] == "join":
                    self.job = message["process"]
                    connection = Connection(message["room"], message["peer"], writer)
                    inside[message["peer"]] = connection
                    connection.tell("joined", session=self.network.open_room(connection.room_id).session_id)
                    self.network.join(connection)
                    if connection.room_id == ROOM:
                        self.network.connect_call(
                            number="+14155550111", direction="inbound", room_id=ROOM, name="Caller"
                        )
                elif message["do"] == "leave":
                    self.network.leave(inside.pop(message["peer"]))
                elif message["room"] == ROOM:
                    self.heard.append(message["word"])
        for connection in inside.values():
            self.network.leave(connection)
        writer.close()
        self.job_gone.set()

    async def registry(self, request: web.Request) -> web.WebSocketResponse:
        """Registers the worker, and gives it a job."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_json({"type": "register", "success": True, "worker_id": "worker-1"})
        await socket.send_json(
            {
                "type": "job_assignment",
                "job_id": "job-1",
                "room_id": ROOM,
                "token": TOKEN,
                "room_options": {"playground": False},
            }
        )
        async for _ in socket:
            pass
        return socket


@asynccontextmanager
async def working(*, hook: bool, registered: bool = True, ring_timeout: float = 25.0) -> AsyncIterator[World]:
    """A worker with a call under way, whose target's phone rings.

    Args:
        hook: Whether its entrypoint asks for a shutdown on SIGTERM.
        registered: Whether it gets the job from a registry, and runs it in a process of its own; otherwise it runs it
            directly.
        ring_timeout: Seconds that it lets the target's phone ring.
    """
    world = World()
    rest = await world.server.start(HOST, 0)
    media = await asyncio.start_server(world.media, HOST, 0)
    app = web.Application()
    app.router.add_get("/agent", world.registry)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    settings = {
        "rest": f"http://{HOST}:{rest}",
        "media": media.sockets[0].getsockname()[1],
        "registry": f"ws://{HOST}:{runner.addresses[0][1]}",
        "hook": hook,
        "registered": registered,
        "ring_timeout": ring_timeout,
    }
    root = Path(__file__).parents[1]
    world.worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.worker",
        cwd=root,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(root / "src"), str(root)]),
            "WORKER": json.dumps(settings),
            "VIDEOSDK_AUTH_TOKEN": TOKEN,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if "WORKER_LOG" not in os.environ else None,
        start_new_session=True,
    )
    try:
        ended = asyncio.create_task(world.worker.wait())
        either: list[asyncio.Future[Any]] = [world.rings, ended]
        async with asyncio.timeout(A_HANG):
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        assert world.rings.done(), f"the worker has ended with {ended.result()}: with WORKER_LOG=1 it says why"
        yield world
    finally:
        with suppress(ProcessLookupError):
            os.killpg(world.worker.pid, signal.SIGKILL)  # with the processes of its jobs, whatever became of it
        await ended
        media.close()
        if world.served:
            await asyncio.wait_for(world.job_gone.wait(), A_HANG)
        await runner.cleanup()
        await world.server.stop()
        await world.network.close()


# In the worker, and in the job


class RemoteExchange:
    """The network, from the job's process."""

    fast_forward = False

    def __init__(self) -> None:
        self._clients: dict[str, Any] = {}
        self._joined: dict[str, asyncio.Future[str]] = {}
        self._connected: asyncio.Task[asyncio.StreamWriter] | None = None
        self._reading: asyncio.Task[None] | None = None

    async def _connect(self) -> asyncio.StreamWriter:
        reader, writer = await asyncio.open_connection(HOST, settings()["media"])
        self._reading = asyncio.create_task(self._read(reader))
        return writer

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            client = self._clients[message["to"]]
            if message["event"] == "joined":
                self._joined[message["to"]].set_result(message["session"])
            elif message["event"] == "peer_joined":
                client.peer_joined(message["peer"])
            elif message["event"] == "peer_left":
                client.peer_left(message["peer_id"])
            else:
                client.removed()

    async def _send(self, **message: Any) -> None:
        if self._connected is None:
            self._connected = asyncio.create_task(self._connect())
        writer = await self._connected
        writer.write(json.dumps(message).encode() + b"\n")

    async def join(self, client: Any) -> Room | None:
        self._clients[client.peer_id] = client
        self._joined[client.peer_id] = asyncio.get_running_loop().create_future()
        await self._send(do="join", room=client.room_id, peer=client.peer_id, process=os.getpid())
        session_id = await self._joined[client.peer_id]
        client.inside = True
        return Room(client.room_id, session_id)

    async def leave(self, client: Any) -> None:
        await self._send(do="leave", peer=client.peer_id)

    def played(self, room_id: str, *, audible: bool, speech: bool) -> None:
        """Nobody measures silence here."""

    def heard(self, room_id: str, word: Any) -> None:
        if self._connected is not None and self._connected.done():
            line = {"do": "heard", "room": room_id, "word": word.text}
            self._connected.result().write(json.dumps(line).encode() + b"\n")


def settings() -> dict[str, Any]:
    """What the test wants."""
    found: dict[str, Any] = json.loads(os.environ["WORKER"])
    return found


async def entrypoint(context: Any) -> None:
    """Runs one call, and transfers it at once."""
    from videosdk.agents import Agent, AgentSession

    from calltransfer import Route, TransferMixin, VideoSDKPlatform, WarmTransfer, Wording, shut_down_on_sigterm
    from calltransfer.sandbox import Script, _patches
    from calltransfer.sandbox.pipelines import make_pipeline
    from calltransfer.sandbox.room_client import SandboxRoomClient

    if settings()["hook"]:
        shut_down_on_sigterm(context)

    class SupportAgent(TransferMixin, Agent):
        def __init__(self) -> None:
            super().__init__(
                instructions="You are the customer-care agent of ConnectTel.",
                transfers=[
                    Route(
                        "supervisor",
                        WarmTransfer(SUPERVISOR, ring_timeout=settings()["ring_timeout"]),
                        when="the caller asks for a human",
                    )
                ],
                platform=VideoSDKPlatform(
                    caller_id="+14155550100",
                    routing_rule="rr_1",
                    pipeline=lambda: make_pipeline("cascade", Script([])),
                ),
                wording=Wording(closing=CLOSING),
            )

        async def on_enter(self) -> None:
            self.transferring = asyncio.create_task(self.transfer("supervisor"))

        async def on_exit(self) -> None: ...

    context.room_options.signaling_base_url = settings()["rest"]
    exchange = RemoteExchange()
    client = functools.partial(SandboxRoomClient, exchange)
    with _patches.replaced(client, settings()["rest"], blocking=None):
        session = AgentSession(agent=SupportAgent(), pipeline=make_pipeline("cascade", Script([], summary="A refund.")))
        await session.start(wait_for_participant=True, run_until_shutdown=True)


def make_context() -> Any:
    """What the worker's calls have in common."""
    from videosdk.agents import JobContext, RoomOptions

    return JobContext(room_options=RoomOptions(room_id=ROOM, auth_token=TOKEN, name="Support", playground=False))


def main() -> None:
    """Runs the worker."""
    import videosdk.agents.worker as worker_module
    from videosdk.agents import Options, WorkerJob

    async def registry_url(**_: Any) -> str:
        return str(settings()["registry"])

    worker_module.fetch_agent_init_config = registry_url
    options = Options(
        agent_id="support",
        register=settings()["registered"],
        host=HOST,
        port=0,
        termination_timeout=0.5,
        initialize_timeout=A_HANG,
    )
    WorkerJob(entrypoint=entrypoint, jobctx=make_context, options=options).start()


if __name__ == "__main__":
    main()
