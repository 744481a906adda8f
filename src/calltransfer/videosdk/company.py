"""Keeps a caller company who waits for the agent's words: other words or music, where none come.

A model may begin late, give nothing, or fail, and the caller hears none of the reasons. In the turn in which a transfer
was asked for, a fixed sentence is said in the model's place. In every other one there is music until its first word, and
the sentence when it has not come in time. A turn that is spoken for is given up: what it still gives is out of date.
There is music, too, for a caller to whom nobody speaks before a target is dialled or the call is forwarded.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

from typing_extensions import override

from calltransfer.call import SENTENCE_TIMEOUT
from calltransfer.hook import logged
from calltransfer.platform import Turn
from calltransfer.said import Said
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.conversation import (
    CALLER_TIMEOUT,
    FIRST_ANSWER_TIMEOUT,
    FIRST_WORD_TIMEOUT,
    NEXT_TURN_TIMEOUT,
    TALK_TIMEOUT,
    Conversation,
)
from calltransfer.videosdk.holding import LineOnHold

MUSIC_AFTER = 2.5
"""Seconds of silence before there is music, where a caller waits for an answer; none for one who comes off hold."""

TOOLS_TIMEOUT = 20.0
"""Seconds for the words of a model that calls one tool after another and says nothing."""

BEFORE_TOOL_TIMEOUT = 1.0
"""Seconds for what the agent said before a tool to begin to be heard, where the tool waits for the transfer."""

_BREATH = 0.4
"""Seconds of silence after which what was said before a tool is over: between two sentences there may be less."""

_SOON = 0.05
_AFTER_HOLD = 1.0
_LATER = 0.5


class Company:
    """The company of one caller.

    Args:
        conversation: Who speaks.
        line: Plays to the caller.
        said: What they have been told while they wait.
        say: Says a sentence, and returns whether it was heard.
        away: Whether the caller is on hold, or leaves a message.
        elsewhere: Whether something else sees to what the caller hears: one of these, or a forward. In a forward they wait
            for the words that announce it all the same.

    Attributes:
        words: The agent's words after the last tool.
    """

    def __init__(
        self,
        conversation: Conversation,
        line: LineOnHold,
        said: Said,
        *,
        say: Callable[[str], Coroutine[Any, Any, bool]],
        away: Callable[[], bool],
        elsewhere: Callable[[], bool],
    ) -> None:
        self.conversation = conversation
        self.words: WordsAfterTool | None = None
        self._line = line
        self._said = said
        self._say = say
        self._away = away
        self._elsewhere = elsewhere
        self._sentence = ""
        self._off_hold_at = -_AFTER_HOLD
        self._agent_stays = False

    def comes_off_hold(self) -> None:
        """The caller has been on hold until now."""
        self._off_hold_at = _now()

    def after_tool(self, sentence: str) -> Coroutine[Any, Any, None]:
        """Returns a coroutine that says `sentence` where the model gives no words after the tool that runs now."""
        if self.words is not None:
            self.words.replace()
        self.words = WordsAfterTool(self, sentence)
        return self.words.run()

    def agent_stays(self) -> None:
        """From here on the caller talks with the agent, unless there is a hold: somebody is being dialled for them."""
        self._agent_stays = True

    async def words_after_tool(self, *, begin_within: float) -> None:
        """Waits until the agent says them; the model has `begin_within` seconds from now on.

        Of a model that calls one tool after another, until they begin, and at most `TOOLS_TIMEOUT` seconds.
        """
        last = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TOOLS_TIMEOUT):
                while self.words is not None and self.words is not last:
                    last = self.words
                    last.begin_within(begin_within)
                    await last.over.wait()

    @contextlib.contextmanager
    def looking_after(self) -> Iterator[None]:
        """Keeps `keep` out of the turn while the block lasts: the block itself says other words where none come."""
        self.conversation.looked_after += 1
        try:
            yield
        finally:
            self.conversation.looked_after -= 1
            self.conversation.wake()

    @asynccontextmanager
    async def music(self, *, after: float) -> AsyncIterator[None]:
        """Music while the block lasts, from `after` so many seconds on until the agent begins or the caller breaks in."""
        playing = asyncio.create_task(self._play(after), name="music for a caller who waits for the agent's words")
        playing.add_done_callback(logged)
        try:
            yield
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    def music_until_told(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Music for a caller who is told something: what they have heard on hold goes on."""
        if self._elsewhere():
            return contextlib.nullcontext()
        return self.music(after=0.0 if _now() - self._off_hold_at < _AFTER_HOLD else MUSIC_AFTER)

    async def say_instead(self, sentence: str = "") -> None:
        """Gives the turn up, and says `sentence` in its place; by default that of `keep`, unless it has just been said.

        Not to a caller who is on hold, or leaves a message: they hear that. And not where a tool of the author's runs in
        the turn: it would be ended, and nothing can be said before it returns.
        """
        elsewhere = self._away if sentence else self._elsewhere
        if elsewhere() or _sdk.waits_for_tool(self.conversation.session):
            return
        await self.conversation.give_up()
        if not sentence:
            sentence = self._sentence
            if not sentence or self._said.too_soon(sentence):
                return
        await self._say_unless(elsewhere, sentence)

    async def _say_unless(self, elsewhere: Callable[[], bool], sentence: str) -> None:
        """Says it, unless something else begins to see to what the caller hears before it can be said."""
        conversation = self.conversation
        if elsewhere():
            return
        async with self.music(after=_LATER), asyncio.TaskGroup() as group:  # a model may not say that, either
            saying = group.create_task(self._say(sentence))
            saying.add_done_callback(conversation.wake)
            await conversation.until(lambda: saying.done() or (elsewhere() and conversation.agent != "speaking"), None)
            saying.cancel()

    async def keep(self, sentence: str) -> None:
        """Keeps the caller company until it is cancelled, in every turn that nobody else looks after, and between them.

        Args:
            sentence: What is said where the model does not answer.
        """
        self._sentence = sentence
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass_the_time(), name="music for a caller to whom nobody speaks")
                await self._speak_for_the_model()
        finally:
            self._agent_stays = False

    async def _pass_the_time(self) -> None:
        """Plays music wherever nobody has spoken for `MUSIC_AFTER`: the caller waits for the platform, or for slow code."""
        conversation = self.conversation

        def spoken() -> bool:
            speaks = conversation.busy or conversation.turn_under_way or conversation.caller_speaks
            return speaks or self._agent_stays or not self._is_needed

        while True:
            await conversation.until(lambda: not spoken(), None)
            await self._play_until(spoken, after=MUSIC_AFTER)

    async def _speak_for_the_model(self) -> None:
        conversation = self.conversation
        while True:
            await conversation.until(lambda: conversation.agent == "thinking" and self._is_needed, None)
            with self.looking_after():
                broken_in, asked = conversation.interruptions, conversation.turns
                async with self.music(after=MUSIC_AFTER):
                    begun = await conversation.begins(
                        conversation.beginnings, FIRST_ANSWER_TIMEOUT, over=self._elsewhere
                    )
                if begun:
                    await conversation.turn_is_over(asked, broken_in)
                if begun or self._elsewhere() or conversation.interruptions > broken_in:
                    continue
                await self.say_instead()
                await self._until_something_happens()

    async def _until_something_happens(self) -> None:
        """Plays music until one of the two speaks, or the model is asked for something else."""
        conversation = self.conversation
        began = conversation.expect_words()
        stirred, asked = conversation.caller_beginnings, conversation.turns

        def happened() -> bool:
            speaks = conversation.beginnings > began or conversation.caller_beginnings > stirred
            return speaks or conversation.turns != asked or self._elsewhere()

        async with self.music(after=_LATER):
            await conversation.until(happened, None)

    @property
    def _is_needed(self) -> bool:
        return not self.conversation.looked_after and not self._elsewhere()

    async def _play(self, after: float) -> None:
        conversation = self.conversation
        began, broken_in = conversation.beginnings, conversation.interruptions

        def over() -> bool:
            return conversation.beginnings > began or conversation.interruptions > broken_in

        await self._play_until(over, after=after)

    async def _play_until(self, over: Callable[[], bool], *, after: float) -> None:
        """Plays music until `over`, from `after` so many seconds on."""
        if await self.conversation.until(over, after):
            return
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(self._line.go_on())
            await self.conversation.until(over, None)
            playing.cancel()


class WordsAfterTool:
    """The agent's words after a tool: its model's, or others.

    Attributes:
        over: Set when there is nothing more to wait for.
    """

    def __init__(self, company: Company, sentence: str) -> None:
        self._company = company
        self._conversation = conversation = company.conversation
        self._sentence = sentence
        self._unconfirmed = _sdk.unconfirmed_generation(conversation.session)
        self._broken_in = conversation.interruptions
        self._beginnings = conversation.beginnings
        self._speaks = conversation.agent == "speaking"
        self._made_at = _now()
        self._by = self._made_at + SENTENCE_TIMEOUT
        self._replaced = False
        self.over = asyncio.Event()

    def replace(self) -> None:
        """Another tool has been called: there are words after that."""
        self._replaced = True
        self._conversation.wake()

    def begin_within(self, seconds: float) -> None:
        """Gives the model so many seconds from now on."""
        self._by = _now() + seconds
        self._conversation.wake()

    async def run(self) -> None:
        """Waits for the words, and has others said where none come; returns when the agent begins, or those are over."""
        try:
            if self._unconfirmed is not None:
                by = self._by - _now()
                if not await self._unconfirmed.confirmation():
                    return
                self._by = _now() + by
            with self._company.looking_after():
                if self._speaks and not _sdk.is_cascade(self._conversation.session):
                    await self._spoken_already()
                elif not await self._begins():
                    await self._company.say_instead(self._sentence)
        finally:
            self.over.set()

    async def _spoken_already(self) -> None:
        """A realtime model that spoke as it called the tool has said something; it may say more, or not."""
        conversation = self._conversation
        await conversation.speech_is_over(lambda: self._is_over)
        left = self._made_at + FIRST_WORD_TIMEOUT - _now()
        if not self._is_over and left > 0:
            await conversation.begins(self._beginnings, left)

    async def _begins(self) -> bool:
        """Whether there is nothing more to be done: the agent begins to speak, or the caller has broken in."""
        async with self._company.music(after=SENTENCE_TIMEOUT + _LATER):
            while True:
                by = self._by
                begun = await self._begins_by(by)
                if begun or self._is_over:
                    return True
                if self._by == by:
                    return False

    async def _begins_by(self, by: float) -> bool:
        return await self._conversation.begins(
            self._beginnings, by - _now(), over=lambda: self._by != by or self._is_over
        )

    @property
    def _is_over(self) -> bool:
        return self._replaced or self._conversation.interruptions > self._broken_in


class ConversationTurn(Turn):
    """One turn of the agent, from the moment this is made."""

    def __init__(
        self,
        conversation: Conversation,
        company: Company,
        *,
        after_tool: bool,
        while_waiting: Callable[[], Any],
        interrupted: Callable[[], None],
    ) -> None:
        self._conversation = conversation
        self._company = company
        self._session = conversation.session
        self._after_tool = after_tool
        self._while_waiting = while_waiting
        self._report_interrupted = interrupted
        self._unconfirmed = _sdk.unconfirmed_generation(self._session)
        self._interruptions = conversation.interruptions
        self._beginnings = conversation.beginnings
        self._speaks = conversation.agent == "speaking"
        self._tool_waits = False

    @property
    @override
    def confirmed(self) -> bool:
        # Once and for all: the SDK forgets what it has confirmed when that has been spoken.
        if self._unconfirmed is not None and self._unconfirmed.confirmed:
            self._unconfirmed = None
        return self._unconfirmed is None

    @override
    async def confirmation(self) -> bool:
        if self._unconfirmed is not None and await self._unconfirmed.confirmation():
            self._unconfirmed = None
        return self._unconfirmed is None

    @override
    def waited_for_by_tool(self) -> None:
        self._tool_waits = True

    @override
    async def sentence_heard(self, *, timeout: float) -> None:
        if timeout <= 0:
            return
        with self._company.looking_after():
            await self._said(timeout)
            try:
                async with asyncio.timeout(TALK_TIMEOUT):
                    await self._answered()
            except TimeoutError:
                return

    async def _said(self, timeout: float) -> None:
        """Waits until the sentence is over, or the caller breaks in."""
        if self._tool_waits:
            await self._said_before_the_tool()
            return
        await self._begun(timeout)
        if self._speaks or self._conversation.beginnings > self._beginnings:
            await self._conversation.speech_is_over(lambda: self._interrupted)

    async def _said_before_the_tool(self) -> None:
        """Waits until it has been heard. A cascade is taken for speaking while the tool runs: its voice waits for more."""
        conversation, room = self._conversation, _sdk.room_of(self._session)
        await conversation.until(lambda: self._interrupted or conversation.agent == "speaking", BEFORE_TOOL_TIMEOUT)
        silent_for = 0.0
        while conversation.agent == "speaking" and not self._interrupted and silent_for < _BREATH:
            playing = room is not None and _sdk.is_playing(room)
            silent_for = 0.0 if playing else silent_for + _SOON
            await conversation.until(lambda: self._interrupted, _SOON)

    async def _begun(self, timeout: float) -> None:
        """Waits until the agent speaks in this turn, and has it say a fixed sentence where its model gives no words."""
        conversation = self._conversation
        if self._after_tool and self._company.words is not None:
            await self._company.words_after_tool(begin_within=timeout)
        elif not self._speaks:
            await conversation.begins(
                self._beginnings, timeout, over=lambda: not conversation.busy and not conversation.turn_under_way
            )

    async def _answered(self) -> None:
        """Waits until a caller who broke in has been answered, each time they do."""
        conversation = self._conversation
        while self._interrupted:
            self._report_interrupted()
            self._tool_waits = False  # the SDK ends a tool when the caller breaks in
            self._interruptions, before = conversation.interruptions, conversation.beginnings
            await conversation.until(lambda: not conversation.caller_speaks, CALLER_TIMEOUT)
            async with self._company.music(after=MUSIC_AFTER):
                if not await conversation.until(lambda: conversation.busy, NEXT_TURN_TIMEOUT):
                    return  # a cough: there is nothing to answer
                await self._while_waiting()
                begun = await conversation.begins(before, FIRST_ANSWER_TIMEOUT)
            if begun:
                await conversation.speech_is_over(lambda: self._interrupted)
            elif not self._interrupted:
                await self._company.say_instead()

    @property
    def _interrupted(self) -> bool:
        return self._conversation.interruptions > self._interruptions


def _now() -> float:
    return asyncio.get_running_loop().time()
