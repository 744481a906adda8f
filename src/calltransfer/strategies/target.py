"""What a strategy's `to` may be, and how the destination is found when it is needed."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from calltransfer.call import TOTAL_TIMEOUT, Call, TransferRequest
from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError, DestinationError
from calltransfer.events import TransferResult
from calltransfer.fields import seconds
from calltransfer.hook import HookFailed, answer_of
from calltransfer.outcome import Outcome

FIND_TIMEOUT = 5.0
"""Seconds a callable may take to find a destination: it runs while the agent's sentence is being spoken."""

NOWHERE = "there is no destination now"

wait_seconds = seconds(at_least=0.1, at_most=240.0)
"""Validates the seconds of one wait: in less nothing of ours, and nobody, can answer."""

people_seconds = seconds(at_least=1.0, at_most=240.0)
"""Validates the seconds that a person is given, to answer a ring or to speak."""

seconds_in_all = seconds(at_least=1.0, at_most=TOTAL_TIMEOUT)
"""Validates the seconds that a whole transfer may take: less than the runner takes a strategy for hung after."""

Found = Destination | str | None
Target = Destination | str | Callable[[Call, TransferRequest], Found | Awaitable[Found]]


def checked_target(to: Target | None) -> Target | None:
    """Returns `to` as a `Destination` or callable.

    Raises:
        ConfigurationError: it is neither.
        DestinationError: it is a string that is no destination.
    """
    if to is None or isinstance(to, Destination):
        return to
    if callable(to):
        try:
            inspect.signature(to).bind(None, None)
        except (TypeError, ValueError):  # a built-in one may not say what it takes
            raise ConfigurationError("to=: a callable takes two arguments, the call and the request") from None
        return to
    if not isinstance(to, str):
        raise ConfigurationError(
            f"to= takes a phone number or SIP URI as a string, a Destination, or a callable (call, request), "
            f"not {type(to).__name__}"
        )
    try:
        return Destination(to)
    except DestinationError as error:
        raise DestinationError(f"to=: {error}") from None


async def find_destination(to: Target, call: Call, request: TransferRequest) -> Destination | None:
    """Finds the destination for this call; None when there is none now.

    Raises:
        DestinationError: a callable found an address that is not one, or not an allowed one.
        HookFailed: a callable raised, or took longer than `FIND_TIMEOUT`.
    """
    found: Any = to
    if callable(to):
        try:
            found = await answer_of(to, call, request, timeout=FIND_TIMEOUT)
        except HookFailed as error:
            if isinstance(error.__cause__, DestinationError):
                raise error.__cause__ from None
            raise
    return found if found is None or isinstance(found, Destination) else Destination(found)


async def destination_or_why(to: Target, call: Call, request: TransferRequest) -> Destination | TransferResult | None:
    """The destination for this call, or how its transfer ends because none could be found; None: there is none now."""
    try:
        return await find_destination(to, call, request)
    except DestinationError as error:
        return TransferResult(outcome=Outcome.REFUSED, detail=str(error))
    except HookFailed as error:
        return TransferResult(outcome=Outcome.FAILED, detail=f"to= {error}")


async def destination_or_end(to: Target, call: Call, request: TransferRequest) -> Destination | TransferResult:
    """The destination for this call, or how its transfer ends because there is none."""
    destination = await destination_or_why(to, call, request)
    return destination or TransferResult(outcome=Outcome.REFUSED, detail=NOWHERE)
