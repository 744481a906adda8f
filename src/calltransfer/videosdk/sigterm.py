"""What a job's process does on SIGTERM: it shuts its job down, and then ends as it would have.

The SDK sets no handler in the processes that its jobs run in, nor in one that runs a job directly: SIGTERM ends them in
the middle of whatever they do. Whoever stops a worker, or the worker itself as it ends, sends them one.
"""

import asyncio
import contextvars
import logging
import os
import signal
import threading
from typing import Any, Final

import attrs

from calltransfer.timeline import described
from calltransfer.videosdk import _sdk

logger = logging.getLogger("calltransfer.videosdk")

SHUTDOWN_TIMEOUT: Final = 25.0
"""Seconds for a job to shut down: with the SDK's own three before it, less than the thirty that Kubernetes gives a pod."""

_ENTRYPOINT_TIMEOUT: Final = 5.0
"""Seconds for the entrypoint to return once its job has been shut down."""

_STATUS: Final = 128 + signal.SIGTERM


def shut_down_on_sigterm(context: Any, *, timeout: float = SHUTDOWN_TIMEOUT) -> bool:
    """Has the job shut down when its process gets a SIGTERM; called first thing in the entrypoint.

        async def entrypoint(context: JobContext) -> None:
            shut_down_on_sigterm(context)
            ...

    `context.shutdown()` then runs in the job's own loop and context: transfers are ended and their callers told, then
    the session closes, and the entrypoint returns. After it the signal takes the course it would have taken, with the
    earlier handler or, without one, the process's end. A second signal meanwhile changes nothing: who stops a whole
    group of processes sends one, and the SDK's worker another as it ends. Safe to call twice.

    With several jobs on the main thread all are shut down, side by side, before the process ends. When the entrypoint
    returns by itself, the earlier handler is back.

    Args:
        context: The job.
        timeout: Seconds after which the process ends in any case, even where the event loop is blocked. Give the
            worker's own stop a few more (Kubernetes' `terminationGracePeriodSeconds`, `docker stop --time`).

    Returns:
        Whether it will. False, with a warning in the log, on a thread other than the main one (`ExecutorType.THREAD`,
        which is the SDK's default on Windows): Python handles signals on the main thread only.

    Raises:
        RuntimeError: no event loop runs: this is not the entrypoint.
    """
    loop, entrypoint = asyncio.get_running_loop(), asyncio.current_task()
    if threading.current_thread() is not threading.main_thread():
        logger.warning("a job on a thread of its own is not shut down on SIGTERM; run jobs in processes for that")
        return False
    _TERMINATION.add(_Job(context, loop, entrypoint, contextvars.copy_context()), timeout)
    return True


@attrs.define(eq=False)
class _Job:
    """One job, and where it runs."""

    job: Any
    loop: asyncio.AbstractEventLoop
    entrypoint: "asyncio.Task[Any] | None"
    context: contextvars.Context
    shutting_down: "asyncio.Task[None] | None" = None

    def begin(self) -> None:
        """Shuts it down. Called on its loop."""
        if self.shutting_down is None:
            # Owned by this job, which is kept until it is over; the loop's own end cancels it.
            self.shutting_down = self.loop.create_task(self._shut_down(), name="shutting down on SIGTERM")

    async def _shut_down(self) -> None:
        logger.info("SIGTERM: the job shuts down")
        try:
            await _sdk.shut_down(self.job)
            if self.entrypoint is not None:
                await asyncio.wait([self.entrypoint], timeout=_ENTRYPOINT_TIMEOUT)
        except Exception as error:
            logger.error("the job did not shut down: %s", described(error))  # noqa: TRY400
        finally:
            _TERMINATION.remove(self)


class _Termination:
    """The process's handler, for as long as it has jobs. Used on the main thread only."""

    def __init__(self) -> None:
        self._jobs: list[_Job] = []
        self._earlier: Any = signal.SIG_DFL
        self._timeout = SHUTDOWN_TIMEOUT
        self._last_resort: threading.Timer | None = None

    def add(self, job: _Job, timeout: float) -> None:
        if any(known.job is job.job for known in self._jobs):
            return
        if not self._jobs:
            # None is a handler that was not set from Python, and cannot be set again.
            self._earlier = signal.signal(signal.SIGTERM, self._received) or signal.SIG_DFL
        self._timeout = timeout
        self._jobs.append(job)
        if job.entrypoint is not None:
            job.entrypoint.add_done_callback(lambda _: self.remove(job))

    def remove(self, job: _Job) -> None:
        if job not in self._jobs:
            return
        self._jobs.remove(job)
        if self._jobs:
            return
        if signal.getsignal(signal.SIGTERM) == self._received:  # somebody else's stays
            signal.signal(signal.SIGTERM, self._earlier)
        if self._last_resort is not None:
            self._last_resort.cancel()
            self._last_resort = None
            signal.raise_signal(signal.SIGTERM)

    def _received(self, _number: int, _frame: Any) -> None:
        if self._last_resort is not None:
            return
        # Not on the loop: the SDK makes requests there that block it, without a deadline.
        self._last_resort = threading.Timer(self._timeout, os._exit, (_STATUS,))
        self._last_resort.daemon = True
        self._last_resort.start()
        for job in self._jobs:
            job.loop.call_soon_threadsafe(job.begin, context=job.context)


_TERMINATION = _Termination()
