"""The caller: what a test does on the phone, and what it hears there."""

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from calltransfer.sandbox.models import Script
from calltransfer.sandbox.network import BEING_FORWARDED, Leg
from calltransfer.sandbox.speech import Word, encoded, words

if TYPE_CHECKING:
    from calltransfer.sandbox.sandbox import Sandbox

SETTLED = 8.0
"""Seconds without anything happening after which a call has settled: more than any wait between two events."""

_utterances = itertools.count(1)


@attrs.define
class Heard:
    """Something the caller heard the agent say.

    Attributes:
        began: When its first word was over, in seconds on the loop's clock.
        ended: When its last word was over.
        words: The words that were played, and no others.
    """

    began: float
    ended: float
    words: list[str]
    utterance: int = attrs.field(repr=False)

    @property
    def text(self) -> str:
        """What was heard."""
        return " ".join(self.words)


class Caller:
    """Somebody on the phone with the agent; made by `Sandbox.call`.

    Attributes:
        agent: The agent on the call, as the author's class made it.
        session: The SDK's session.
        script: What the model was asked and answered.
        heard: Everything the caller heard, in order.
        statuses: Every status of the caller's leg, with the time it came.
    """

    agent: Any
    session: Any
    job: Any

    def __init__(self, sandbox: "Sandbox", script: Script, room_id: str, number: str) -> None:
        self.script = script
        self.number = number
        self.room_id = room_id
        self.heard: list[Heard] = []
        self.statuses: list[tuple[str, float]] = []
        self.leg: Leg | None = None
        self.started = asyncio.Event()
        self.over = asyncio.Event()
        self._sandbox = sandbox
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def peer_id(self) -> str:
        """The caller's id in the room."""
        return f"sip-{self.leg.id}" if self.leg is not None else ""

    @property
    def said_to_caller(self) -> list[str]:
        """What the caller heard, as texts."""
        return [heard.text for heard in self.heard]

    async def say(self, text: str) -> None:
        """Speaks, and returns when the last word is out."""
        track = self._sandbox.track_of(self)
        utterance = next(_utterances)
        spoken = words(text, utterance)
        track.speak(encoded(Word("", utterance, -1, len(spoken)), frames=1))
        for word in spoken:
            await asyncio.sleep(word.seconds)
            track.speak(encoded(word))

    async def cough(self, seconds: float = 1.0) -> None:
        """Makes a noise that is taken for speech, and in which no words are recognised."""
        track = self._sandbox.track_of(self)
        utterance = next(_utterances)
        track.speak(encoded(Word("", utterance, -1, 1), frames=1))
        await asyncio.sleep(seconds)
        track.speak(encoded(Word("", utterance, 0, 1), frames=1))

    async def press(self, digit: str) -> None:
        """Presses a key."""
        self._sandbox.client_of(self).press(digit)

    async def hang_up(self) -> None:
        """Hangs up."""
        await self._sandbox.hang_up(self)

    async def hears(self, fragment: str, *, timeout: float = 60.0) -> Heard:
        """Waits until the caller has heard `fragment`, at most `timeout` seconds.

        Raises:
            AssertionError: they have not; the message says what they heard instead.
        """

        def found() -> Heard | None:
            matching = (h for h in self.heard if fragment.lower() in h.text.lower())
            return next(matching, None)

        await self._until(lambda: found() is not None, timeout)
        heard = found()
        if heard is None:
            raise AssertionError(f"the caller never heard {fragment!r}, but {self.said_to_caller}")
        return heard

    async def sees(self, status: str, *, timeout: float = 60.0) -> float:
        """Waits until the caller's leg has had `status`; returns when that was."""

        def when() -> float | None:
            return next((at for name, at in self.statuses if name == status), None)

        await self._until(lambda: when() is not None, timeout)
        at = when()
        if at is None:
            raise AssertionError(f"the leg was never {status}, but {self.statuses}")
        return at

    async def talking_to(self, *, settled_for: float = SETTLED) -> str:
        """Waits until the call has settled; returns whom the caller is talking to.

        Settled means that for `settled_for` seconds nobody has said anything and nothing has happened to the leg, and
        that it is not being forwarded. On the wall clock one waits for that: give it less there.

        Returns:
            A number, "agent", "nobody" (they are on the line, and alone), or "hung up".
        """
        while await self.something_happens_within(settled_for) or self._being_forwarded:
            pass
        return self.connected_to

    @property
    def _being_forwarded(self) -> bool:
        return self.leg is not None and self.leg.status in BEING_FORWARDED

    @property
    def connected_to(self) -> str:
        """Whom the caller is talking to now."""
        if self.leg is None:  # in the browser
            return "agent" if self._sandbox.agent_is_in(self.room_id) else "nobody"
        if self.leg.over and self.leg.status == "ended" and not self.leg.talking_to:
            return "hung up"
        if self.leg.talking_to is not None:
            return self.leg.talking_to
        if self.leg.over:
            return "nobody"
        return "agent" if self._sandbox.agent_is_in(self.room_id) else "nobody"

    # Told by the sandbox, on the agent's loop

    def hear(self, word: Word) -> None:
        """A word has been played to the caller."""
        now = self._loop.time()
        if not self.heard or self.heard[-1].utterance != word.utterance:
            self.heard.append(Heard(now, now, [], word.utterance))
        self.heard[-1].words.append(word.text)
        self.heard[-1].ended = now
        self.change()

    def moved(self, leg: Leg) -> None:
        """The caller's leg has another status. Called on the network's loop."""
        status = leg.status
        self._loop.call_soon_threadsafe(self._note, status)

    def _note(self, status: str) -> None:
        self.statuses.append((status, self._loop.time()))
        self.change()

    def change(self) -> None:
        """Something happened to the call."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _until(self, condition: Callable[[], bool], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            return

    async def something_happens_within(self, seconds: float) -> bool:
        """Waits until something happens to the call, at most `seconds`; returns whether it did."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
