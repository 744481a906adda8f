"""A SIGTERM, and a SIGKILL, in a real worker of the SDK's, while it transfers, seen from a network that outlives it."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from calltransfer import shut_down_on_sigterm
from tests import A_HANG
from tests.worker import CLOSING, working

pytestmark = pytest.mark.real_time


@pytest.mark.parametrize("hook", [True, False], ids=["with the hook", "without it"])
async def test_a_jobs_process_gets_a_sigterm(hook: bool) -> None:
    """With the hook the target's phone stops ringing and the caller is told; without it nothing runs at all."""
    async with working(hook=hook) as world:
        leg = await world.rings
        os.kill(world.job, signal.SIGTERM)
        await asyncio.wait_for(world.job_gone.wait(), A_HANG)

        assert ("ended" if hook else "ringing") == leg.status
        assert hook == bool(world.ends)
        assert (CLOSING if hook else "") == " ".join(world.heard)
        assert not world.network.rooms[leg.room_id].members


@pytest.mark.parametrize("hook", [True, False], ids=["with the hook", "without it"])
async def test_a_job_that_is_run_directly_gets_a_sigterm(hook: bool) -> None:
    """The same where the worker runs the job itself; either way the process ends as it does on a SIGTERM."""
    async with working(hook=hook, registered=False) as world:
        leg = await world.rings
        world.worker.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(world.worker.wait(), A_HANG)
        await world.job_gone.wait()

        assert -signal.SIGTERM == status
        assert ("ended" if hook else "ringing") == leg.status
        assert hook == bool(world.ends)


async def test_a_worker_is_killed() -> None:
    """Nothing of it runs, and nobody asks for an end: the phone stops ringing with the deadline that it was dialled with."""
    async with working(hook=True, registered=False, ring_timeout=1.0) as world:
        leg = await world.rings
        world.worker.kill()
        await world.job_gone.wait()
        assert ("ringing", [], []) == (leg.status, world.ends, world.network.rooms[leg.room_id].members)
        await asyncio.wait_for(world.over.wait(), A_HANG)

        (dialled,) = (each for each in world.server.requests if (each.method, each.path) == ("POST", "/v2/sip/call"))
        assert 1 + 5 == dialled.body["ringingTimeout"]
        assert "not-answered" == leg.status
        assert [] == world.ends


class Job:
    """A job that notes when it is shut down."""

    def __init__(self, entrypoint_may_return: asyncio.Event | None = None) -> None:
        self.shut_down = 0
        self.returns = entrypoint_may_return or asyncio.Event()

    async def shutdown(self) -> None:
        await asyncio.sleep(0.01)
        self.shut_down += 1
        self.returns.set()

    async def entrypoint(self) -> None:
        """Runs until it is shut down, as an author's does."""
        assert shut_down_on_sigterm(self)
        assert shut_down_on_sigterm(self)
        await self.returns.wait()


class Earlier:
    """A handler that was there before, and notes what it gets."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.called = asyncio.Event()

    def __call__(self, number: int, _frame: Any) -> None:
        self.received.append(number)
        self.called.set()


@pytest.fixture
def earlier() -> Iterator[Earlier]:
    """The handler, which is there again afterwards."""
    handler = Earlier()
    before = signal.signal(signal.SIGTERM, handler)
    yield handler
    assert signal.getsignal(signal.SIGTERM) is handler
    signal.signal(signal.SIGTERM, before)


async def test_several_jobs_and_the_earlier_handler(earlier: Earlier) -> None:
    """All jobs are shut down, once each however many signals come, and then the earlier handler gets one."""
    jobs = [Job(), Job()]
    entrypoints = [asyncio.create_task(job.entrypoint()) for job in jobs]
    await asyncio.sleep(0)
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGTERM)
    await asyncio.gather(*entrypoints)
    await asyncio.wait_for(earlier.called.wait(), A_HANG)
    await asyncio.sleep(0.05)

    assert [1, 1] == [job.shut_down for job in jobs]
    assert [signal.SIGTERM] == earlier.received


async def test_a_call_that_ends_by_itself_leaves_nothing_behind(earlier: Earlier) -> None:
    """When the entrypoint returns, the earlier handler is back, and gets nothing that was not sent."""
    job = Job()
    entrypoint = asyncio.create_task(job.entrypoint())
    await asyncio.sleep(0)
    job.returns.set()
    await entrypoint
    await asyncio.sleep(0)

    assert [] == earlier.received


async def test_on_a_thread_of_its_own_it_says_that_it_does_not(caplog: pytest.LogCaptureFixture) -> None:
    """A job of a thread worker goes on without the hook, and the log says so."""
    returned: list[bool] = []

    async def entrypoint() -> None:
        returned.append(shut_down_on_sigterm(Job()))

    thread = threading.Thread(target=lambda: asyncio.run(entrypoint()))
    thread.start()
    await asyncio.to_thread(thread.join)

    assert [False] == returned
    assert "run jobs in processes" in caplog.text


@pytest.mark.parametrize("stuck", ["time.sleep(20)", "await asyncio.sleep(20)"], ids=["blocked", "waiting"])
async def test_the_process_ends_in_any_case(stuck: str) -> None:
    """A job that does not shut down, or blocks its loop, has its timeout, and the process ends with SIGTERM's status."""
    code = (
        "import asyncio, os, signal, time\n"
        "from calltransfer.videosdk.sigterm import shut_down_on_sigterm\n"
        "class Job:\n"
        "    async def shutdown(self):\n"
        f"        {stuck}\n"
        "async def entrypoint():\n"
        "    shut_down_on_sigterm(Job(), timeout=0.2)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    await asyncio.sleep(20)\n"
        "asyncio.run(entrypoint())\n"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", code], check=False, timeout=A_HANG)

    assert 128 + signal.SIGTERM == done.returncode


async def test_outside_of_an_entrypoint_is_refused() -> None:
    """Called where no event loop runs, it raises instead of doing nothing."""
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(shut_down_on_sigterm, Job())
