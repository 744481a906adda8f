"""What is to be done once it is known that the policy allows an attempt, and before the platform is asked for it."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from calltransfer.call import Call


class Allowed:
    """What plans, and plans inside plans, do before the caller of one call is forwarded or moved.

    Attributes:
        asked: How often the platform has been asked to forward them: not where that was withdrawn while it waited.
    """

    @classmethod
    def on(cls, call: Call) -> "Allowed":
        """The one of a call, whoever sees it."""
        allowed: Allowed = call.memory.setdefault(cls, cls())
        return allowed

    def __init__(self) -> None:
        self.asked = 0
        self._first: list[Callable[[], Awaitable[None]]] = []

    @contextmanager
    def after(self, work: Callable[[], Awaitable[None]]) -> Iterator[None]:
        """Has `work` done before what is asked for in the block; where that is not allowed it is not done."""
        self._first.append(work)
        try:
            yield
        finally:
            self._first.remove(work)

    async def now(self) -> None:
        """It is allowed: does what is to be done before it."""
        for work in list(self._first):
            await work()
