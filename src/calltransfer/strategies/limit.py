"""A limit on how often a strategy may be used on one call."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import attrs
from typing_extensions import override

from calltransfer.allowed import Allowed
from calltransfer.attempt import attempt
from calltransfer.call import FORWARD_TIMEOUT, Call, Consultation, TransferRequest, TransferStrategy
from calltransfer.call_wrapper import CallWrapper
from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError, NotAllowed
from calltransfer.events import TransferResult
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.policy import used_up
from calltransfer.strategies.combining import checked_strategy

T = TypeVar("T")


def _inside(strategy: Any) -> TransferStrategy:
    return checked_strategy(strategy, "Limit")


def _whole_number(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ConfigurationError(f"Limit: {attribute.name}= is a whole number, 1 or more, not {shown(value)}")


@attrs.frozen(eq=False)
class Limit:
    """Lets a strategy be used so often on one call, and no more; then it ends as `REFUSED`, and nobody is dialled.

    `Policy` limits all the transfers of a call together; this limits one strategy, wherever it is in a plan:

        Fallback(Limit(WarmTransfer(ON_CALL), attempts=1), TakeMessage(deliver))

    An attempt is one use of the strategy that has begun to dial, to forward or to move the caller, however many targets
    it tries. A use that was withdrawn before that is none. Each `Limit` counts for itself, and for each call anew; where
    one and the same object is in two places, it counts for both.

    Attributes:
        strategy: What is limited.
        attempts: How often it may be used on one call; None: as often as one likes.
        attempts_per_minute: How often it may be used within one minute; None: as often as one likes.

    Raises:
        ConfigurationError: a value is wrong, or there is no limit at all, at construction.
    """

    strategy: TransferStrategy = attrs.field(converter=_inside)
    attempts: int | None = attrs.field(default=None, kw_only=True, validator=_whole_number)
    attempts_per_minute: int | None = attrs.field(default=None, kw_only=True, validator=_whole_number)

    def __attrs_post_init__(self) -> None:
        if self.attempts is None and self.attempts_per_minute is None:
            raise ConfigurationError("Limit needs attempts= or attempts_per_minute=, such as Limit(..., attempts=2)")

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """The strategy inside."""
        return {"inside": self.strategy}

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Does as the strategy inside, as long as it may be used."""
        use = _Use(self, call)
        try:
            use.check()
        except NotAllowed as error:
            return TransferResult(outcome=Outcome.REFUSED, detail=str(error))
        return await attempt(self.strategy, use, request)


class _Use(CallWrapper):
    """The call as one use of the strategy sees it, which counts once that begins to dial or to forward."""

    def __init__(self, limit: Limit, call: Call) -> None:
        super().__init__(call)
        self._limit = limit
        self._attempts: list[float] = call.memory.setdefault(limit, [])
        self._begun = 0
        self._since = 0.0

    def check(self) -> None:
        """Whether it may be used.

        Raises:
            NotAllowed: it may not.
        """
        limit = used_up(
            self._attempts,
            asyncio.get_running_loop().time(),
            on_one_call=self._limit.attempts,
            within_a_minute=self._limit.attempts_per_minute,
        )
        if limit is not None:
            raise NotAllowed(f"the limit allows {limit}")

    def _begin(self) -> None:
        """Counts this use, once, however much it begins. Raises as `check` does: two may run at once."""
        if not self._begun:
            self.check()
            self._since = asyncio.get_running_loop().time()
            self._attempts.append(self._since)
        self._begun += 1

    def _not_begun(self) -> None:
        """Nothing was asked for of what was begun; where that was all of it, it does not count."""
        self._begun -= 1
        if not self._begun:
            self._attempts.remove(self._since)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        try:
            self._begin()
        except NotAllowed as error:
            return TransferResult(outcome=Outcome.REFUSED, destination=destination, detail=str(error))
        allowed = Allowed.on(self)
        asked = allowed.asked
        try:
            return await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)
        finally:
            if (
                allowed.asked == asked
            ):  # by the policy, or withdrawn while it waited: the platform has heard nothing of it
                self._not_begun()

    @override
    @asynccontextmanager
    async def being_moved(self) -> AsyncIterator[None]:
        async with self._begins(super().being_moved()):
            yield

    @override
    @asynccontextmanager
    async def consult(
        self, destination: Destination, request: TransferRequest, **how: Any
    ) -> AsyncIterator[Consultation]:
        async with self._begins(super().consult(destination, request, **how)) as consultation:
            yield consultation

    @asynccontextmanager
    async def _begins(self, block: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        self._begin()
        entered = False
        try:
            async with block as inside:
                entered = True
                yield inside
        finally:
            if not entered:  # not allowed, or nothing there to consult with: nobody was dialled, or moved
                self._not_begun()
