"""The tables of a transfer's phases are what happens, and the documentation's diagrams are drawn from them."""

import itertools
import re

import pytest
from mkdocs.exceptions import PluginError
from scripts.diagrams import DRAWINGS, drawn, on_page_markdown

from calltransfer import Outcome, Phase, TransferEvent
from calltransfer.phases import COURSES, STEPS, Party, out_of_order
from calltransfer.sandbox import LEG_STATES, Sandbox
from calltransfer.testing.scenes import PLATFORMS, TARGETS
from calltransfer.testing.witness import Witness
from tests.agents import BILLING, asking_caller
from tests.warm import SUPERVISOR, seen

WARM = {
    "warm": ("accepts", "healthy"),
    "warm, declined": ("declines", "healthy"),
    "warm, rolled back": ("accepts", "switch refused"),
}
"""Whom the caller of a course meets, and on which platform."""


def test_every_phase_is_a_step() -> None:
    """No phase is missing from the table, and each can be reached from the first."""
    reached: set[Phase] = set()
    for _ in STEPS:
        reached |= {phase for phase, step in STEPS.items() if not step.after or step.after & reached}

    assert set(Phase) == set(STEPS) == reached


@pytest.mark.parametrize("answers", [True, False])
async def test_a_direct_transfer_takes_its_course(answers: bool) -> None:
    """A forwarded call, and one that the carrier refuses, go phase by phase as they are drawn."""
    course = COURSES["direct" if answers else "direct, refused"]
    async with Sandbox() as sandbox:
        if answers:
            sandbox.person(BILLING, answers_after=3)
        caller = await asking_caller(sandbox)

        assert {Party.TARGET: BILLING, Party.AGENT: "agent"}[course.caller_with] == await caller.talking_to()
        assert [*course.phases] == [event.phase for event in caller.agent.events]
        assert [course.outcome] == caller.agent.outcomes


@pytest.mark.parametrize("name", WARM)
async def test_a_warm_transfer_takes_its_course(name: str) -> None:
    """A target who accepts, one who declines, and a move that fails go phase by phase as they are drawn."""
    course = COURSES[name]
    target, platform = WARM[name]
    assert target in TARGETS
    assert platform in PLATFORMS

    what = await seen(target, "stays", platform)

    assert [*course.phases] == [event.phase for event in what.events]
    assert course.outcome is what.outcome
    assert {Party.TARGET: SUPERVISOR, Party.AGENT: "agent"}[course.caller_with] == what.connected_to


def test_every_course_is_run() -> None:
    """No course is drawn that no test runs, and each is in the order that the witness holds every transfer to."""
    assert {*WARM, "direct", "direct, refused"} == set(COURSES)
    assert [None] * len(COURSES) == [out_of_order(course.phases) for course in COURSES.values()]


@pytest.mark.parametrize(
    ("phases", "disorder"),
    [
        ([Phase.SENTENCE_HEARD], "sentence_heard came before started"),
        ([Phase.STARTED, Phase.STARTED], "started came when it had begun already"),
        ([Phase.STARTED, Phase.RINGING], "ringing came before dialled or forwarding"),
        ([Phase.STARTED, Phase.FINISHED, Phase.FORWARDING], "forwarding came when the outcome was known already"),
        ([Phase.STARTED, Phase.FINISHED, Phase.TOLD], None),
    ],
)
def test_disorder_is_named(phases: list[Phase], disorder: str | None) -> None:
    """What came too early, twice or too late is said by name."""
    assert disorder == out_of_order(phases)


async def test_a_witness_notices_disorder() -> None:
    """A transfer whose events come in an order that cannot be breaks an invariant by name."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox)
        await caller.talking_to()
        witness = Witness(sandbox, caller)
        witness.look_back()
        assert [] == witness.broken

        transfer_id = caller.agent.events[-1].transfer_id
        for phase in (Phase.FORWARDING, Phase.CONTRADICTED):
            event = TransferEvent(phase=phase, transfer_id=transfer_id, route="billing", attempt=1, at=9.0)
            for listener in caller.listeners:
                listener(event)
        witness.look_back()
        assert ["truth: forwarding came when the outcome was known already"] == witness.broken


@pytest.mark.parametrize("name", COURSES)
def test_a_sequence_shows_every_phase_of_its_course(name: str) -> None:
    """What is drawn of a course is its phases, in order, with what is done in each."""
    picture = drawn(f"sequence, {name}")

    shown = re.findall(r'class="name[^>]*>([A-Z_]+)<', picture)
    assert [phase.name for phase in COURSES[name].phases] == shown
    assert all(STEPS[phase].does.split("'")[0] in picture for phase in COURSES[name].phases)
    assert (Outcome.CONNECTED.name in picture) is (COURSES[name].outcome is Outcome.CONNECTED)


def test_every_step_of_a_leg_is_drawn() -> None:
    """Each status that can follow another is an arrow of one of the diagrams, or a line of the table."""
    arrows = {
        tuple(end.replace("_", "-") for end in arrow)
        for name in ("called", "forwarded", "moved")
        for arrow in re.findall(r"(\S+) --> (\S+)", drawn(f"states, {name}"))
    }
    steps = {(status, following) for status in LEG_STATES for following in LEG_STATES[status]}
    rows = dict(re.findall(r"\| `(\S+)` \| (.+?) \|", drawn("states")))

    assert arrows <= steps
    assert {"transferred", "switch-room-completed", "answered"} <= {following for _, following in arrows}
    assert steps == {(s, f) for s, cell in rows.items() for f in re.findall(r"`(\S+?)`", cell)}


def test_pages_get_what_they_ask_for() -> None:
    """A marker is replaced by its drawing, and the rest of a page stays as it is."""
    for name in DRAWINGS:
        assert f"before\n\n{drawn(name)}\n\nafter" == on_page_markdown(f"before\n\n<!-- drawn: {name} -->\n\nafter")


def test_an_unknown_drawing_fails_the_build() -> None:
    """A page that asks for what there is not does not build, and is told what there is."""
    with pytest.raises(PluginError, match=r"no drawing 'a cat'; there are .*phases"):
        on_page_markdown("<!-- drawn: a cat -->")


def test_no_row_of_a_table_is_broken() -> None:
    """Every row has as many cells as its head: nothing that is said in one ends it."""
    for name in ("phases", "states"):
        cells = [line.count("|") for line in drawn(name).splitlines() if "|" in line]
        assert all(one == other for one, other in itertools.pairwise(cells))
