"""A machine that puts a call through to a human, and somebody in the browser beside a phone."""

import asyncio
from typing import Any

import pytest

from calltransfer import Outcome
from calltransfer.sandbox import Calls, Presses, PutsThrough, Sandbox, Says, Script
from calltransfer.testing import said_yes
from tests.agents import BILLING, GREETING, PlainAgent
from tests.test_sandbox_models import SUPERVISOR, HumanAgent

ASKS_FOR_HUMAN = Calls("transfer_call", {"destination": "supervisor", "reason": "they were charged twice"})


async def consulted(sandbox: Sandbox, says: Any) -> Any:
    """Somebody, or something, that has been dialled, and has been told what it is about."""
    sandbox.person(SUPERVISOR, says=says)
    caller = await sandbox.call(
        HumanAgent, model=[ASKS_FOR_HUMAN, "One moment."], consultation_model=Script(otherwise="")
    )
    await caller.say("I was charged twice")
    target = await sandbox.target(SUPERVISOR)
    await target.hears("take the call?")
    return target


# A machine first, a human later


async def test_a_human_behind_a_machine() -> None:
    """What the machine was told the human has not heard, and their steps wait for what they hear themselves."""
    async with Sandbox() as sandbox:
        target = await consulted(
            sandbox,
            [
                Says("Please say who is calling", after=0.2),
                PutsThrough(when="take the call?", after=8.0),
                Says("hello there"),
                Presses("1", when="take the call?"),
            ],
        )
        await target.hears("take the call?")
        while len(target.did) < 3:  # noqa: ASYNC110 # nothing tells of it
            await asyncio.sleep(0.5)

        put_through, hello = target.did[1], target.did[2]
        assert isinstance(put_through.act, PutsThrough)
        assert ("take the call?" in put_through.heard, hello.heard) == (True, "")
        assert hello.began - put_through.began == pytest.approx(0.3)
        assert "puts the call through to a human" in str(sandbox.callers[0].timeline)


async def test_who_has_heard_nothing_has_not_agreed() -> None:
    """A yes of a human who comes on the line when the machine has been told is no yes to what it was told."""
    async with Sandbox() as sandbox:
        target = await consulted(sandbox, [])
        target.put_through()
        await target.say("yes")
        assert not said_yes(target)


def test_what_a_machine_waits_for() -> None:
    """It can wait for words, and for a while, as every step."""
    assert ("", 6.0) == (PutsThrough().when, PutsThrough().after)


# In the browser, beside a phone


async def test_a_web_user_beside_a_phone() -> None:
    """Somebody in the browser hears caller and agent, is heard by both, and leaves."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(
            PlainAgent, model=["I can hear you both."], room_options={"auto_end_session": False}
        )
        user = await sandbox.web_user(caller, name="Dora")
        await caller.say("hello everybody")
        await user.hears("I can hear you both.")
        assert "hello everybody" in user.heard
        assert ("agent", caller.number) == (caller.connected_to, user.connected_to)

        await user.say("hello from the browser")
        await caller.talking_to()
        assert ["Dora"] == [heard.speaker for heard in caller.heard if "browser" in heard.text]
        assert "hello from the browser" in caller.script.asked
        assert "web user: says 'hello from the browser'" in str(caller.timeline)

        await caller.hang_up()
        await caller.talking_to(settled_for=1.0)
        assert "agent" == user.connected_to
        await user.hang_up()
        assert "hung up" == user.connected_to


async def test_a_web_user_whose_caller_is_forwarded() -> None:
    """Who is in the browser stays in the room when the caller on the phone is forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=1.0)
        caller = await sandbox.call(PlainAgent, room_options={"auto_end_session": False})
        user = await sandbox.web_user(caller)
        leg = caller.leg
        assert leg is not None
        await sandbox._cloud.run(lambda network: network.transfer(leg.id, BILLING))
        assert await caller.reaches(BILLING)
        await caller.talking_to()
        assert "agent" == user.connected_to


async def test_a_caller_in_the_browser_hangs_up() -> None:
    """A caller who is not on a phone leaves the room, and the SDK ends the session."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(PlainAgent, phone=False)
        await caller.hears(GREETING)
        await caller.hang_up()
        await caller.over.wait()
        assert "hung up" == caller.connected_to


async def test_a_warm_transfer_beside_a_web_user() -> None:
    """The caller on the phone is transferred; whom they are with is the target, and not who is in the browser."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says="yes please")
        caller = await sandbox.call(HumanAgent, model=[ASKS_FOR_HUMAN, "One moment."])
        user = await sandbox.web_user(caller)
        await caller.say("I was charged twice")
        await caller.reaches(SUPERVISOR)
        await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.outcomes
        assert "take the call?" not in user.heard
        await user.hang_up()
