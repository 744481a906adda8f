"""Says where an agent waits that does not start, and has it end."""

import asyncio
import threading
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

from videosdk.agents import AgentSession

from calltransfer.sandbox.clock import FROM_OUTSIDE

_ENDS_WITHIN = 5.0
_SHOWN = 4
_HINT = (
    f". A process, such as an MCP server over stdio, is outside of the event loop, and so is a socket: {FROM_OUTSIDE}; or "
    "the test is marked @pytest.mark.real_time"
)


def not_started(session: Any, why: str, *, fast_forward: bool) -> TimeoutError:
    """What is raised of an agent that has not started in time, with where it waits."""
    chain = next((chain for chain in map(_frames_of, asyncio.all_tasks()) if _starts(chain, session)), [])
    places = [_place(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name) for frame in chain]
    return _error(why, places, fast_forward)


def timed_out(error: TimeoutError, *, fast_forward: bool) -> TimeoutError:
    """What is raised of an agent that has not started because something of its own timed out."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [_place(frame.filename, frame.lineno or 0, frame.name) for frame in frames]
    return _error(f"the agent did not start: {type(error).__name__} {error}".rstrip(), places, fast_forward)


async def made_to_end(session: Any, host: "asyncio.Task[None]") -> None:
    """Cancels what starts a session, and waits for its end; on the wall clock, where it may wait for a process."""
    tasks = {host, *(task for task in asyncio.all_tasks() if _starts(_frames_of(task), session))}
    for task in tasks:
        task.cancel()
    over = threading.Event()
    ending = asyncio.ensure_future(asyncio.wait(tasks))
    deadline = asyncio.ensure_future(asyncio.to_thread(over.wait, _ENDS_WITHIN))
    await asyncio.wait({ending, deadline}, return_when=asyncio.FIRST_COMPLETED)
    over.set()
    await deadline
    ending.cancel()
    await asyncio.wait({ending})


def _error(why: str, places: Collection[str], fast_forward: bool) -> TimeoutError:
    waits = f"; it waited in {' > '.join([*places][-_SHOWN:])}" if places else ""
    return TimeoutError(why + waits + (_HINT if fast_forward else ""))


def _starts(chain: "list[FrameType]", session: Any) -> bool:
    """Whether what is suspended there is the start of `session`."""
    return any(frame.f_code is AgentSession.start.__code__ and frame.f_locals.get("self") is session for frame in chain)


def _frames_of(task: "asyncio.Task[Any]") -> "list[FrameType]":
    return list(_frames(task.get_coro()))


def _frames(awaited: Any) -> Iterator[FrameType]:
    """The frames in which a coroutine is suspended, from the outermost in."""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is not None:
            yield frame
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)


def _place(file: str, line: int, function: str) -> str:
    return f"{function} ({Path(file).name}:{line})"
