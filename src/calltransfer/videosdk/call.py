"""A live call on VideoSDK: the caller's leg, the agent's session, and the room both are in."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Literal

from typing_extensions import override
from videosdk import MeetingEventHandler, Participant
from videosdk.agents import AgentSession

from calltransfer.call import (
    FORWARD_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    Presence,
    Turn,
    Utterance,
)
from calltransfer.destination import Destination
from calltransfer.errors import AnswerLost, CallOver, NoLiveCall, NotFound, PlatformError, RequestRefused
from calltransfer.events import Phase, TransferResult
from calltransfer.masking import masked_text
from calltransfer.outcome import Outcome
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.conversation import Conversation, ConversationTurn
from calltransfer.videosdk.following import SETTLE_TIMEOUT, Following, Leg, Verdict

logger = logging.getLogger("calltransfer.videosdk")

RECHECK_TIMEOUT = 2.0
"""Seconds for a leg that is known to be read again: it warms the connection and is not worth waiting for longer."""

PREPARE_TIMEOUT = 8.0
"""Seconds for everything before the forward that the caller does not notice."""

POLL_INTERVAL = 0.5
"""Seconds between readings of a call that is being forwarded; somebody leaving the room makes for one at once."""

QUIET_TIMEOUT = 15.0
"""Seconds to wait for the agent's turn to end before it is given another one."""

BEGIN_TIMEOUT = 6.0
"""Seconds for the agent to begin to speak on what it is told; then a fixed sentence is said instead."""

REPLY_TIMEOUT = 60.0
"""Seconds for the agent to speak on what it is told."""

_STALE_AFTER = 10.0


class VideoSDKCall(Call):
    """The live call of one session."""

    def __init__(self, session: AgentSession, room: Any, api: VideoSDKAPI) -> None:
        self._session = session
        self._room = room
        self._room_id: str = room.meeting_id
        self._api = api
        self._conversation = Conversation(session)
        self._participant: Participant | None = None
        self._leg: Leg | None = None
        self._leg_read_at = 0.0
        self._lookup: asyncio.Task[None] | None = None
        self._left = asyncio.Event()
        self._someone_left = asyncio.Event()
        self._forwarding = False
        self._unsettled: Following | None = None
        self._late_reading: asyncio.Task[None] | None = None
        self._told: set[str] = set()
        self._listener = _RoomListener(self._joined, self._parted)
        room.meeting.add_event_listener(self._listener)
        for participant in list(room.meeting.participants.values()):
            self._joined(participant)

    @property
    @override
    def room_id(self) -> str:
        return self._room_id

    @property
    @override
    def leg_id(self) -> str | None:
        return self._leg.id if self._leg is not None else None

    @property
    @override
    def caller(self) -> Presence:
        if self._participant is None:
            return Presence.NEVER
        return Presence.GONE if self._left.is_set() else Presence.HERE

    @property
    @override
    def direction(self) -> Literal["inbound", "outbound"] | None:
        known: Any = (self._participant.meta_data or {}).get("callType") if self._participant else None
        return known if known in {"inbound", "outbound"} else None

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
            after_tool=after_tool,
            while_waiting=self._keep_warm,
            interrupted=lambda: self.report(Phase.INTERRUPTED),
        )

    @override
    async def prepare(self) -> None:
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT):
                if self._lookup is not None:
                    await asyncio.wait([self._lookup])
                if self._leg is None:
                    await self._find_leg()
                else:
                    await self._recheck(self._leg)
        except TimeoutError:
            raise AnswerLost(f"the caller's leg was not found within {PREPARE_TIMEOUT:g} s") from None

    @override
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        await self.turn().sentence_heard(timeout=timeout)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        leg = self._leg
        if leg is None:
            return self._result(Verdict(Outcome.FAILED, None, "the caller's leg is not known"), destination)
        following = Following(leg)
        self._forwarding, self._unsettled = True, None
        try:
            with _sdk.held_back(self._session, self._room, self._report_held_back):
                verdict = await self._follow(following, leg, destination, timeout, play_dialtone)
                if verdict.outcome is Outcome.CONNECTED:
                    self._forget_caller()
        finally:
            self._forwarding = False
        if verdict.outcome in {Outcome.FAILED, Outcome.NO_ANSWER}:
            self._unsettled = following  # it cannot be called back, and may come true yet
        return self._result(verdict, destination)

    @override
    async def caller_left(self) -> None:
        await self._left.wait()

    @override
    async def tell_model(self, text: str) -> bool:
        self._told.add(text)
        return await self._speak(lambda: _sdk.reply(self._session, text))

    @override
    async def say(self, text: str) -> bool:
        return await self._speak(lambda: _sdk.say(self._session, text)) or await self.tell_model(
            f'[Call system, not the caller] Say exactly this to the caller, and nothing else: "{text}"'
        )

    @override
    async def handed_over(self) -> None:
        caller = {self._participant.id} if self._participant is not None else set()
        alone = self._room.meeting is None or set(self._room.meeting.participants) <= caller
        if alone and not _sdk.closed(self._session):
            _sdk.silence(self._session)

    @override
    def before_close(self, closing: Callable[[], Awaitable[None]]) -> None:
        _sdk.before_close(self._session, closing)

    @override
    def when_model_is_silent(self, tool: str, spoken: str) -> None:
        _sdk.say_when_model_is_silent(self._session, tool, spoken)

    @override
    async def close(self) -> None:
        self._conversation.close()
        if self._room.meeting is not None and self._listener in self._room.meeting.listeners:
            self._room.meeting.remove_event_listener(self._listener)
        tasks = [task for task in (self._lookup, self._late_reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._api.close()

    # Who is in the room

    def _joined(self, participant: Participant) -> None:
        is_phone = bool((participant.meta_data or {}).get("sipUser"))
        if not is_phone or self.caller is Presence.HERE:
            return
        self._participant = participant
        self._leg = None
        self._left.clear()
        # Owned by the call: prepare() awaits it, close() ends it.
        self._lookup = asyncio.create_task(self._look_up_early(), name="caller's leg")

    def _parted(self, participant: Participant) -> None:
        self._someone_left.set()
        if self._participant is None or participant.id != self._participant.id:
            return
        self._left.set()
        if self._unsettled is not None and not self._forwarding and self._late_reading is None:
            # Owned by the call: close() awaits it.
            self._late_reading = asyncio.create_task(
                self._read_late(self._unsettled), name="late end of a forwarded call"
            )

    # The caller's leg

    async def _look_up_early(self) -> None:
        try:
            await self._find_leg()
        except (PlatformError, NoLiveCall) as error:
            logger.info("the caller's leg was not found yet: %s", error)

    async def _find_leg(self) -> None:
        session_id = self._room.meeting.session_id if self._room.meeting is not None else None
        found: list[Leg] = []
        if session_id:
            found = [leg async for leg in self._api.legs(room_id=self._room_id, session_id=session_id)]
        live = self._of_caller(found, session_id)
        if not live:
            # Not every leg says which session it belongs to.
            found = [leg async for leg in self._api.legs(room_id=self._room_id)]
            live = self._of_caller(found, session_id)
        if not live:
            raise NoLiveCall("the platform lists no live leg of the caller")
        if len(live) > 1:
            logger.warning("the caller may be any of %d legs; the newest is taken", len(live))
        self._keep(max(live, key=lambda leg: leg.started))

    def _of_caller(self, legs: list[Leg], session_id: str | None) -> list[Leg]:
        live = [
            leg
            for leg in legs
            if not leg.over and (leg.direction is None or self.direction is None or leg.direction == self.direction)
        ]
        exact = [leg for leg in live if session_id and leg.session_id == session_id]
        return exact or [leg for leg in live if leg.session_id is None or not session_id]

    async def _recheck(self, known: Leg) -> None:
        try:
            leg = await self._api.leg(known.id, timeout=RECHECK_TIMEOUT)
        except NotFound:
            self._leg = None
            await self._find_leg()
            return
        except PlatformError as error:
            if isinstance(error, RequestRefused) and not error.may_have_acted:
                raise
            logger.info("the caller's leg could not be read again: %s", error)
            return  # it is known, and forwarding it will show
        if leg.over:
            raise CallOver("the caller's leg is over")
        self._keep(leg)

    async def _keep_warm(self) -> None:
        """Keeps the connection open while the caller and the agent talk about it once more."""
        if self._leg is not None and asyncio.get_running_loop().time() - self._leg_read_at > _STALE_AFTER:
            try:
                await self._recheck(self._leg)
            except (PlatformError, NoLiveCall) as error:
                logger.info("the caller's leg could not be read again: %s", error)

    def _keep(self, leg: Leg) -> None:
        self._leg = leg
        self._leg_read_at = asyncio.get_running_loop().time()

    # Following

    async def _follow(
        self,
        following: Following,
        leg: Leg,
        destination: Destination,
        timeout: float,
        play_dialtone: bool,
    ) -> Verdict:
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
                asking = group.create_task(self._ask(following, leg, destination, play_dialtone))
                while (verdict := following.verdict(now())) is None:
                    await self._something_or(POLL_INTERVAL, asking)
                    await self._read(following, leg)
                asking.cancel()
                return verdict
        except TimeoutError:
            return following.at_deadline()

    async def _ask(self, following: Following, leg: Leg, destination: Destination, play_dialtone: bool) -> None:
        now = asyncio.get_running_loop().time
        try:
            await self._api.transfer(leg.id, destination, play_dialtone=play_dialtone)
        except PlatformError as error:
            if error.may_have_acted:
                following.answer_lost(str(error), now())
            else:
                following.refused(str(error), now())
        else:
            following.accepted(now())

    async def _something_or(self, seconds: float, asking: "asyncio.Task[None]") -> None:
        """Waits for somebody to leave, or for the answer to the request, at most `seconds`."""
        leaving = asyncio.ensure_future(self._someone_left.wait())
        waiting: set[asyncio.Task[Any]] = {leaving}
        if not asking.done():
            waiting.add(asking)
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()

    async def _read(self, following: Following, leg: Leg) -> None:
        self._someone_left.clear()
        if self._left.is_set():
            following.left()
        was_ringing = following.ringing
        try:
            reading = await self._api.leg(leg.id)
        except PlatformError as error:
            logger.info("a forwarded call could not be read: %s", error)
            return
        following.read(reading, asyncio.get_running_loop().time())
        if following.ringing and not was_ringing:
            self.report(Phase.RINGING, status=reading.status)

    async def _read_late(self, following: Following) -> None:
        """The caller has left after a transfer that was reported as not connected: perhaps it came true."""
        leg, now = self._leg, asyncio.get_running_loop().time
        until = now() + SETTLE_TIMEOUT
        while leg is not None and now() <= until:
            await self._read(following, leg)
            verdict = following.verdict(now())
            if verdict is not None and verdict.outcome is Outcome.CONNECTED:
                self._forget_caller()
                self.report(Phase.CONTRADICTED, "the target got the caller after all", verdict.status)
                return
            await asyncio.sleep(POLL_INTERVAL)

    def _result(self, verdict: Verdict, destination: Destination) -> TransferResult:
        return TransferResult(
            outcome=verdict.outcome,
            destination=destination,
            detail=masked_text(verdict.detail),
            status=verdict.status,
            leg_id=self.leg_id,
            room_id=self._room_id,
        )

    def _forget_caller(self) -> None:
        if self._participant is not None:
            _sdk.forget_caller(self._room, self._participant.id)

    def _report_held_back(self, what: str) -> None:
        self.report(Phase.HELD_BACK, what)

    # Speaking

    async def _speak(self, speak: Callable[[], Coroutine[Any, Any, bool]]) -> bool:
        """Speaks once nobody of ours is speaking any more; returns whether it was delivered."""
        try:
            async with asyncio.timeout(QUIET_TIMEOUT + REPLY_TIMEOUT):
                await self._conversation.quiet(QUIET_TIMEOUT)
                while not _sdk.closed(self._session):
                    if not _sdk.busy(self._session):
                        return await self._begun_in_time(speak())
                    await self._conversation.until(lambda: not _sdk.busy(self._session), POLL_INTERVAL)
        except TimeoutError:
            logger.warning("the agent could not be made to speak in time")
        except Exception as error:
            # A provider that fails here must not keep the caller from hearing the words that need no model.
            logger.warning("the agent could not be made to speak: %s", _described(error))
        return False

    async def _begun_in_time(self, speech: Coroutine[Any, Any, bool]) -> bool:
        """Lets the agent speak; gives up when it does not begin to: with a model that is down the SDK waits for ever."""
        conversation = self._conversation
        if not _sdk.has_voice(self._session):
            return await speech
        before = conversation.beginnings
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(speech)
            speaking.add_done_callback(lambda _: conversation.wake())
            begun = await conversation.until(
                lambda: conversation.beginnings > before or _undelivered(speaking), BEGIN_TIMEOUT
            )
            if not begun:
                speaking.cancel()
        return begun and speaking.result()


def _undelivered(speaking: "asyncio.Task[bool]") -> bool:
    return speaking.done() and (speaking.cancelled() or speaking.exception() is not None or not speaking.result())


def _described(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {masked_text(str(error))}"


class _RoomListener(MeetingEventHandler):
    def __init__(self, joined: Callable[[Participant], None], parted: Callable[[Participant], None]) -> None:
        super().__init__()
        self._joined = joined
        self._parted = parted

    @override
    def on_participant_joined(self, participant: Participant) -> None:
        self._joined(participant)

    @override
    def on_participant_left(self, participant: Participant) -> None:
        self._parted(participant)


def _is_note_of_sdk(text: str) -> bool:
    return text.startswith("[Used ") and text.endswith("response interrupted]")
