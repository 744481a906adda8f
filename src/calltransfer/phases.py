"""The phases of a transfer as tables: what comes before what, who acts, and what the people on the phone notice.

`STEPS` has only what holds of every transfer, whatever its strategy does with the caller. `COURSES` are whole transfers
by our strategies, phase by phase. The witness of the tests holds every call on the sandbox to the first, a test holds the
second to transfers that are run, and the documentation's diagrams are drawn from both.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import attrs

from calltransfer.events import Phase
from calltransfer.outcome import Outcome


class Party(StrEnum):
    """Who takes part in a transfer."""

    CALLER = "caller"
    AGENT = "agent"
    PLATFORM = "platform"
    TARGET = "target"


def _phases(phases: Iterable[Phase]) -> frozenset[Phase]:
    return frozenset(phases)


@attrs.frozen(kw_only=True)
class Step:
    """What a phase is in the course of a transfer.

    Attributes:
        after: At least one of these has come before it in the same transfer; empty: it is the first of all.
        by: Who acts.
        towards: Towards whom; the same: by themselves.
        does: What they do.
        caller: What the caller hears from then on; empty: what they heard before.
        target: What the target hears from then on; empty: what they heard before.
        late: Whether it can come when the outcome is known already.
    """

    after: frozenset[Phase] = attrs.field(converter=_phases)
    by: Party
    towards: Party
    does: str
    caller: str = ""
    target: str = ""
    late: bool = False


@attrs.frozen(kw_only=True)
class Course:
    """One whole transfer, as it usually goes.

    Attributes:
        phases: What happens, in order.
        outcome: How it ends.
        caller_with: Whom the caller is with in the end.
    """

    phases: Sequence[Phase]
    outcome: Outcome
    caller_with: Party


STEPS: Final[Mapping[Phase, Step]] = {
    Phase.STARTED: Step(
        after=(),
        by=Party.AGENT,
        towards=Party.AGENT,
        does="its tool answers at once",
        caller="the agent's sentence",
    ),
    Phase.CONFIRMED: Step(
        after={Phase.STARTED},
        by=Party.CALLER,
        towards=Party.AGENT,
        does="has finished their turn",
    ),
    Phase.PREPARED: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="reads the caller's leg",
    ),
    Phase.INTERRUPTED: Step(
        after={Phase.STARTED},
        by=Party.CALLER,
        towards=Party.AGENT,
        does="breaks into the sentence",
        caller="the agent's answer",
        late=True,
    ),
    Phase.SENTENCE_HEARD: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.CALLER,
        does="its sentence is over",
    ),
    Phase.SUMMARY_STARTED: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="begins the summary",
    ),
    Phase.SUMMARY_READY: Step(
        after={Phase.SUMMARY_STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="has the summary",
    ),
    Phase.CONSULTATION_OPENED: Step(
        after={Phase.SUMMARY_STARTED},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="makes the consultation's room",
    ),
    Phase.DIALLED: Step(
        after={Phase.CONSULTATION_OPENED},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="dials the target into it",
    ),
    Phase.ON_HOLD: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.CALLER,
        does="does not hear them any more",
        caller="the hold",
    ),
    Phase.OFF_HOLD: Step(
        after={Phase.ON_HOLD},
        by=Party.AGENT,
        towards=Party.CALLER,
        does="hears them again",
        caller="the agent",
    ),
    Phase.ANSWERED: Step(
        after={Phase.DIALLED},
        by=Party.TARGET,
        towards=Party.PLATFORM,
        does="picks up",
    ),
    Phase.BRIEFING: Step(
        after={Phase.ANSWERED},
        by=Party.AGENT,
        towards=Party.TARGET,
        does="says what it is about, and asks",
        target="the briefing",
    ),
    Phase.DECIDED: Step(
        after={Phase.ANSWERED},
        by=Party.TARGET,
        towards=Party.AGENT,
        does="yes or no, by voice or key",
    ),
    Phase.CONNECTING: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="has one of the two moved",
    ),
    Phase.ROLLED_BACK: Step(
        after={Phase.CONNECTING},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="it failed: has it undone",
    ),
    Phase.RELEASED: Step(
        after={Phase.SUMMARY_STARTED},
        by=Party.AGENT,
        towards=Party.TARGET,
        does="a last sentence, and their call is ended",
        late=True,
    ),
    Phase.NOT_RELEASED: Step(
        after={Phase.CONSULTATION_OPENED},
        by=Party.PLATFORM,
        towards=Party.AGENT,
        does="does not end the target's call",
        late=True,
    ),
    Phase.RETURNED: Step(
        after={Phase.CONNECTING},
        by=Party.TARGET,
        towards=Party.CALLER,
        does="hangs up within seconds",
        caller="the agent",
        late=True,
    ),
    Phase.TALK_ENDED: Step(
        after={Phase.CONNECTING},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="has seen one of the two leave, and ends the other's call",
        late=True,
    ),
    Phase.FORWARDING: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.PLATFORM,
        does="asks for the forward, once",
        caller="what their carrier plays",
    ),
    Phase.RINGING: Step(
        after={Phase.DIALLED, Phase.FORWARDING},
        by=Party.PLATFORM,
        towards=Party.TARGET,
        does="their phone rings",
    ),
    Phase.HELD_BACK: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="does not let something else speak to the caller, or end their call",
        late=True,
    ),
    Phase.DICTATING: Step(
        after={Phase.STARTED},
        by=Party.CALLER,
        towards=Party.AGENT,
        does="leaves a message",
        caller="silence",
    ),
    Phase.ATTEMPTED: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="knows how one attempt of a plan ended",
    ),
    Phase.FINISHED: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="knows how it ended",
    ),
    Phase.TOLD: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.CALLER,
        does="says how it ended",
        caller="the agent",
        late=True,
    ),
    Phase.NOT_TOLD: Step(
        after={Phase.STARTED},
        by=Party.AGENT,
        towards=Party.AGENT,
        does="could not say how it ended",
        late=True,
    ),
    Phase.CONTRADICTED: Step(
        after={Phase.FORWARDING},
        by=Party.PLATFORM,
        towards=Party.AGENT,
        does="shows another end than was given",
        late=True,
    ),
}
"""Every phase, and what holds of it in any transfer."""

_FORWARDED = (Phase.STARTED, Phase.PREPARED, Phase.SENTENCE_HEARD, Phase.FORWARDING)
_CONSULTED = (
    Phase.STARTED,
    Phase.SUMMARY_STARTED,
    Phase.CONSULTATION_OPENED,
    Phase.DIALLED,
    Phase.SUMMARY_READY,
    Phase.RINGING,
    Phase.SENTENCE_HEARD,
    Phase.ON_HOLD,
    Phase.ANSWERED,
    Phase.BRIEFING,
    Phase.DECIDED,
)

COURSES: Final[Mapping[str, Course]] = {
    "direct": Course(
        phases=(*_FORWARDED, Phase.RINGING, Phase.FINISHED),
        outcome=Outcome.CONNECTED,
        caller_with=Party.TARGET,
    ),
    "direct, refused": Course(
        phases=(*_FORWARDED, Phase.FINISHED, Phase.TOLD),
        outcome=Outcome.FAILED,
        caller_with=Party.AGENT,
    ),
    "warm": Course(
        phases=(*_CONSULTED, Phase.CONNECTING, Phase.FINISHED),
        outcome=Outcome.CONNECTED,
        caller_with=Party.TARGET,
    ),
    "warm, declined": Course(
        phases=(*_CONSULTED, Phase.OFF_HOLD, Phase.RELEASED, Phase.FINISHED, Phase.TOLD),
        outcome=Outcome.DECLINED,
        caller_with=Party.AGENT,
    ),
    "warm, rolled back": Course(
        phases=(
            *_CONSULTED,
            Phase.CONNECTING,
            Phase.ROLLED_BACK,
            Phase.CONNECTING,
            Phase.ROLLED_BACK,
            Phase.OFF_HOLD,
            Phase.TOLD,
            Phase.RELEASED,
            Phase.FINISHED,
        ),
        outcome=Outcome.FAILED,
        caller_with=Party.AGENT,
    ),
}
"""Whole transfers by `DirectTransfer` and `WarmTransfer`, by name."""


def out_of_order(phases: Iterable[Phase]) -> str | None:
    """What is wrong with the order in which the phases of one transfer came; None: nothing is."""
    seen: set[Phase] = set()
    for phase in phases:
        step = STEPS[phase]
        if not step.after and seen:
            return f"{phase} came when it had begun already"
        if step.after and not step.after & seen:
            return f"{phase} came before {' or '.join(sorted(step.after))}"
        if Phase.FINISHED in seen and not step.late:
            return f"{phase} came when the outcome was known already"
        seen.add(phase)
    return None
