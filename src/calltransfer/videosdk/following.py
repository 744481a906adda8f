"""What the platform's statuses mean, and how a forwarded call is followed to its end. No I/O.

Theory of operation: the platform answers a transfer before it happens. What happened afterwards shows in the status of
the caller's leg, and in the log of its statuses. Three things come in, in any order, late, repeated or not at all: the
answer to the request, readings of the leg, and the caller leaving the room. Rules:

- Only a status that is new since the request counts. A leg that was transferred in vain before still says so.
- `transferred` is the only proof of a connection, and no `transfer-failed` may stand beside it.
- A 2xx is no proof: it came before anything happened. A leave is no proof: hanging up looks the same. Both only make
  the next reading worth while.
- An answer that was lost says nothing about what the platform did; if it did anything, the status moves at once.
- There is always an end: what is not known by the deadline is not connected.
"""

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from calltransfer.outcome import Outcome

SETTLE_TIMEOUT = 2.0
"""Seconds for a last status to come in: after the leg was seen ended, or after the request's answer was lost."""

STALE_TIMEOUT = 5.0
"""Seconds after which an end that was there before the request is taken for the end of this one."""


class Meaning(Enum):
    """What a status says about the caller's leg."""

    NOT_YET = "it is being set up"
    LIVE = "the caller is on the line"
    MOVING = "the carrier has been asked to forward it"
    RINGING = "the target's phone rings"
    FORWARDED = "caller and target are connected"
    NOT_FORWARDED = "the carrier did not forward it"
    OVER = "it has ended"


STATUSES: Mapping[str, Meaning] = {
    "initiated": Meaning.NOT_YET,
    "ringing": Meaning.NOT_YET,
    "incoming": Meaning.NOT_YET,
    "verified": Meaning.NOT_YET,
    "answered": Meaning.LIVE,
    "switch-room-initiated": Meaning.LIVE,
    "switch-room-completed": Meaning.LIVE,
    "switch-room-failed": Meaning.LIVE,
    "transfer-initiated": Meaning.MOVING,
    "transfer-accepted": Meaning.MOVING,
    "transferring": Meaning.MOVING,
    "transfer-ringing": Meaning.RINGING,
    "transferred": Meaning.FORWARDED,
    "transfer-failed": Meaning.NOT_FORWARDED,
    "missed": Meaning.OVER,
    "not-answered": Meaning.OVER,
    "failed": Meaning.OVER,
    "rejected": Meaning.OVER,
    "abandoned": Meaning.OVER,
    "ended": Meaning.OVER,
}
"""The platform's statuses (its server SDK lists them). One that is not here is taken for a live leg's, and logged."""


UNANSWERED: Mapping[str, Outcome] = {
    "rejected": Outcome.BUSY,
    "not-answered": Outcome.NO_ANSWER,
    "missed": Outcome.NO_ANSWER,
}
"""How a leg that was dialled ends without an answer, as far as the platform tells; every other end is `FAILED`.

"rejected" is a busy line and a call declined on the phone alike; the platform has one word for both.
"""


@attrs.frozen
class Leg:
    """One reading of a leg.

    Attributes:
        id: The platform's id of the call.
        status: In lower case, as in `STATUSES`.
        log: Every status it has had, as far as the platform says.
        session_id: The session it belongs to; None where the platform leaves it out.
        direction: "inbound" or "outbound"; None where the platform leaves it out.
        started: When it began, as the platform writes it.
        ended: Whether the platform gives a time at which it ended.
        room_id: The room it is in; None where the platform leaves it out.
        from_number: Who called; None where the platform leaves it out.
        to_number: Who was called; None where the platform leaves it out.
        metadata: What was given along with the call.
    """

    id: str
    status: str
    log: tuple[str, ...] = ()
    session_id: str | None = None
    direction: str | None = None
    started: str = ""
    ended: bool = False
    room_id: str | None = None
    from_number: str | None = attrs.field(default=None, repr=False)
    to_number: str | None = attrs.field(default=None, repr=False)
    metadata: Mapping[str, Any] = attrs.field(factory=dict, repr=False, eq=False)

    @property
    def meaning(self) -> Meaning:
        """What its status says."""
        return STATUSES.get(self.status, Meaning.LIVE)

    @property
    def over(self) -> bool:
        """Whether nobody is on it any more."""
        return self.ended or self.meaning in {Meaning.OVER, Meaning.FORWARDED}


@attrs.frozen
class Verdict:
    """How a forwarded call ended, the platform's word for it, why in one line, and whether it never reached the target."""

    outcome: Outcome
    status: str | None
    detail: str
    target_untouched: bool = False


class Following:
    """Follows one forwarded call. Times are seconds on any one clock.

    Args:
        before: The caller's leg as it was before the request.
        after_another: Whether an earlier request may still come true. If it does, and this one was refused, the
            connection is the earlier one's.
    """

    def __init__(self, before: Leg, *, after_another: bool = False) -> None:
        self._before = before
        self._after_another = after_another
        self._last = before
        self._seen: set[Meaning] = set()
        self._accepted_at: float | None = None
        self._refused: str | None = None
        self._refused_at: float | None = None
        self._lost: str | None = None
        self._lost_at: float | None = None
        self._over_at: float | None = None
        self._read_since_refusal = False
        self._has_left = False

    @property
    def last_reading(self) -> Leg:
        """The caller's leg as it was read last."""
        return self._last

    @property
    def may_come_true(self) -> bool:
        """Whether it may still be connected, although it was given up."""
        return self._refused is None and Meaning.NOT_FORWARDED not in self._seen

    @property
    def ringing(self) -> bool:
        """Whether the target's phone has been reported to ring."""
        return Meaning.RINGING in self._seen

    def accepted(self, now: float) -> None:
        """The platform answered that it will."""
        self._accepted_at = now

    def refused(self, detail: str, now: float) -> None:
        """The platform answered that it will not."""
        self._refused, self._refused_at = detail, now

    def answer_lost(self, detail: str, now: float) -> None:
        """No answer came, or none that says whether it acted."""
        self._lost, self._lost_at = detail, now

    def left(self) -> None:
        """The caller is no longer in the room."""
        self._has_left = True

    def read(self, leg: Leg, now: float) -> None:
        """A reading of the caller's leg."""
        self._last = leg
        self._read_since_refusal = self._refused is not None
        self._seen |= {STATUSES[status] for status in self._new(leg, now) if status in STATUSES}
        if (leg.over or Meaning.FORWARDED in self._seen) and self._over_at is None:
            self._over_at = now

    def verdict(self, now: float) -> Verdict | None:
        """How it ended; None while that is not known."""
        if Meaning.NOT_FORWARDED in self._seen:
            return self._verdict(
                Outcome.FAILED,
                "the carrier did not forward the call; are REFER and the caller ID allowed on the trunk? "
                "direct_or_bridge() dials instead",
            )
        if Meaning.FORWARDED in self._seen and not self._may_be_the_other:
            return self._forwarded
        if Meaning.FORWARDED in self._seen:
            return None
        if self._over_at is not None and now - self._over_at >= SETTLE_TIMEOUT:
            return self._verdict(Outcome.CALLER_LEFT, "the caller's leg ended without a transfer")
        if self._over_at is not None:
            return None
        if self._refused_at is not None and (self._read_since_refusal or now - self._refused_at >= SETTLE_TIMEOUT):
            return self._verdict(self._unforwarded, self._refused or "")
        if self._lost_at is not None and not self._moving and now - self._lost_at >= SETTLE_TIMEOUT:
            return self._verdict(self._unforwarded, f"{self._lost}; the call did not move")
        return None

    def at_deadline(self) -> Verdict:
        """How it ended if nothing more is to be waited for."""
        if Meaning.FORWARDED in self._seen:
            return self._forwarded
        if self._has_left or self._over_at is not None:
            return self._verdict(Outcome.CALLER_LEFT, "the caller left, and no transfer was ever reported")
        if self.ringing:
            return self._verdict(Outcome.NO_ANSWER, "it rang and nobody answered in time")
        return self._verdict(Outcome.FAILED, self._lost or "the platform did not report an end in time")

    @property
    def _target_untouched(self) -> bool:
        """Whether it was refused for certain, and before anything rang: no late answer can make two calls of one."""
        refused = self._refused is not None or Meaning.NOT_FORWARDED in self._seen
        reached = self._seen & {Meaning.RINGING, Meaning.FORWARDED}
        moved = self._refused is not None and self._moving
        return refused and not reached and not moved and not self._after_another

    @property
    def _may_be_the_other(self) -> bool:
        """Only the answer to this request can say whose connection it is."""
        return self._after_another and self._accepted_at is None and self._refused is None and self._lost is None

    @property
    def _forwarded(self) -> Verdict:
        if self._after_another and self._refused is not None:
            return self._verdict(Outcome.CALLER_LEFT, "an earlier transfer connected the caller after all")
        return self._verdict(Outcome.CONNECTED, "the platform reports the call as transferred")

    @property
    def _unforwarded(self) -> Outcome:
        """A caller who is no longer in the room, and was not forwarded, has hung up."""
        return Outcome.CALLER_LEFT if self._has_left else Outcome.FAILED

    @property
    def _moving(self) -> bool:
        return bool(self._seen & {Meaning.MOVING, Meaning.RINGING})

    def _new(self, leg: Leg, now: float) -> set[str]:
        """The statuses that were not there before the request, whatever order the platform lists them in."""
        new = set(Counter(leg.log) - Counter(self._before.log))
        changed = leg.status != self._before.status or self._moving
        stale_end = self._accepted_at is not None and now - self._accepted_at >= STALE_TIMEOUT
        if changed or stale_end:
            new.add(leg.status)
        return new

    def _verdict(self, outcome: Outcome, detail: str) -> Verdict:
        return Verdict(outcome, self._last.status, detail, target_untouched=self._target_untouched)
