"""What strategies that have others inside have in common."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Protocol, runtime_checkable

from calltransfer.call import TransferStrategy
from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError
from calltransfer.platform import Platform
from calltransfer.strategies.checks import CheckedByPlatform, KnowsDestinations, RingsSeveral, SelfChecking
from calltransfer.strategies.warm import WarmTransfer


@runtime_checkable
class Combining(Protocol):
    """A strategy that has others inside, and says which: they are checked, and shown, with it."""

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """The strategies inside, each with what it is there: "1", "2", or "inside", "outside"."""


def checked_strategy(strategy: Any, where: str) -> TransferStrategy:
    """Returns `strategy` if it is one.

    Args:
        strategy: What was given as one.
        where: What the message of an error begins with, such as "Route 'billing'".

    Raises:
        ConfigurationError: it is none, or none that stands for itself.
    """
    kind = type(strategy).__name__
    if isinstance(strategy, type):
        raise ConfigurationError(f"{where}: {strategy.__name__} is a class; write {strategy.__name__}(...)")
    if isinstance(strategy, str | Destination):
        raise ConfigurationError(f"{where}: a {kind} is not a strategy; write DirectTransfer(to=...)")
    method = getattr(strategy, "transfer", None)
    if not callable(method) or not inspect.iscoroutinefunction(inspect.unwrap(method)):
        raise ConfigurationError(
            f"{where}: a {kind} is not a strategy; it needs 'async def transfer(self, call, request)'"
        )
    try:
        inspect.signature(method).bind(None, None)
    except (TypeError, ValueError):  # a built-in one may not say what it takes
        raise ConfigurationError(
            f"{where}: {kind}.transfer must take two arguments, the call and the request"
        ) from None
    if isinstance(strategy, WarmTransfer) and strategy.to is None:
        raise ConfigurationError(
            f"{where}: WarmTransfer needs to=, such as WarmTransfer(to='+14155550199'); only inside a RingGroup it has none"
        )
    found: TransferStrategy = strategy
    return found


def numbered(strategies: Sequence[TransferStrategy]) -> dict[str, TransferStrategy]:
    """The parts of a strategy that tries others in order."""
    return {str(number): strategy for number, strategy in enumerate(strategies, start=1)}


def leaves(strategy: TransferStrategy) -> Iterator[TransferStrategy]:
    """The strategies inside that have none inside themselves; `strategy` itself if it is such a one."""
    if not isinstance(strategy, Combining):
        yield strategy
        return
    for part in strategy.parts.values():
        yield from leaves(part)


def destinations_of(strategy: TransferStrategy) -> list[Destination]:
    """Every destination that is fixed, wherever it is inside."""
    return [
        destination
        for leaf in leaves(strategy)
        if isinstance(leaf, KnowsDestinations)
        for destination in leaf.fixed_destinations()
    ]


def rung_at_once(strategy: TransferStrategy) -> int:
    """How many phones ring at a time where it is most, as far as that is known before; 0: it is not."""
    if isinstance(strategy, RingsSeveral):
        return strategy.rings_at_once
    return max(map(rung_at_once, strategy.parts.values()), default=0) if isinstance(strategy, Combining) else 0


def problems_of(strategy: TransferStrategy, platform: Platform) -> list[str]:
    """Why it would not work on `platform` as things are set up now; empty as long as anything inside it would.

    One that combines others and has `problems()` of its own knows better: it may have parts that nobody sees.
    """
    if not isinstance(strategy, Combining) or isinstance(strategy, SelfChecking):
        found = [*strategy.problems()] if isinstance(strategy, SelfChecking) else []
        if isinstance(strategy, CheckedByPlatform):
            found += strategy.problems_on(platform)
        return found
    of_parts = [problems_of(part, platform) for part in strategy.parts.values()]
    return list(dict.fromkeys(chain.from_iterable(of_parts))) if all(of_parts) else []
