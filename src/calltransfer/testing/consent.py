"""Whether somebody who was dialled has agreed to be connected."""

from typing import Final

from calltransfer.sandbox import Presses, Says, Target

AGREES: Final = ("yes please", "yes", "sure, put them through")
"""What somebody says who agrees."""

ANNOUNCED: Final = "caller for you"
"""What somebody has to have been told before they can agree to it: the words of `Briefing`."""


def said_yes(target: Target) -> bool:
    """Whether `target` has said yes, or pressed 1, after they had been told that there is a caller."""
    return any(ANNOUNCED in did.heard and did.act in _YES for did in target.did)


def pressed_yes(target: Target) -> bool:
    """Whether `target` has pressed 1 after they had been told that there is a caller."""
    return any(ANNOUNCED in did.heard and did.act == Presses("1") for did in target.did)


_YES = (*map(Says, AGREES), Presses("1"))
