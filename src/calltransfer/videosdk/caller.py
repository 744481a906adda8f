"""The caller in the agent's room: whether they are there, and their leg.

A leave is not always a hang-up: a caller who is being moved into another room leaves too, and may come back.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal

from typing_extensions import override
from videosdk import MeetingEventHandler, Participant

from calltransfer.call import Presence
from calltransfer.details import CallDetails
from calltransfer.errors import CallOver, NoLiveCall
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.attendance import Attendance, metadata
from calltransfer.videosdk.following import SETTLE_TIMEOUT, Leg
from calltransfer.videosdk.leg import CallerLeg

_OF_THE_PLATFORM = frozenset({"sipUser", "callType", "enableAgentEvents", "attributes"})
"""What the platform itself says of a participant on a phone."""


class CallerInRoom:
    """Follows one caller for as long as the call lasts.

    Args:
        room: The agent's room.
        api: The platform.
        parted: Told of everybody who leaves, and whether it was the caller.
    """

    def __init__(self, room: Any, api: VideoSDKAPI, parted: Callable[[bool], None]) -> None:
        self.room_id: str = room.meeting_id
        self.left = asyncio.Event()
        self.leg: CallerLeg | None = None
        self.fetch_back: Callable[[], None] | None = None
        self._room = room
        self._api = api
        self._told_of_leaving = parted
        self._participant: Participant | None = None
        self._earlier_legs: list[CallerLeg] = []
        self._moves = 0
        self._listener = _RoomListener(self._joined, self._parted)
        room.meeting.add_event_listener(self._listener)
        self.attendance = Attendance(room.meeting)
        for participant in list(room.meeting.participants.values()):
            self._joined(participant)

    @property
    def presence(self) -> Presence:
        """Whether there is a caller."""
        if self._participant is None:
            return Presence.NEVER
        return Presence.GONE if self.left.is_set() else Presence.HERE

    @property
    def participant_id(self) -> str | None:
        """Who they are in the agent's room."""
        return self._participant.id if self._participant is not None else None

    @property
    def is_here(self) -> bool:
        """Whether they are in the agent's room."""
        return self.attendance.has(self.participant_id)

    @property
    def leg_id(self) -> str | None:
        """The platform's id of their leg; None until it is known."""
        return self.leg.known.id if self.leg is not None and self.leg.known is not None else None

    @property
    def direction(self) -> Literal["inbound", "outbound"] | None:
        """Who called whom; None where the platform does not say."""
        return direction_of(self._participant)

    @property
    def details(self) -> CallDetails:
        """What is known of them."""
        leg = self.leg.seen if self.leg is not None else None
        lines = (leg.from_number, leg.to_number) if leg is not None else (None, None)
        called = "outbound" in {self.direction, leg.direction if leg is not None else None}
        number, ours = reversed(lines) if called else lines
        return CallDetails(
            number=number,
            called_number=ours,
            name=_name(self._participant),
            metadata={**_given_along(self._participant), **(leg.metadata if leg is not None else {})},
        )

    async def prepare(self) -> None:
        """Finds their leg again; see `Call.prepare`."""
        if self.leg is None:
            raise NoLiveCall("nobody on a phone is on this call")
        try:
            await self.leg.prepare()
        except NoLiveCall:
            if await self.leaves_soon():
                raise CallOver("the caller has hung up") from None
            raise

    async def known_leg(self) -> Leg:
        """Their leg, found now if it was not before; raises as `prepare` does."""
        if self.left.is_set():
            raise CallOver("the caller has hung up")
        if self.leg is None or self.leg.known is None:
            await self.prepare()
        if self.leg is None or self.leg.known is None:
            raise NoLiveCall("the caller's leg is not known")
        return self.leg.known

    async def leaves_soon(self) -> bool:
        """Whether they leave the room, now that the platform says that their leg is over."""
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                await self.left.wait()
        except TimeoutError:
            return False
        return True

    @contextmanager
    def being_moved(self) -> Iterator[None]:
        """Takes a leave for part of a move, while the block lasts; who is not back after it, and nowhere, has left."""
        self._moves += 1
        try:
            yield
        finally:
            self._moves -= 1
            if not self._moves and not self.is_here:
                self.left.set()

    async def close(self) -> None:
        """Follows no longer."""
        self.attendance.close()
        if self._room.meeting is not None and self._listener in self._room.meeting.listeners:
            self._room.meeting.remove_event_listener(self._listener)
        for leg in [*self._earlier_legs, *([self.leg] if self.leg is not None else [])]:
            await leg.close()

    def _joined(self, participant: Participant) -> None:
        self._api.keep_private(_name(participant) or "")
        if not metadata(participant).get("sipUser"):
            return
        if self._moves:
            if not self.is_here:
                self._participant = participant  # they are back, on the leg they left with
            return
        if self.presence is Presence.HERE:
            return
        self._participant = participant
        self.left.clear()
        if self.leg is not None:
            self._earlier_legs.append(self.leg)
        self.leg = CallerLeg(
            self._api,
            room_id=self.room_id,
            session_id=self._room.meeting.session_id,
            direction=self.direction,
            here=lambda: self.is_here,
        )

    def _parted(self, participant: Participant) -> None:
        is_caller = self._participant is not None and participant.id == self._participant.id
        if is_caller and not self._moves:
            if self.fetch_back is not None:
                self.fetch_back()
                return
            self.left.set()
        self._told_of_leaving(is_caller)


def direction_of(participant: Participant | None) -> Literal["inbound", "outbound"] | None:
    """Who called whom, as far as the platform says; it may say anything."""
    known = metadata(participant).get("callType")
    return "inbound" if known == "inbound" else "outbound" if known == "outbound" else None


def _name(participant: Participant | None) -> str | None:
    name = participant.display_name if participant is not None else None
    return name.strip() or None if isinstance(name, str) else None


def _given_along(participant: Participant | None) -> dict[str, Any]:
    """What a routing rule may have made of the caller's SIP headers. Where it puts it is not documented."""
    said = metadata(participant)
    attributes = said.get("attributes")
    own = {name: value for name, value in said.items() if name not in _OF_THE_PLATFORM}
    return {**own, **(attributes if isinstance(attributes, dict) else {})}


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
