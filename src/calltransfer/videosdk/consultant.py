"""The agent in the consultation's room: a job, a scope and a session of its own, on the real SDK.

Everything it does runs in its own context. The SDK's event bus and metrics are bound to the context: what is said here
would otherwise be reported into the caller's room.
"""

import asyncio
import contextvars
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from typing_extensions import override
from videosdk.agents import Agent, AgentSession, Pipeline, function_tool

from calltransfer.briefing import Answer
from calltransfer.errors import NoConsultation
from calltransfer.hold import HoldMusic
from calltransfer.hook import called, logged, within
from calltransfer.said import Said
from calltransfer.timeline import described
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.attendance import Attendance
from calltransfer.videosdk.conversation import FIRST_ANSWER_TIMEOUT, Conversation, seconds_to_say
from calltransfer.videosdk.holding import LineOnHold

logger = logging.getLogger("calltransfer.videosdk")

ROOM_TIMEOUT = 4.0
"""Seconds to be in the room."""

JOIN_TIMEOUT = 10.0
"""Seconds to be in the room with everything started: joining takes about one, a voice's first connection another."""

PREPARE_TIMEOUT = 5.0
"""Seconds to have the greeting spoken in advance; after that it is spoken when it is needed."""

SENTENCE_TIMEOUT = 20.0
"""Seconds for one thing that is said to a target: thirty words take twelve. What takes longer, spoken slowly, has longer."""

ANSWER_TIMEOUT = 4.0
"""Seconds for the consultation's model to begin to answer a target; then the fixed question is asked."""

CLOSE_TIMEOUT = 10.0
"""Seconds for session and job to close."""

_FASTEST_SPEECH = 0.02
"""Seconds that a character takes at the least; audio shorter than that is not all of it."""

_BYTES_A_SECOND = 48_000

T = TypeVar("T")


class ConsultationAgent(Agent):
    """What the target talks to when they do more than say yes or no. Its tools exist in this room only.

    Args:
        instructions: The one system message.
        answered: Told what the model has understood; returns whether that decides it.
    """

    def __init__(self, instructions: str, answered: Callable[[Answer], bool]) -> None:
        self._answered = answered
        super().__init__(instructions=instructions)

    @override
    async def on_enter(self) -> None:
        """Nothing: it never runs where the target is there first, so the greeting does not depend on it."""

    @override
    async def on_exit(self) -> None:
        """Nothing."""

    @function_tool
    async def accept_call(self) -> dict[str, str]:
        """Call this only when the person has clearly agreed to take the call."""
        if not self._answered(Answer.ACCEPTED):
            return {"status": "not_accepted", "message": "Nothing they say takes this call. Do as your rules say."}
        return {"status": "accepted", "message": "They are being connected. Say nothing more."}

    @function_tool
    async def decline_call(self) -> dict[str, str]:
        """Call this when the person has clearly said that they will not take the call."""
        if not self._answered(Answer.DECLINED):
            return {"status": "not_declined", "message": "They have said nothing yet. Do as your rules say."}
        return {"status": "declined", "message": "They are being released. Say nothing more."}

    @function_tool
    async def machine_answered(self) -> dict[str, str]:
        """Call this when no person has answered but a voicemail, an answering machine or a menu."""
        if not self._answered(Answer.MACHINE):
            return {"status": "not_ended", "message": "Nothing has been heard yet. Do as your rules say."}
        return {"status": "machine", "message": "The call is being ended. Say nothing more."}


class Consultant:
    """Opens, and closes, the agent's side of a consultation.

    Args:
        session: The live agent's session.
        pipeline: Makes the consultation's pipeline; None: the agent's components are made anew.
        instructions: The system message.
        heard: Told of everything the target says; returns whether it has been dealt with.
        pressed: Told of every key that is pressed there, and by which participant.
        answered: Told what the model has understood.
    """

    def __init__(
        self,
        session: AgentSession,
        *,
        pipeline: Callable[[], Any] | None,
        instructions: str,
        heard: Callable[[str], bool],
        pressed: Callable[[str, str | None], None],
        answered: Callable[[Answer], bool],
    ) -> None:
        self.participant_id = ""
        self.target_speaks = False
        self.times_spoken = 0
        self.attendance: Attendance | None = None
        self._primary = session
        self._make_pipeline = pipeline
        self._agent_arguments = (instructions, answered)
        self._heard = heard
        self._pressed = pressed
        self._context = contextvars.copy_context()
        self._job: Any = None
        self._closing: asyncio.Task[None] | None = None
        self._session: AgentSession | None = None
        self._conversation: Conversation | None = None
        self._prepared: tuple[str, bytes] | None = None
        self._pass_on: Callable[[str], None] = lambda _text: None
        self._speech_changed = asyncio.Event()
        self._hear: Callable[[], None] | None = None
        self._speak: Callable[[], None] | None = None

    @property
    def room(self) -> Any:
        """The room it is in; None before and after."""
        return self._job.room if self._job is not None else None

    @property
    def open(self) -> bool:
        """Whether it is in its room and can speak."""
        return self._conversation is not None and not self.lost

    @property
    def lost(self) -> bool:
        """Whether it is in its room no longer, or its session has closed, although nobody has asked for it."""
        gone = self.attendance is not None and self.attendance.over
        return gone or (self._session is not None and _sdk.closed(self._session))

    @property
    def interruptions(self) -> int:
        """How often somebody has broken into what it said."""
        return self._conversation.interruptions if self._conversation is not None else 0

    @property
    def session_id(self) -> str | None:
        """The platform's id of the room's session."""
        meeting = self.room.meeting if self.room is not None else None
        return meeting.session_id if meeting is not None else None

    async def join(self, room_id: str, participant_id: str) -> None:
        """Joins the room and starts to listen.

        Raises:
            NoConsultation: its pipeline cannot be made, or the room cannot be joined.
        """
        self.participant_id = participant_id
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                await self._inside(self._join(room_id))
        except TimeoutError:
            raise NoConsultation(
                f"the consultation's room was not joined within {JOIN_TIMEOUT:g} s; look at the worker's network, and at "
                "what its pipeline waits for as it starts"
            ) from None
        except NoConsultation:
            raise
        except Exception as error:
            # An author's factory, or a provider's component: whatever it raises, the caller stays with the agent.
            logger.error("the consultation could not be opened: %s", described(error))  # noqa: TRY400
            raise NoConsultation(f"the consultation could not be opened: {type(error).__name__}") from None

    async def prepare(self, text: str) -> None:
        """Has `text` spoken in advance, where the voice can, so that it is heard at once."""
        session = self._session
        if session is None:
            return
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT):
                audio = await self._inside(_sdk.prepared_speech(session, text))
        except Exception as error:
            logger.info("the greeting could not be prepared: %s", described(error))
            return
        if audio is not None and len(audio) >= _FASTEST_SPEECH * len(text) * _BYTES_A_SECOND:
            self._prepared = (text, audio)

    def instruct(self, instructions: str) -> None:
        """Replaces the system message."""
        if self._session is not None and self._session.agent is not None:
            self._context.run(_sdk.instruct, self._session.agent, instructions)

    async def say(self, text: str, *, listening: bool = False) -> bool:
        """Says `text`; returns when it has been heard, or False when it could not be said in its time.

        The session lets nobody break into it: who is told of what is heard may interrupt it. Without `listening`, a
        realtime model hears nothing meanwhile, because it would answer whatever it hears.
        """
        conversation, session = self._conversation, self._session
        if not text or conversation is None or session is None or not self.open:
            return False
        audio = self._prepared[1] if self._prepared is not None and self._prepared[0] == text else None

        async def speech() -> bool:
            if not _sdk.has_voice(session):
                return False
            if _sdk.is_cascade(session):
                await _sdk.say_to_the_end(session, text, audio)
                return True
            return await _sdk.say_at_last(session, text)

        async def spoken() -> bool:
            before = conversation.beginnings
            said = await conversation.speak(speech, insist=False)
            if said and not _sdk.is_cascade(session):
                said = await conversation.until(lambda: conversation.beginnings > before, FIRST_ANSWER_TIMEOUT)
            await conversation.quiet(seconds)
            return said

        seconds = max(SENTENCE_TIMEOUT, FIRST_ANSWER_TIMEOUT + seconds_to_say(text))
        unheard = not listening and not _sdk.is_cascade(session) and self._hear is None
        if unheard:
            self.deafen()
        try:
            async with asyncio.timeout(seconds):
                return await self._inside(spoken())
        except TimeoutError:
            return False
        finally:
            if unheard:
                self.listen()

    async def answer(self, text: str) -> bool:
        """Has the model answer what the target has said; returns whether it does, to the end, when that has been heard."""
        conversation = self._conversation
        if conversation is None:
            return False

        async def turn() -> bool:
            await conversation.quiet(SENTENCE_TIMEOUT)
            before = conversation.expect_words()
            self._pass_on(text)
            if not await conversation.begins(before, ANSWER_TIMEOUT):
                await conversation.give_up()
                return False
            return await conversation.speech_is_over(lambda: False)

        return await self._inside(turn())

    async def leaves_unanswered(self) -> None:
        """Returns when the model does not answer, or breaks off as it answers, what the session itself has told it."""
        conversation = self._conversation
        if conversation is None:
            return

        async def watch() -> None:
            while await self._answers(conversation):
                pass

        await self._inside(watch())

    async def _answers(self, conversation: Conversation) -> bool:
        await conversation.until(lambda: conversation.agent == "thinking", None)
        broken_in, asked = conversation.interruptions, conversation.turns
        if await conversation.begins(conversation.beginnings, ANSWER_TIMEOUT):
            if not await conversation.speech_is_over(lambda: conversation.interruptions > broken_in):
                return False
            await conversation.turn_is_over(asked, broken_in)
            return True
        if conversation.interruptions > broken_in:
            return True
        await conversation.give_up()
        return False

    async def pause(self, *, silence: float, timeout: float) -> None:
        """Waits until the target has been silent for `silence` seconds, at most `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    changed = self._speech_changed
                    if self.target_speaks:
                        await changed.wait()
                        continue
                    try:
                        async with asyncio.timeout(silence):
                            await changed.wait()
                    except TimeoutError:
                        return
        except TimeoutError:
            return

    async def finish(self, *, timeout: float) -> None:
        """Waits until what it is saying has been heard, at most `timeout` seconds."""
        if self._conversation is not None:
            await self._inside(self._conversation.quiet(timeout))

    def _speaks(self, speaking: bool) -> None:
        self.target_speaks = speaking
        self.times_spoken += speaking
        changed, self._speech_changed = self._speech_changed, asyncio.Event()
        changed.set()

    @asynccontextmanager
    async def music(self) -> AsyncIterator[None]:
        """Plays music in its room, and nothing else: for a caller who is in it alone, and is being brought back."""
        if self._session is None or self._conversation is None:
            yield
            return
        # Its model may still have something to say to the target, and must not say it to the caller.
        self.fall_silent()
        line = LineOnHold(self._session, self.room, self._conversation, said=Said(), although_muted=True)
        playing = asyncio.get_running_loop().create_task(
            HoldMusic(reassurance=()).entertain(line),
            name="music for a caller who is brought back",
            context=self._context.copy(),
        )
        playing.add_done_callback(logged)
        try:
            yield
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    def interrupt(self) -> None:
        """Stops speaking."""
        if self._session is not None and self._session.pipeline is not None:
            self._context.run(_sdk.break_off, self._session)

    def deafen(self) -> None:
        """Hears nobody any more."""
        if self.room is not None and self._hear is None:
            self._hear = _sdk.deafen(self.room)

    def listen(self) -> None:
        """Hears them again."""
        if self._hear is not None:
            self._hear()
            self._hear = None

    def fall_silent(self) -> None:
        """Hears nobody, and is not heard any more, whatever its model still has to say."""
        self.interrupt()
        self.deafen()
        if self.room is not None and self._speak is None:
            self._speak = _sdk.mute(self.room)

    def speak_again(self) -> None:
        """Is heard again."""
        if self._speak is not None:
            self._speak()
            self._speak = None

    async def close(self) -> None:
        """Leaves the room and closes the session, within `CLOSE_TIMEOUT` seconds. Whoever calls it waits for the one end.

        It comes to that end although who waits for it is cancelled: nobody else knows of the session.
        """
        if self._job is not None:
            job, self._job = self._job, None
            self._closing = asyncio.create_task(self._close(job), name="closing the consultation's session")
        if self._closing is not None:
            await asyncio.shield(self._closing)

    async def _close(self, job: Any) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._inside(self._leave(job))
        except TimeoutError:
            logger.warning("the consultation's session did not close within %g s", CLOSE_TIMEOUT)
        except Exception as error:
            logger.warning("the consultation's session did not close: %s", described(error))

    async def _join(self, room_id: str) -> None:
        self._job = _sdk.enter_second_job(self._primary, room_id=room_id, participant_id=self.participant_id)
        # The context in which everything else has to run is this task's, now that it is the second job's.
        self._context = contextvars.copy_context()
        pipeline = (
            called(self._make_pipeline) if self._make_pipeline is not None else _sdk.rebuilt_pipeline(self._primary)
        )
        if not isinstance(pipeline, Pipeline):
            raise NoConsultation(f"pipeline= must make a Pipeline, not {type(pipeline).__name__}")
        agent = ConsultationAgent(*self._agent_arguments)
        session = _sdk.second_session(agent, pipeline)
        self._session = session
        await self._job.connect()
        room = self._job.room
        # The SDK swallows what goes wrong with joining, and starting the session would then wait for ever.
        if room is None or room.meeting is None or not await self._job.wait_for_meeting_joined(ROOM_TIMEOUT):
            raise NoConsultation("the consultation's room could not be joined")
        _sdk.hear_phones(room)
        _sdk.expect_leaving(room)
        self.attendance = Attendance(room.meeting)
        await session.start()
        self._pass_on = _sdk.listen(session, _sdk.Listener(self._heard, self._speaks))
        await _sdk.follow_keys(room, self._pressed)
        self._conversation = Conversation(session)
        session.on("agent_state_changed", self._state_changed)

    def _state_changed(self, _data: dict[str, Any]) -> None:
        if self.lost and self.attendance is not None:
            self.attendance.wake()

    async def _leave(self, job: Any) -> None:
        if self.attendance is not None:
            self.attendance.close()
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None
        else:
            _sdk.skip_session_close(job)
        await job.shutdown()

    async def _inside(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs `work` in the consultation's own context."""
        # A provider that an author's pipeline brings may not end when it is cancelled, or cancel itself.
        return await within(None, work, context=self._context.copy())
