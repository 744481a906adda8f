"""Who speaks, and when a turn is over: the same questions for every kind of pipeline.

A cascade's turn has an utterance handle that is done when its playback is, and a model of which it is known what it
gives. Realtime models have neither, so their turns are followed by the states that the session reports. Either way, the
agent going from speaking or thinking to listening is the caller breaking in.
"""

import asyncio
import functools
import logging
import math
import re
import unicodedata
from collections.abc import Callable, Coroutine
from typing import Any

from videosdk.agents import AgentSession

from calltransfer.hook import uncancelled
from calltransfer.timeline import described
from calltransfer.videosdk import _sdk

logger = logging.getLogger("calltransfer.videosdk")

NEXT_TURN_TIMEOUT = 5.0
"""Seconds for the agent to begin its next turn once the caller is silent: recognition and end of utterance."""

FIRST_WORD_TIMEOUT = 2.0
"""Seconds that an agent is believed to be thinking although no turn is under way, as when a tool has raised; and for a
realtime model that spoke as it called a tool to speak once more."""

CALLER_TIMEOUT = 30.0
"""Seconds a caller is waited for who broke in and is still speaking."""

TOOL_TIMEOUT = 20.0
"""Seconds that a turn without words is waited for while a tool of the author's runs in it."""

THINKING_TIMEOUT = 4.0
"""Seconds that a realtime model is taken to be thinking about what it says next; it may also say nothing."""

QUIET_TIMEOUT = 15.0
"""Seconds to wait for the agent's turn to end before it is given another one."""

FIRST_ANSWER_TIMEOUT = 6.0
"""Seconds for the agent to begin an answer, in music from `MUSIC_AFTER` on; then a fixed sentence is said instead."""

SPEECH_TIMEOUT = 60.0
"""Seconds for anything that the agent says, however long it is."""

SAY_TIMEOUT = 20.0
"""Seconds for what the agent has begun to say, where its words are not known, as with some realtime models."""

SPEECH_SLACK = 3.0
"""Seconds that what the agent says may take longer than its words do: the voice's first sound, pauses, names, numbers."""

SECONDS_A_CHARACTER = 0.11
"""Seconds that a character of the agent's words takes, spoken slowly: 90 words a minute, of six characters with the
space. English is spoken at 150 (National Center for Voice and Speech); a slow speech is held at 90."""

SECONDS_A_SYLLABLE = 0.32
"""Seconds that a character takes that is a syllable, as in Chinese and Japanese, or a word, as a digit is: Mandarin, the
slowest of seven languages, has 5.18 syllables a second (Pellegrino et al., Language 87(3), 2011); 3.1 where it is
spoken as slowly."""

SENTENCE_GAP = 2.5
"""Seconds of silence within what the agent says after which it is taken to be over, or its model to stall: voices pause
for less."""

GIVE_UP_TIMEOUT = 1.0
"""Seconds for a turn that is given up, because its model gives no words, to end."""

ERROR_GRACE = 1.0
"""Seconds for a realtime model to speak although its provider has reported an error, which may be about something else."""

_LOOK_AGAIN = 0.5
_LOOK_AGAIN_SOON = 0.05

_BREATH = 0.4
"""Seconds of silence after which the words are over that a model has given before it failed."""

TALK_TIMEOUT = 120.0
"""Seconds for all of it, however often the caller breaks in."""

_SENTENCE_END = re.compile(r"[.!?…](?=\s|$)|[。！？｡।؟۔]")
"""What ends a sentence: a caller who has heard one of a model that breaks off has been told."""

_BUSY = frozenset({"thinking", "speaking"})


def seconds_to_say(text: str) -> float:
    """Seconds that `text` takes at the most, spoken slowly; bounded by `SPEECH_TIMEOUT`."""
    syllables = sum(char.isdigit() or unicodedata.east_asian_width(char) in "WF" for char in text)
    seconds = syllables * SECONDS_A_SYLLABLE + (len(text) - syllables) * SECONDS_A_CHARACTER
    return min(SPEECH_SLACK + seconds, SPEECH_TIMEOUT)


class Conversation:
    """Follows the states of a session, and the words its model gives, for as long as the call lasts.

    Attributes:
        agent: What the agent does: the SDK's word for it.
        caller: What the caller does: the SDK's word for it.
        interruptions: How often the caller has broken into what the agent says or is about to say.
        beginnings: How often the agent has begun to speak.
        caller_beginnings: How often the caller has.
        words: What the model has given of the words of its last turn.
        looked_after: How many are waiting for the agent's words now, and say others where none come.
    """

    def __init__(self, session: AgentSession) -> None:
        self.session = session
        self.agent: str = session.agent_state.value
        self.caller: str = session.user_state.value
        self.interruptions = 0
        self.beginnings = 0
        self.caller_beginnings = 0
        self.words = ""
        self.looked_after = 0
        self._turns = 0
        self._said_before = ""
        self._speeches = 0
        self._silent_from = math.inf
        self._broken_off = False
        self._given_up = False
        self._changed = asyncio.Event()
        self._model: Any = None
        self._follow_no_longer: Callable[[], None] = lambda: None
        self._rest: asyncio.Handle = asyncio.get_running_loop().call_soon(lambda: None)
        session.on("agent_state_changed", self._agent_changed)
        session.on("user_state_changed", self._caller_changed)
        self._follow_model()

    def close(self) -> None:
        """Follows no longer."""
        self._rest.cancel()
        self._follow_no_longer()
        self.session.off("agent_state_changed", self._agent_changed)
        self.session.off("user_state_changed", self._caller_changed)

    @property
    def busy(self) -> bool:
        """Whether the agent is thinking or speaking."""
        return self.agent in _BUSY

    @property
    def caller_speaks(self) -> bool:
        """Whether the caller is speaking."""
        return self.caller == "speaking"

    @property
    def turns(self) -> int:
        """Another number for each time that words of the agent's are asked for."""
        return self._turns

    @property
    def turn_under_way(self) -> bool:
        """Whether the agent speaks, or is about to in a turn that the SDK runs."""
        return self.agent == "speaking" or self._live_handle() is not None

    async def until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until `condition`, at most `timeout` seconds; returns whether it came about."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def quiet(self, timeout: float) -> bool:
        """Waits until the agent neither speaks nor is about to; returns whether that came about.

        A cascade's state of "thinking" alone is not believed for long: it stays when a tool has raised.
        """
        if self.agent == "thinking" and self._live_handle() is None and not self._given_up:
            trusted = FIRST_WORD_TIMEOUT if _sdk.is_cascade(self.session) else THINKING_TIMEOUT
            await self.until(lambda: self.agent != "thinking", min(trusted, timeout))
        return await self.until(lambda: self.agent != "speaking" and self._live_handle() is None, timeout)

    def expect_words(self) -> int:
        """Begins to wait for words that the agent is about to be asked for; returns what `begins` takes."""
        self._follow_model()
        self._turns += 1  # what is still to come of the last one's belongs to it
        self.words = ""
        self._silent_from = math.inf
        return self.beginnings

    async def begins(self, before: int, timeout: float, *, over: Callable[[], bool] = lambda: False) -> bool:
        """Waits until the agent begins to speak; returns whether it does.

        False as soon as it is known that it does not: its model has failed, or has given no words, or the caller has
        broken in; and after `timeout` seconds. A tool of the author's that still runs then is waited for, up to
        `TOOL_TIMEOUT`. An agent without a voice begins with the first word of its model.

        Args:
            before: How often it had begun before.
            timeout: Seconds for it.
            over: Whether there is nothing to wait for any more.
        """
        broken_in, voiceless = self.interruptions, not _sdk.has_voice_of_its_own(self.session)
        now = asyncio.get_running_loop().time
        by, last = now() + timeout, now() + max(timeout, TOOL_TIMEOUT)

        def begun() -> bool:
            return self.beginnings > before or (voiceless and bool(self.words))

        def known() -> bool:
            return begun() or self.interruptions > broken_in or over()

        while not known() and now() < min(by, self._silent_from):
            await self._until_or_silent(known, min(by, now() + _LOOK_AGAIN))
            if now() < last and _sdk.waits_for_tool(self.session):
                by = now() + timeout
        return begun()

    async def _until_or_silent(self, known: Callable[[], bool], by: float) -> None:
        silent_from = self._silent_from
        left = min(by, silent_from) - asyncio.get_running_loop().time()
        await self.until(lambda: known() or self._silent_from != silent_from, left)

    async def turn_is_over(self, asked: int, broken_in: int) -> None:
        """Waits for the end of a turn that has begun: an agent without a voice goes on thinking for all of it.

        Args:
            asked: What `turns` was as it began.
            broken_in: What `interruptions` was.
        """

        def over() -> bool:
            another = self._turns != asked or self.interruptions > broken_in
            return another or self.agent != "thinking"

        await self.until(over, None)

    async def give_up(self) -> None:
        """Ends a turn whose model gives no words, so that none come later. The caller has not broken in."""
        self._given_up = True
        if _sdk.closed(self.session):
            return
        self.break_off()
        if not _sdk.is_cascade(self.session):
            await asyncio.sleep(_sdk.INTERRUPTION_TIME)
            return
        now = asyncio.get_running_loop().time
        until = now() + GIVE_UP_TIMEOUT
        await _sdk.end_generation(self.session)
        while (self.busy or _sdk.generating(self.session)) and now() < until:
            await self.until(lambda: False, _LOOK_AGAIN_SOON)

    def break_off(self, *, force: bool = True) -> None:
        """Has the agent stop speaking; the caller has not broken in.

        Args:
            force: Whether what was said not to be interruptible is broken off, too.
        """
        self._broken_off = self.busy
        _sdk.break_off(self.session, force=force)

    async def speech_is_over(self, over: Callable[[], bool]) -> bool:
        """Waits until the agent has said what it is saying, or `over`; for as long as its words take, spoken slowly.

        A turn that is heard no more is given up: its model has failed or stalls in the middle, or the author has broken it
        off, after which a realtime session still says that the agent speaks. Then it returns False.
        """
        now = asyncio.get_running_loop().time
        began = now()

        def left() -> float:
            text = max(self.words, self._said_by_now, key=len)
            return began + (seconds_to_say(text) if text else SAY_TIMEOUT) - now()

        if not await self._breaks_off(lambda: over() or not self.turn_under_way, left):
            return True
        await self.give_up()
        return False

    async def _breaks_off(
        self, over: Callable[[], bool], left: Callable[[], float], *, heard_at: float = math.inf
    ) -> bool:
        """Whether nothing more is heard of what the agent is saying before that is `over`, or no time is `left` for it.

        Of a cascade without a voice, its model's words are what is heard.

        Args:
            over: Whether it is.
            left: Seconds that are.
            heard_at: When it was heard last; by default it has yet to be heard.
        """
        now = asyncio.get_running_loop().time
        cascade, voiced = _sdk.is_cascade(self.session), _sdk.has_voice_of_its_own(self.session)
        room = _sdk.room_of(self.session) if voiced else None
        followed, heard = room is not None or (cascade and not voiced), ""
        while not over():
            if room is not None and _sdk.is_playing(room):
                heard_at = now()
            elif room is None and self.words != heard:
                heard, heard_at = self.words, now()
            # What a realtime provider has reported may be about something else.
            patience = _BREATH if cascade and self._silent_from != math.inf else SENTENCE_GAP
            if followed and now() - heard_at >= patience and not _sdk.waits_for_tool(self.session):
                return True
            if left() <= 0:
                logger.warning("what the agent says is not waited for any longer")
                return False
            await self.until(over, min(left(), _LOOK_AGAIN_SOON if followed else _LOOK_AGAIN))
        return False

    @property
    def _said_by_now(self) -> str:
        """What the history has of what the agent is saying; what it said before is not how long this takes."""
        message, text = _sdk.last_said(self.session)
        return text if message != self._said_before else ""

    async def take_the_floor(self, timeout: float) -> bool:
        """As `quiet`, and gives up an answer that has not begun: nobody is to hear it any more."""
        if self._about_to_speak() and not _sdk.executing_tool(self.session):
            await self.give_up()
        return await self.quiet(timeout)

    async def _has_the_floor(self, timeout: float) -> bool:
        """As `quiet`, and does not wait for a turn whose model gives no words, or no more of them: it is given up."""
        if self._about_to_speak():
            trusted = FIRST_WORD_TIMEOUT if _sdk.is_cascade(self.session) else THINKING_TIMEOUT
            begun = await self.begins(self.beginnings, min(trusted, timeout), over=lambda: not self._about_to_speak())
            if not begun and self._about_to_speak():
                await self.give_up()
        now = asyncio.get_running_loop().time
        by = now() + timeout
        if self.agent == "speaking" and await self._breaks_off(
            lambda: self.agent != "speaking", lambda: by - now(), heard_at=now()
        ):
            await self.give_up()
        return await self.quiet(by - now())

    def _about_to_speak(self) -> bool:
        """Whether a turn is under way of which there are no words yet."""
        if _sdk.is_cascade(self.session):
            return self.agent != "speaking" and self._live_handle() is not None
        return self.agent == "thinking" and not self._given_up

    async def speak(self, speech: Callable[[], Coroutine[Any, Any, bool]], *, insist: bool) -> bool:
        """Has the agent speak once it does not speak any more; returns whether it has begun to.

        Of a realtime model, and of an agent without a voice, it is not known here: then, whether that was taken.

        Args:
            speech: What it says; False when that was not taken.
            insist: Whether to try again then.
        """
        self._speeches += 1
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + QUIET_TIMEOUT
        try:
            async with asyncio.timeout(QUIET_TIMEOUT + SPEECH_TIMEOUT):
                while not _sdk.closed(self.session):
                    if not await self._has_the_floor(give_up_at - loop.time()):
                        self.break_off(force=False)  # what it has to say now is more important
                        await self.quiet(FIRST_WORD_TIMEOUT)
                    if _sdk.busy(self.session):
                        await self.until(lambda: not _sdk.busy(self.session), _LOOK_AGAIN)
                        continue
                    taken = await self._begun_in_time(speech())
                    if taken is not None:
                        # One that is idle refuses nothing: what its provider has reported is an error.
                        if taken or not insist or not self.busy or loop.time() >= give_up_at:
                            return taken
                        await self.until(lambda: False, _LOOK_AGAIN)
                        continue
                    break
        except TimeoutError:
            logger.warning("the agent could not be made to speak in time")
        except Exception as error:
            # A provider that fails here must not keep the caller from hearing the words that need no model.
            logger.warning("the agent could not be made to speak: %s", described(error))
        await self.give_up()
        return False

    async def until_heard(self, speech: Callable[[], Coroutine[Any, Any, bool]], *, insist: bool) -> bool:
        """As `speak`, and returns whether it has been heard, to its end.

        Where this is cancelled or gives up, what is still being said is broken off: it would delay what is said next.
        """
        asked_after: int | None = None
        asked_at, number = 0.0, self._speeches + 1
        now = asyncio.get_running_loop().time

        async def asked() -> bool:
            nonlocal asked_after, asked_at
            asked_after, asked_at = self.expect_words(), now()
            return await speech()

        try:
            said = await self.speak(asked, insist=insist)
            if said and asked_after is not None and not _sdk.is_cascade(self.session):
                # A realtime model has only taken it by now; whether one without a voice of its own is heard, nobody knows.
                begun = await self.begins(asked_after, asked_at + FIRST_ANSWER_TIMEOUT - now())
                if not begun:
                    await self.give_up()
                said = begun or not _sdk.has_voice_of_its_own(self.session)
                await self.speech_is_over(lambda: False)
        except asyncio.CancelledError:
            if asked_after is not None and self._speeches == number and not _sdk.closed(self.session):
                self.break_off()
            raise
        return said

    async def _begun_in_time(self, speech: Coroutine[Any, Any, bool]) -> bool | None:
        """Whether it was taken; None when the agent does not begin, or breaks off before it has said a sentence.

        With a model that is down, or stalls, the SDK waits for ever: what has been heard by then is what was said.
        """
        if not _sdk.is_cascade(self.session):
            return await uncancelled(speech)
        before, broken_in = self.expect_words(), self.interruptions
        broken_in_before, utterance_before = broken_in, self.session.current_utterance
        begun = displaced = broken_off = False

        async def spoken() -> bool:
            try:
                return await uncancelled(speech)
            except Exception as error:
                if not begun:
                    raise
                logger.warning("the agent broke off what it was saying: %s", described(error))
                return True

        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(spoken())
            speaking.add_done_callback(self.wake)
            await asyncio.sleep(0)  # it has an utterance from its first step on
            utterance = self.session.current_utterance
            begun = await self.begins(
                before, FIRST_ANSWER_TIMEOUT, over=lambda: speaking.done() and not self.turn_under_way
            )
            while not begun and self.interruptions > broken_in:
                # The caller is answered by a model that has been told by now, and that is not asked twice at once.
                broken_in = self.interruptions
                speaking.cancel()
                begun = await self.begins(before, FIRST_ANSWER_TIMEOUT)
            if not begun:
                speaking.cancel()
            elif utterance is not utterance_before and self.interruptions == broken_in_before:
                # What begins may be an author's own words, for which the SDK has broken these off, unheard.
                displaced = self.session.current_utterance is not utterance
            if begun and not displaced:
                broken_off = await self._spoken_to_its_end(speaking)
        if displaced:
            return False
        if begun:
            return True if not broken_off or _SENTENCE_END.search(self.words) else None
        return False if not speaking.cancelled() and not speaking.result() else None

    async def _spoken_to_its_end(self, speaking: "asyncio.Task[bool]") -> bool:
        """Waits for the end of what has begun, and ends what is heard no more; returns whether it was that."""
        broken_in, utterance = self.interruptions, self.session.current_utterance
        now = asyncio.get_running_loop().time
        by = now() + SPEECH_TIMEOUT

        def over() -> bool:
            another = self.interruptions > broken_in or self.session.current_utterance is not utterance
            return speaking.done() or another

        broken_off = await self._breaks_off(over, lambda: by - now())
        if broken_off or now() >= by:
            await self.give_up()
        else:
            await self.until(speaking.done, GIVE_UP_TIMEOUT)
        speaking.cancel()  # the SDK waits for the model's last word also where nobody is to hear it
        return broken_off

    def caller_began(self) -> None:
        """The caller begins to speak: the SDK may have taken them for speaking ever since their last question."""
        if not self.caller_speaks:
            self._caller_changed({"state": "speaking"})

    def passed_on(self) -> None:
        """A realtime model with a recogniser is asked: it is thinking, as one that hears by itself is said to be."""
        if self.caller_speaks:
            self._caller_changed({"state": "idle"})
        if self.agent == "speaking":
            return
        if self.agent == "thinking":
            self._agent_changed({"state": "listening"})  # broken into: this is another question
        self._agent_changed({"state": "thinking"})

    def asked(self) -> int:
        """A model is asked for the words of a turn."""
        self._turns += 1
        self.words = ""
        self._silent_from = math.inf
        self.wake()
        return self._turns

    def said(self, turn: int | None, text: str) -> None:
        """It has given some of them."""
        if turn is None:
            self.words = max(self.words, text, key=len)
        elif turn == self._turns:
            self.words += text
        self.wake()

    def answered(self, turn: int) -> None:
        """It has given all it gives."""
        if turn == self._turns and not self.words.strip():
            self._silent_from = -math.inf
        self.wake()

    def failed(self, turn: int | None) -> None:
        """It gives no more."""
        if turn is None:
            # It may be about something else: a message that was refused, an answer that was over when it was broken off.
            self._silent_from = asyncio.get_running_loop().time() + ERROR_GRACE
        elif turn == self._turns:
            self._silent_from = -math.inf
        self.wake()

    def _follow_model(self) -> None:
        model = _sdk.words_source(self.session)
        if model is not self._model:
            self._follow_no_longer()
            self._model, self._follow_no_longer = model, _sdk.follow_model(self.session, self)

    def _live_handle(self) -> Any | None:
        return _sdk.turn_handle(self.session, self.wake)

    def _agent_changed(self, data: dict[str, Any]) -> None:
        self._rest.cancel()
        over = data["state"] == "idle" and self.agent == "speaking" and not self._broken_off
        left = self._unheard if over else 0.0
        if left > 0:
            # Of an answer that a realtime provider gives in one piece the SDK says that it is over before it is heard.
            self._hear_the_rest(by=asyncio.get_running_loop().time() + left)
        else:
            self._agent_is(data["state"])

    @property
    def _unheard(self) -> float:
        """Seconds of a realtime agent's voice that have not been heard yet."""
        room = None if _sdk.is_cascade(self.session) else _sdk.room_of(self.session)
        return _sdk.queued_seconds(room) if room is not None else 0.0

    def _hear_the_rest(self, *, by: float) -> None:
        loop = asyncio.get_running_loop()
        if self._unheard > 0 and loop.time() < by:
            self._rest = loop.call_later(_LOOK_AGAIN_SOON, functools.partial(self._hear_the_rest, by=by))
        else:
            self._agent_is("idle")

    def _agent_is(self, state: str) -> None:
        before, self.agent = self.agent, state
        self._given_up = False
        # The second is a caller who began before the sentence was over: the SDK forgets them at its end.
        broken_in = self.agent == "listening" or (self.agent == "idle" and self.caller_speaks)
        if before in _BUSY and broken_in and not self._broken_off:
            self.interruptions += 1
            self._silent_from = math.inf  # they are answered by another turn
        self._broken_off = False
        if self.agent != before and (
            before == "speaking" or self.agent == "thinking"
        ):  # what comes is another sentence
            self._said_before, _ = _sdk.last_said(self.session)
            if not _sdk.is_cascade(self.session):
                self.words = ""  # of a cascade they are the turn's, which may go on
        if self.agent == "speaking":
            self.beginnings += 1
        elif self.agent == "thinking":
            self._follow_model()  # before it is asked
        self.wake()

    def _caller_changed(self, data: dict[str, Any]) -> None:
        self.caller = data["state"]
        self.caller_beginnings += self.caller_speaks
        self.wake()

    def wake(self, _: object = None) -> None:
        """Has every condition that is waited for looked at again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
