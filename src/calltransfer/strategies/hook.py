"""Functions of an author's that a strategy calls while somebody is on the phone."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from calltransfer.errors import CallTransferError
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")

_LAST = 0.5
"""Seconds for a function that is late to end once it has been cancelled."""


class HookFailed(CallTransferError):
    """A function of an author's was late, or raised; the message says which, and nothing of what it was about."""


async def answer_of(function: Callable[..., Any | Awaitable[Any]], *arguments: object, timeout: float) -> Any:
    """What `function`, async or not, returns within `timeout` seconds. One that does not end then is left to itself.

    Raises:
        HookFailed: it raised, or did not return in time.
    """
    answering = asyncio.create_task(_answer(function, arguments), name="a function of the author's")
    answering.add_done_callback(_looked_at)
    try:
        await asyncio.wait([answering], timeout=timeout)
    finally:
        late = not answering.done()
        if late:
            await give_up(answering)
    if late:
        raise HookFailed(f"did not return within {timeout:g} s")
    error = asyncio.CancelledError() if answering.cancelled() else answering.exception()
    if error is not None:
        logger.warning("a function of the author's raised %s", described(error))
        raise HookFailed(f"raised {type(error).__name__}")
    return answering.result()


async def give_up(task: "asyncio.Task[Any]") -> None:
    """Cancels `task`, and waits for its end, but not for one that does not come."""
    task.cancel()
    await asyncio.wait([task], timeout=_LAST)
    if not task.done():
        logger.error("%s does not end although it is cancelled; it is left to itself", task.get_name())


def _looked_at(task: "asyncio.Task[Any]") -> None:
    """What an error nobody waits for any more says may be private, and the loop would log it."""
    if not task.cancelled():
        task.exception()


async def _answer(function: Callable[..., Any | Awaitable[Any]], arguments: tuple[object, ...]) -> Any:
    answer = function(*arguments)
    return await answer if inspect.isawaitable(answer) else answer
