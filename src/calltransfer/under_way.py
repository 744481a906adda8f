"""What a strategy is doing with the call, in whichever of its tasks: the transfer can end it there, and wait for its end."""

import asyncio
from types import TracebackType

from calltransfer.errors import CallOver


class UnderWay:
    """Something that the task which enters it does, for as long as the block lasts.

    Where it is ended from outside the task is cancelled, once. What leaves the block then is `CallOver`, and the task is
    cancelled no longer, unless somebody else has cancelled it as well.

    Args:
        what: What it is, in a few words.

    Attributes:
        what: The same.
        began: Whether the block has been entered.
        over: Set when the block has been left.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.began = False
        self.over = asyncio.Event()
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._is_ended = False

    def __enter__(self) -> "UnderWay":
        self.began = True
        task = self._task = asyncio.current_task()
        self._cancelled_before = task.cancelling() if task is not None else 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.over.set()
        if self._is_ended and self._task is not None:
            by_others = self._task.uncancel() > self._cancelled_before
            if isinstance(error, asyncio.CancelledError) and not by_others:
                raise CallOver("the transfer is over") from None

    def end(self) -> None:
        """Has it end; does nothing where it is over, or has been told to."""
        if self._task is not None and not (self._is_ended or self.over.is_set()):
            self._is_ended = True
            self._task.cancel()
