"""What the platform's statuses mean, and how a forwarded call is followed to its end. No I/O.

Theory of operation: the platform answers a transfer before it happens. What happened afterwards shows in the status of
the caller's leg, and in the log of its statuses. Three things come in, in any order, late, repeated or not at all: the
answer to the request, readings of the leg, and whether the caller is in the agent's room. Rules:

- Only a status that is new since the request counts. A leg that was transferred in vain before still says so.
- `transferred` and a caller who is no longer in the room together are the proof of a connection, and no
  `transfer-failed` may stand beside it. Either alone is none: some carriers say so as soon as they have taken the
  request (on the 202), and take it back when the target does not answer; a leave may be a hang-up.
- How long the caller's presence contradicts a `transferred` is in `CONTRADICTED_FOR`.
- A 2xx is no proof: it came before anything happened. It only makes the next reading worth while.
- An answer that was lost says nothing about what the platform did; if it did anything, the status moves at once.
- A caller who leaves while the platform may be forwarding them, and of whom it then reports nothing, may have hung up or
  be talking to the target: that is its own end, `UNCONFIRMED`.
- There is always an end: what is not known by the deadline is not connected.
- What was given up may still come true, however many were asked for after it: see `Requests`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import attrs

from calltransfer.outcome import Outcome

SETTLE_TIMEOUT = 2.0
"""Seconds for a last status to come in: after the leg was seen ended, or after the request's answer was lost."""

STALE_TIMEOUT = 5.0
"""Seconds after which an end that was there before the request is taken for the end of this one."""


LEAVE_TIMEOUT = 5.0
"""Seconds for a forwarded caller to leave the agent's room: the carrier ends the old leg after it has reported the new one,
and the room's own event comes after that. Each takes well under a second where nothing is wrong."""


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


CONTRADICTED_FOR: Mapping[Meaning, float] = {
    Meaning.FORWARDED: math.inf,
    Meaning.MOVING: math.inf,
    Meaning.RINGING: math.inf,
    Meaning.LIVE: SETTLE_TIMEOUT,
    Meaning.NOT_YET: SETTLE_TIMEOUT,
    Meaning.OVER: LEAVE_TIMEOUT,
    Meaning.NOT_FORWARDED: 0.0,
}
"""Seconds that a caller in the agent's room waits for what a `transferred` has promised, by what the platform says now.

Then they are taken to be with the agent: in doubt silence would strand them. If they leave before, they are connected.

- While it goes on saying so, until the deadline: on a carrier that says so on the 202 the target's phone rings meanwhile.
- Once it says that they are on the line, it has taken it back without a word; one reading may be older than another.
- Once it says that the leg is over, for as long as a leave may take.
- Once it says that it failed, not at all.
"""


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

    def is_over(self, *, here: bool) -> bool:
        """Whether nobody is on it any more.

        A `transferred` says so only of somebody who is in no room of ours: of who is still there it is a promise, or is
        stale, and they can be talked to, moved and forwarded.

        Args:
            here: Whether they are seen in a room of ours.
        """
        return self.ended or self.meaning is Meaning.OVER or (self.meaning is Meaning.FORWARDED and not here)


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
        earlier: The requests for this leg before it that may still come true. If one does, and this one was refused, the
            connection is the earlier one's.
    """

    def __init__(self, before: Leg, *, earlier: "Sequence[Following]" = ()) -> None:
        self.later: list[Following] = []
        self._before = before
        self._earlier = earlier
        self._last = before
        self._seen: set[Meaning] = set()
        self._here = True
        self._forwarded_at: float | None = None
        self._meaning_since: tuple[Meaning, float] | None = None
        self._accepted_at: float | None = None
        self._refused: str | None = None
        self._refused_at: float | None = None
        self._lost: str | None = None
        self._lost_at: float | None = None
        self._over_at: float | None = None
        self._read_since_refusal = False

    @property
    def last_reading(self) -> Leg:
        """The caller's leg as it was read last."""
        return self._last

    @property
    def may_come_true(self) -> bool:
        """Whether it may still be connected, although it was given up.

        Of two requests under way nobody can say whose a failure is: both may come true then.
        """
        rivalled = any(other.stands for other in (*self._earlier, *self.later))
        return self.stands and (Meaning.NOT_FORWARDED not in self._seen or rivalled)

    @property
    def stands(self) -> bool:
        """Whether the platform has not refused it."""
        return self._refused is None

    @property
    def taken_back(self) -> bool:
        """Whether the platform reports that it failed, whatever it has reported before."""
        return Meaning.NOT_FORWARDED in self._seen

    @property
    def ringing(self) -> bool:
        """Whether the target's phone has been reported to ring."""
        return Meaning.RINGING in self._seen

    @property
    def until(self) -> float:
        """When it may be given up at the earliest: who has only just been forwarded may leave a moment later."""
        if self._forwarded_at is None or self.taken_back or not self._here:
            return -math.inf
        return self._forwarded_at + LEAVE_TIMEOUT

    @property
    def may_have_connected(self) -> bool:
        """Whether a connection that shows now may be this one's, although it was given up."""
        shows = self._forwarded_at is not None and not self._here
        return shows and self.may_come_true and not self._may_be_the_other

    def accepted(self, now: float) -> None:
        """The platform answered that it will."""
        self._accepted_at = now

    def refused(self, detail: str, now: float) -> None:
        """The platform answered that it will not."""
        self._refused, self._refused_at = detail, now

    def answer_lost(self, detail: str, now: float) -> None:
        """No answer came, or none that says whether it acted."""
        self._lost, self._lost_at = detail, now

    def here(self, present: bool) -> None:
        """Whether the caller is in the agent's room, as far as it can be seen."""
        self._here = present

    def read(self, leg: Leg, now: float) -> None:
        """A reading of the caller's leg."""
        self._last = leg
        self._read_since_refusal = self._refused is not None
        self._seen |= {STATUSES[status] for status in self._new(leg, now) if status in STATUSES}
        if self._meaning_since is None or self._meaning_since[0] is not leg.meaning:
            self._meaning_since = leg.meaning, now
        if Meaning.FORWARDED in self._seen and self._forwarded_at is None:
            self._forwarded_at = now
        if leg.is_over(here=self._here) and self._over_at is None:
            self._over_at = now

    def verdict(self, now: float) -> Verdict | None:
        """How it ended; None while that is not known."""
        if self.taken_back:
            return self._verdict(Outcome.FAILED, self._why_not_forwarded)
        if self._forwarded_at is not None:
            return self._verdict_on_forwarded(now)
        if self._over_at is not None and now - self._over_at >= SETTLE_TIMEOUT:
            return self._left("the caller's leg ended")
        if self._over_at is not None:
            return None
        if self._refused_at is not None and (self._read_since_refusal or now - self._refused_at >= SETTLE_TIMEOUT):
            return self._unforwarded(self._refused or "")
        if self._lost_at is not None and not self._moving and now - self._lost_at >= SETTLE_TIMEOUT:
            return self._unforwarded(f"{self._lost}; the call did not move")
        return None

    def at_deadline(self) -> Verdict:
        """How it ended if nothing more is to be waited for."""
        if self._forwarded_at is not None:
            return self._still_here if self._here else self._forwarded
        if not self._here or self._over_at is not None:
            return self._left("the caller left")
        if self.ringing:
            return self._verdict(Outcome.NO_ANSWER, "it rang and nobody answered in time")
        return self._verdict(Outcome.FAILED, self._lost or "the platform did not report an end in time")

    def _verdict_on_forwarded(self, now: float) -> Verdict | None:
        """How it ended, now that the platform has said that it was transferred."""
        if not self._here:
            return None if self._may_be_the_other else self._forwarded
        meaning, since = self._meaning_since or (Meaning.FORWARDED, now)
        return self._still_here if now - since >= CONTRADICTED_FOR[meaning] else None

    @property
    def _target_untouched(self) -> bool:
        """Whether it was refused for certain, and before anything rang: no late answer can make two calls of one."""
        refused = self._refused is not None or self.taken_back
        reached = self._seen & {Meaning.RINGING, Meaning.FORWARDED}
        moved = self._refused is not None and self._moving
        return refused and not reached and not moved and not self._after_another

    @property
    def _after_another(self) -> bool:
        return any(other.may_come_true for other in self._earlier)

    @property
    def _may_be_the_other(self) -> bool:
        """Only the answer to this request can say whose connection it is."""
        unanswered = self._accepted_at is None and self._refused is None and self._lost is None
        return self._after_another and unanswered

    @property
    def _forwarded(self) -> Verdict:
        if self._after_another and self._refused is not None:
            return self._verdict(Outcome.CANCELLED, "an earlier transfer connected the caller after all")
        return self._verdict(Outcome.CONNECTED, "the platform reports the call as transferred")

    @property
    def _still_here(self) -> Verdict:
        return self._verdict(
            Outcome.FAILED, "the platform reported the call as transferred, and the caller is still in the agent's room"
        )

    @property
    def _why_not_forwarded(self) -> str:
        if Meaning.FORWARDED in self._seen:
            return "the platform reported the call as transferred, and then that it failed"
        return (
            "the carrier did not forward the call; are REFER and the caller ID allowed on the trunk? "
            "direct_or_bridge() dials instead"
        )

    def _unforwarded(self, why: str) -> Verdict:
        """A caller who is no longer in the room, and is known not to have been forwarded, has hung up."""
        return self._verdict(Outcome.FAILED, why) if self._here else self._left(why)

    def _left(self, why: str) -> Verdict:
        """How it ended with a caller who has left, and of whom no transfer was reported."""
        if not self.stands and not self._after_another:
            return self._verdict(Outcome.CALLER_LEFT, why)
        return self._verdict(
            Outcome.UNCONFIRMED, f"{why} while they were being forwarded, and the platform reports no result"
        )

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


class Requests:
    """All requests to forward one leg, in order: which may still come true, and whose a connection is.

    One that is given up is not forgotten because another is asked for after it, whatever becomes of that.
    """

    def __init__(self) -> None:
        self._asked: list[Following] = []

    @property
    def may_come_true(self) -> bool:
        """Whether one of them may still be connected."""
        return any(following.may_come_true for following in self._asked)

    def ask(self, before: Leg) -> Following:
        """Another one is about to be made.

        Args:
            before: The leg as it was read last.
        """
        self._asked = [following for following in self._asked if following.may_come_true]
        asked = Following(before, earlier=tuple(self._asked))
        for earlier in self._asked:
            earlier.later.append(asked)
        self._asked.append(asked)
        return asked

    def here(self, present: bool) -> None:
        """Whether the caller is in the agent's room, as far as it can be seen."""
        for following in self._asked:
            following.here(present)

    def read(self, leg: Leg, now: float) -> None:
        """A reading of the leg."""
        for following in self._asked:
            following.read(leg, now)

    @property
    def connected(self) -> Following | None:
        """The one that has connected the caller: the newest of those that can have; None: none has."""
        return next((following for following in reversed(self._asked) if following.may_have_connected), None)
