"""Where the network and its REST server live: on a loop of their own, or on the agent's when time is fast-forwarded.

The SDK calls the platform with blocking requests on its own loop. A server on that loop could never answer them: on the
wall clock it is on another, and on fast-forwarded time they do not come to it as requests (`blocking.py`).
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from calltransfer.sandbox.blocking import BlockingRequests
from calltransfer.sandbox.clock import PORT, FastForwardLoop
from calltransfer.sandbox.network import Network
from calltransfer.sandbox.rest import RestServer
from calltransfer.sandbox.unknowns import Trouble, Unknowns

HOST = "127.0.0.1"

T = TypeVar("T")


class Cloud:
    """The network, the server, and the loop they live on."""

    def __init__(self, unknowns: Unknowns, trouble: Trouble) -> None:
        self.network = Network(unknowns, trouble)
        self.server = RestServer(self.network)
        self.fast_forward = isinstance(asyncio.get_running_loop(), FastForwardLoop)
        self.base_url = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    async def start(self) -> None:
        """Starts to serve."""
        if self.fast_forward:
            self._loop = asyncio.get_running_loop()
            port = await self.server.start(HOST, PORT)
        else:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox cloud", daemon=True)
            self._thread.start()
            port = await self._there(lambda: self.server.start(HOST, 0))
        self.base_url = f"http://{HOST}:{port}"

    @property
    def blocking(self) -> BlockingRequests | None:
        """What answers blocking requests on fast-forwarded time."""
        if not isinstance(self._loop, FastForwardLoop):
            return None
        return BlockingRequests(self.server, self._loop, self.base_url)

    async def stop(self) -> None:
        """Serves no longer, and ends everything that is under way."""
        await self._there(self._stop)
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
            self._loop.close()

    async def run(self, function: Callable[[Network], T]) -> T:
        """Runs `function` where the network lives."""

        async def call() -> T:
            return function(self.network)

        return await self._there(call)

    async def _stop(self) -> None:
        await self.server.stop()
        await self.network.close()

    async def _there(self, function: Callable[[], Awaitable[T]]) -> T:
        if self.fast_forward:
            return await function()

        async def call() -> T:
            return await function()

        if self._loop is None:
            raise RuntimeError("the sandbox has not been entered")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(call(), self._loop))
