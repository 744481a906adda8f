"""What the plans of the tests take from an author's own code."""

from typing import Any

import attrs

from calltransfer import (
    Call,
    Destination,
    DirectTransfer,
    ExtractiveSummary,
    HeldCaller,
    HoldMusic,
    Message,
    Outcome,
    TransferRequest,
    TransferResult,
)
from calltransfer.strategies.target import checked_target

SILENCE_IS_GOLDEN = HoldMusic(reassurance=())
SHORT = ExtractiveSummary(words=10)
READY = DirectTransfer(to="+14155550123")
NO_STRATEGY = 42
BUILT_IN = max


@attrs.frozen
class Queue:
    """A strategy of an author's own: keys of a plan that bear a name of ours are read as ours are."""

    to: Any = attrs.field(converter=checked_target)
    announce_every: float = attrs.field(default=30.0, kw_only=True, validator=attrs.validators.gt(0))

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Refuses."""
        return TransferResult(outcome=Outcome.REFUSED)


def queue(number: str = "+14155550123") -> Queue:
    """Makes one."""
    return Queue(number)


def find(call: Call, request: TransferRequest) -> str | None:
    """Finds a destination."""
    return None


def choose(call: Call, request: TransferRequest) -> None:
    """Chooses no strategy."""


async def deliver(message: Message) -> None:
    """Delivers a message."""


def takes_nothing() -> None:
    """Is no function that finds a destination."""


class Plain:
    """A strategy that is no attrs class."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Refuses."""
        return TransferResult(outcome=Outcome.REFUSED)

    def fixed_destinations(self) -> list[Destination]:
        """Where it would transfer to."""
        return [Destination("+14155550199")]


class Whistling:
    """A hold of an author's own."""

    return_key = "*"
    at_once = True

    async def entertain(self, caller: HeldCaller) -> None:
        """Whistles."""


WHISTLING = Whistling()
