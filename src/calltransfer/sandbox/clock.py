"""An event loop on which time passes at once, and whose network is in memory.

When nothing is left to do but wait, the clock jumps to the end of the wait. That works only if there is no second
clock: a real socket answers in real microseconds while a deadline of ten seconds goes by in none. So client and server
on this loop are joined in memory, and everything else of aiohttp, on both sides, is the real thing.
"""

import asyncio
import selectors
import socket
from collections.abc import Callable
from typing import Any

EPOCH = 1_000_000.0
"""Where the clock starts: not near zero, which some code takes for "never"."""

PORT = 50_080

_REAL_WAIT = 0.05


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

    def _thread_done(self, _: object) -> None:
        self._threads_at_work -= 1

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Any, host: Any = None, port: Any = None, **_: Any
    ) -> "_MemoryServer":
        """Listens in memory."""
        address = (str(host), int(port))
        if address in self._servers:
            raise OSError(f"address {address} is in use")
        self._servers[address] = protocol_factory
        return _MemoryServer(lambda: self._servers.pop(address, None))

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connects in memory where somebody listens there; refuses the connection otherwise."""
        known = (str(address[0]), int(address[1]))
        if known not in self._servers:
            raise ConnectionRefusedError(f"nobody listens at {known}")
        self._dialled[sock.fileno()] = known

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Any, *arguments: Any, sock: Any = None, **options: Any
    ) -> tuple[asyncio.BaseTransport, asyncio.BaseProtocol]:
        """Joins the client to the server it has dialled."""
        address = self._dialled.pop(sock.fileno(), None) if sock is not None else None
        if address is None:
            return await super().create_connection(protocol_factory, *arguments, sock=sock, **options)
        sock.close()
        client, server = _MemoryTransport(self, address), _MemoryTransport(self, ("client", 0))
        client.peer, server.peer = server, client
        server.connect(self._servers[address]())
        protocol = protocol_factory()
        client.connect(protocol)
        return client, protocol


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
            raise NothingToWaitFor("every task waits, and no timer is set")
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
        if not self.lost:
            self.lost = True
            self._protocol.connection_lost(error)

    def received(self, data: bytes) -> None:
        if self.lost:
            return
        if self._paused:
            self._pending += data
        else:
            self._protocol.data_received(data)

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        data, self._pending = bytes(self._pending), bytearray()
        if data:
            self._loop.call_soon(self.received, data)

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def is_closing(self) -> bool:
        return self._closing

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol  # type: ignore[no-any-return]

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return

    def can_write_eof(self) -> bool:
        return False
