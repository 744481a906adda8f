"""Opening hours as a strategy: on the real SDK, at any hour one likes."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest

from calltransfer import ConfigurationError, DirectTransfer, Outcome, Phase, WarmTransfer
from calltransfer import schedule as clock
from calltransfer.sandbox import Sandbox
from calltransfer.schedule import Schedule
from calltransfer.strategies.open_hours import OpenHours
from tests.agents import BILLING, SUPPORT, SupportAgent, asking_caller

NEW_YORK = ZoneInfo("America/New_York")
OFFICE = Schedule("America/New_York", {"mon-fri": "09:00-17:00"})
AT_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=NEW_YORK)
AT_THREE = datetime(2026, 11, 23, 3, 0, tzinfo=NEW_YORK)


async def billed_at(now: datetime, **parts: Any) -> tuple[str | None, SupportAgent]:
    """Who a caller talks to who asks for billing at that time, and their agent."""
    strategy = OpenHours(OFFICE, inside=DirectTransfer(to=BILLING), **parts)
    async with Sandbox(now=now) as sandbox:
        sandbox.person(BILLING)
        sandbox.person(SUPPORT)
        caller = await asking_caller(sandbox, lambda: SupportAgent(strategy))
        await caller.agent.finished.wait()
        return await caller.talking_to(), caller.agent


def detail(agent: SupportAgent) -> str:
    return next(event.detail for event in agent.events if event.phase is Phase.FINISHED)


async def test_inside_and_outside() -> None:
    """While it is open the one is called, while it is closed the other one."""
    to_support = DirectTransfer(to=SUPPORT)

    assert BILLING == (await billed_at(AT_NOON, outside=to_support))[0]
    assert SUPPORT == (await billed_at(AT_THREE, outside=to_support))[0]


async def test_closed() -> None:
    """Without anything for the time in which it is closed, the transfer is refused, and says until when."""
    who, agent = await billed_at(AT_THREE)

    assert "agent" == who
    assert [Outcome.REFUSED] == agent.outcomes
    assert "closed until Monday, 23 November 2026 at 09:00 (America/New_York)" == detail(agent)


async def test_closed_for_good() -> None:
    """A schedule that never opens again says that."""
    async with Sandbox(now=AT_NOON) as sandbox:
        never = OpenHours(Schedule("UTC", {}), inside=DirectTransfer(to=BILLING))
        caller = await asking_caller(sandbox, lambda: SupportAgent(never))
        await caller.agent.finished.wait()

        assert "closed for good" == detail(caller.agent)


async def test_the_time_of_the_sandbox_passes() -> None:
    """It begins where the test says, passes with the loop's, and is this machine's again afterwards."""
    async with Sandbox(now=AT_NOON) as sandbox:
        await sandbox.call(SupportAgent)
        await clock_moved(AT_NOON)
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 60


async def clock_moved(since: datetime) -> None:
    before = clock.now()
    await asyncio.sleep(3600)
    assert 3600 == pytest.approx((clock.now() - before).total_seconds())
    assert 0 < (before - since).total_seconds() < 60


def test_both_parts_are_checked() -> None:
    """What is inside is checked where it is built, and known to who walks a plan."""
    inside, outside = DirectTransfer(to=BILLING), DirectTransfer(to=SUPPORT)

    assert {"inside": inside, "outside": outside} == OpenHours(OFFICE, inside=inside, outside=outside).parts
    assert {"inside": inside} == OpenHours(OFFICE, inside=inside).parts


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (
            lambda: OpenHours(cast("Any", "mon-fri"), inside=DirectTransfer(to=BILLING)),
            "schedule is a Schedule, such as",
        ),
        (lambda: OpenHours(OFFICE, inside=cast("Any", BILLING)), "OpenHours: inside=: a str is not a strategy"),
        (
            lambda: OpenHours(OFFICE, inside=DirectTransfer(to=BILLING), outside=WarmTransfer()),
            "OpenHours: outside=: WarmTransfer needs to=",
        ),
        (lambda: Sandbox(now=datetime(2026, 11, 23)), "now= is a moment with its time zone"),
    ],
)
def test_mistakes(make: Any, why: str) -> None:
    """What is wrong is said when it is built."""
    with pytest.raises(ConfigurationError) as raised:
        make()

    assert re.search(why, str(raised.value))
