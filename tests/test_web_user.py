"""Somebody in the browser who is in the agent's room beside a caller on a phone."""

import asyncio

import pytest

from calltransfer import Outcome, Phase, WarmTransfer
from calltransfer.sandbox import Sandbox
from tests.warm import ASKS, SORRY, SUPERVISOR, call, script

YES = "yes put them through"
STILL_THERE = "hello agent are you still there"
AND_MORE = "Certainly, and that is done."
HERE = "Yes, what can I do for you?"


@pytest.mark.parametrize("joins", ["before", "on hold", "afterwards"])
async def test_the_agent_is_theirs_once_the_caller_has_been_moved(joins: str) -> None:
    """The agent answers those who are left in its room, while caller and target talk in another, and afterwards."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=4.0, says=YES)
        caller = await call(sandbox, model=script(HERE, AND_MORE))
        user = await sandbox.web_user(caller) if joins == "before" else None
        await caller.say(ASKS)
        if joins == "on hold":
            await caller.until(Phase.ON_HOLD)
            user = await sandbox.web_user(caller)
        await caller.until(Phase.FINISHED)
        await asyncio.sleep(1.0)
        user = user or await sandbox.web_user(caller)
        (target,) = sandbox.targets
        await user.say(STILL_THERE)
        await user.hears(HERE)

        assert SUPERVISOR == caller.connected_to
        assert not any(HERE in text for heard in (caller, target) for text in heard.texts_heard)

        await asyncio.sleep(12.0)
        await target.hang_up()
        await caller.sees("ended")
        await asyncio.sleep(20.0)
        assert not caller.over.is_set()
        await user.say("and one more thing")
        await user.hears(AND_MORE)

        await user.hang_up()
        await caller.over.wait()


async def test_a_target_who_is_moved_is_heard_by_them() -> None:
    """A target who comes into the agent's room hears them and is heard; the agent is theirs when the phones have gone."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=YES)
        caller = await call(sandbox, WarmTransfer(SUPERVISOR, move="target"), model=script(HERE))
        user = await sandbox.web_user(caller)
        await caller.say(ASKS)
        await caller.until(Phase.FINISHED)
        (target,) = sandbox.targets
        await target.say("this is Dana speaking")
        await user.hears("this is Dana speaking")
        await user.say("who are you")
        await target.hears("who are you")
        await asyncio.sleep(12.0)

        assert not any(HERE in text for text in user.texts_heard)
        await caller.hang_up()
        await target.sees("ended")
        await asyncio.sleep(1.0)
        await user.say(STILL_THERE)
        await user.hears(HERE)
        await user.hang_up()
        await caller.over.wait()


async def test_a_caller_who_is_brought_back_beside_them() -> None:
    """A target who leaves at once brings the caller back to an agent who hears both, and speaks to both."""
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, says=YES)
        caller = await call(sandbox, model=script(SORRY, HERE))
        user = await sandbox.web_user(caller)
        await caller.say(ASKS)
        await caller.until(Phase.FINISHED)
        (target,) = sandbox.targets
        await target.hang_up()
        await caller.hears(SORRY)
        await user.hears(SORRY)
        await caller.say(STILL_THERE)
        await caller.hears(HERE)

        assert [Outcome.CONNECTED] == caller.outcomes
