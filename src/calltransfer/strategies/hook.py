"""Functions of an author's that a strategy calls while somebody is on the phone."""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from calltransfer.errors import CallTransferError
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")


class HookFailed(CallTransferError):
    """A function of an author's was late, or raised; the message says which, and nothing of what it was about."""


async def answer_of(function: Callable[..., Any | Awaitable[Any]], *arguments: object, timeout: float) -> Any:
    """What `function`, async or not, returns within `timeout` seconds.

    Raises:
        HookFailed: it raised, or did not return in time.
    """
    deadline = asyncio.timeout(timeout)
    try:
        async with deadline:
            answer = function(*arguments)
            return await answer if inspect.isawaitable(answer) else answer
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _failed(error) from None  # something of its own was cancelled, not this
    except TimeoutError as error:
        if deadline.expired():
            raise HookFailed(f"did not return within {timeout:g} s") from None
        raise _failed(error) from None
    except Exception as error:
        raise _failed(error) from None


def _failed(error: BaseException) -> HookFailed:
    logger.warning("a function of the author's raised %s", described(error))
    return HookFailed(f"raised {type(error).__name__}")
