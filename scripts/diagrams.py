"""Draws the pictures of the explanations from the code's own tables, and from what was measured, as the site is built.

A page says `<!-- drawn: NAME -->` where one is wanted, and NAME is one of `DRAWINGS`; an unknown one fails the build.
"""

import functools
import json
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

from calltransfer.events import Phase
from calltransfer.phases import COURSES, STEPS, Party, Step

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what the SDK says of what it imports is not about the site
    from calltransfer.sandbox.leg import LEG_STATES

_MARKER = re.compile(r"^<!-- drawn: (.+?) -->$", re.MULTILINE)

# At their own size: what does not fit a phone is scrolled, and can be read.
_WIDTH = 684
_NOTE_WIDTH = 172
_LANES = dict(zip(Party, (_NOTE_WIDTH / 2 + 1, 257, 427, _WIDTH - _NOTE_WIDTH / 2 - 1), strict=True))
_HEAD, _ROW, _NOTE = 28, 46, 26
_STYLE = (
    ".sequence,.mermaid{overflow-x:auto;margin:1em 0}"
    ".sequence svg{max-width:none}"
    ".sequence text{font-size:11.5px;fill:var(--md-default-fg-color)}"
    ".sequence .who{font-size:13px;font-weight:700;text-anchor:middle}"
    ".sequence .name{font-size:10px;fill:var(--md-default-fg-color--light);font-family:var(--md-code-font-family,monospace)}"
    ".sequence .name,.sequence .does{paint-order:stroke;stroke:var(--md-default-bg-color);stroke-width:5px}"
    ".sequence .middle{text-anchor:middle}"
    ".sequence .lane{stroke:var(--md-default-fg-color--lighter);stroke-dasharray:3 4}"
    ".sequence .arrow{stroke:var(--md-typeset-a-color);stroke-width:1.5}"
    ".sequence .dot{fill:var(--md-typeset-a-color)}"
    ".sequence .side{font-size:13px;font-weight:700}"
    ".sequence .ours{fill:var(--md-accent-fg-color)}"
    ".sequence .floor{fill:var(--md-default-fg-color--lighter)}"
    ".sequence .note{fill:var(--md-code-bg-color);stroke:var(--md-default-fg-color--lightest)}"
)
_LABELS = 190
_FIGURES = Path(__file__).parent.parent / "docs" / "explanation" / "wait.json"
_STAGES = (
    ("dialled", "until they are dialled", False),
    ("answered", "their phone rings", True),
    ("greeted", "until they hear a word", False),
    ("asked", "greeting, summary, question", True),
    ("accepted", "they decide, and say yes", True),
    ("connected", "understood, moved, proven", False),
)
_SUMS = {
    "beyond_floor": "beyond the floor",
    "silence_total": "the caller hears nothing, in all",
    "silence_longest": "… and at a time",
    "decline_to_first_word": "after a no: until the caller hears a word",
}

# Scrolled, too, before a name is broken in two.
_STYLE_OF_TABLES = (
    ".md-typeset table:not([class]) td code{white-space:nowrap}"
    ".md-typeset table:not([class]) td:not(:first-child){min-width:7.5rem}"
)
_STATES_AT_THEIR_SIZE = '%%{init: {"state": {"useMaxWidth": false}}}%%'


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the drawings where a page asks for them; called by mkdocs."""
    return _MARKER.sub(lambda marker: drawn(marker[1]), markdown)


def drawn(name: str) -> str:
    """One drawing, as Markdown."""
    if name not in DRAWINGS:
        raise PluginError(f"there is no drawing {name!r}; there are {', '.join(sorted(DRAWINGS))}")
    return DRAWINGS[name]()


def sequence(name: str) -> str:
    """Who does what towards whom in one course, and what the two on the phone hear from then on."""
    course = COURSES[name]
    shapes: list[str] = []
    heard: dict[Party, str] = {}
    y = _HEAD
    for phase in course.phases:
        step = STEPS[phase]
        y += _ROW
        shapes.append(_arrow(step.by, step.towards, y, phase.name, step.does))
        for party, hears in _heard(step):
            if hears and hears != heard.get(party):
                heard[party] = hears
                y += _NOTE
                shapes.append(_note(party, party, y, f"hears {hears}"))
    if course.caller_with is Party.TARGET:
        y += _NOTE
        shapes.append(_note(Party.CALLER, Party.TARGET, y, f"caller and target hear each other: {course.outcome.name}"))
    lanes = "".join(
        f'<line class="lane" x1="{x}" y1="{_HEAD}" x2="{x}" y2="{y + 14}"/>'
        f'<text class="who" x="{x}" y="{_HEAD - 10}">{party}</text>'
        for party, x in _LANES.items()
    )
    return _picture(f"{name}: {', '.join(course.phases)}", y + 20, lanes + "".join(shapes))


def waterfall() -> str:
    """Where the seconds of a caller's wait went in the last run of `make bench`, stage by stage, for both sides."""
    sides = _measured()["sides"]
    scale = (_WIDTH - _LABELS - 50) / max(figures["at_connected"] for figures in sides.values())
    shapes: list[str] = []
    y = 0.0
    for side, figures in sides.items():
        y += 24
        shapes.append(f'<text class="side" x="0" y="{y}">{side}</text>')
        for label, begin, end, theirs in _spans(figures):
            y += 20
            x, width = _LABELS + begin * scale, max(2.0, (end - begin) * scale)
            shapes.append(
                f'<text x="{_LABELS - 8}" y="{y}" text-anchor="end">{label}</text>'
                f'<rect class="{"floor" if theirs else "ours"}" x="{x:.1f}" y="{y - 11}" '
                f'width="{width:.1f}" height="14" rx="2"/>'
                f'<text x="{x + width + 5:.1f}" y="{y}">{end - begin:.1f} s</text>'
            )
        y += 12
    return _picture("where the seconds of a caller's wait go", y + 6, "".join(shapes))


def table_of_waits() -> str:
    """The same as a table."""
    sides = _measured()["sides"]
    spans = [_spans(figures) for figures in sides.values()]
    return _table(
        ("seconds", *(f"`{side}`" for side in sides)),
        (
            *(
                (stages[0][0], *(f"{end - begin:.1f}" for _, begin, end, _ in stages))
                for stages in zip(*spans, strict=True)
            ),
            ("**in all**", *(f"**{figures['at_connected']:.1f}**" for figures in sides.values())),
            *((label, *(f"{figures[key]:.1f}" for figures in sides.values())) for key, label in _SUMS.items()),
        ),
    )


def _measured() -> Mapping[str, Any]:
    measured: Mapping[str, Any] = json.loads(_FIGURES.read_text())["warm"]
    return measured


def _spans(figures: Mapping[str, float]) -> list[tuple[str, float, float, bool]]:
    """Each stage, with when it began and ended, and whether it would take as long whoever transfers."""
    ends = [figures[f"at_{stage}"] for stage, _, _ in _STAGES]
    return [
        (label, begin, end, theirs)
        for (_, label, theirs), begin, end in zip(_STAGES, [0.0, *ends[:-1]], ends, strict=True)
    ]


def _arrow(by: Party, towards: Party, y: float, name: str, does: str) -> str:
    here, there = _LANES[by], _LANES[towards]
    if by is towards:
        return (
            f'<circle class="dot" cx="{here}" cy="{y - 4}" r="4"/>'
            f'<text class="name" x="{here + 12}" y="{y - 8}">{name}</text>'
            f'<text class="does" x="{here + 12}" y="{y + 6}">{escape(does)}</text>'
        )
    back = 8 if there > here else -8
    middle = (here + there) / 2
    return (
        f'<text class="name middle" x="{middle}" y="{y - 18}">{name}</text>'
        f'<text class="does middle" x="{middle}" y="{y - 5}">{escape(does)}</text>'
        f'<line class="arrow" x1="{here}" y1="{y}" x2="{there - back}" y2="{y}"/>'
        f'<path class="dot" d="M{there} {y}l{-back} -4v8z"/>'
    )


def _picture(says: str, height: float, shapes: str) -> str:
    return (
        f'<div class="sequence"><svg role="img" aria-label="{escape(says)}" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}"><style>{_STYLE}</style>{shapes}</svg></div>'
    )


def _note(first: Party, last: Party, y: float, text: str) -> str:
    middle = (_LANES[first] + _LANES[last]) / 2
    width = _LANES[last] - _LANES[first] + _NOTE_WIDTH
    return (
        f'<rect class="note" x="{middle - width / 2}" y="{y - 18}" width="{width}" height="22" rx="4"/>'
        f'<text class="middle" x="{middle}" y="{y - 3}">{escape(text)}</text>'
    )


def states(statuses: Iterable[str]) -> str:
    """Which of some statuses of a leg can follow which."""
    known = set(statuses)
    return _mermaid(
        "stateDiagram-v2",
        [
            f"{_identifier(status)}: {status}\n"
            + "\n".join(
                f"{_identifier(status)} --> {_identifier(following)}"
                for following in sorted(LEG_STATES[status] & known)
            )
            for status in LEG_STATES
            if status in known
        ],
    )


def table_of_states() -> str:
    """Every status of a leg, and what can follow it."""
    return _table(
        ("status", "can become"),
        (
            (
                f"`{status}`",
                ", ".join(f"`{following}`" for following in sorted(LEG_STATES[status])) or "nothing: it is over",
            )
            for status in LEG_STATES
        ),
    )


def table_of_phases() -> str:
    """Every phase: what has come before it, who does what, and what is heard from then on."""
    return _table(
        ("phase", "after", "what happens", "heard from then on"),
        (
            (
                f"`{phase.name}`",
                " or ".join(f"`{before.name}`" for before in Phase if before in step.after),
                f"{step.by}: {step.does}",
                "; ".join(f"{party}: {hears}" for party, hears in _heard(step) if hears),
            )
            for phase, step in STEPS.items()
        ),
    )


def _heard(step: Step) -> Iterable[tuple[Party, str]]:
    return ((Party.CALLER, step.caller), (Party.TARGET, step.target))


def _mermaid(kind: str, lines: Iterable[str]) -> str:
    return "\n".join(["```mermaid", _STATES_AT_THEIR_SIZE, kind, *lines, "```"])


def _identifier(status: str) -> str:
    return status.replace("-", "_")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows))
    return f"<style>{_STYLE_OF_TABLES}</style>\n\n{table}"


_MOVED = {status for status in LEG_STATES if status.startswith("switch-room")}
_FORWARDED = {status for status in LEG_STATES if status.startswith("transfer")}

DRAWINGS: Mapping[str, Callable[[], str]] = {
    **{f"sequence, {name}": functools.partial(sequence, name) for name in COURSES},
    "states, called": lambda: states(LEG_STATES.keys() - _MOVED - _FORWARDED),
    "states, forwarded": lambda: states({"answered", *_FORWARDED}),
    "states, moved": lambda: states({"answered", *_MOVED}),
    "states": table_of_states,
    "phases": table_of_phases,
    "waterfall": waterfall,
    "waits": table_of_waits,
}
"""What a page can ask for, by name."""
