"""Code of an author's that runs while somebody is on the phone: bounded, whatever it does, and by the same means everywhere.

A function that is async gets a deadline, is cancelled then, and is left to itself where it does not end: nobody waits for
it. One that is not async cannot be bounded: it runs on the event loop, and while it waits for anything, so does every call
of the process. That is all that can be done about it: the log says which function it was, and for how long.

A `CancelledError` that such code raises, and nobody has asked for, would end the task that awaits it without a word. It is
an error as any other.
"""

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from calltransfer.errors import CallTransferError
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")

_LAST = 0.5
"""Seconds for code of an author's that is late to end once it has been cancelled; then it is left to itself."""

_BLOCKED = 0.5
"""Seconds of the wall clock from which on a function that is not async is said to have held every call up: a caller hears
a gap of a tenth of that, and a machine under load takes as long for nothing."""

_BY_ITSELF = "ended as if it had been cancelled, and nobody has cancelled it"

T = TypeVar("T")


class HookFailed(CallTransferError):
    """A function of an author's was late, or raised; the message names it, and says nothing of what it was about.

    What it raised is the cause.
    """


class CancelledByItself(HookFailed):
    """Somebody else's code has ended with a `CancelledError`, and nobody has cancelled it."""


class NotInTime(TimeoutError):
    """Code of an author's did not end in the seconds it had: unlike a `TimeoutError` of its own, which it may raise."""


async def answer_of(function: Callable[..., Any | Awaitable[Any]], *arguments: object, timeout: float) -> Any:
    """What `function`, async or not, returns within `timeout` seconds. One that does not end then is left to itself.

    Raises:
        HookFailed: it raised, or did not return in time.
    """
    answering = asyncio.create_task(_answer(function, arguments), name=_name(function))
    if not await ended(answering, timeout=timeout):
        raise HookFailed(f"{_name(function)} did not return within {timeout:g} s")
    error = asyncio.CancelledError() if answering.cancelled() else answering.exception()
    if isinstance(error, CancelledByItself) and error.__cause__ is not None:
        error = error.__cause__  # what it raised
    if error is not None:
        logger.warning("%s, a function of the author's, raised %s", _name(function), described(error))
        raise HookFailed(f"{_name(function)} raised {type(error).__name__}") from error
    return answering.result()


async def within(timeout: float | None, work: Awaitable[T], *, context: contextvars.Context | None = None) -> T:
    """What `work` returns, or raises, within `timeout` seconds; without one, until whoever awaits this is cancelled.

    Args:
        timeout: Seconds for it.
        work: What is awaited.
        context: What it runs in; None: a copy of the one that is current.

    Raises:
        NotInTime: it did not end in time. It is left to itself where it does not end then.
        CancelledByItself: it has ended as if it had been cancelled.
    """
    name = str(getattr(work, "__qualname__", type(work).__qualname__))
    task = asyncio.create_task(uncancelled(work), name=name, context=context)
    if not await ended(task, timeout=timeout):
        raise NotInTime(f"did not return within {timeout:g} s")
    if task.cancelled():  # by whoever else has found it: whoever awaits this has not been
        raise CancelledByItself(_BY_ITSELF)
    return task.result()


async def uncancelled(work: Awaitable[T]) -> T:
    """What `work` returns, or raises. Raises `CancelledError` only where whoever awaits this is cancelled.

    Raises:
        CancelledByItself: it has ended as if it had been cancelled.
    """
    try:
        return await work
    except asyncio.CancelledError as error:
        if is_cancelled():
            raise
        raise CancelledByItself(_BY_ITSELF).with_traceback(error.__traceback__) from error


def is_cancelled() -> bool:
    """Whether somebody has cancelled the task that runs now; a `CancelledError` is nobody's, and an error, otherwise."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


async def ended(task: "asyncio.Task[Any]", *, timeout: float | None) -> bool:
    """Whether `task` has ended within `timeout` seconds; it is given up otherwise, also where this is cancelled."""
    task.add_done_callback(_looked_at)
    try:
        await asyncio.wait([task], timeout=timeout)
    finally:
        in_time = task.done()
        if not in_time:
            await give_up(task)
    return in_time


async def give_up(*tasks: "asyncio.Task[Any]") -> None:
    """Cancels `tasks`, and waits for their end, but not for one that does not come."""
    for task in tasks:
        task.cancel()
        task.add_done_callback(_looked_at)
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=_LAST)
        for task in late:
            logger.error("%s does not end although it is cancelled; it is left to itself", task.get_name())


def called(function: Callable[..., T], *arguments: Any) -> T:
    """What `function`, which is not async, returns; the log says so where it has held up every call of the process.

    Raises:
        CancelledByItself: it has raised `CancelledError`, as the result of a future that was cancelled does.
    """
    began = time.perf_counter()
    try:
        return function(*arguments)
    except asyncio.CancelledError as error:
        raise CancelledByItself(_BY_ITSELF).with_traceback(error.__traceback__) from error
    finally:
        took = time.perf_counter() - began
        if took > _BLOCKED:
            logger.warning(
                "%s blocked every call of this process for %.1f s, and no deadline can end it: make it async, or keep what "
                "it reads in memory",
                _name(function),
                took,
            )


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def logged(task: "asyncio.Task[Any]") -> None:
    """Logs an error that `task`, which nobody waits for, has raised; a callback for when it is done."""
    if task.cancelled():
        if not task.cancelling():
            logger.error("%s %s", task.get_name(), _BY_ITSELF)
        return
    error = task.exception()
    if error is not None:
        logger.error("%s raised %s", task.get_name(), described(error))


def _looked_at(task: "asyncio.Task[Any]") -> None:
    """What an error nobody waits for any more says may be private, and the loop would log it."""
    if not task.cancelled():
        task.exception()


async def _answer(function: Callable[..., Any | Awaitable[Any]], arguments: tuple[object, ...]) -> Any:
    answer = called(function, *arguments)
    return await answer if inspect.isawaitable(answer) else answer
