"""A caller on VideoSDK who is listened to, and not answered: nobody but who listens hears what they say."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from typing_extensions import override
from videosdk.agents import AgentSession

from calltransfer.call import Dictation
from calltransfer.errors import NoDictation
from calltransfer.hook import is_cancelled
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.conversation import FIRST_ANSWER_TIMEOUT, Conversation, seconds_to_say
from calltransfer.videosdk.echo import Echo
from calltransfer.videosdk.holding import HoldUnderWay, followed_keys, holding_back, told_of_each_kind

SENTENCE_TIMEOUT = 20.0
"""Seconds for one thing that is said to the caller."""

QUIET_TIMEOUT = 5.0
"""Seconds for what the agent is saying when it begins to be over."""

RECOGNITION_TIMEOUT = 1.0
"""Seconds for the last words to be recognised when there is no time to wait for silence."""

FINISHED_TIMEOUT = 10.0
"""Seconds for a caller to finish what they add once they have been listened to; the agent goes on after it."""

UNRECOGNISED_TIMEOUT = 3.0
"""Seconds after which what is still not recognised was no words: a cough, or a door."""

_SILENT_TIMEOUT = 1.0
"""Seconds for a realtime model to fall silent, of what it says that nobody is to hear."""

_PAUSE = 0.2
"""Seconds without sound after which a sentence is over: audio comes in bursts."""

_LOOK_AGAIN = 0.05
_LEAST_WAIT = 0.01


@asynccontextmanager
async def taking_down(
    *,
    session: AgentSession,
    room: Any,
    conversation: Conversation,
    hold: HoldUnderWay | None,
    done_key: str | None,
    held_back: Callable[[str], None],
    returned: Callable[[], None],
    hurried: Callable[[], bool],
) -> AsyncIterator["VideoSDKDictation"]:
    """Takes down what the caller says for as long as the block lasts.

    Args:
        session: The agent's session.
        room: The room both are in.
        conversation: Who speaks in it.
        hold: The hold that the caller is on; it is suspended.
        done_key: The key with which they say that they are done.
        held_back: Told of what would have spoken to the caller or ended their call.
        returned: Called when they press the key that brings them back from the hold.
        hurried: Whether the session closes, and there is no time for a model to fall silent.

    Raises:
        NoDictation: the agent has no ears or no voice.
    """
    why_not = _sdk.why_not_taken_down(session)
    if why_not is not None:
        raise NoDictation(why_not)
    async with AsyncExitStack() as stack:
        if hold is not None:
            await stack.enter_async_context(hold.suspended())
            held_back = stack.enter_context(told_of_each_kind(held_back))
        else:
            held_back = stack.enter_context(holding_back(session, room, held_back))
        await conversation.take_the_floor(QUIET_TIMEOUT)
        if _sdk.closed(session):
            raise NoDictation("the session is over")
        dictation = VideoSDKDictation(session, room, conversation)
        stack.push_async_callback(dictation.close, hurried)

        def pressed(key: str, _sender: str | None) -> None:
            if key == done_key:
                dictation.done()
            elif hold is not None and key == hold.return_key and dictation.listening:
                returned()
            elif session.dtmf_handler is not None:
                held_back("keypad")

        stack.callback(await followed_keys(room, pressed))
        yield dictation
        if not hurried():
            # What has come of it stands, whatever comes before they have finished.
            with contextlib.suppress(asyncio.CancelledError):
                await dictation.caller_has_finished()


class VideoSDKDictation(Dictation):
    """One caller who is listened to.

    A recogniser's words are kept from the model. A realtime model hears by itself, and answers by itself: what it says is
    kept from the caller, and it hears nothing while the caller is being asked. What they add once they have been listened
    to is no part of what was taken down: it is the agent's to answer, and in its history.

    Attributes:
        listening: Whether what is said is still taken down.
    """

    def __init__(self, session: AgentSession, room: Any, conversation: Conversation) -> None:
        self.listening = True
        self._session = session
        self._room = room
        self._conversation = conversation
        self._parts: list[str] = []
        self._added = 0
        self._afterwards: list[str] = []
        self._closed = False
        self._done = False
        self._saying = False
        self._echo = Echo()
        self._stirred_at = self._now()
        self._changed = asyncio.Event()
        self._ears, self._alone = _sdk.listen_alone(session, self._heard, self._stirs)
        self._give_voice: Callable[[], None] | None = None
        self._unheard_after = 0

    @property
    @override
    def text(self) -> str:
        return " ".join(self._parts)

    def done(self) -> None:
        """The caller says that they are."""
        self._done = True
        self._change()
        if self._saying and self.listening:
            _sdk.break_off(self._session)

    @override
    async def say(self, text: str) -> bool:
        try:
            async with asyncio.timeout(max(SENTENCE_TIMEOUT, FIRST_ANSWER_TIMEOUT + seconds_to_say(text))):
                return await (self._say(text) if self._alone else self._say_to_be_heard(text))
        except TimeoutError:
            return False

    @override
    async def listen(
        self,
        *,
        begin_timeout: float,
        silence: float,
        longest: float,
        enough: Callable[[str], bool] = lambda _text: False,
    ) -> str:
        since = self._now()
        last = since + longest
        while not self._done and not enough(self.text):
            if self._ears.speaking:
                until = last
            elif self._recognising:
                until = min(last, self._stirred_at + UNRECOGNISED_TIMEOUT)
            else:
                until = min(last, max(since, self._stirred_at) + (silence if self._parts else begin_timeout))
            if self._now() >= until or _sdk.closed(self._session):
                break
            await self._change_until(until)
        self._done = False
        # A caller who has said nothing yet is asked once more, and heard.
        return await self.finish() if self._parts or self._ears.speaking or self._recognising else ""

    @override
    async def finish(self) -> str:
        until = self._now() + RECOGNITION_TIMEOUT
        while (self._ears.speaking or self._recognising) and self._now() < until:
            await self._change_until(until)
        if self._ears.speaking or self._recognising:
            self._heard(self._ears.harvest())
        if self._parts:
            self.listening = False
        self._add_to_history()
        return self.text

    async def caller_has_finished(self) -> None:
        """Waits for the end of what they add; not in a task that is to end."""
        until = self._now() + FINISHED_TIMEOUT
        while (self._ears.speaking or self._recognising) and self._now() < until:
            if _sdk.closed(self._session) or is_cancelled():
                return
            await self._change_until(until)

    async def close(self, hurried: Callable[[], bool]) -> None:
        """The model hears again, and is heard."""
        try:
            if not hurried():
                await self._fall_silent()
        finally:
            self.listening = False
            self._closed = True
            self._ears.give_back()
            self._add_to_history()
            self._be_heard()

    @property
    def _recognising(self) -> bool:
        return self._ears.recognising and self._now() < self._stirred_at + UNRECOGNISED_TIMEOUT

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _say(self, text: str) -> bool:
        conversation, session = self._conversation, self._session

        async def speech() -> bool:
            if not _sdk.is_cascade(session):
                return await _sdk.say_unless_refused(session, text)
            await _sdk.say_to_the_end(session, text)
            return True

        self._saying = True
        self._echo.begins(text)
        before = conversation.beginnings
        try:
            said = await conversation.speak(speech, insist=not _sdk.is_cascade(session))
            if said and not _sdk.is_cascade(session):
                said = await conversation.until(lambda: conversation.beginnings > before, FIRST_ANSWER_TIMEOUT)
            await (conversation.quiet(SENTENCE_TIMEOUT) if self._alone else self._sound_is_over())
            return said
        finally:
            self._saying = False
            self._echo.ends()
            self._stirs()

    async def _say_to_be_heard(self, text: str) -> bool:
        """Says it with the voice of a model that would answer whatever it hears meanwhile: as it may, of what they add."""
        hear = _sdk.deafen(self._room) if self.listening else _nothing
        try:
            await self._fall_silent()
            self._be_heard()
            return await self._say(text)
        finally:
            if self.listening:
                self._be_unheard()
            hear()

    async def _sound_is_over(self) -> None:
        """Waits until what is said has been heard: sooner than the session says so, and a model is deaf until then."""
        heard_at = self._now()
        while self._conversation.agent == "speaking" and self._now() < heard_at + _PAUSE:
            await self._until_other_than("speaking", _LOOK_AGAIN)
            if _sdk.is_playing(self._room):
                heard_at = self._now()

    def _be_unheard(self) -> None:
        if self._give_voice is None:
            self._unheard_after = _sdk.length_of_history(self._session)
            self._give_voice = _sdk.mute(self._room)

    def _be_heard(self) -> None:
        if self._give_voice is not None:
            self._give_voice()
            self._give_voice = None
            _sdk.forget_unheard(self._session, after=self._unheard_after)

    async def _fall_silent(self) -> None:
        """Breaks off what a model says that nobody hears: the rest of it must not be heard either."""
        conversation = self._conversation
        if self._give_voice is None or _sdk.closed(self._session):
            return
        until = self._now() + _SILENT_TIMEOUT
        while conversation.busy and self._now() < until:
            if conversation.agent == "speaking":
                _sdk.break_off(self._session)
            await self._until_other_than(conversation.agent, until - self._now())
        if conversation.agent == "thinking":
            await conversation.give_up()  # it hangs, or says nothing: whoever speaks next does not wait for it

    async def _until_other_than(self, state: str, timeout: float) -> None:
        await self._conversation.until(lambda: self._conversation.agent != state, timeout)

    def _add_to_history(self) -> None:
        """What was taken down is the caller's, as whatever else they say; a realtime model's session has it already."""
        taken, self._added = self._parts[self._added :], len(self._parts)
        added, self._afterwards = self._afterwards, []
        for words in (" ".join(taken), " ".join(added)):
            if words and self._alone:
                _sdk.add_as_said(self._session, words)

    def _heard(self, text: str) -> None:
        if text.strip() and not self._echo.of(text, summary=""):
            (self._parts if self.listening else self._afterwards).append(text.strip())
            if self._closed:
                self._add_to_history()
            elif self._saying and self.listening:
                _sdk.break_off(self._session)
        self._change()

    def _stirs(self) -> None:
        self._stirred_at = self._now()
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _change_until(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(max(until, self._now() + _LEAST_WAIT)):
                await self._changed.wait()
        except TimeoutError:
            return


def _nothing() -> None:
    return
