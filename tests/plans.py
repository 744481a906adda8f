"""Strategies inside one another, told in a few words: so that a call with one prints as a program that has it again.

A plan is one of `LEAVES`, or a tuple of what combines, by name, and the plans inside it: `("fallback", "warm", "ring")`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from hypothesis import strategies as st

from calltransfer import DirectTransfer, Fallback, RingGroup, TransferStrategy, WarmTransfer

PEOPLE: Final = ("+14155550199", "+14155550198", "+14155550197")
"""Who is consulted: of "warm" the first, of "warm 1" the second, of "ring" all of them."""

LINE: Final = "+14155550123"
"""Where "direct" forwards to."""

Plan = str | tuple[Any, ...]

COMBINE: Final[Mapping[str, Callable[..., TransferStrategy]]] = {
    "fallback": Fallback,
}
"""What combines others, by name."""


def _leaves(warm: WarmTransfer) -> Mapping[str, TransferStrategy]:
    return {
        "warm": attrs.evolve(warm, to=PEOPLE[0]),
        "warm 1": attrs.evolve(warm, to=PEOPLE[1]),
        "ring": RingGroup(warm, targets=PEOPLE),
        "direct": DirectTransfer(LINE),
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
