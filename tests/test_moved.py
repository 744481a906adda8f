"""A caller whom something else moves during a transfer of ours: they have not hung up, and nobody is told that they have."""

from typing import Any

import pytest

from calltransfer import Outcome, Phase, RingGroup, StayWithCaller, WarmTransfer
from calltransfer.sandbox import Caller, Sandbox
from calltransfer.sandbox.network import Network
from tests.agents import BILLING
from tests.warm import ASKS, SUPERVISOR, call, leg_of

HUNG_UP = "I am sorry, the caller has hung up. Goodbye."
NOT_CONNECTED = "I am sorry, the call could not be connected. Goodbye."
MOVED = "the caller was moved by something else than this transfer"


async def forwards(sandbox: Sandbox, caller: Caller) -> None:
    """The author's own code has the caller forwarded, as `session.call_transfer` does."""
    await sandbox._cloud.run(lambda network: network.transfer(leg_of(caller).id, BILLING))


async def switches(sandbox: Sandbox, caller: Caller) -> None:
    """The author's own code has the caller moved to another room, as the SDK's warm transfer does; nobody listens there."""

    def switch(network: Network) -> None:
        other = network.connect_call(number=BILLING, direction="outbound", room_id="elsewhere", name="Billing")
        network.switch(leg_of(caller).id, other.room_id)

    await sandbox._cloud.run(switch)


async def hangs_up(_sandbox: Sandbox, caller: Caller) -> None:
    """The caller hangs up."""
    await caller.hang_up()


@pytest.mark.parametrize(
    ("does", "outcome", "farewell", "where"),
    [
        (forwards, Outcome.CANCELLED, NOT_CONNECTED, BILLING),
        (switches, Outcome.CANCELLED, NOT_CONNECTED, "nobody"),
        (hangs_up, Outcome.CALLER_LEFT, HUNG_UP, "hung up"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.RINGING, Phase.BRIEFING])
async def test_a_caller_who_was_moved_has_not_hung_up(
    does: Any, outcome: Outcome, farewell: str, where: str, phase: Phase
) -> None:
    """They are reported as moved, by whatever means, and a target who is on the line hears nothing else."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=3.0)
        sandbox.person(BILLING)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, hold=StayWithCaller()))
        await caller.say(ASKS)
        await caller.until(phase)
        await does(sandbox, caller)
        finished = await caller.until(Phase.FINISHED)

        assert outcome is finished.outcome
        assert (finished.detail == MOVED) is (outcome is Outcome.CANCELLED)
        assert where == await caller.talking_to()
        (target,) = sandbox.targets
        assert target.leg.over
        assert ([farewell] if phase is Phase.BRIEFING else []) == target.texts_heard[-1:]
        assert Phase.TOLD not in [event.phase for event in caller.agent.events]


@pytest.mark.parametrize(
    ("does", "farewell"), [(forwards, NOT_CONNECTED), (hangs_up, HUNG_UP)], ids=["forwards", "hangs up"]
)
async def test_a_target_who_has_come_to_a_caller_who_leaves_in_that_moment_is_told(does: Any, farewell: str) -> None:
    """They have said yes, and are in the caller's room: its agent tells them that the caller has left."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=2.0, says="yes please")
        sandbox.person(BILLING, answers_after=0.0)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, move="target"))
        await caller.say(ASKS)
        target = await sandbox.target(SUPERVISOR)
        await target.sees("switch-room-completed", timeout=60)
        await does(sandbox, caller)
        await caller.until(Phase.FINISHED)
        assert farewell == target.texts_heard[-1]
        assert target.leg.over


async def test_a_group_is_told_the_same() -> None:
    """Everybody who has answered hears that the call could not be connected."""
    async with Sandbox() as sandbox:
        others = (SUPERVISOR, "+14155550188")
        for number in others:
            sandbox.person(number, answers_after=2.0)
        sandbox.person(BILLING)
        caller = await call(sandbox, RingGroup(WarmTransfer(hold=StayWithCaller()), targets=others))
        await caller.say(ASKS)
        await caller.until(Phase.BRIEFING)
        await forwards(sandbox, caller)
        assert Outcome.CANCELLED is (await caller.until(Phase.FINISHED)).outcome
        assert BILLING == await caller.talking_to()
        assert {NOT_CONNECTED} == {target.texts_heard[-1] for target in sandbox.targets}


async def test_a_hang_up_of_whom_nothing_can_be_read_is_a_hang_up() -> None:
    """A platform that does not answer keeps nobody waiting for more than a second."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=20.0)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR))
        await caller.say(ASKS)
        await caller.until(Phase.RINGING)
        sandbox.fault("GET", f"/v2/sip/call/{leg_of(caller).id}", hang=True)
        await caller.hang_up()
        finished = await caller.until(Phase.FINISHED)
        assert Outcome.CALLER_LEFT is finished.outcome
        assert sandbox.targets[-1].leg.over
