"""Who speaks, and when a turn is over: the same questions for every kind of pipeline.

A cascade's turn has an utterance handle that is done when its playback is. Realtime models have none, so their turns
are followed by the states that the session reports. Either way, the agent going from speaking or thinking to listening
is the caller breaking in.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from typing_extensions import override
from videosdk.agents import AgentSession

from calltransfer.platform import Turn
from calltransfer.timeline import described
from calltransfer.videosdk import _sdk

logger = logging.getLogger("calltransfer.videosdk")

NEXT_TURN_TIMEOUT = 5.0
"""Seconds for the agent to begin its next turn once the caller is silent: recognition, end of utterance, model."""

FIRST_WORD_TIMEOUT = 2.0
"""Seconds for a realtime model to begin to speak after a tool; it may also stay silent."""

CALLER_TIMEOUT = 30.0
"""Seconds a caller is waited for who broke in and is still speaking."""

TURN_TIMEOUT = 20.0
"""Seconds for the agent's answer to a caller who broke in."""

THINKING_TIMEOUT = 5.0
"""Seconds that a realtime model is taken to be thinking about what it says next; it may also say nothing."""

QUIET_TIMEOUT = 15.0
"""Seconds to wait for the agent's turn to end before it is given another one."""

FIRST_ANSWER_TIMEOUT = 6.0
"""Seconds for the agent to begin to speak on what it is told; then a fixed sentence is said instead."""

SPEECH_TIMEOUT = 60.0
"""Seconds for what the agent says then."""

SAY_TIMEOUT = 20.0
"""Seconds for a realtime model to say one sentence that it has begun."""

BEFORE_TOOL_TIMEOUT = 1.0
"""Seconds for what the agent said before a tool to begin to be heard, where the tool waits for the transfer."""

_LOOK_AGAIN = 0.5

_SOON = 0.05

_BREATH = 0.4
"""Seconds of silence after which what was said before a tool is over: between two sentences there may be less."""

TALK_TIMEOUT = 120.0
"""Seconds for all of it, however often the caller breaks in."""

_BUSY = frozenset({"thinking", "speaking"})


class Conversation:
    """Follows the states of a session for as long as the call lasts."""

    def __init__(self, session: AgentSession) -> None:
        self.session = session
        self.agent: str = session.agent_state.value
        self.caller: str = session.user_state.value
        self.interruptions = 0
        self.beginnings = 0
        self._changed = asyncio.Event()
        session.on("agent_state_changed", self._agent_changed)
        session.on("user_state_changed", self._caller_changed)

    def close(self) -> None:
        """Follows no longer."""
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

    async def until(self, condition: Callable[[], bool], timeout: float) -> bool:
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
        if self.agent == "thinking" and self._live_handle() is None:
            trusted = FIRST_WORD_TIMEOUT if _sdk.is_cascade(self.session) else THINKING_TIMEOUT
            await self.until(lambda: self.agent != "thinking", min(trusted, timeout))
        return await self.until(lambda: self.agent != "speaking" and self._live_handle() is None, timeout)

    async def speak(self, speech: Callable[[], Coroutine[Any, Any, bool]], *, insist: bool) -> bool:
        """Has the agent speak once it does not speak any more; returns whether that was delivered.

        Args:
            speech: What it says; False when that was not taken.
            insist: Whether to try again then.
        """
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + QUIET_TIMEOUT
        try:
            async with asyncio.timeout(QUIET_TIMEOUT + SPEECH_TIMEOUT):
                while not _sdk.closed(self.session):
                    if not await self.quiet(give_up_at - loop.time()):
                        _sdk.break_off(self.session, force=False)  # what it has to say now is more important
                        await self.quiet(FIRST_WORD_TIMEOUT)
                    if _sdk.busy(self.session):
                        await self.until(lambda: not _sdk.busy(self.session), _LOOK_AGAIN)
                        continue
                    taken = await self._begun_in_time(speech())
                    if taken is not None:
                        if taken or not insist or loop.time() >= give_up_at:
                            return taken
                        await self.until(lambda: False, _LOOK_AGAIN)
                        continue
                    return False
        except TimeoutError:
            logger.warning("the agent could not be made to speak in time")
        except Exception as error:
            # A provider that fails here must not keep the caller from hearing the words that need no model.
            logger.warning("the agent could not be made to speak: %s", described(error))
        return False

    async def until_heard(self, speech: Callable[[], Coroutine[Any, Any, bool]], *, insist: bool) -> bool:
        """As `speak`, and returns when it has been heard; whoever no longer waits for that has the rest broken off.

        True or not by then, it would be heard to its end otherwise, and keep from the caller what is said next.
        """
        asked_after: int | None = None

        async def asked() -> bool:
            nonlocal asked_after
            asked_after = self.beginnings
            return await speech()

        try:
            said = await self.speak(asked, insist=insist)
            if said and asked_after is not None and not _sdk.is_cascade(self.session):
                # A realtime model has only taken it by now.
                begun_before = asked_after
                await self.until(lambda: self.beginnings > begun_before, FIRST_ANSWER_TIMEOUT)
                await self.quiet(SAY_TIMEOUT)
        except asyncio.CancelledError:
            if asked_after is not None and not _sdk.closed(self.session):
                _sdk.break_off(self.session)
            raise
        return said

    async def _begun_in_time(self, speech: Coroutine[Any, Any, bool]) -> bool | None:
        """Whether it was taken; None when the agent does not begin: with a model that is down the SDK waits for ever."""
        if not _sdk.is_cascade(self.session) or not _sdk.has_voice(self.session):
            return await speech
        before = self.beginnings
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(speech)
            speaking.add_done_callback(self.wake)
            begun = await self.until(lambda: self.beginnings > before or speaking.done(), FIRST_ANSWER_TIMEOUT)
            if not begun:
                speaking.cancel()
        return speaking.result() if begun else None

    def _live_handle(self) -> Any | None:
        return _sdk.turn_handle(self.session, self.wake)

    def _agent_changed(self, data: dict[str, Any]) -> None:
        before, self.agent = self.agent, data["state"]
        if before in _BUSY and (self.agent == "listening" or (self.agent == "idle" and self.caller_speaks)):
            # The second is a caller who began before the sentence was over: the SDK forgets them at its end.
            self.interruptions += 1
        if self.agent == "speaking":
            self.beginnings += 1
        self.wake()

    def _caller_changed(self, data: dict[str, Any]) -> None:
        self.caller = data["state"]
        self.wake()

    def wake(self, _: object = None) -> None:
        """Has every condition that is waited for looked at again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class ConversationTurn(Turn):
    """One turn of the agent, from the moment this is made."""

    def __init__(
        self,
        conversation: Conversation,
        *,
        after_tool: bool,
        while_waiting: Callable[[], Any],
        interrupted: Callable[[], None],
    ) -> None:
        self._conversation = conversation
        self._session = conversation.session
        self._after_tool = after_tool
        self._while_waiting = while_waiting
        self._report_interrupted = interrupted
        self._tool_waits = False
        self._unconfirmed = _sdk.unconfirmed_generation(self._session)
        self._first_word_by = asyncio.get_running_loop().time() + FIRST_WORD_TIMEOUT
        self._mark()

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
        try:
            async with asyncio.timeout(timeout):
                await self._over()
        except TimeoutError:
            return  # a long sentence, or a model that says nothing
        try:
            async with asyncio.timeout(TALK_TIMEOUT):
                await self._answered()
        except TimeoutError:
            return

    async def _answered(self) -> None:
        """Waits until a caller who broke in has been answered, each time they do."""
        while self._interrupted:
            self._report_interrupted()
            self._tool_waits = False  # the SDK ends a tool when the caller breaks in
            self._mark()
            await self._conversation.until(lambda: not self._conversation.caller_speaks, CALLER_TIMEOUT)
            if not await self._conversation.until(lambda: self._conversation.busy, NEXT_TURN_TIMEOUT):
                return  # a cough: there is nothing to answer
            self._mark()
            await self._while_waiting()
            self._first_word_by = asyncio.get_running_loop().time() + FIRST_WORD_TIMEOUT
            try:
                async with asyncio.timeout(TURN_TIMEOUT):
                    await self._over()
            except TimeoutError:
                return

    def _mark(self) -> None:
        self._interruptions = self._conversation.interruptions
        self._beginnings = self._conversation.beginnings
        self._handle = _sdk.turn_handle(self._session, self._conversation.wake)

    @property
    def _interrupted(self) -> bool:
        return self._conversation.interruptions > self._interruptions

    async def _over(self) -> None:
        """Waits until the turn is over or interrupted."""
        conversation = self._conversation
        if self._tool_waits:
            await self._said_before_the_tool()
            return
        while self._handle is not None and not self._interrupted:
            await conversation.until(self._playback_done_or_interrupted, TURN_TIMEOUT)
            # Somebody else's say() takes the turn over; then that is the sentence.
            self._handle = _sdk.turn_handle(self._session, conversation.wake)
        if self._interrupted:
            return
        if self._after_tool and not _sdk.is_cascade(self._session):
            await self._realtime_model_has_spoken()
        while conversation.busy and not self._interrupted:
            await conversation.until(lambda: not conversation.busy or self._interrupted, TURN_TIMEOUT)

    async def _said_before_the_tool(self) -> None:
        """Waits until it has been heard. A cascade is taken for speaking while the tool runs: its voice waits for more."""
        conversation, room = self._conversation, _sdk.room_of(self._session)
        await conversation.until(lambda: self._interrupted or conversation.agent == "speaking", BEFORE_TOOL_TIMEOUT)
        silent_for = 0.0
        while conversation.agent == "speaking" and not self._interrupted and silent_for < _BREATH:
            playing = room is not None and _sdk.is_playing(room)
            silent_for = 0.0 if playing else silent_for + _SOON
            await conversation.until(lambda: self._interrupted, _SOON)

    def _playback_done_or_interrupted(self) -> bool:
        return self._interrupted or self._handle is None or bool(self._handle.done())

    async def _realtime_model_has_spoken(self) -> None:
        """Waits for what the model says after the tool, whether or not it was still speaking when it called it."""
        conversation, loop = self._conversation, asyncio.get_running_loop()
        while not self._interrupted:
            if conversation.agent == "speaking":
                await conversation.until(lambda: conversation.agent != "speaking" or self._interrupted, TURN_TIMEOUT)
                if conversation.beginnings > self._beginnings:
                    return
            elif not await conversation.until(
                lambda: conversation.agent == "speaking" or self._interrupted, self._first_word_by - loop.time()
            ):
                return
