"""What happens in one transfer, told to whoever listens: the log, the author's hook, and the result."""

import asyncio
import logging
import re
import traceback
import uuid
from collections.abc import Callable
from typing import Literal

from typing_extensions import TypedDict, Unpack

from calltransfer.destination import Destination
from calltransfer.errors import CallTransferError
from calltransfer.events import Phase, TransferEvent
from calltransfer.masking import masked_text, one_line
from calltransfer.outcome import Outcome

logger = logging.getLogger("calltransfer")

EventListener = Callable[[TransferEvent], None]

_UNWANTED_PHASES = frozenset(
    {Phase.CONTRADICTED, Phase.NOT_TOLD, Phase.HELD_BACK, Phase.NOT_RELEASED, Phase.ROLLED_BACK, Phase.RETURNED}
)
_KIND = re.compile(r",| \(")
"""What follows the kind of thing that was held back."""

_UNWANTED_OUTCOMES = frozenset({Outcome.FAILED, Outcome.REFUSED})


class Known(TypedDict, total=False):
    """What else is known of an event; see `TransferEvent`."""

    outcome: Outcome | None
    destination: Destination | None
    talked_for: float | None
    ended_by: Literal["caller", "target", "limit"] | None


class Timeline:
    """The events of one transfer, in order.

    Args:
        route: The route's name.
        attempt: How many transfers the call has seen, this one included.
        listener: Told of each event.
        warned: What the call has been warned of already, of that which a caller can bring about as often as they like.
    """

    def __init__(self, *, route: str, attempt: int, listener: EventListener, warned: set[str] | None = None) -> None:
        self.transfer_id = uuid.uuid4().hex[:12]
        self.events: list[TransferEvent] = []
        self._route = route
        self._attempt = attempt
        self._listener = listener
        self._warned = warned if warned is not None else set()
        self._now = asyncio.get_running_loop().time
        self._began = self._now()

    def record(
        self,
        phase: Phase,
        detail: str = "",
        status: str | None = None,
        **known: Unpack[Known],
    ) -> TransferEvent:
        """Adds an event, masked, and tells everybody of it."""
        event = TransferEvent(
            phase=phase,
            transfer_id=self.transfer_id,
            route=self._route,
            attempt=self._attempt,
            at=round(self._now() - self._began, 3),
            status=status if status is None else one_line(status),
            detail=one_line(detail),
            **known,
        )
        self.events.append(event)
        unwanted = phase in _UNWANTED_PHASES or event.outcome in _UNWANTED_OUTCOMES
        if phase is Phase.HELD_BACK:
            kind = _KIND.split(event.detail, maxsplit=1)[0]
            unwanted = kind not in self._warned
            self._warned.add(kind)
        logger.log(logging.WARNING if unwanted else logging.INFO, "%s", _line(event))
        try:
            self._listener(event)
        except Exception as error:
            # The author's hook must not be able to end a transfer that a caller waits for.
            logger.error("on_transfer_event raised on %s: %s", phase.value, described(error))  # noqa: TRY400
        return event


def described(error: BaseException) -> str:
    """An error and where it was raised, for a log, which the logging module's own traceback would not be fit for.

    What an error of somebody else's says is left out, and so are lines of source: either may quote a name, a token or
    what was said on the call, and no mask finds those.
    """
    error = first(error)
    says = f": {masked_text(str(error))}" if isinstance(error, CallTransferError) else ""
    where = [f"\n  {frame.filename}:{frame.lineno} in {frame.name}" for frame in _frames(error)]
    return f"{type(error).__name__}{says}{''.join(where)}"


def _frames(error: BaseException) -> traceback.StackSummary:
    return traceback.StackSummary.extract(traceback.walk_tb(error.__traceback__), lookup_lines=False)


def first(error: BaseException) -> BaseException:
    """The first error of a group of groups; any other error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _line(event: TransferEvent) -> str:
    parts = [f"transfer {event.transfer_id} to {event.route}: {event.phase}"]
    if event.destination is not None:
        parts.append(f"destination={event.destination}")
    if event.outcome is not None:
        parts.append(f"outcome={event.outcome}")
    if event.status is not None:
        parts.append(f"status={event.status}")
    parts.append(f"after {event.at:.2f} s")
    return " ".join(parts) + (f" ({event.detail})" if event.detail else "")
