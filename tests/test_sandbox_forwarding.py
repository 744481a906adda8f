"""What a platform may do with a call that is forwarded, and a phone that is busy: what the sandbox plays of it."""

import asyncio
from typing import Any

import pytest

from calltransfer import ConfigurationError
from calltransfer.sandbox import Caller, Sandbox, Unknowns
from calltransfer.sandbox.network import Network
from tests.agents import BILLING, SUPPORT, PlainAgent


async def referred(sandbox: Sandbox, **person: Any) -> Caller:
    """A caller whose carrier has just been asked to forward them to somebody."""
    sandbox.person(BILLING, **{"answers_after": 5.0, **person})
    # The SDK closes a session that its caller has left, unless it is told to stay.
    caller = await sandbox.call(PlainAgent, room_options={"auto_end_session": False})
    await caller.talking_to(settled_for=2.0)
    await refers(sandbox, caller)
    return caller


async def refers(sandbox: Sandbox, caller: Caller, to: str = BILLING) -> None:
    """The carrier is asked to forward a caller."""
    leg = caller.leg
    assert leg is not None

    def transfer(network: Network) -> None:
        network.transfer(leg.id, to)

    await sandbox._cloud.run(transfer)


async def where(caller: Caller, *times: float) -> list[str]:
    """Whom a caller is with after so many seconds each, one after the other."""
    found = []
    for seconds in times:
        await asyncio.sleep(seconds)
        found.append(caller.connected_to)
    return found


def shown(caller: Caller) -> list[str]:
    """The statuses that the caller's leg has had since it was answered."""
    statuses = [status for status, _ in caller.statuses]
    return statuses[statuses.index("answered") + 1 :]


async def test_transferred_at_the_acceptance() -> None:
    """A platform can say `transferred` while the target's phone rings, and the caller is still in the agent's room."""
    async with Sandbox(unknowns=Unknowns(transferred_at="acceptance")) as sandbox:
        caller = await referred(sandbox)
        assert ["agent", BILLING] == await where(caller, 2.0, 4.0)
        assert ["transfer-initiated", "transfer-accepted", "transferred"] == shown(caller)
        assert caller.leg is not None
        assert caller.leg.over


@pytest.mark.parametrize("person", [{"answers_after": None}, {"refuses_after": 5.0}])
async def test_transferred_is_taken_back(person: Any) -> None:
    """Where nobody answers then, it becomes `transfer-failed`, and the caller, who never left, can be forwarded again."""
    async with Sandbox(unknowns=Unknowns(transferred_at="acceptance", carrier_gives_up_after=8.0)) as sandbox:
        caller = await referred(sandbox, **person)
        leg = caller.leg
        assert leg is not None
        await caller.sees("transferred")
        assert (None, False) == (leg.document(keeps_log=True)["end"], leg.over)
        assert "agent" == await caller.talking_to()
        assert ["transferred", "transfer-failed", "answered"] == shown(caller)[-3:]

        sandbox.person(SUPPORT, answers_after=0.5)
        await refers(sandbox, caller, SUPPORT)
        await caller.reaches(SUPPORT)


async def test_a_caller_who_leaves_at_the_acceptance() -> None:
    """A caller can leave the agent's room when their carrier has accepted, and be with nobody while it rings."""
    async with Sandbox(unknowns=Unknowns(after_acceptance="leaves")) as sandbox:
        caller = await referred(sandbox)
        assert ["nobody", BILLING] == await where(caller, 2.0, 4.0)
        assert ["transferring", "transfer-ringing", "transferred"] == shown(caller)[-3:]


async def test_a_caller_who_has_left_comes_back() -> None:
    """Where nobody answers then, they are with the agent again, and heard."""
    async with Sandbox(unknowns=Unknowns(after_acceptance="leaves")) as sandbox:
        caller = await referred(sandbox, refuses_after=5.0)
        assert ["nobody", "agent"] == await where(caller, 2.0, 4.0)
        await caller.say("are you there")
        await caller.talking_to()
        assert ["are you there"] == caller.script.asked


@pytest.mark.parametrize(("person", "then"), [({}, BILLING), ({"answers_after": None}, "hung up")])
async def test_a_leg_that_ends_at_the_acceptance(person: Any, then: str) -> None:
    """The platform can see a leg end at once: no result ever comes, whether or not the caller reaches somebody."""
    async with Sandbox(unknowns=Unknowns(after_acceptance="ends", carrier_gives_up_after=8.0)) as sandbox:
        caller = await referred(sandbox, **person)
        assert ["nobody"] == await where(caller, 2.0)
        assert then == await caller.talking_to()
        assert ["transfer-initiated", "transfer-accepted", "ended"] == shown(caller)


async def test_who_is_being_forwarded_can_hang_up() -> None:
    """A caller who hangs up meanwhile stops the target's phone from ringing, whatever the platform says of their leg."""
    for after_acceptance in ("stays", "leaves", "ends"):
        async with Sandbox(unknowns=Unknowns(after_acceptance=after_acceptance)) as sandbox:
            caller = await referred(sandbox)
            await asyncio.sleep(2.0)
            await caller.hang_up()
            assert ["hung up", "hung up"] == await where(caller, 1.0, 10.0)


# Lines


async def test_a_phone_that_has_a_call_is_busy() -> None:
    """A phone takes one call at a time, ours included: it is busy while it rings, and until the call has ended."""
    async with Sandbox() as sandbox:
        first = await referred(sandbox)
        second = await sandbox.call(PlainAgent)
        await refers(sandbox, second)
        assert await second.sees("transfer-failed") < await first.sees("transferred")

        await first.reaches(BILLING)
        await refers(sandbox, second)
        assert ["agent"] == await where(second, 10.0)

        await first.hang_up()
        await refers(sandbox, second)
        await second.reaches(BILLING)


async def test_a_phone_that_somebody_calls_from_is_busy() -> None:
    """Nobody can be forwarded to somebody who is on the phone with an agent."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPPORT)
        await sandbox.call(PlainAgent, number=SUPPORT)
        caller = await sandbox.call(PlainAgent)
        await refers(sandbox, caller, SUPPORT)
        await caller.sees("transfer-failed")


@pytest.mark.parametrize("lines", [2, None])
async def test_a_phone_with_more_lines(lines: int | None) -> None:
    """A switchboard takes as many calls at once as it has lines."""
    async with Sandbox() as sandbox:
        await referred(sandbox, lines=lines)
        for expected in ("transferred", "transferred" if lines is None else "transfer-failed"):
            caller = await sandbox.call(PlainAgent)
            await refers(sandbox, caller)
            await caller.sees(expected)


@pytest.mark.parametrize("lines", [0, -1, True, "2"])
def test_lines_are_some(lines: Any) -> None:
    """A phone without a line is none."""
    with pytest.raises(ConfigurationError, match="lines= is how many calls a phone takes at once"):
        Sandbox().person(BILLING, lines=lines)
