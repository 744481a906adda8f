"""A strategy that is chosen when it is needed, by what is known of the call."""

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import attrs

from calltransfer.attempt import attempt
from calltransfer.call import Call, TransferRequest, TransferStrategy
from calltransfer.errors import ConfigurationError
from calltransfer.events import TransferResult
from calltransfer.hook import HookFailed, answer_of
from calltransfer.outcome import Outcome
from calltransfer.strategies.combining import checked_strategy
from calltransfer.strategies.target import wait_seconds

logger = logging.getLogger("calltransfer")

CHOOSE_TIMEOUT = 3.0
"""Seconds to choose: about as long as the agent's sentence takes, which is spoken meanwhile."""

Chooser = Callable[[Call, TransferRequest], TransferStrategy | Awaitable[TransferStrategy | None] | None]


def _checked_chooser(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not callable(value) or isinstance(value, type):
        raise ConfigurationError(
            f"Choose: {attribute.name}= takes a function (call, request) that returns a strategy, not "
            f"{value.__name__ if isinstance(value, type) else type(value).__name__}"
        )
    try:
        inspect.signature(value).bind(None, None)
    except (TypeError, ValueError):  # a built-in one may not say what it takes
        raise ConfigurationError("Choose: chooser= takes two arguments, the call and the request") from None


def _default(strategy: Any) -> TransferStrategy | None:
    return None if strategy is None else checked_strategy(strategy, "Choose: default")


@attrs.frozen
class Choose:
    """Has a function of yours choose the strategy, by the request and what is known of the call.

        async def by_customer(call, request):
            customer = await crm.find(call.details.number)
            return WarmTransfer(customer.account_manager) if customer else None

        Choose(by_customer, default=DirectTransfer(QUEUE))

    The function is called at once, while the agent's sentence is being spoken. The caller's leg is nearly always known by
    then, and their number with it; to make sure, it can `await call.prepare()`. What it returns is checked as a route's
    strategy is, and held to the agent's policy. Where it returns None or nothing that is a strategy, raises, or takes
    too long, the default is used, and the log says why.

    Attributes:
        chooser: The function, `(call, request)`, better async: one that is not blocks the agent, and every other call in
            the process, while it waits for anything, and no timeout can end it.
        default: The strategy where none was chosen; None: then the transfer ends as `REFUSED`.
        timeout: Seconds for the function; at most 240.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    chooser: Chooser = attrs.field(validator=_checked_chooser)
    default: TransferStrategy | None = attrs.field(default=None, kw_only=True, converter=_default)
    timeout: float = attrs.field(default=CHOOSE_TIMEOUT, kw_only=True, validator=wait_seconds)

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """The default, where there is one: what is chosen is not known before."""
        return {} if self.default is None else {"default": self.default}

    def problems(self) -> Sequence[str]:
        """None: what is wrong with the default need not be with what is chosen."""
        return ()

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Does as the strategy that is chosen."""
        chosen = await self._chosen(call, request)
        if chosen is None:
            return TransferResult(outcome=Outcome.REFUSED, detail="no strategy was chosen, and there is no default")
        return await attempt(chosen, call, request)

    async def _chosen(self, call: Call, request: TransferRequest) -> TransferStrategy | None:
        try:
            chosen = await answer_of(self.chooser, call, request, timeout=self.timeout)
            if chosen is not None:
                return checked_strategy(chosen, "chose no strategy")
            why = "chose nothing"
        except (HookFailed, ConfigurationError) as error:
            why = str(error)
        instead = (
            "there is no default" if self.default is None else f"{type(self.default).__name__}, the default, is used"
        )
        logger.warning("the chooser of route %s %s; %s", request.route, why, instead)
        return self.default
