"""One call between the platform and one phone, and how its status moves."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

LEG_STATES: Mapping[str, frozenset[str]] = {
    "initiated": frozenset({"incoming", "ringing", "failed", "ended"}),
    "incoming": frozenset({"verified", "missed"}),
    "verified": frozenset({"answered", "rejected"}),
    "ringing": frozenset({"answered", "not-answered", "rejected", "failed", "ended"}),
    "answered": frozenset({"transfer-initiated", "switch-room-initiated", "ended"}),
    "transfer-initiated": frozenset({"transfer-accepted", "transfer-failed", "ended"}),
    "transfer-accepted": frozenset({"transferring", "transfer-failed", "ended"}),
    "transferring": frozenset({"transfer-ringing", "transfer-failed", "ended"}),
    "transfer-ringing": frozenset({"transferred", "transfer-failed", "ended"}),
    "transfer-failed": frozenset({"answered", "transfer-initiated", "switch-room-initiated", "ended"}),
    "transferred": frozenset({"ended"}),
    "switch-room-initiated": frozenset({"switch-room-completed", "switch-room-failed", "ended"}),
    "switch-room-completed": frozenset({"answered", "transfer-initiated", "switch-room-initiated", "ended"}),
    "switch-room-failed": frozenset({"answered", "transfer-initiated", "switch-room-initiated", "ended"}),
    "ended": frozenset(),
    "missed": frozenset(),
    "not-answered": frozenset(),
    "rejected": frozenset(),
    "failed": frozenset(),
}
"""Which status of a leg can follow which; the documentation's diagram is drawn from it."""

UNDOCUMENTED: Mapping[str, frozenset[str]] = {
    "transfer-accepted": frozenset({"transferred"}),
    "transferred": frozenset({"transfer-failed"}),
}
"""What can follow besides where `Unknowns` says so."""

TRANSFERABLE = frozenset({"answered", "transfer-failed", "switch-room-completed", "switch-room-failed"})
"""The statuses in which a leg can be forwarded, or moved to another room."""

UNANSWERED = frozenset({"initiated", "incoming", "verified", "ringing"})
"""The statuses in which nobody has answered yet."""

UNSETTLED = UNANSWERED | {
    "transfer-initiated",
    "transfer-accepted",
    "transferring",
    "transfer-ringing",
    "switch-room-initiated",
}
"""The statuses that another follows by itself."""

_DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)


@attrs.define(eq=False)
class Leg:
    """One call between the platform and one phone.

    Whatever its status says, `being_forwarded` is whether its carrier still tries to reach somebody else for it,
    `rings_at` whose phone rings for it, and `talking_to` to whom it was forwarded.
    """

    id: str
    direction: str
    room_id: str
    session_id: str | None
    caller_number: str
    called_number: str
    clock: Callable[[], float]
    status: str = "initiated"
    log: list[tuple[str, float]] = attrs.field(factory=list)
    started: float = 0.0
    ended: float | None = None
    participant_id: str | None = None
    name: str = ""
    metadata: Mapping[str, Any] = attrs.field(factory=dict)
    said_in_room: Mapping[str, Any] = attrs.field(factory=dict)
    talking_to: str | None = None
    rings_at: str | None = None
    being_forwarded: bool = False
    moved: Callable[["Leg"], None] = lambda _leg: None

    def move(self, status: str) -> None:
        """Moves on to `status`; one that cannot follow is a bug of the sandbox."""
        if status not in LEG_STATES[self.status] | UNDOCUMENTED.get(self.status, frozenset()):
            raise ValueError(f"a leg that is {self.status} cannot become {status}")
        self.status = status
        self.log.append((status, self.clock()))
        gone = status == "transferred" and not self.being_forwarded
        self.ended = self.clock() if gone or not LEG_STATES[status] else None
        self.moved(self)

    def is_with(self, number: str | None) -> None:
        """The caller talks to somebody else, at `number`, or, with None, no longer does; the status stays."""
        self.talking_to = number
        self.being_forwarded = False
        if number is not None and self.ended is None:
            self.ended = self.clock()
        self.moved(self)

    def is_at(self, number: str) -> bool:
        """Whether it is a call of the phone at `number`: that rings for it, or that somebody talks on."""
        own = self.caller_number if self.direction == "inbound" else self.called_number
        return number in {self.rings_at, self.talking_to} or (number == own and self.answered)

    @property
    def over(self) -> bool:
        """Whether nobody is on it any more."""
        return self.ended is not None

    @property
    def unsettled(self) -> bool:
        """Whether something still happens to it by itself."""
        return self.being_forwarded or self.status in UNSETTLED

    @property
    def answered(self) -> bool:
        """Whether somebody is on it."""
        return not self.over and self.status not in UNANSWERED

    def document(self, *, keeps_log: bool) -> dict[str, Any]:
        """As the platform lists it, in both of its styles."""
        return {
            "callId": self.id,
            "id": self.id,
            "type": self.direction,
            "status": self.status,
            "roomId": self.room_id,
            **({"sessionId": self.session_id} if self.session_id is not None else {}),
            "gatewayId": "gw_sandbox",
            "ruleId": "rr_sandbox",
            "from": self.caller_number,
            "to": self.called_number,
            "sipCallFrom": self.caller_number,
            "sipCallTo": self.called_number,
            "metadata": dict(self.metadata),
            "start": _timestamp(self.started),
            "end": _timestamp(self.ended) if self.ended is not None else None,
            "timelog": [{"status": status.upper(), "timestamp": _timestamp(at)} for status, at in self.log]
            if keeps_log
            else [],
        }


def _timestamp(at: float) -> str:
    return (_DAY_ZERO + timedelta(seconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
