"""Opening hours: one strategy while it is open, another one, or none, while it is closed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from calltransfer import schedule as clock
from calltransfer.attempt import attempt
from calltransfer.call import Call, TransferRequest, TransferStrategy
from calltransfer.errors import ConfigurationError
from calltransfer.events import TransferResult
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.schedule import Schedule
from calltransfer.strategies.combining import checked_strategy


def _a_schedule(_: object, attribute: "attrs.Attribute[Schedule]", value: Any) -> None:
    if not isinstance(value, Schedule):
        raise ConfigurationError(
            f"OpenHours: {attribute.name} is a Schedule, such as Schedule('UTC', {{'mon-fri': '09:00-17:00'}}), not "
            f"{shown(value)}"
        )


@attrs.frozen
class OpenHours:
    """Transfers in one way while it is open, and in another one, or not at all, while it is closed.

        OpenHours(
            Schedule("America/New_York", {"mon-fri": "09:00-17:00"}),
            inside=WarmTransfer(to="+14155550199"),
            outside=TakeMessage(deliver),
        )

    What counts is the moment the transfer begins: a target who is being called when it closes is called to the end.

    Attributes:
        schedule: When it is open.
        inside: What is done then.
        outside: What is done otherwise; None: nothing, and the transfer ends as `REFUSED`, which says when it opens.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    schedule: Schedule = attrs.field(validator=_a_schedule)
    inside: TransferStrategy = attrs.field(kw_only=True)
    outside: TransferStrategy | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        for name, part in self.parts.items():
            checked_strategy(part, f"OpenHours: {name}=")

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """What is done while it is open, and what while it is closed."""
        return {"inside": self.inside} if self.outside is None else {"inside": self.inside, "outside": self.outside}

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Transfers as the hour wants it; see the class."""
        now = clock.now()
        strategy = self.inside if self.schedule.is_open(now) else self.outside
        if strategy is None:
            return TransferResult(outcome=Outcome.REFUSED, detail=_closed(self.schedule.opens_next(now)))
        return await attempt(strategy, call, request)


def _closed(until: datetime | None) -> str:
    # In words: a date of digits, followed by a time, would be masked as a phone number.
    return "closed for good" if until is None else f"closed until {until:%A, %d %B %Y at %H:%M} ({until.tzinfo})"
