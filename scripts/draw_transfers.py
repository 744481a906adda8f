"""Draw the pictures of transfers in the documentation: docs/assets/transfer-*.svg.

Each is a call on the sandbox, with the real SDK and on fast-forwarded time: three lanes, time runs downwards, and what
stands in a lane is what that person said, heard or did, when it happened, and nothing is placed by hand.

    python scripts/draw_transfers.py

writes the files again. They are the same each time; a test holds the committed ones to it. A picture is legible on a phone,
and is light or dark as the page that includes it, or, where it stands alone, as the reader's system.
"""

import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import attrs
from videosdk.agents import Agent

from calltransfer import (
    DirectTransfer,
    Fallback,
    Message,
    Outcome,
    Phase,
    Route,
    TakeMessage,
    TransferEvent,
    TransferMixin,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, Calls, FastForwardLoop, Phone, Presses, Sandbox, Says, Script
from calltransfer.sandbox.speech import words

ASSETS = Path(__file__).resolve().parent.parent / "docs" / "assets"

BILLING = "+14155550123"
SUPERVISOR = "+14155550199"
ASKED = "connecting you now."

# What happens


@attrs.frozen
class Speech:
    """Somebody's words in somebody's lane, in seconds from the beginning of the call."""

    lane: str
    speaker: str
    began: float
    ended: float
    text: str


@attrs.frozen
class Note:
    """Something that is done, or happens to somebody; or what a stretch is."""

    lane: str
    at: float
    text: str
    of_stretch: bool = False


@attrs.frozen
class Stretch:
    """Something that lasts: hold music, a ringing phone, a conversation, or the line itself."""

    lane: str
    kind: str
    began: float
    ended: float


@attrs.frozen
class Story:
    """A call as it went."""

    name: str
    title: str
    lanes: Sequence[str]
    length: float
    pixels_per_second: float
    speeches: Sequence[Speech]
    notes: Sequence[Note]
    stretches: Sequence[Stretch]


class ConnectTelAgent(TransferMixin, Agent):
    """The agent in the pictures."""

    def __init__(self, strategy: TransferStrategy) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("target", strategy, when="the caller asks for it")],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_picture"),
        )

    async def on_enter(self) -> None:
        """Greets the caller."""
        await self.session.say("ConnectTel, how can I help?")

    async def on_exit(self) -> None:
        """Nothing to do."""


@attrs.define
class _Recorder:
    """Writes down what happens on one call."""

    sandbox: Sandbox
    caller: Caller
    target: str
    began: float
    events: list[tuple[float, TransferEvent]] = attrs.field(factory=list)

    def told(self, event: TransferEvent) -> None:
        self.events.append((asyncio.get_running_loop().time(), event))

    def story(self, name: str, title: str, pixels_per_second: float) -> Story:
        end = asyncio.get_running_loop().time()
        phones: list[tuple[str, Phone]] = [("caller", self.caller)]
        phones += [(self.target, phone) for phone in self.sandbox.targets]
        names = {phone.number: lane for lane, phone in phones} | {"agent": "agent"}
        # A forwarded call is a call between two phones: the platform, and so the sandbox, hears nothing of it.
        return Story(
            name,
            title,
            ("caller", "agent", self.target),
            self._since(end),
            pixels_per_second,
            [each for lane, phone in phones for each in self._speeches(lane, phone, names)],
            sorted([*self._agent_notes(), *self._phone_notes(phones)], key=lambda note: note.at),
            list(self._stretches(phones, end)),
        )

    def _since(self, at: float) -> float:
        return round(at - self.began, 1)

    def _speeches(self, lane: str, phone: Phone, names: dict[str, str]) -> Iterator[Speech]:
        for heard in phone.heard:
            first = words(heard.words[0], 0)[0].seconds  # what is noted is when the first word was over
            cut_off = " …" if heard.text[-1] not in ".!?" and heard.speaker == "agent" else ""
            speaker = names[heard.speaker]
            yield Speech(
                lane, speaker, self._since(heard.began - first), self._since(heard.ended), heard.text + cut_off
            )
        for did in phone.did:
            if isinstance(did.act, Says):
                length = sum(word.seconds for word in words(did.act.text, 0))
                yield Speech(lane, lane, self._since(did.began), self._since(did.began + length), did.act.text)

    def _agent_notes(self) -> Iterator[Note]:
        does = {
            Phase.STARTED: "calls the tool",
            Phase.DIALLED: "dials, from a second room",
            Phase.SUMMARY_READY: "has a summary",
            Phase.ON_HOLD: "is deaf to the caller",
            Phase.DECIDED: "understands:",
            Phase.CONNECTING: "moves the caller to that room",
            Phase.FORWARDING: "forwards the call",
            Phase.DICTATING: "takes a message",
            Phase.FINISHED: "outcome:",
        }
        yield Note("agent", self._since(self.caller.heard[0].began), "answers")
        for at, event in self.events:
            if event.phase not in does:
                continue
            what = f"{does[event.phase]} {event.outcome or event.detail if does[event.phase].endswith(':') else ''}"
            if event.phase is Phase.FINISHED and event.outcome is Outcome.CONNECTED:
                proof = "both are in one room, with audio" if self.sandbox.targets else f"platform: {event.status}"
                yield Note("agent", self._since(at), proof)
            yield Note("agent", self._since(at), what.strip())

    def _phone_notes(self, phones: Iterable[tuple[str, Phone]]) -> Iterator[Note]:
        yield Note("caller", 0.0, "calls")
        for lane, phone in phones:
            for status, at in phone.statuses:
                if lane != "caller" and status in {"answered", "ended"} and phone.leg is not None:
                    answered = any(each == "answered" for each, _ in phone.statuses)
                    over = "the call is over" if answered else "stops ringing"
                    yield Note(lane, self._since(at), "picks up" if status == "answered" else over)
            for did in phone.did:
                if isinstance(did.act, Presses):
                    yield Note(lane, self._since(did.began), f"presses {did.act.key}")

    def _stretches(self, phones: Iterable[tuple[str, Phone]], end: float) -> Iterator[Stretch]:
        when = {event.phase: at for at, event in self.events}
        connected = next((at for at, event in self.events if event.outcome is Outcome.CONNECTED), end)
        if Phase.ON_HOLD in when:
            over = min(connected, when.get(Phase.OFF_HOLD, end), when.get(Phase.DICTATING, end))
            yield self._stretch("caller", "hold", when[Phase.ON_HOLD], over)
        for lane, phone in phones:
            at = dict(reversed(phone.statuses))
            if lane != "caller" and "ringing" in at:
                yield self._stretch(lane, "ringing", at["ringing"], at.get("answered", at.get("ended", end)))
        if Phase.FORWARDING in when:
            yield self._stretch("caller", "carrier", when[Phase.FORWARDING], connected)
            yield self._stretch(self.target, "ringing", when[Phase.RINGING], connected)
        if connected < end:
            for lane in ("caller", self.target):
                yield self._stretch(lane, "connected", connected, end)

    def _stretch(self, lane: str, kind: str, began: float, ended: float) -> Stretch:
        return Stretch(lane, kind, self._since(began), self._since(ended))


Scene = Callable[[Sandbox, Caller], Awaitable[None]]


async def _told(
    name: str,
    title: str,
    strategy: TransferStrategy,
    scene: Scene,
    *,
    target: str,
    asks: str,
    then: Sequence[str] = (),
    answers_after: float | None,
    pixels_per_second: float,
) -> Story:
    async with Sandbox(latency=0.05) as sandbox:
        number = BILLING if target == "billing" else SUPERVISOR
        sandbox.person(number, answers_after=answers_after)
        tool = Calls("transfer_call", {"destination": "target", "reason": "was charged twice"})
        model = Script([tool, "I am connecting you now.", *then], summary="The caller was charged twice for May.")
        caller = await sandbox.call(lambda: ConnectTelAgent(strategy), model=model)
        recorder = _Recorder(sandbox, caller, target, began=caller.statuses[0][1])
        caller.listeners.append(recorder.told)
        await caller.say(asks)
        await scene(sandbox, caller)
        return recorder.story(name, title, pixels_per_second)


async def _accepted(sandbox: Sandbox, caller: Caller) -> None:
    supervisor = await sandbox.target(SUPERVISOR)
    await supervisor.hears("take the call?")
    await supervisor.say("Yes, put them through")
    await caller.reaches(SUPERVISOR)
    await asyncio.sleep(1.0)
    await supervisor.say("Hello, this is Dana")
    await asyncio.sleep(0.4)
    await caller.say("Hi Dana, good to reach you")
    await asyncio.sleep(1.0)


async def _nobody_answers(sandbox: Sandbox, caller: Caller) -> None:
    await caller.hears("call you back?")
    await asyncio.sleep(0.6)
    await caller.say("Yes, please")
    await caller.hears("they will.")
    await asyncio.sleep(0.9)


async def _forwarded(sandbox: Sandbox, caller: Caller) -> None:
    await caller.reaches(BILLING)
    await caller.until(Phase.FINISHED)
    await asyncio.sleep(2.5)


async def _leaves_a_message(sandbox: Sandbox, caller: Caller) -> None:
    await caller.hears("stop speaking.")
    await asyncio.sleep(0.4)
    await caller.say("It is Anna Miller, please call me back")
    await caller.press("#")
    await caller.hears("pass it on.")
    await caller.hears("else can I do for you?")
    await asyncio.sleep(1.5)


async def _delivered(message: Message) -> None:
    """Where an author's own function would send it somewhere."""


def stories() -> list[Story]:
    """Every call that there is a picture of."""
    charged, invoice = "I was charged twice, I want a human", "I have a question about my invoice"
    sorry = "I am sorry, nobody answers. Shall they call you back?"
    told: list[Callable[[], Coroutine[Any, Any, Story]]] = [
        lambda: _told(
            "warm-accepted",
            "A warm transfer: the supervisor says yes",
            WarmTransfer(to=SUPERVISOR),
            _accepted,
            target="supervisor",
            asks=charged,
            answers_after=2.0,
            pixels_per_second=30,
        ),
        lambda: _told(
            "warm-no-answer",
            "A warm transfer: nobody answers",
            WarmTransfer(to=SUPERVISOR),
            _nobody_answers,
            target="supervisor",
            asks=charged,
            then=[sorry, "All right, they will."],
            answers_after=None,
            pixels_per_second=18,
        ),
        lambda: _told(
            "direct",
            "A direct transfer: the call is forwarded",
            DirectTransfer(to=BILLING),
            _forwarded,
            target="billing",
            asks=invoice,
            answers_after=3.0,
            pixels_per_second=30,
        ),
        lambda: _told(
            "plan-message",
            "A plan: nobody answers, and the caller leaves a message",
            Fallback(WarmTransfer(to=SUPERVISOR, ring_timeout=12.0), TakeMessage(_delivered)),
            _leaves_a_message,
            target="supervisor",
            asks=charged,
            then=["What else can I do for you?"],
            answers_after=None,
            pixels_per_second=20,
        ),
    ]
    found = []
    for tell in told:
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
            found.append(runner.run(tell()))
    return found


# How it is drawn, in units of which a phone has one to a pixel

WIDTH = 360
GUTTER = 24
GAP = 4
LANE = (WIDTH - GUTTER - 3 * GAP) / 3
HEADER = 50
PADDING = 5
LINE = 13.5
CHARACTERS = 16  # of a line in a lane, in the widest of the usual typefaces

COLOURS = {  # in the light, and in the dark
    "paper": ("#ffffff", "#171c20"),
    "ink": ("#1d2529", "#e4e9ec"),
    "dim": ("#626d73", "#9aa7ae"),
    "line": ("#d5dcdf", "#36424a"),
    "lane": ("#f4f6f7", "#1f262b"),
    "caller": ("#1f5fae", "#8ab8f2"),
    "agent": ("#0f6a72", "#5cc5cd"),
    "target": ("#a34a06", "#f0a868"),
    "on": ("#ffffff", "#10161a"),
    "caller-tint": ("#dde9f8", "#22384f"),
    "agent-tint": ("#d5eeef", "#17403f"),
    "target-tint": ("#fbe6d4", "#4a3220"),
    "hold": ("#e4def5", "#322b4b"),
    "music": ("#6d4fb3", "#b6a0ee"),
    "good": ("#dcefdc", "#21402a"),
}

STYLE = f"""
.lanes:root {{ color-scheme: light dark; }}
.lanes {{ {" ".join(f"--lanes-{name}: light-dark({light}, {dark});" for name, (light, dark) in COLOURS.items())} }}
.lanes {{ font: 11px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }}
.lanes text {{ fill: var(--lanes-ink); }} .lanes .dim {{ fill: var(--lanes-dim); }}
.lanes .on {{ fill: var(--lanes-on); }} .lanes .strong {{ font-weight: 600; }}
.lanes .axis {{ fill: var(--lanes-dim); font-size: 9.5px; }}
"""


class _Drawing:
    def __init__(self, story: Story) -> None:
        self._story = story
        self._roles = dict(zip(story.lanes, ("caller", "agent", "target"), strict=True))
        self._parts: list[str] = []
        self._free = dict.fromkeys(story.lanes, float(HEADER))
        self._bottom = self._y(story.length)

    def __str__(self) -> str:
        self._lanes()
        for stretch in self._story.stretches:
            self._stretch(stretch)
        parts: list[Speech | Note] = [*self._story.speeches, *self._story.notes, *self._labels()]
        for part in sorted(parts, key=_beginning):
            if isinstance(part, Note):
                self._note(part)
            else:
                self._speech(part)
        story, height = self._story, round(max(self._bottom, *self._free.values())) + 8
        name = f"transfer-{story.name}"
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="lanes" viewBox="0 0 {WIDTH} {height}" role="img" '
                f'aria-labelledby="{name}-title {name}-desc">',
                f'<title id="{name}-title">{escape(story.title)}</title>',
                f'<desc id="{name}-desc">{escape(_in_words(story))}</desc>',
                f"<style>{STYLE}</style>",
                f'<rect width="{WIDTH}" height="{height}" rx="8" fill="var(--lanes-paper)"/>',
                *self._parts,
                "</svg>\n",
            ]
        )

    def _y(self, at: float) -> float:
        return HEADER + 4 + at * self._story.pixels_per_second

    def _x(self, lane: str) -> float:
        return GUTTER + self._story.lanes.index(lane) * (LANE + GAP)

    def _add(self, part: str) -> None:
        self._parts.append(part)

    def _box(self, x: float, y: float, width: float, height: float, fill: str, rest: str = "") -> None:
        self._add(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="var(--lanes-{fill})"{rest}/>'
        )

    def _text(self, x: float, y: float, text: str, classes: str = "", rest: str = "") -> None:
        named = f' class="{classes}"' if classes else ""
        self._add(f'<text x="{x:.1f}" y="{y:.1f}"{named}{rest}>{escape(text)}</text>')

    def _lanes(self) -> None:
        centred = ' text-anchor="middle"'
        for lane, role in self._roles.items():
            x = self._x(lane)
            self._box(x, 8, LANE, self._bottom - 8, "lane", ' rx="5"')
            self._box(x, 8, LANE, 20, role, ' rx="5"')
            self._text(x + LANE / 2, 22, lane.capitalize(), "on strong", centred)
        self._box(self._x(self._story.lanes[0]) + 6, 35, 9, 9, "caller", ' rx="2"')
        self._text(self._x(self._story.lanes[0]) + 19, 43, "says", "axis")
        self._box(self._x(self._story.lanes[0]) + 50, 35, 9, 9, "agent-tint", ' rx="2"')
        self._text(self._x(self._story.lanes[0]) + 63, 43, "hears", "axis")
        step = 5 if self._story.length > 25 else 2
        for second in range(0, int(self._story.length) + 1, step):
            y = self._y(second)
            self._add(f'<path d="M{GUTTER} {y:.1f}H{WIDTH - GAP}" stroke="var(--lanes-line)" stroke-width="0.6"/>')
            self._text(GUTTER - 4, y + 3.2, f"{second} s", "axis", ' text-anchor="end"')

    def _stretch(self, stretch: Stretch) -> None:
        x, top, bottom = self._x(stretch.lane), self._y(stretch.began), self._y(stretch.ended)
        if stretch.kind == "connected":
            self._box(x, top, LANE, bottom - top, "good")
            return
        if stretch.kind == "hold":
            self._box(x, top, LANE, bottom - top, "hold")
            waves = int((bottom - top - 4) // 12)
            wave = f"M{x + LANE - 7:.1f} {top + 2:.1f}" + "q5 3 0 6t0 6" * waves
            self._add(f'<path d="{wave}" fill="none" stroke="var(--lanes-music)" stroke-width="1.3"/>')
        elif stretch.kind == "ringing":
            path = f"M{x + LANE - 7:.1f} {top + 2:.1f}V{bottom:.1f}"
            dashes = 'stroke="var(--lanes-target)" stroke-width="3" stroke-dasharray="1.5 4"'
            self._add(f'<path d="{path}" fill="none" {dashes}/>')

    def _labels(self) -> Iterator[Note]:
        """What a stretch is, where what is said in it does not show it."""
        kinds = {"hold": "♪ hold music", "ringing": "rings", "carrier": "hears what the carrier plays"}
        for stretch in self._story.stretches:
            later = any(each.lane == stretch.lane and each.began > stretch.began for each in self._story.speeches)
            if stretch.kind != "connected":
                yield Note(stretch.lane, stretch.began, kinds[stretch.kind], of_stretch=True)
            elif not later:
                yield Note(stretch.lane, stretch.began, "they talk to each other", of_stretch=True)

    def _note(self, note: Note) -> None:
        """What happens at the same time stands one below the other."""
        x, top = self._x(note.lane), self._y(note.at) - (0 if note.of_stretch else LINE / 2)
        top = max(top, self._free[note.lane])
        if not note.of_stretch:
            role = self._roles[note.lane]
            self._add(f'<circle cx="{x + 1:.1f}" cy="{top + LINE / 2:.1f}" r="2.6" fill="var(--lanes-{role})"/>')
        classes = "dim" if note.of_stretch else "strong" if note.text.startswith("outcome") else ""
        lines = textwrap.wrap(note.text, CHARACTERS)
        for number, line in enumerate(lines):
            self._text(x + PADDING + 2, top + 10.5 + number * LINE, line, classes)
        self._free[note.lane] = top + len(lines) * LINE + 3

    def _speech(self, speech: Speech) -> None:
        x, y, own = self._x(speech.lane), self._y(speech.began), speech.speaker == speech.lane
        lines = textwrap.wrap(speech.text, CHARACTERS)
        top = max(y, self._free[speech.lane])
        height = max(self._y(speech.ended) - top, len(lines) * LINE + 5)
        role = self._roles[speech.speaker]
        self._box(x + 2, top, LANE - 4, height - 1, role if own else f"{role}-tint", ' rx="4"')
        for number, line in enumerate(lines):
            self._text(x + PADDING + 2, top + 12 + number * LINE, line, "on" if own else "")
        self._free[speech.lane] = top + height + 1


def _beginning(part: Speech | Note) -> tuple[float, bool]:
    return (part.at, False) if isinstance(part, Note) else (part.began, True)


def _in_words(story: Story) -> str:
    """The picture for those who do not see it."""
    told: list[tuple[float, str]] = []
    for speech in story.speeches:
        does = "says" if speech.speaker == speech.lane else f"hears the {speech.speaker} say"
        told.append((speech.began, f"the {speech.lane} {does} “{speech.text}”"))
    told += [
        (note.at, f"the {note.lane}: {note.text}" if ":" in note.text else f"the {note.lane} {note.text}")
        for note in story.notes
    ]
    for stretch in story.stretches:
        if stretch.kind == "hold":
            told += [
                (stretch.began, "the caller hears hold music"),
                (stretch.ended, "the hold music is over"),
            ]
        elif stretch.kind == "ringing":
            told.append((stretch.began, f"the {stretch.lane}’s phone rings"))
    told.sort(key=lambda each: each[0])
    return f"Lanes of {', '.join(story.lanes)}; time runs downwards. " + "; ".join(
        f"{at:.1f} s: {what}" for at, what in told
    )


def pictures() -> dict[Path, str]:
    """The files, and what is in them."""
    return {ASSETS / f"transfer-{story.name}.svg": str(_Drawing(story)) for story in stories()}


if __name__ == "__main__":
    for path, picture in pictures().items():
        path.write_text(picture, encoding="utf-8")
