"""What a strategy may say of itself before it is used: methods that it may have, found by their names."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from calltransfer.destination import Destination
from calltransfer.platform import Platform


@runtime_checkable
class SelfChecking(Protocol):
    """A strategy that can say before it is used why it would not work."""

    def problems(self) -> Sequence[str]:
        """What is wrong with the set-up as it is now: a sentence each, nothing private in it, empty if all is well."""


@runtime_checkable
class KnowsDestinations(Protocol):
    """A strategy that can say before it is used where it would transfer to."""

    def fixed_destinations(self) -> Sequence[Destination]:
        """The destinations that are fixed: those found at call time are not among them."""


@runtime_checkable
class RingsSeveral(Protocol):
    """A strategy that makes several phones ring at a time."""

    @property
    def rings_at_once(self) -> int:
        """How many."""


@runtime_checkable
class CheckedByPlatform(Protocol):
    """A strategy that can say whether a platform is set up for it."""

    def problems_on(self, platform: Platform) -> Sequence[str]:
        """What is missing on `platform`: a sentence each, nothing private in it, empty if all is well."""
