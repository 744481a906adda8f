"""A worker that is killed: nothing of ours runs any more, and what is left on the platform is over by itself.

The agents vanish from their rooms without a word, and whatever the worker still asks for is never answered: so it is
from the network's side, the only one that counts here. Every deadline was set when the target was dialled.
"""

import asyncio
from typing import Any

import pytest

from calltransfer import ConfigurationError, DirectTransfer, Phase, VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Caller, Sandbox, Target, Unknowns
from calltransfer.videosdk.setup import LONGEST_CALL
from tests import warm

LONGEST = 600
RING = 25.0
SPARE_RING, SPARE_ROOM = 5, 300


async def kill(sandbox: Sandbox) -> float:
    """Kills the worker, as the network sees it; returns when that was."""
    sandbox.fault("*", "", hang=True)
    for room in sandbox._cloud.network.rooms.values():
        room.members.clear()
    return asyncio.get_running_loop().time()


async def over(phone: Caller | Target, *, since: float) -> float:
    """Waits until a leg is over; returns the seconds since the worker was killed."""
    leg = phone.leg
    assert leg is not None
    await phone._switchboard.until(lambda: leg.over, 2 * LONGEST_CALL)
    assert leg.ended is not None, leg.status
    return leg.ended - since


async def killed(sandbox: Sandbox, phase: Phase, move: Any = "caller", **person: Any) -> tuple[Caller, float]:
    """A call whose worker is killed as its transfer gets to `phase`."""
    sandbox.person(warm.SUPERVISOR, **{"answers_after": 4.0, "says": "yes please", **person})
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", longest_call=LONGEST)
    strategy = WarmTransfer(warm.SUPERVISOR, move=move, ring_timeout=RING)
    caller = await warm.call(sandbox, strategy, platform=platform)
    saying = asyncio.create_task(caller.say(warm.ASKS))
    await caller.agent.until(phase)
    at = await kill(sandbox)
    await saying
    return caller, at


async def let_go(sandbox: Sandbox, caller: Caller) -> None:
    """Lets what is left of the worker end, so that the sandbox can be closed."""
    sandbox.no_more_faults()
    if caller.leg is not None and not caller.leg.over:
        await caller.hang_up()


@pytest.mark.parametrize("phase", [Phase.DIALLED, Phase.RINGING, Phase.ON_HOLD])
async def test_nobody_answers(phase: Phase) -> None:
    """The target's phone stops ringing with the ringing timeout: five seconds after ours would have ended."""
    async with Sandbox(latency=0.1, unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        caller, at = await killed(sandbox, phase, answers_after=None)
        (target,) = sandbox.targets

        assert await over(target, since=at) <= RING + SPARE_RING + 0.5  # the dial itself takes a moment
        await let_go(sandbox, caller)


@pytest.mark.parametrize(
    "phase", [Phase.DIALLED, Phase.RINGING, Phase.ON_HOLD, Phase.ANSWERED, Phase.BRIEFING, Phase.DECIDED]
)
async def test_the_target_has_answered_or_does(phase: Phase) -> None:
    """A target who is on the line with nobody, and does not hang up, is let go by the longest call."""
    async with Sandbox(latency=0.1) as sandbox:
        caller, at = await killed(sandbox, phase, says="who is there" if phase is not Phase.DECIDED else "yes please")
        (target,) = sandbox.targets

        assert await over(target, since=at) <= LONGEST + RING + SPARE_RING
        await let_go(sandbox, caller)


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize("phase", [Phase.CONNECTING, Phase.FINISHED])
async def test_caller_and_target_talk(phase: Phase, move: Any) -> None:
    """They go on talking; a target's leg ends with the longest call, and a moved caller's with the room's session."""
    async with Sandbox(latency=0.1) as sandbox:
        caller, at = await killed(sandbox, phase, move)
        (target,) = sandbox.targets
        together = caller.connected_to == warm.SUPERVISOR

        assert together == (phase is Phase.FINISHED)
        assert await over(target, since=at) <= LONGEST
        if together and move == "caller":
            assert await over(caller, since=at) <= LONGEST + SPARE_ROOM
        await let_go(sandbox, caller)


@pytest.mark.parametrize("phase", [Phase.STARTED, Phase.SUMMARY_STARTED])
async def test_nobody_has_been_dialled(phase: Phase) -> None:
    """A worker that is killed before it has dialled leaves no leg that it made."""
    async with Sandbox(latency=0.1) as sandbox:
        caller, _ = await killed(sandbox, phase)
        await asyncio.sleep(60)

        assert [] == sandbox.targets
        await let_go(sandbox, caller)


async def test_a_forwarded_call_goes_on_without_the_worker() -> None:
    """A REFER is the platform's: the caller is connected by it although the worker that asked for it is gone."""
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, answers_after=4.0)
        caller = await warm.call(sandbox, DirectTransfer(warm.SUPERVISOR))
        saying = asyncio.create_task(caller.say(warm.ASKS))
        await caller.agent.until(Phase.RINGING)
        await kill(sandbox)
        await saying
        await caller.sees("transferred")

        assert warm.SUPERVISOR == caller.connected_to
        await let_go(sandbox, caller)


async def test_what_the_platform_is_asked_for() -> None:
    """The longest call bounds the target's leg; the room outlives it by five minutes, and is gone for good then."""
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, says="no thanks")
        platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1", longest_call=899.5)
        await warm.transferred(sandbox, platform=platform)
        bodies = {request.path: request.body for request in sandbox.requests if request.method == "POST"}

        assert 900 == bodies["/v2/sip/call"]["maxCallDuration"]
        assert {"type": "session-end-and-deactivate", "duration": 1200} == bodies["/v2/rooms"]["autoCloseConfig"]


@pytest.mark.parametrize("value", [0, 59.9, 86_401, -600, True, "600", float("nan"), float("inf"), None])
def test_a_longest_call_that_is_none(value: Any) -> None:
    """Nonsense is refused when the platform is made, and not when somebody is dialled."""
    with pytest.raises(ConfigurationError, match="longest_call= is in seconds"):
        VideoSDKPlatform(longest_call=value)


async def test_the_sandbox_closes_a_room() -> None:
    """A session lasts as long as its room was made for, from whoever came first, and a deactivated room has no other."""
    async with Sandbox() as sandbox:
        network = sandbox._cloud.network
        room = network.create_room({"autoCloseConfig": {"type": "session-end-and-deactivate", "duration": 60}})
        await asyncio.sleep(100)
        began = network.now()
        leg = network.connect_call(number="+14155550111", direction="inbound", room_id=room.id, name="Caller")
        await asyncio.sleep(59)
        assert not leg.over
        await asyncio.sleep(2)

        assert leg.ended == began + 60
        assert room.disabled


async def test_the_sandbox_s_next_session_has_its_own_time() -> None:
    """A session that ended earlier takes its deadline with it."""
    async with Sandbox() as sandbox:
        network = sandbox._cloud.network
        room = network.create_room({"autoCloseConfig": {"type": "session-ends", "duration": 60}})
        first = network.connect_call(number="+14155550111", direction="inbound", room_id=room.id, name="Caller")
        await asyncio.sleep(40)
        network.hang_up(first.id)
        second = network.connect_call(number="+14155550111", direction="inbound", room_id=room.id, name="Caller")
        await asyncio.sleep(40)
        assert not second.over
        await asyncio.sleep(25)

        assert second.over
        assert not room.disabled
