"""An event loop on which time passes at once, and whose network is in memory.

When nothing is left to do but wait, the clock jumps to the end of the wait. That works only if there is no second
clock: a real socket answers in real microseconds while a deadline of ten seconds goes by in none. So client and server
on this loop are joined in memory, and everything else of aiohttp, on both sides, is the real thing.
"""

import asyncio
import errno
import selectors
import socket
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

EPOCH = 1_000_000.0
"""Where the clock starts: not near zero, which some code takes for "never"."""

PORT = 50_080

_REAL_WAIT = 0.05

T = TypeVar("T")

FROM_OUTSIDE = (
    "on fast-forwarded time what comes from outside of the event loop goes through asyncio.to_thread, or is replaced"
)


class NothingToWaitFor(RuntimeError):
    """Everything waits, and nothing is left that could ever happen."""


class FastForwardLoop(asyncio.SelectorEventLoop):
    """An event loop that never waits: `asyncio.Runner(loop_factory=FastForwardLoop)`."""

    def __init__(self) -> None:
        self._now = EPOCH
        self._threads_at_work = 0
        self._servers: dict[tuple[str, int], Callable[[], asyncio.BaseProtocol]] = {}
        self._dialled: dict[int, tuple[str, int]] = {}
        super().__init__(_FastForwardSelector(self))

    def time(self) -> float:
        """Seconds on this loop's own clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        self._now += seconds

    @property
    def waits_for_thread(self) -> bool:
        """Whether something runs outside of the loop, on the wall clock."""
        return self._threads_at_work > 0

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Runs `func` in a thread; the clock stands still meanwhile."""
        self._threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, *arguments: Any) -> None:
        """Waits, on the wall clock, for the threads to end."""
        self._threads_at_work += 1
        try:
            await super().shutdown_default_executor(*arguments)
        finally:
            self._threads_at_work -= 1

    def _thread_done(self, _: object) -> None:
        self._threads_at_work -= 1

    def answer_thread(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` for the thread that calls this, and is waiting: time passes meanwhile."""

        async def run() -> T:
            waits = min(1, self._threads_at_work)
            self._threads_at_work -= waits
            try:
                return await work
            finally:
                self._threads_at_work += waits

        return asyncio.run_coroutine_threadsafe(run(), self).result()

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> "_MemoryServer":
        """Listens in memory."""
        address = (str(host), int(port))
        self._servers[address] = protocol_factory
        return _MemoryServer(lambda: self._servers.pop(address, None))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connects in memory where somebody listens there; refuses the connection otherwise."""
        known = (str(address[0]), int(address[1]))
        if known not in self._servers:
            raise _refused(*known)
        self._dialled[sock.fileno()] = known

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Any,
        host: Any = None,
        port: Any = None,
        *_arguments: Any,
        sock: socket.socket | None = None,
        **_options: Any,
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Joins the client to the server it has dialled; refuses the connection where it has dialled none."""
        if sock is None:
            raise _refused(host, port)
        address = self._dialled.pop(sock.fileno())
        sock.close()
        client, server = _MemoryTransport(self, address), _MemoryTransport(self, ("client", 0))
        client.peer, server.peer = server, client
        server.connect(self._servers[address]())
        protocol = protocol_factory()
        client.connect(protocol)
        return client, protocol


def _refused(host: Any, port: Any) -> ConnectionRefusedError:
    return ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {host}:{port} in the sandbox: {FROM_OUTSIDE}")


class _FastForwardSelector(selectors.DefaultSelector):
    def __init__(self, loop: FastForwardLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self._loop.waits_for_thread:
            return super().select(_REAL_WAIT)
        if timeout is None:
            raise NothingToWaitFor(f"every task waits, and no timer is set: {FROM_OUTSIDE}")
        self._loop.advance(timeout)
        return []


class _MemoryServer:
    sockets: tuple[Any, ...] = ()

    def __init__(self, forget: Callable[[], Any]) -> None:
        self._forget = forget

    def close(self) -> None:
        self._forget()

    async def wait_closed(self) -> None:
        return


class _MemoryTransport(asyncio.Transport):
    """One end of a connection: what is written arrives at the other end in the loop's next round."""

    peer: "_MemoryTransport"
    lost = False

    def __init__(self, loop: asyncio.AbstractEventLoop, peername: tuple[str, int]) -> None:
        super().__init__({"peername": peername, "sockname": ("127.0.0.1", PORT)})
        self._loop = loop
        self._protocol: Any = None
        self._closing = False
        self._paused = False
        self._pending = bytearray()

    def connect(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        if not self._closing and not self.peer.lost:
            self._loop.call_soon(self.peer.received, bytes(data))

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(ConnectionResetError("connection reset by peer"))

    def _end(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self.connection_lost, None)
        self._loop.call_soon(self.peer.connection_lost, error)

    def connection_lost(self, error: Exception | None) -> None:
        self._closing = True
        self._deliver()
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(error)

    def received(self, data: bytes) -> None:
        self._pending += data
        self._deliver()

    def _deliver(self) -> None:
        if self._pending and not self._paused and not self.lost:
            data, self._pending = bytes(self._pending), bytearray()
            self._protocol.data_received(data)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._deliver)

    def is_closing(self) -> bool:
        return self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol
