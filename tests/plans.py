"""Strategies inside one another, told in a few words: so that a call with one prints as a program that has it again.

A plan is one of `LEAVES`, or a tuple of what combines, by name, and the plans inside it: `("fallback", "warm", "ring")`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from calltransfer import (
    Choose,
    DirectTransfer,
    Fallback,
    Limit,
    Message,
    OpenHours,
    RingGroup,
    Schedule,
    TakeMessage,
    TransferStrategy,
    WarmTransfer,
    direct_or_bridge,
)

PEOPLE: Final = ("+14155550199", "+14155550198", "+14155550197")
"""Who is consulted: of "warm" the first, of "warm 1" the second, of "ring" all of them."""

LINE: Final = "+14155550123"
"""Where "direct" forwards to, and "bridge" where it can."""

_ALWAYS: Final = Schedule("UTC", {"mon-sun": "00:00-24:00"})
_NEVER: Final = Schedule("UTC", {"mon-sun": "closed"})

Plan = str | tuple[Any, ...]

COMBINE: Final[Mapping[str, Callable[[TransferStrategy, TransferStrategy], TransferStrategy]]] = {
    "fallback": Fallback,
    "open": lambda inside, outside: OpenHours(_ALWAYS, inside=inside, outside=outside),
    "closed": lambda inside, outside: OpenHours(_NEVER, inside=inside, outside=outside),
    "choose": lambda chosen, default: Choose(lambda call, request: chosen, default=default),
    "default": lambda chosen, default: Choose(lambda call, request: None, default=default),
    "limit": lambda limited, then: Fallback(Limit(limited, attempts=1), then),
}
"""What combines two others, by name."""


async def deliver(message: Message) -> None:
    """Takes a message for delivered."""


def _leaves(warm: WarmTransfer) -> Mapping[str, TransferStrategy]:
    return {
        "warm": attrs.evolve(warm, to=PEOPLE[0]),
        "warm 1": attrs.evolve(warm, to=PEOPLE[1]),
        "ring": RingGroup(warm, targets=PEOPLE),
        "direct": DirectTransfer(LINE),
        "bridge": direct_or_bridge(LINE, hold=warm.hold, leave_unwatched=warm.leave_unwatched),
        "message": TakeMessage(deliver),
        "nobody": attrs.evolve(warm, to=lambda call, request: None),
    }


LEAVES: Final = tuple(_leaves(WarmTransfer()))


def built(plan: Plan, warm: WarmTransfer) -> TransferStrategy:
    """The strategy that a plan tells.

    Args:
        plan: The plan.
        warm: How people are consulted: a `WarmTransfer` without `to`.
    """
    if isinstance(plan, str):
        return _leaves(warm)[plan]
    name, *parts = plan
    return COMBINE[name](*(built(part, warm) for part in parts))


def plans(depth: int) -> st.SearchStrategy[Plan]:
    """Plans with at most so many strategies around one another."""
    leaves = st.sampled_from(LEAVES)
    return leaves | st.tuples(st.sampled_from(sorted(COMBINE)), plans(depth - 1), plans(depth - 1)) if depth else leaves
