"""The end of a talk that a transfer has brought about: how long it was, and who left first."""

import asyncio

import pytest

from calltransfer import Destination, Outcome, Phase, TransferEvent, VideoSDKPlatform, WarmTransfer, direct_or_bridge
from calltransfer.sandbox import Caller, Sandbox, Says
from calltransfer.testing.witness import Witness
from tests.warm import ASKS, SUPERVISOR, call

YES = [Says("yes please", when="?")]


async def talking(sandbox: Sandbox, strategy: object, **how: object) -> tuple[Caller, Witness]:
    """A caller who talks to the supervisor since this moment."""
    sandbox.person(SUPERVISOR, answers_after=3.0, says=YES)
    caller = await call(sandbox, strategy, **how)
    witness = Witness(sandbox, caller)
    await caller.say(ASKS)
    await caller.until(Phase.FINISHED)
    while caller.connected_to != SUPERVISOR:
        await caller.something_happens_within(1.0)
    return caller, witness


def ends(caller: Caller) -> list[TransferEvent]:
    """Every report of a talk that has ended."""
    return [event for event in caller.agent.events if event.phase in {Phase.TALK_ENDED, Phase.RETURNED}]


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize("left_first", ["caller", "target"])
async def test_the_end_of_a_talk_says_how_long_it_was_and_who_left_first(
    move: str, left_first: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever leaves, and whoever was moved: one event, and one line of the log."""
    caplog.set_level("INFO", logger="calltransfer")
    async with Sandbox() as sandbox:
        caller, witness = await talking(sandbox, WarmTransfer(SUPERVISOR, move=move))  # type: ignore[arg-type]
        await asyncio.sleep(40.0)
        await (caller if left_first == "caller" else sandbox.targets[-1]).hang_up()
        await caller.over.wait()

        (ended,) = ends(caller)
        assert (Phase.TALK_ENDED, left_first, Destination(SUPERVISOR)) == (
            ended.phase,
            ended.ended_by,
            ended.destination,
        )
        assert ended.talked_for == pytest.approx(40.0, abs=0.5)
        assert ended.detail.startswith("they talked for 4")
        assert ended.detail.endswith(f"; the {left_first} left first")
        assert 1 == caplog.text.count("talk_ended destination=***0199 after")
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        witness.look_back()
        assert [] == witness.broken


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_a_talk_that_was_cut_by_its_limit_says_so(move: str) -> None:
    """The platform ends a target's call after `longest_call`; that nobody has hung up is said."""
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", longest_call=900)
    async with Sandbox() as sandbox:
        caller, _ = await talking(sandbox, WarmTransfer(SUPERVISOR, move=move), platform=platform)  # type: ignore[arg-type]
        await caller.over.wait()

        (ended,) = ends(caller)
        assert (Phase.TALK_ENDED, "limit") == (ended.phase, ended.ended_by)
        assert "14 min" in ended.detail
        assert "longest_call" in ended.detail


async def test_the_end_of_a_talk_by_a_bridge() -> None:
    """A target who was dialled into the call because the carrier forwards none is watched as any other."""
    async with Sandbox() as sandbox:
        sandbox.trouble.carrier_refuses = True
        caller, _ = await talking(sandbox, direct_or_bridge(SUPERVISOR))
        await asyncio.sleep(40.0)
        await sandbox.targets[-1].hang_up()
        await caller.over.wait()

        (ended,) = ends(caller)
        assert (Phase.TALK_ENDED, "target") == (ended.phase, ended.ended_by)


async def test_a_target_who_leaves_at_once_is_reported_once() -> None:
    """Who returns the caller within seconds is `RETURNED`, with the seconds, and no other end of the talk is reported."""
    async with Sandbox() as sandbox:
        caller, _ = await talking(sandbox, WarmTransfer(SUPERVISOR))
        await asyncio.sleep(3.0)
        await sandbox.targets[-1].hang_up()
        assert "agent" == await caller.talking_to()

        (ended,) = ends(caller)
        assert (Phase.RETURNED, "target") == (ended.phase, ended.ended_by)
        assert ended.talked_for == pytest.approx(3.0, abs=0.5)


async def test_nobody_sees_the_end_of_a_talk_that_is_not_watched() -> None:
    """Where the agent has left the two, nothing is reported."""
    async with Sandbox() as sandbox:
        caller, _ = await talking(sandbox, WarmTransfer(SUPERVISOR, leave_unwatched=True))
        await asyncio.sleep(40.0)
        await caller.hang_up()
        await asyncio.sleep(5.0)
        assert [] == ends(caller)


async def test_the_timeline_of_a_result_ends_with_the_transfer() -> None:
    """What comes after the outcome is told to `on_transfer_event` alone."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=3.0, says=YES)
        caller = await call(sandbox)
        result = await caller.agent.transfer("supervisor")
        await asyncio.sleep(20.0)
        await caller.hang_up()
        await caller.over.wait()

        assert Phase.TALK_ENDED is ends(caller)[0].phase
        assert Phase.FINISHED is result.timeline[-1].phase
