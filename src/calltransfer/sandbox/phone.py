"""Somebody on the phone: what they do there, and what they hear."""

import asyncio
import itertools
from typing import TYPE_CHECKING, ClassVar

import attrs
from typing_extensions import override

from calltransfer.errors import ConfigurationError
from calltransfer.sandbox.hearing import AllHeard, Heard
from calltransfer.sandbox.leg import LEG_STATES, Leg
from calltransfer.sandbox.people import Act, HangsUp, Person, Presses, PutsThrough, Says
from calltransfer.sandbox.speech import Word, encoded, words

if TYPE_CHECKING:
    from calltransfer.sandbox.switchboard import Switchboard

SETTLED = 8.0
"""Seconds without anything happening after which a call has settled: more than any wait between two events."""

_utterances = itertools.count(1)


@attrs.frozen
class Did:
    """Something that somebody on the phone did.

    Attributes:
        began: When, in seconds on the loop's clock.
        act: What.
        heard: The words that they had heard until it was done; of a human to whom a machine has put the call through,
            since then.
    """

    began: float
    act: Act
    heard: str = attrs.field(repr=False)


class Phone:
    """Somebody on the phone. They hear, and are heard by, whoever is in the room that their leg is in now.

    Attributes:
        number: Their number.
        room_id: The room that they were connected to first.
        leg: The call between them and the platform; None in the browser.
        heard: Everything that was said to them, in order; see `AllHeard`.
        statuses: Every status of their leg, with the time it came.
        did: Everything that they have said, pressed and ended, in order; what they are saying now is not among it.
    """

    who: ClassVar[str] = "phone"
    """What they are called in messages."""

    def __init__(self, switchboard: "Switchboard", number: str, room_id: str, leg: Leg | None = None) -> None:
        self.number = number
        self.room_id = room_id
        self.leg = leg
        self.statuses: list[tuple[str, float]] = []
        self.did: list[Did] = []
        self._not_heard_by_human = 0
        self._has_left_room = False
        self._switchboard = switchboard
        self._ear = switchboard.ear_of(self)

    @property
    def heard(self) -> AllHeard:
        """Everything that was said to them, in order."""
        return self._ear.heard

    @property
    def texts_heard(self) -> list[str]:
        """What was said to them, as texts."""
        return [heard.text for heard in self.heard]

    @property
    def words_heard(self) -> list[str]:
        """Every word that was said to them."""
        return [word for heard in self.heard for word in heard.words]

    @property
    def audible(self) -> list[tuple[float, float]]:
        """When there was sound on their line, words or music: from when to when, in seconds on the loop's clock."""
        return self._ear.audible.all

    def longest_silence(self, begin: float, end: float) -> float:
        """The longest time, in seconds, without sound on their line between `begin` and `end`."""
        return self._ear.audible.longest_gap(begin, end)

    def music_heard(self, begin: float, end: float) -> float:
        """Seconds of sound without words on their line between `begin` and `end`."""
        return self._ear.music.within(begin, end)

    @property
    def reasons(self) -> str:
        """What a failure says besides: what the model was told, and what is missing in the sandbox."""
        return ""

    @property
    def peer_id(self) -> str:
        """Their id in the room."""
        if self.leg is None:
            return f"web-{self.room_id}"
        return self.leg.participant_id or ""

    async def say(self, text: str) -> None:
        """Says `text`, and returns when the last word is out."""
        began, utterance = self._switchboard.now(), next(_utterances)
        spoken = words(text, utterance)
        self._switchboard.speak(self, encoded(Word("", utterance, -1, len(spoken)), frames=1))
        for word in spoken:
            await asyncio.sleep(word.seconds)
            self._switchboard.speak(self, encoded(word))
            self._switchboard.said(self, word)
        self._has_done(Says(text), began)

    async def cough(self, seconds: float = 1.0) -> None:
        """Makes a noise, for `seconds` seconds, that is taken for speech, and in which no words are recognised."""
        utterance = next(_utterances)
        self._switchboard.speak(self, encoded(Word("", utterance, -1, 1), frames=1))
        await asyncio.sleep(seconds)
        self._switchboard.speak(self, encoded(Word("", utterance, 0, 1), frames=1))

    async def press(self, key: str) -> None:
        """Presses a key: a digit, "*" or "#".

        Raises:
            ConfigurationError: `key` is none.
        """
        self._has_done(Presses(key))
        self._switchboard.press(self, key)

    async def hang_up(self) -> None:
        """Hangs up."""
        self._has_done(HangsUp())
        self._has_left_room = self.leg is None
        await self._switchboard.hang_up(self)

    def _has_done(self, act: Act, began: float | None = None) -> None:
        heard = " ".join(self.words_heard[self._not_heard_by_human :])
        self.did.append(Did(self._switchboard.now() if began is None else began, act, heard))

    async def hears(self, fragment: str, *, timeout: float = 60.0) -> Heard:
        """Waits until they have heard `fragment`, in any case, at most `timeout` seconds.

        Raises:
            AssertionError: they have not; the message says what they heard instead.
        """
        __tracebackhide__ = True

        def found() -> Heard | None:
            matching = (h for h in self.heard if fragment.lower() in h.text.lower())
            return next(matching, None)

        await self._switchboard.until(lambda: found() is not None, timeout)
        heard = found()
        if heard is None:
            raise AssertionError(f"the {self.who} never heard {fragment!r}, but {self.texts_heard}{self.reasons}")
        return heard

    async def sees(self, status: str, *, timeout: float = 60.0) -> float:
        """Waits until their leg has had `status`; returns when that was.

        Raises:
            AssertionError: it has not, within `timeout` seconds; the message says which it had.
            ConfigurationError: there is no such status.
        """
        __tracebackhide__ = True
        if status not in LEG_STATES:
            raise ConfigurationError(f"a leg has no status {status!r}; there are {', '.join(LEG_STATES)}")

        def when() -> float | None:
            return next((at for name, at in self.statuses if name == status), None)

        await self._switchboard.until(lambda: when() is not None, timeout)
        at = when()
        if at is None:
            raise AssertionError(f"the leg was never {status}, but {self.statuses}")
        return at

    async def talking_to(self, *, settled_for: float = SETTLED) -> str:
        """Waits until everything has settled; returns whom they are talking to.

        Settled means that for `settled_for` seconds nobody has said anything, and nothing has happened to any leg, and
        that none is being dialled, forwarded or moved. On the wall clock one waits for that: give it less there.

        Returns:
            What `connected_to` says then.
        """
        while await self.something_happens_within(settled_for) or self._switchboard.unsettled:
            pass
        return self.connected_to

    @property
    def connected_to(self) -> str:
        """Whom they are talking to now: a number, "agent", "nobody" (on the line, and alone), or "hung up"."""
        leg = self.leg
        if self._has_left_room:
            return "hung up"
        if leg is not None and leg.talking_to is not None:
            return leg.talking_to
        if leg is not None and leg.status == "ended" and not leg.being_forwarded:
            return "hung up"
        return self._switchboard.company_of(self)

    async def something_happens_within(self, seconds: float) -> bool:
        """Waits until something happens on any line, at most `seconds`; returns whether it did."""
        return await self._switchboard.something_happens_within(seconds)


class Target(Phone):
    """Somebody whom the platform has dialled.

    Attributes:
        person: Who is at that number; None: nobody.
    """

    who: ClassVar[str] = "target"
    """What they are called in messages."""
    leg: Leg
    """The call between them and the platform."""

    def __init__(self, switchboard: "Switchboard", leg: Leg, person: Person | None) -> None:
        super().__init__(switchboard, leg.called_number, leg.room_id, leg)
        self.person = person

    def put_through(self) -> None:
        """The machine that has answered puts the call through to a human, who has heard nothing so far."""
        self._has_done(PutsThrough())
        self._not_heard_by_human = len(self.words_heard)


class WebUser(Phone):
    """Somebody in the browser, in the room of a call; made by `Sandbox.web_user`. Hanging up is leaving the room.

    Attributes:
        number: Their display name: they have no number.
    """

    who: ClassVar[str] = "web user"
    """What they are called in messages."""

    def __init__(self, switchboard: "Switchboard", name: str, room_id: str, peer_id: str) -> None:
        super().__init__(switchboard, name, room_id)
        self._peer_id = peer_id

    @property
    @override
    def peer_id(self) -> str:
        return self._peer_id
