"""What a transfer reports: events while it runs, a result when it is over."""

from enum import StrEnum
from typing import Literal

import attrs

from calltransfer.destination import Destination
from calltransfer.outcome import Outcome


class Phase(StrEnum):
    """Where a transfer is. May grow in a later version."""

    STARTED = "started"
    """The model, or the author's code, asked for it."""
    CONFIRMED = "confirmed"
    """The caller has finished the turn it was asked for in (only where generation is preemptive)."""
    PREPARED = "prepared"
    """The caller's leg is found and the way to the platform is warm."""
    INTERRUPTED = "interrupted"
    """The caller broke into the agent's sentence; nothing they can notice happens before they are answered."""
    SENTENCE_HEARD = "sentence_heard"
    """The agent's sentence is over; what comes next can be noticed by the caller."""
    SUMMARY_STARTED = "summary_started"
    """The summary for the target is being made."""
    SUMMARY_READY = "summary_ready"
    """There is a summary."""
    CONSULTATION_OPENED = "consultation_opened"
    """The room in which the target is consulted has been made."""
    DIALLED = "dialled"
    """The platform has been asked to call the target."""
    ON_HOLD = "on_hold"
    """The agent does not hear the caller any more, and the caller hears the hold."""
    OFF_HOLD = "off_hold"
    """The caller is with the agent again."""
    ANSWERED = "answered"
    """The target has answered, says the platform."""
    BRIEFING = "briefing"
    """The target is being told what it is about."""
    DECIDED = "decided"
    """The target has said yes or no, or is none that could: a machine, or somebody silent."""
    CONNECTING = "connecting"
    """Caller and target are being brought into one room. It cannot be called back from here on."""
    ROLLED_BACK = "rolled_back"
    """They could not be brought together; the caller is with the agent again, or gone."""
    RELEASED = "released"
    """What was dialled has ended, and its room is empty."""
    NOT_RELEASED = "not_released"
    """The platform did not end what was dialled; the limits set when dialling bound it."""
    RETURNED = "returned"
    """The target left within seconds of being connected, and the caller is with the agent again."""
    TALK_ENDED = "talk_ended"
    """One of the two who were connected has left, or their longest call was over; the agent was there and has seen it."""
    FORWARDING = "forwarding"
    """The platform is asked to forward the call, now. It cannot be called back from here on."""
    RINGING = "ringing"
    """The platform reports that the target's phone rings."""
    HELD_BACK = "held_back"
    """Something that would have spoken to the caller or ended their call was held back; of more of its kind, how many."""
    DICTATING = "dictating"
    """The agent takes down what the caller says, and nobody answers it."""
    ATTEMPTED = "attempted"
    """One of the things that a plan tries has ended; `outcome` says how."""
    FINISHED = "finished"
    """The outcome is known."""
    TOLD = "told"
    """The caller has heard how it ended, from the model or in a fixed sentence."""
    NOT_TOLD = "not_told"
    """The caller has heard neither the model nor a fixed sentence say how it ended."""
    CONTRADICTED = "contradicted"
    """The platform reported a different end after the outcome had been given; `outcome` says which. The target got the
    caller after all, or did not, and they are with the agent again."""


@attrs.frozen(kw_only=True)
class TransferEvent:
    """Something that happened in a transfer. Holds no name, no token and no number but the destination's.

    Attributes:
        phase: What happened.
        transfer_id: The same for all events of one transfer.
        route: The route's name.
        attempt: How many transfers this call has seen, this one included.
        at: Seconds since the transfer was asked for.
        destination: Whose line it is about, where it is about one: who is dialled, forwarded to or connected. Private:
            printed it is masked, its `address` is not.
        outcome: Set when `phase` is `FINISHED`, `ATTEMPTED` or `CONTRADICTED`.
        status: The platform's own word for it, where there is one.
        detail: One line for a log.
        talked_for: Seconds that caller and target were connected; set when `phase` is `TALK_ENDED` or `RETURNED`.
        ended_by: Who of the two left first, or "limit" where the platform ended the target's call because it had lasted as
            long as it may (`VideoSDKPlatform(longest_call=)`); set as `talked_for` is. None: not known, or neither: an
            earlier target, whose forward had been given up, got the caller after all.
    """

    phase: Phase
    transfer_id: str
    route: str
    attempt: int
    at: float
    destination: Destination | None = None
    outcome: Outcome | None = None
    status: str | None = None
    detail: str = ""
    talked_for: float | None = None
    ended_by: Literal["caller", "target", "limit"] | None = None


@attrs.frozen(kw_only=True)
class ConsultationIds:
    """What the platform calls the parts of a consultation; None where it did not come to that.

    Attributes:
        room_id: The room in which the target was consulted.
        session_id: That room's session.
        leg_id: The target's leg.
        agent_participant_id: The agent in that room.
        target_participant_id: The target in it.
        caller_participant_id: The caller in it, where they were moved there.
    """

    room_id: str | None = None
    session_id: str | None = None
    leg_id: str | None = None
    agent_participant_id: str | None = None
    target_participant_id: str | None = None
    caller_participant_id: str | None = None


@attrs.frozen(kw_only=True)
class TransferResult:
    """How a transfer ended.

    A strategy returns one with what it knows; `route`, `transfer_id`, `attempts` and `timeline` are filled in by the
    runner.

    Attributes:
        outcome: The typed end.
        route: The route's name; filled in by the runner.
        transfer_id: The same as in the transfer's events; filled in by the runner. Empty where none was started.
        destination: Where the call was to go; None when no destination was found.
        detail: Why, in one line for a log, without anything private.
        status: The platform's own last word, where there is one.
        summary: What the target was told; empty when nobody was told anything.
        leg_id: The platform's id of the caller's leg.
        room_id: The room the caller was in.
        consultation: The parts of the consultation; None when there was none.
        attempts: What a plan has tried, in the order in which it ended, each as it ended; filled in by the runner. Empty
            for a strategy that tries one thing only. A forward that was given up, and connects the caller while the plan
            goes on, is `CONNECTED`, and so is the transfer.
        target_untouched: Whether it is certain that the platform or the carrier refused to forward the call before the
            target's phone rang, and that it never will for this: they may be called in another way.
        told: Whether the caller has been told how it ended by the strategy itself; then nobody tells them again, and the
            agent asks what else it can do.
        timeline: Every event of the transfer up to `FINISHED`, in order. What comes after it, such as `TALK_ENDED`, is in
            none: `on_transfer_event` gets it.
    """

    outcome: Outcome = attrs.field(converter=Outcome)
    route: str = ""
    transfer_id: str = ""
    destination: Destination | None = None
    detail: str = attrs.field(default="", converter=str)
    status: str | None = None
    summary: str = attrs.field(default="", repr=False)
    leg_id: str | None = None
    room_id: str | None = None
    consultation: ConsultationIds | None = None
    attempts: "tuple[TransferResult, ...]" = ()
    target_untouched: bool = False
    told: bool = False
    timeline: tuple[TransferEvent, ...] = ()

    @property
    def connected(self) -> bool:
        """Whether caller and target are connected."""
        return self.outcome is Outcome.CONNECTED
