"""A live call on VideoSDK: the caller's leg, the agent's session, and the room both are in."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

from typing_extensions import override
from videosdk import MeetingEventHandler, Participant
from videosdk.agents import AgentSession

from calltransfer.call import FORWARD_TIMEOUT, SENTENCE_TIMEOUT, Call, Presence, ProgressListener, Turn, Utterance
from calltransfer.destination import Destination
from calltransfer.errors import CallOver, NoLiveCall, PlatformError
from calltransfer.events import Phase, TransferResult
from calltransfer.masking import masked_text
from calltransfer.outcome import Outcome
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.conversation import Conversation, ConversationTurn
from calltransfer.videosdk.following import SETTLE_TIMEOUT, Leg, Verdict
from calltransfer.videosdk.forwarding import Forward
from calltransfer.videosdk.leg import CallerLeg


class VideoSDKCall(Call):
    """The live call of one session."""

    def __init__(self, session: AgentSession, room: Any, api: VideoSDKAPI) -> None:
        self._session = session
        self._room = room
        self._room_id: str = room.meeting_id
        self._api = api
        self._conversation = Conversation(session)
        self._participant: Participant | None = None
        self._leg: CallerLeg | None = None
        self._earlier_legs: list[CallerLeg] = []
        self._left = asyncio.Event()
        self._forward: Forward | None = None
        self._unsettled: tuple[Forward, ProgressListener | None] | None = None
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
        return self._leg.known.id if self._leg is not None and self._leg.known is not None else None

    @property
    @override
    def caller(self) -> Presence:
        if self._participant is None:
            return Presence.NEVER
        return Presence.GONE if self._left.is_set() else Presence.HERE

    @property
    @override
    def direction(self) -> Literal["inbound", "outbound"] | None:
        known: Any = _metadata(self._participant).get("callType")
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
        if self._leg is None:
            raise NoLiveCall("nobody on a phone is on this call")
        try:
            await self._leg.prepare()
        except NoLiveCall:
            if await self._leaves_soon():
                raise CallOver("the caller has hung up") from None
            raise

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
        try:
            leg = await self._known_leg()
        except CallOver as error:
            return self._result(Verdict(Outcome.CALLER_LEFT, None, str(error)), destination)
        except (NoLiveCall, PlatformError) as error:
            return self._result(Verdict(Outcome.FAILED, None, str(error)), destination)
        if self._forward is not None:
            return self._result(Verdict(Outcome.FAILED, None, "the caller is already being forwarded"), destination)
        earlier = self._unsettled if self._unsettled is not None and self._unsettled[0].may_come_true else None
        forward = Forward(
            self._api,
            leg,
            after_another=earlier is not None,
            rings=lambda status: self.report(Phase.RINGING, status=status),
        )
        self._forward = forward
        # Until it is known how it ended it may come true, also when following it is cut short.
        self._unsettled = (forward, self.listener)
        try:
            with _sdk.held_back(self._session, self._room, lambda what: self.report(Phase.HELD_BACK, what)):
                verdict = await forward.to(destination, timeout=timeout, play_dialtone=play_dialtone)
                if verdict.outcome is Outcome.CONNECTED:
                    self._unsettled = None
                    _sdk.forget_phones(self._room)
        finally:
            self._forward = None
            if self._leg is not None and self._leg.known is leg:
                self._leg.known = forward.last_reading
        if verdict.outcome is Outcome.CALLER_LEFT and earlier is not None:
            self._read_late_end(*earlier)
        if verdict.outcome is Outcome.CALLER_LEFT and not await self._leaves_soon():
            verdict = Verdict(Outcome.FAILED, verdict.status, f"{verdict.detail}, but the caller is in the room")
        return self._result(verdict, destination)

    @override
    async def caller_left(self) -> None:
        await self._left.wait()

    @override
    async def tell_model(self, text: str) -> bool:
        self._told.add(text)
        return await self._conversation.speak(lambda: _sdk.reply(self._session, text), insist=True)

    @override
    async def say(self, text: str) -> bool:
        return await self._conversation.speak(
            lambda: _sdk.say(self._session, text), insist=False
        ) or await self.tell_model(
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
        if self._late_reading is not None:
            await asyncio.wait([self._late_reading], timeout=SETTLE_TIMEOUT)
            self._late_reading.cancel()
            await asyncio.gather(self._late_reading, return_exceptions=True)
        for leg in [*self._earlier_legs, *([self._leg] if self._leg is not None else [])]:
            await leg.close()
        await self._api.close()

    async def _known_leg(self) -> Leg:
        if self._left.is_set():
            raise CallOver("the caller has hung up")
        if self._leg is None or self._leg.known is None:
            await self.prepare()
        if self._leg is None or self._leg.known is None:
            raise NoLiveCall("the caller's leg is not known")
        return self._leg.known

    async def _leaves_soon(self) -> bool:
        """Whether the caller leaves the room, now that the platform says that their leg is over."""
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                await self._left.wait()
        except TimeoutError:
            return False
        return True

    def _joined(self, participant: Participant) -> None:
        if not _metadata(participant).get("sipUser") or self.caller is Presence.HERE:
            return
        self._participant = participant
        self._left.clear()
        if self._leg is not None:
            self._earlier_legs.append(self._leg)
        self._leg = CallerLeg(
            self._api, room_id=self._room_id, session_id=self._room.meeting.session_id, direction=self.direction
        )

    def _parted(self, participant: Participant) -> None:
        is_caller = self._participant is not None and participant.id == self._participant.id
        if is_caller:
            self._left.set()
        if self._forward is not None:
            self._forward.someone_left(caller=is_caller)
        elif is_caller and self._unsettled is not None:
            self._read_late_end(*self._unsettled)

    def _read_late_end(self, forward: Forward, listener: ProgressListener | None) -> None:
        """The caller has left after a transfer that was reported as not connected: perhaps it came true."""
        if self._late_reading is None and forward.may_come_true:
            # Owned by the call: close() ends and awaits it.
            self._late_reading = asyncio.create_task(
                self._read_late(forward, listener), name="late end of a forwarded call"
            )

    async def _read_late(self, forward: Forward, listener: ProgressListener | None) -> None:
        status = await forward.came_true()
        if status is not None:
            _sdk.forget_phones(self._room)
            if listener is not None:
                listener(Phase.CONTRADICTED, "the target got the caller after all", status)

    async def _keep_warm(self) -> None:
        if self._leg is not None:
            await self._leg.keep_warm()

    def _result(self, verdict: Verdict, destination: Destination) -> TransferResult:
        return TransferResult(
            outcome=verdict.outcome,
            destination=destination,
            detail=masked_text(verdict.detail),
            status=verdict.status,
            leg_id=self.leg_id,
            room_id=self._room_id,
        )


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


def _metadata(participant: Participant | None) -> dict[str, Any]:
    """What the platform says of a participant; it may say anything."""
    metadata = participant.meta_data if participant is not None else None
    return metadata if isinstance(metadata, dict) else {}


def _is_note_of_sdk(text: str) -> bool:
    return text.startswith("[Used ") and text.endswith("response interrupted]")
