"""A live call on VideoSDK: the caller's leg, the agent's session, and the room both are in."""

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from typing import Any, Literal
from weakref import WeakSet

from typing_extensions import Unpack, override
from videosdk.agents import AgentSession

from calltransfer.briefing import Briefing, Utterance
from calltransfer.call import (
    DECISION_TIMEOUT,
    FORWARD_TIMEOUT,
    RING_TIMEOUT,
    SENTENCE_TIMEOUT,
    Consultation,
    Dictation,
    Move,
    Presence,
    Response,
    Summary,
    TransferRequest,
)
from calltransfer.destination import Destination, phone_of
from calltransfer.details import CallDetails
from calltransfer.errors import CallOver, NoDictation, NoLiveCall, PlatformError
from calltransfer.events import Phase, TransferResult
from calltransfer.hold import Hold
from calltransfer.hook import NotInTime, logged, within
from calltransfer.masking import masked_text
from calltransfer.outcome import Outcome
from calltransfer.platform import LEAVE_TIMEOUT, PlatformCall, Turn
from calltransfer.said import Said
from calltransfer.summary import SUMMARY_TIMEOUT, ExtractiveSummary, SecondBest
from calltransfer.timeline import Known, described
from calltransfer.videosdk import _sdk, tokens
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.caller import CallerInRoom
from calltransfer.videosdk.company import Company, ConversationTurn
from calltransfer.videosdk.consultation import Plan, VideoSDKConsultation
from calltransfer.videosdk.conversation import FIRST_ANSWER_TIMEOUT, Conversation
from calltransfer.videosdk.dictation import taking_down
from calltransfer.videosdk.following import SETTLE_TIMEOUT, Meaning, Verdict
from calltransfer.videosdk.forwarding import CAME_TRUE_LATE, Forward, Forwards
from calltransfer.videosdk.handover import BACK_TIMEOUT, Handover
from calltransfer.videosdk.holding import HoldUnderWay, LineOnHold, holding_back, on_hold
from calltransfer.videosdk.setup import ConsultationSetup
from calltransfer.videosdk.switching import Room, Switch

logger = logging.getLogger("calltransfer.videosdk")

SUMMARY_LIMIT = 15.0
"""Seconds for any summary: `LLMSummary` bounds itself at 5, an author's own may not."""

CLOSE_TIMEOUT = 15.0
"""Seconds that a closing call waits at the most for what is being released; who closes it gives it less."""

TOOL_TIMEOUT = 1.0
"""Seconds that a last sentence waits for a tool to return: it may be the one that closes the session, and waits for it."""

_LOOK_AGAIN = 0.1

PHONE_TIMEOUT = 12.0
"""Seconds to wait for the end of our last call to the phone that is called next, which is busy until then: a last sentence
takes up to 8 s, and the end of a leg mostly one."""

_LEFT = frozenset({Outcome.CALLER_LEFT, Outcome.UNCONFIRMED, Outcome.CANCELLED})
"""Ends of a forward with which the caller has left the agent's room."""

END_TIMEOUT = 5.0
"""Seconds that a closing call takes to end the leg of a caller or target who has been left alone."""


class VideoSDKCall(PlatformCall):
    """The live call of one session."""

    def __init__(self, session: AgentSession, room: Any, api: VideoSDKAPI, setup: ConsultationSetup) -> None:
        self._session = session
        self._room = room
        self._api = api
        self._setup = setup
        self._conversation = Conversation(session)
        said = Said.on(self)
        self._line = LineOnHold(session, room, self._conversation, said=said)
        self._company = Company(
            self._conversation,
            self._line,
            said,
            say=self._say,
            away=self._is_away,
            elsewhere=lambda: self._is_away() or self._forward is not None,
        )
        self._caller = CallerInRoom(room, api, self._parted)
        self._forward: Forward | None = None
        self._forwards: Forwards | None = None
        self._forwarded: Forward | None = None
        self._staying = ExitStack()
        self._moved_away = False
        self._late_reading: asyncio.Task[None] | None = None
        self._late: Forward | None = None
        self._late_is_back = asyncio.Event()
        self._connecting: Handover | None = None
        self._consultations: WeakSet[VideoSDKConsultation] = WeakSet()
        self._handover: Handover | None = None
        self._ended: dict[Destination, asyncio.Event] = {}
        self._held = False
        self._hold: HoldUnderWay | None = None
        self._dictating = False
        self._hurried = False
        self._returned = asyncio.Event()
        self._releasing: set[asyncio.Task[None]] = set()
        self._beside: set[asyncio.Task[None]] = set()
        self._told: set[str] = set()

    @property
    @override
    def room_id(self) -> str:
        return self._caller.room_id

    @property
    @override
    def leg_id(self) -> str | None:
        return self._caller.leg_id

    @property
    @override
    def caller(self) -> Presence:
        return self._caller.presence

    @property
    @override
    def direction(self) -> Literal["inbound", "outbound"] | None:
        return self._caller.direction

    @property
    @override
    def details(self) -> CallDetails:
        return self._caller.details

    @override
    def transcript(self) -> Sequence[Utterance]:
        return tuple(
            Utterance("caller" if role == "user" else "agent", text)
            for role, text in _sdk.history(self._session)
            if text and text not in self._told and not _is_note_of_sdk(text)
        )

    @override
    def turn(self, *, after_tool: bool = False) -> Turn:
        return ConversationTurn(
            self._conversation,
            self._company,
            after_tool=after_tool,
            while_waiting=self._keep_warm,
            interrupted=lambda: self.report(Phase.INTERRUPTED),
        )

    @override
    async def prepare(self) -> None:
        await self._caller.prepare()

    @override
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        await self.turn().sentence_heard(timeout=timeout)

    @override
    async def ask_model(self, instructions: str, text: str, *, llm: Any | None = None) -> str:
        return await _sdk.ask_model(self._session, instructions, text, llm)

    @override
    @asynccontextmanager
    async def on_hold(self, hold: Hold) -> AsyncIterator[None]:
        if self._held:
            yield
            return
        self._held = True
        self._conversation.wake()  # nobody else keeps them company any more
        self._returned.clear()
        # Its own transfer's: what ends a hold may be the next one.
        report = self.listener or _nobody
        report(Phase.ON_HOLD, "", None)
        try:
            async with on_hold(
                hold,
                session=self._session,
                room=self._room,
                line=self._line,
                held_back=lambda what: report(Phase.HELD_BACK, what, None),
                returned=self._returned.set,
                handed_over=self._keeper,
            ) as self._hold:
                yield
        finally:
            if self._hold is not None and self._hold.was_heard:
                self._company.comes_off_hold()
            self._held, self._hold = False, None
            self._returned.clear()  # or it would end the next transfer
            if self._keeper() is None and self.caller is Presence.HERE:
                report(Phase.OFF_HOLD, "", None)

    @override
    @asynccontextmanager
    async def consult(
        self,
        destination: Destination,
        request: TransferRequest,
        *,
        summary: Summary,
        briefing: Briefing,
        ring_timeout: float = RING_TIMEOUT,
        decision_timeout: float = DECISION_TIMEOUT,
    ) -> AsyncIterator[Consultation]:
        await self._caller.known_leg()
        self._company.agent_stays()
        consultation = VideoSDKConsultation(
            Plan(
                destination=destination,
                room=self._setup.room,
                dialling=self._setup.dialling(destination, ring_timeout),
                briefing=briefing,
                reason=request.reason,
                transcript=lambda: list(self.transcript()),
                summarise=lambda: self._summary(summary, request),
                ring_timeout=ring_timeout,
                decision_timeout=decision_timeout,
                longest_call=self._setup.longest_call,
                phone_is_free=lambda: self._phone_is_free(destination),
            ),
            session=self._session,
            api=self._api,
            pipeline=self._setup.pipeline_of(self._session),
            # Its own transfer's: what is released later must not be told to the next one.
            report=functools.partial(self.listener or _nobody, destination=destination),
            connect=self._connect,
            known=lambda: {"leg_id": self.leg_id, "room_id": self.room_id},
            later=self._later,
        )
        self._consultations.add(consultation)
        raised: Exception | None = None
        try:
            async with asyncio.TaskGroup() as group:
                running = group.create_task(consultation.run(), name="consultation")
                try:
                    yield consultation
                except Exception as error:
                    raised = error
                    raise
                finally:
                    running.cancel()
        except BaseExceptionGroup:
            if raised is not None:
                raise raised from None  # as the block raised it, so that who wrote it can catch it
            raise
        finally:
            self._ended[phone_of(destination)] = consultation.leg_is_over
            if self._handover is None or not self._handover.has_connected(consultation):
                # Of who was moved it is not said that they have hung up.
                hung_up = self.caller is Presence.GONE and not self._moved_away
                farewell = briefing.caller_left if hung_up else briefing.failed
                self._own(consultation.release(farewell), "releasing a target")

    @override
    @asynccontextmanager
    async def dictation(self, *, done_key: str | None = None) -> AsyncIterator[Dictation]:
        if self._dictating:
            raise NoDictation("what the caller says is being taken down already")
        self._dictating = True
        self._conversation.wake()
        report = self.listener or _nobody
        try:
            async with taking_down(
                session=self._session,
                room=self._room,
                conversation=self._conversation,
                hold=self._hold,
                done_key=done_key,
                held_back=lambda what: report(Phase.HELD_BACK, what, None),
                returned=self._returned.set,
                hurried=lambda: self._hurried,
            ) as dictation:
                report(Phase.DICTATING, "", None)
                yield dictation
        finally:
            self._dictating = False

    @override
    async def released(self) -> None:
        if self._releasing:
            await asyncio.wait(self._releasing)

    @override
    async def caller_returned(self) -> None:
        await self._returned.wait()

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        # Its own transfer's: one that is given up while it waits must not be told to the next.
        report, hears_again = self.listener or _nobody, self.hears_again
        try:
            await self._phone_is_free(destination)
            leg = await self._caller.known_leg()
        except CallOver as error:
            return self._result(Verdict(Outcome.CALLER_LEFT, None, str(error)), destination)
        except (NoLiveCall, PlatformError) as error:
            return self._result(Verdict(Outcome.FAILED, None, str(error)), destination)
        if self._forward is not None:
            return self._result(Verdict(Outcome.FAILED, None, "the caller is already being forwarded"), destination)
        report(Phase.FORWARDING, destination=destination)  # until here it could be given up
        # From here on a leave may be what was asked for.
        fetch_back, self._caller.fetch_back = self._caller.fetch_back, None
        if self._forwards is None or self._forwards.leg_id != leg.id:
            self._forwards = Forwards(self._api, leg.id, self._caller_is_seen)
        # Until it is known how it ended it may come true, also when following it is cut short.
        forward = self._forward = self._forwards.begin(leg, destination, report, hears_again)
        try:
            with ExitStack() as stack:
                stack.enter_context(holding_back(self._session, self._room, lambda what: report(Phase.HELD_BACK, what)))
                verdict = await forward.followed(timeout=timeout, play_dialtone=play_dialtone)
                if verdict.outcome is Outcome.CONNECTED:
                    self._forwarded, self._forwards = forward, None
                    self._late_is_back.clear()
                    _sdk.forget_phones(self._room)
                    if not forward.final:  # they may be back in a room that the agent must not have left by then
                        self._staying = stack.pop_all()
        finally:
            self._forward = None
            if self.caller is Presence.HERE:
                self._caller.fetch_back = fetch_back
            if self._caller.leg is not None and self._caller.leg.known is leg:
                self._caller.leg.known = forward.last_reading
            if self.caller is Presence.GONE:
                self._read_late_end()
        if verdict.outcome in _LEFT and not await self._caller.leaves_soon():
            verdict = Verdict(Outcome.FAILED, verdict.status, f"{verdict.detail}, but the caller is in the room")
        return self._result(verdict, destination)

    def _caller_is_seen(self) -> bool:
        """Whether the caller is in the agent's room; an agent who is not there itself sees nobody."""
        return self._caller.is_here and not self._caller.attendance.over

    @override
    async def moved_away(self) -> bool:
        self._moved_away = False
        if self.caller is not Presence.GONE or self.leg_id is None:
            return False
        try:
            leg = await self._api.leg(self.leg_id)
        except PlatformError as error:
            logger.info("whether a caller who has left was moved could not be read: %s", error)
            return False
        elsewhere = leg.room_id not in {None, self.room_id} or leg.status == "switch-room-initiated"
        self._moved_away = leg.meaning is Meaning.FORWARDED or (elsewhere and not leg.is_over(here=False))
        return self._moved_away

    @override
    async def connected_late(self) -> TransferResult | None:
        forward = await self._came_true_late()
        if forward is None or forward.listener != self.listener:  # that of an earlier transfer
            return None
        self._moved_away = True
        self._forwarded = forward
        verdict = Verdict(Outcome.CONNECTED, forward.last_reading.status, CAME_TRUE_LATE)
        return self._result(verdict, forward.destination)

    async def _came_true_late(self) -> Forward | None:
        """The forward that has connected a caller who has left, after it was given up; None: none has."""
        self._read_late_end()
        if self._late_reading is not None:
            await asyncio.wait([self._late_reading])
        return self._late

    async def _has_another_target(self) -> bool:
        """Whether an earlier target has a caller who was connected with somebody."""
        return await self._came_true_late() is not None

    @override
    async def caller_left(self) -> None:
        await self._caller.left.wait()

    @override
    async def tell_model(self, text: str) -> bool:
        self._told.add(text)
        async with self._company.music_until_told():
            return await self._conversation.until_heard(lambda: _sdk.reply(self._session, text), insist=True)

    @override
    async def say(self, text: str) -> bool:
        async with self._company.music_until_told():
            return await self._say(text)

    async def _say(self, text: str) -> bool:
        heard, session = self._conversation.until_heard, self._session
        try:
            return await heard(lambda: _sdk.say_at_last(session, text), insist=False) or await heard(
                lambda: _sdk.reply(session, self._asking_for(text)), insist=True
            )
        finally:
            Said.on(self).note(text)

    @override
    async def keep_company(self, sentence: str) -> None:
        await self._company.keep(sentence)

    def _is_away(self) -> bool:
        return self._held or self._dictating or _sdk.closed(self._session)

    def _asking_for(self, text: str) -> str:
        """What has a model say `text` that has no voice of its own for it; not to be found in a transcript."""
        asking = f'[Call system, not the caller] Say exactly this to the caller, and nothing else: "{text}"'
        self._told.add(asking)
        return asking

    @override
    async def take_leave(self, text: str) -> bool:
        hear = _sdk.deafen(self._room)  # whoever answers it would be answered, by an agent who is leaving
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                return await self._without_a_tool() and await self._say_last(text)
        except TimeoutError:
            return False
        finally:
            hear()

    async def _without_a_tool(self) -> bool:
        """Whether no tool is running. To break off one that closes the session would break off the closing."""
        now = asyncio.get_running_loop().time
        until = now() + TOOL_TIMEOUT
        while _sdk.executing_tool(self._session) and now() < until:
            await self._conversation.until(lambda: not _sdk.executing_tool(self._session), _LOOK_AGAIN)
        return not _sdk.executing_tool(self._session)

    async def _say_last(self, text: str) -> bool:
        conversation, session = self._conversation, self._session
        if conversation.busy:  # to an agent who is silent it would be the next sentence that is broken off
            conversation.break_off()

        async def speech() -> bool:
            if _sdk.is_cascade(session) and _sdk.has_voice(session):
                await _sdk.say_to_the_end(session, text)
                return True
            return await _sdk.say(session, text)

        before = conversation.beginnings
        said = await conversation.speak(speech, insist=False) or await self.tell_model(self._asking_for(text))
        if said and not _sdk.is_cascade(session):
            # A realtime model has only taken it by now.
            said = await conversation.until(lambda: conversation.beginnings > before, FIRST_ANSWER_TIMEOUT)
        await conversation.quiet(LEAVE_TIMEOUT)
        return said

    @override
    @asynccontextmanager
    async def being_moved(self) -> AsyncIterator[None]:
        held_back = holding_back(self._session, self._room, lambda what: self.report(Phase.HELD_BACK, what))
        with held_back, self._caller.being_moved():
            try:
                yield
            finally:
                if not self._caller.is_here and not await self.seen_connected():
                    await self._bring_back()

    def _token(self, room_id: str, participant_id: str) -> str | None:
        return tokens.for_joining(room_id, participant_id, account=self._api.account)

    async def _bring_back(self) -> None:
        """Brings back a caller whom somebody else has moved, and left alone."""
        room = Room(self.room_id, self._caller.attendance, lambda participant: self._token(self.room_id, participant))
        back = Switch(self._api, leg_id=self.leg_id or "", room=room, role="caller", still_there=None)
        response = await back.done(timeout=BACK_TIMEOUT, over=Outcome.CALLER_LEFT, together=Response)
        if response.outcome is Outcome.FAILED:
            logger.error("a caller who was moved by other means could not be brought back: %s", response.detail)

    @override
    async def seen_connected(self) -> bool:
        if self.leg_id is None:
            return False
        try:
            leg = await self._api.leg(self.leg_id)
            forwarded = leg.meaning is Meaning.FORWARDED and await self._has_left_room()
            if forwarded or leg.is_over(here=self._caller_is_seen()) or leg.room_id is None:
                return forwarded
            legs = [other async for other in self._api.legs(room_id=leg.room_id)]
        except PlatformError as error:
            logger.info("whether the caller is connected could not be read: %s", error)
            return False
        return any(other.id != leg.id and other.meaning is Meaning.LIVE and not other.ended for other in legs)

    async def _has_left_room(self) -> bool:
        """Whether the caller is not in the agent's room, or leaves it: a status alone proves nothing."""
        return await self._caller.attendance.until(lambda: not self._caller_is_seen(), SETTLE_TIMEOUT)

    @override
    async def handed_over(self) -> Outcome | None:
        if self._handover is not None:
            returned = await self._handover.watch()
            if returned:
                self._handover = None
            return Outcome.TARGET_LEFT if returned else None
        if self._forwarded is None:
            self._fall_silent()
            return None
        if self._forwarded is self._late or self._late_is_back.is_set():
            await self._late_is_back.wait()
        else:
            await self._until_back(self._forwarded, self._staying)
        self._forwarded = None
        return Outcome.FAILED

    async def _until_back(self, forward: Forward, staying: ExitStack) -> None:
        """Returns when a caller who was forwarded is with the agent again; waits for ever for one who never is.

        Args:
            forward: What may be taken back.
            staying: What keeps the agent in the room for them, until nothing is taken back any more.
        """
        speak_again = self._fall_silent()
        with staying:
            await forward.taken_back(
                back=lambda: self.caller is Presence.HERE and self._caller_is_seen(),
                change=self._caller.attendance.change,
                final=staying.close,
            )
        speak_again()

    def _fall_silent(self) -> Callable[[], None]:
        """Has an agent say nothing to an empty room; returns what undoes it."""
        caller = {self._caller.participant_id}
        alone = self._room.meeting is None or set(self._room.meeting.participants) <= caller
        return _sdk.silence(self._session) if alone and not _sdk.closed(self._session) else lambda: None

    @override
    def before_close(self, closing: Callable[[], Awaitable[None]]) -> None:
        _sdk.before_close(self._session, closing)

    @override
    def hurry(self) -> None:
        self._hurried = True
        if self._connecting is not None:
            self._connecting.hurry()
        for consultation in self._consultations:
            consultation.hurry()

    @override
    def consultation_problems(self) -> Sequence[str]:
        return self._setup.consultation_problems(self._session)

    @override
    def when_model_is_silent(self, tool: str, spoken: str) -> None:
        _sdk.say_when_model_is_silent(self._session, tool, spoken)
        self._later(self._company.after_tool(spoken), "the agent's words after a tool")

    @override
    async def close(self) -> None:
        self._conversation.close()
        try:
            if self._handover is not None and self._handover.done:
                await self._handover.close(end_within=END_TIMEOUT)
            if self._releasing:
                await asyncio.wait(self._releasing, timeout=CLOSE_TIMEOUT)
            if self._late_reading is not None:
                await asyncio.wait([self._late_reading], timeout=SETTLE_TIMEOUT)
        finally:
            # Whoever closes may have less time than all of that takes: nothing stays behind all the same.
            late = [self._late_reading] if self._late_reading is not None else []
            left = [*self._releasing, *self._beside, *late]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            self._staying.close()
            await self._caller.close()
            await self._api.close()

    async def _summary(self, summary: Summary, request: TransferRequest) -> str:
        """An author's summary, or the one it names, or the caller's own words: where it is late, raises, or is no text."""
        why = ""
        for attempt, seconds in ((summary, SUMMARY_LIMIT), (getattr(summary, "otherwise", None), SUMMARY_TIMEOUT)):
            if attempt is None:
                continue
            name = type(getattr(attempt, "wrapped", attempt)).__name__  # the author's own, not what keeps it
            try:
                made: object = await within(seconds, attempt.summarise(self, request))
                if isinstance(made, str) and made.strip():
                    return SecondBest(made, why) if why else made
                # Only what kind of thing it is: it may quote the call.
                wrong = "gave no words" if isinstance(made, str) else f"returned {type(made).__name__} and no text"
                why = why or f"{name} {wrong}; another summary is told"
                logger.error("%s %s", name, wrong)
            except NotInTime as error:
                why = why or f"{name} {error}; another summary is told"
                logger.error("%s %s", name, error)  # noqa: TRY400 - nothing of ours, or of theirs, raised it
            except Exception as error:
                why = why or f"{name} raised {type(error).__name__}; another summary is told"
                logger.error("%s raised %s", name, described(error))  # noqa: TRY400
        return SecondBest(ExtractiveSummary().of(self.transcript(), request), why)

    async def _connect(
        self, consultation: VideoSDKConsultation, move: Move, timeout: float, leave_unwatched: bool
    ) -> Response:
        handover = Handover(
            self._caller,
            consultation,
            session=self._session,
            room=self._room,
            conversation=self._conversation,
            api=self._api,
            token=self._token,
            report=consultation.report,
            own=self._own,
            later=self._later,
            released=self.released,
            heard_again=self._hears_again,
            has_another_target=self._has_another_target,
            moved_away=self.moved_away,
        )
        self._connecting = handover
        response = await handover.connect(move, timeout, leave_unwatched)
        if response.outcome is None:
            self._handover = handover
        elif response.outcome is Outcome.CALLER_LEFT and not await self._caller.leaves_soon():
            return Response(Outcome.FAILED, f"{response.detail}, but the caller is in the room", response.status)
        return response

    def _hears_again(self) -> None:
        if self.hears_again is not None and self.caller is Presence.HERE:
            self.hears_again()

    async def _phone_is_free(self, destination: Destination) -> None:
        """Waits until a target who is being released has our call no longer: their phone would be busy for the next."""
        ended = self._ended.get(phone_of(destination))
        if ended is None or ended.is_set():
            return
        logger.info("%s is called again once our last call to that phone has ended", destination)
        with suppress(TimeoutError):
            async with asyncio.timeout(PHONE_TIMEOUT):
                await ended.wait()

    def _keeper(self) -> AsyncExitStack | None:
        """What holds on to the agent's silence and the room's life while caller and target talk."""
        return self._handover.keeper if self._handover is not None and self._handover.done else None

    def _own(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Makes a task of `work`: released() awaits it, close() ends it."""
        task = asyncio.create_task(work, name=name)
        self._releasing.add(task)
        task.add_done_callback(logged)
        task.add_done_callback(self._releasing.discard)

    def _later(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Makes a task of `work`: nobody awaits it, but close() ends it."""
        task = asyncio.create_task(work, name=name)
        self._beside.add(task)
        task.add_done_callback(logged)
        task.add_done_callback(self._beside.discard)

    def _parted(self, is_caller: bool) -> None:
        if self._forward is not None:
            self._forward.look()
        elif is_caller:
            self._read_late_end()

    def _read_late_end(self) -> None:
        """The caller has left after a transfer that was reported as not connected: perhaps it came true."""
        forwards = self._forwards
        if forwards is None or not forwards.may_come_true or self._late_reading is not None:
            return
        # Whoever hangs up now would end a talk that nobody knows of yet; who has hung up has nothing to be ended.
        _sdk.forget_phones(self._room)
        # Owned by the call: close() ends and awaits it.
        self._late_reading = asyncio.create_task(self._read_late(forwards), name="late end of a forwarded call")
        self._late_reading.add_done_callback(logged)
        self._late_reading.add_done_callback(self._late_is_read)

    def _late_is_read(self, _: "asyncio.Task[None]") -> None:
        self._late_reading = None  # a caller who comes back, and leaves again, may have been forwarded then

    async def _read_late(self, forwards: Forwards) -> None:
        forward = await forwards.came_true()
        if forward is not None:
            if self._forwards is forwards:
                self._forwards = None  # there is one connection
            forward.comes_true_late()
            self._late = forward
            self._late_is_back.clear()
            self._later(self._hear_again(forward), "whether a forwarded caller comes back")

    async def _hear_again(self, forward: Forward) -> None:
        """Waits for a caller who was connected late, and has them told that they are with the agent all the same."""
        with ExitStack() as staying:
            if not forward.final:
                staying.enter_context(_sdk.auto_end_held_back(self._room))
            await self._until_back(forward, staying)
        self._late = None
        if forward is self._forwarded:
            self._late_is_back.set()  # its transfer waits for that, and tells them
        elif forward.hears_again is not None:
            forward.hears_again()

    async def _keep_warm(self) -> None:
        if self._caller.leg is not None:
            await self._caller.leg.keep_warm()

    def _result(self, verdict: Verdict, destination: Destination) -> TransferResult:
        return TransferResult(
            outcome=verdict.outcome,
            destination=destination,
            detail=masked_text(verdict.detail),
            status=verdict.status,
            target_untouched=verdict.target_untouched and verdict.outcome is Outcome.FAILED,
            leg_id=self.leg_id,
            room_id=self.room_id,
        )


def _is_note_of_sdk(text: str) -> bool:
    return text.startswith("[Used ") and text.endswith("response interrupted]")


def _nobody(
    phase: Phase,
    detail: str = "",
    status: str | None = None,
    **known: Unpack[Known],
) -> None:
    return
