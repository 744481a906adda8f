"""What somebody who was dialled does once they have answered."""

import asyncio
import functools
from collections.abc import Awaitable, Callable

from calltransfer.sandbox.people import Act, Presses, PutsThrough, Says
from calltransfer.sandbox.phone import Target

Until = Callable[[Callable[[], bool]], Awaitable[None]]


async def live(target: Target, until: Until) -> None:
    """Does what the person at the other end does, step by step, until their call is over."""
    leg = target.leg
    before = 0
    await until(lambda: leg.answered or leg.over)
    for act in target.person.acts if target.person is not None else []:
        await until(functools.partial(_is_time_for, act, target, before))
        await asyncio.sleep(act.after)
        if leg.over:
            return
        before = len(target.words_heard)
        await _do(target, act)


def _is_time_for(act: Act, target: Target, before: int) -> bool:
    return act.when.lower() in " ".join(target.words_heard[before:]).lower() or target.leg.over


async def _do(target: Target, act: Act) -> None:
    if isinstance(act, Says):
        await target.say(act.text)
    elif isinstance(act, Presses):
        await target.press(act.key)
    elif isinstance(act, PutsThrough):
        target.put_through()
    else:
        await target.hang_up()
