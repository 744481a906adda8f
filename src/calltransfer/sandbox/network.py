"""The phone network and the platform's rooms: legs, rooms, sessions, and what happens between them.

Knows what the platform is documented to do. What its documentation leaves open is in `Unknowns`, each with the default
chosen here, so that a test can choose otherwise.
"""

import asyncio
import itertools
import math
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import attrs

from calltransfer.sandbox.leg import LEG_STATES, TRANSFERABLE, Leg
from calltransfer.sandbox.people import Person
from calltransfer.sandbox.unknowns import Trouble, Unknowns


class RoomMember(Protocol):
    """An agent's connection to a room; told on the agent's own loop."""

    room_id: str
    peer_id: str

    def peer_joined(self, peer: Mapping[str, Any]) -> None:
        """Somebody came into the room."""

    def peer_left(self, peer_id: str) -> None:
        """Somebody left the room."""

    def removed(self) -> None:
        """The session was ended by the platform."""


@attrs.define(eq=False)
class Room:
    """A room, and the session that begins with the first who is in it."""

    id: str
    session_id: str
    members: list[RoomMember] = attrs.field(factory=list)
    peers: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    disabled: bool = False
    closes_after: float | None = None
    deactivates: bool = False
    made: float = 0.0

    @property
    def live(self) -> bool:
        """Whether anybody is in it."""
        return bool(self.members or self.peers) and not self.disabled

    def has(self, participant_id: str) -> bool:
        """Whether a participant, or an agent, of that id is in it."""
        return participant_id in self.peers or any(member.peer_id == participant_id for member in self.members)


class Refused(Exception):
    """The platform does not do it; `status` is what it answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _nobody_told(_leg: Leg, _person: Person | None) -> None:
    """Nobody wants to know who is dialled."""


def _nobody_misses(_number: str) -> None:
    """Nobody wants to know where nobody is."""


class Network:
    """Everything that is not the agent: lives on one loop, and is only touched there.

    Attributes:
        recordings: Every recording that was started, stopped or merged: what, the room's id, the participant's id.
        dialled: Told of every leg that the platform has dialled, and who is at that number.
        nobody_at: Told of every number that was called and where nobody is.
    """

    def __init__(self, unknowns: Unknowns, trouble: Trouble) -> None:
        self.unknowns = unknowns
        self.trouble = trouble
        self.rooms: dict[str, Room] = {}
        self.legs: dict[str, Leg] = {}
        self.people: dict[str, Person] = {}
        self.recordings: list[tuple[str, str, str]] = []
        self.dialled: Callable[[Leg, Person | None], None] = _nobody_told
        self.nobody_at: Callable[[str], None] = _nobody_misses
        self._numbers = itertools.count(1)
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}

    async def close(self) -> None:
        """Ends whatever is still under way."""
        tasks = [task for tasks in self._tasks.values() for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, before: float) -> None:
        """Keeps nothing more of legs that had ended by then, nor of rooms that are empty and were made before."""
        over = [leg.id for leg in self.legs.values() if leg.ended is not None and leg.ended < before]
        empty = [room.id for room in self.rooms.values() if room.made < before and not room.live]
        for leg_id in over:
            del self.legs[leg_id]
        for room_id in empty:
            del self.rooms[room_id]
        for key in [*over, *empty]:
            self._tasks.pop(key, None)

    @staticmethod
    def now() -> float:
        """Seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    # Rooms

    def open_room(self, room_id: str | None = None) -> Room:
        """The room, made if there is none."""
        room_id = room_id or f"room-{next(self._numbers):04d}"
        if room_id not in self.rooms:
            self.rooms[room_id] = Room(room_id, session_id=f"session-{next(self._numbers):04d}", made=self.now())
        return self.rooms[room_id]

    def create_room(self, order: Mapping[str, Any]) -> Room:
        """A new room, as the body of a request asks for it."""
        room = self.open_room()
        auto_close = order.get("autoCloseConfig") or {}
        room.closes_after = auto_close.get("duration")
        room.deactivates = auto_close.get("type") == "session-end-and-deactivate"
        return room

    def _session_begins(self, room: Room) -> None:
        if room.closes_after is not None and not room.live:
            self._start(room.id, self._close_room(room, room.closes_after))

    async def _close_room(self, room: Room, after: float) -> None:
        await asyncio.sleep(after)
        self.end_session(room.id)
        room.disabled = room.disabled or room.deactivates

    def _session_may_be_over(self, room: Room) -> None:
        if not room.live:
            for task in self._tasks.get(room.id, set()) - {asyncio.current_task()}:
                task.cancel()

    def join(self, member: RoomMember) -> Room:
        """An agent comes into a room; it is told who is there already."""
        room = self.open_room(member.room_id)
        if room.disabled:
            raise Refused(400, "room is deactivated")
        self._session_begins(room)
        room.members.append(member)
        for peer in room.peers.values():
            member.peer_joined(peer)
        return room

    def leave(self, member: RoomMember) -> None:
        """An agent leaves."""
        room = self.rooms[member.room_id]
        if member in room.members:
            room.members.remove(member)
            self._session_may_be_over(room)

    def enter(self, room_id: str, peer: dict[str, Any]) -> None:
        """A participant comes into a room."""
        room = self.open_room(room_id)
        self._session_begins(room)
        room.peers[peer["id"]] = peer
        for member in list(room.members):
            member.peer_joined(peer)

    def exit(self, room_id: str, peer_id: str) -> None:
        """A participant leaves a room."""
        room = self.rooms[room_id]
        if room.peers.pop(peer_id, None) is not None:
            for member in list(room.members):
                member.peer_left(peer_id)
            self._session_may_be_over(room)

    def end_session(self, room_id: str) -> None:
        """Removes everybody from a room: agents, participants, and the legs of those who are on a phone."""
        room = self.rooms[room_id]
        members, room.members = room.members, []
        for member in members:
            member.removed()
        for leg in list(self.legs.values()):
            if leg.room_id == room_id and leg.participant_id in room.peers:
                self.hang_up(leg.id)
        for peer_id in list(room.peers):
            self.exit(room_id, peer_id)

    # Calls

    def connect_call(
        self,
        *,
        number: str,
        direction: str,
        room_id: str,
        name: str,
        metadata: Mapping[str, Any] | None = None,
        with_session_id: bool = True,
        moved: Callable[[Leg], None] = lambda _leg: None,
    ) -> Leg:
        """Somebody's phone is connected to a room; inbound, they called, outbound, they were called."""
        leg = self._new_leg(
            direction,
            self.open_room(room_id),
            caller_number=number if direction == "inbound" else "+14155550100",
            called_number="+14155550100" if direction == "inbound" else number,
        )
        if not with_session_id:
            leg.session_id = None
        leg.name = name
        if self.unknowns.metadata_is_in == "metadata":
            leg.metadata = metadata or {}
        else:
            in_room = self.unknowns.metadata_is_in == "participant"
            leg.said_in_room = (metadata or {}) if in_room else {"attributes": metadata or {}}
        leg.moved = moved
        for status in ("incoming", "verified") if direction == "inbound" else ("ringing",):
            leg.move(status)
        leg.move("answered")
        self._enter_room(leg)
        return leg

    def add_earlier_leg(self, room_id: str) -> None:
        """A call of the same room and session that is over."""
        leg = self._new_leg(
            "inbound", self.open_room(room_id), caller_number="+14155550177", called_number="+14155550100"
        )
        leg.started -= 600
        leg.log.clear()
        leg.move("ended")

    def hang_up(self, leg_id: str) -> None:
        """The leg ends, whoever ended it."""
        leg = self.legs[leg_id]
        for task in self._tasks.get(leg_id, set()) - {asyncio.current_task()}:
            task.cancel()
        leg.talking_to, leg.rings_at, leg.being_forwarded = None, None, False
        if "ended" in LEG_STATES[leg.status]:
            leg.move("ended")
        else:
            leg.moved(leg)
        self._leave_room(leg)

    def dial(self, order: Mapping[str, Any]) -> Leg:
        """Starts to call a number into a room, as the body of a request asks for; what becomes of it shows later."""
        if not order.get("sipCallTo") or not order.get("sipCallFrom"):
            raise Refused(400, "sipCallTo and sipCallFrom are required")
        if not order.get("routingRuleId") and not order.get("gatewayId"):
            raise Refused(400, "routingRuleId or gatewayId is required")
        room = self.open_room(order.get("destinationRoomId"))
        if room.disabled:
            raise Refused(400, "room is deactivated")
        person = self.people.get(order["sipCallTo"])
        participant = order.get("participant") or {}
        leg = self._new_leg("outbound", room, caller_number=order["sipCallFrom"], called_number=order["sipCallTo"])
        if self.unknowns.honours_participant_id and participant.get("id"):
            leg.participant_id = participant["id"]
        leg.name = participant.get("name") or (person.name if person is not None else "")
        leg.metadata = order.get("metadata") or {}
        self.dialled(leg, person)
        self._start(leg.id, self._dial(leg, person, order))
        return leg

    async def _dial(self, leg: Leg, person: Person | None, order: Mapping[str, Any]) -> None:
        await asyncio.sleep(self.unknowns.step)
        if person is None:
            self.nobody_at(leg.called_number)
            leg.move("failed")
            return
        appears = not self.trouble.answered_leg_never_appears
        leg.move("ringing")
        if person.early_media and appears:
            self._enter_room(leg)
        leg.move(await self._rings(leg, person, order.get("ringingTimeout")))
        if leg.status != "answered":
            self._leave_room(leg)
            return
        if not person.early_media and appears:
            self._enter_room(leg)
        stays = min(_or_for_ever(person.hangs_up_after), _or_for_ever(order.get("maxCallDuration")))
        if stays < math.inf:
            await asyncio.sleep(stays)
            self.hang_up(leg.id)

    def transfer(self, leg_id: str, to: str) -> Leg:
        """Starts to forward a leg (SIP REFER); what becomes of it shows later."""
        leg = self._transferable(leg_id, self.unknowns.refused_transfer_status)
        leg.move("transfer-initiated")
        leg.being_forwarded = True
        self._start(leg.id, self._refer(leg, to))
        return leg

    async def _refer(self, leg: Leg, to: str) -> None:
        step, after_acceptance = self.unknowns.step, self.unknowns.after_acceptance
        await asyncio.sleep(step)
        leg.move("transfer-accepted")
        if after_acceptance == "ends":
            leg.move("ended")
        elif self.unknowns.transferred_at == "acceptance":
            leg.move("transferred")
        says_how_far = leg.status == "transfer-accepted"
        if after_acceptance != "stays":
            self._leave_room(leg)
        await asyncio.sleep(step)
        if says_how_far:
            leg.move("transferring")
        person = None if self.trouble.carrier_refuses else self.people.get(to)
        await asyncio.sleep(step)
        if to not in self.people:
            self.nobody_at(to)
        if person is not None and says_how_far:
            leg.move("transfer-ringing")
        if person is None or await self._rings(leg, person) != "answered":
            await self._not_forwarded(leg)
        else:
            await self._forwarded(leg, person)

    async def _not_forwarded(self, leg: Leg) -> None:
        """Nobody has answered: the caller is where they were before, if the platform still has their leg."""
        leg.being_forwarded = False
        if leg.status == "ended":
            leg.moved(leg)
            return
        leg.move("transfer-failed")
        if self.unknowns.after_acceptance == "leaves":
            self._enter_room(leg)
        await self._move_on(leg, self.unknowns.status_after_failed_transfer)

    async def _forwarded(self, leg: Leg, person: Person) -> None:
        """Somebody has answered, and the caller is with them."""
        leg.is_with(person.number)
        if "transferred" in LEG_STATES[leg.status]:
            leg.move("transferred")
        if leg.status == "transferred" and self.unknowns.status_after_transfer == "ended":
            leg.move("ended")
        self._leave_room(leg)
        if self.unknowns.session_ends_with_transfer:
            for member in list(self.rooms[leg.room_id].members):
                member.removed()
        if person.hangs_up_after is not None:
            await asyncio.sleep(person.hangs_up_after)
            leg.is_with(None)

    def switch(self, leg_id: str, room_id: str, participant_id: str | None = None) -> Leg:
        """Starts to move a leg to another room; what becomes of it shows later."""
        leg = self._transferable(leg_id, 400)
        if room_id not in self.rooms or not self.rooms[room_id].live:
            raise Refused(400, "room has no active session")
        leg.move("switch-room-initiated")
        trouble = self.trouble
        fails, trouble.switch_fails = trouble.switch_fails > 0, max(0, trouble.switch_fails - 1)
        self._start(leg.id, self._switch(leg, None if fails else self.rooms[room_id], participant_id))
        return leg

    async def _switch(self, leg: Leg, room: Room | None, participant_id: str | None) -> None:
        await asyncio.sleep(max(0.0, self.unknowns.switch_after - self.unknowns.switch_gap))
        if room is None:
            leg.move("switch-room-failed")
        else:
            self._leave_room(leg)
            await asyncio.sleep(self.unknowns.switch_gap)
            leg.room_id = room.id
            leg.session_id = room.session_id if leg.session_id is not None else None
            leg.participant_id = participant_id or leg.participant_id
            leg.move("switch-room-completed")
            if self.trouble.switched_leg_vanishes > 0:
                self.trouble.switched_leg_vanishes -= 1
            else:
                self._enter_room(leg)
        await self._move_on(leg, self.unknowns.status_after_switch)

    async def _move_on(self, leg: Leg, status: str | None) -> None:
        """Lets a leg move on by itself, unless something else happens to it first."""
        before = leg.status
        await asyncio.sleep(self.unknowns.step)
        if status is not None and leg.status == before:
            leg.move(status)

    async def _rings(self, leg: Leg, person: Person, ringing_timeout: float | None = None) -> str:
        """Lets a phone ring; returns the status that comes of it."""
        if self._is_busy(person):
            await asyncio.sleep(self.unknowns.step)
            return "rejected"
        gives_up = min(_or_for_ever(ringing_timeout), self.unknowns.carrier_gives_up_after)
        if person.refuses_after is not None:
            after, status = person.refuses_after, "rejected"
        else:
            after, status = _or_for_ever(person.answers_after), "answered"
        leg.rings_at = person.number
        try:
            await asyncio.sleep(min(after, gives_up))
        finally:
            leg.rings_at = None
        return status if after < gives_up else "not-answered"

    def _is_busy(self, person: Person) -> bool:
        """Whether their phone has as many calls as it takes."""
        calls = sum(leg.is_at(person.number) for leg in self.legs.values())
        return person.lines is not None and calls >= person.lines

    def _new_leg(self, direction: str, room: Room, *, caller_number: str, called_number: str) -> Leg:
        leg = Leg(
            id=f"call-{next(self._numbers):04d}",
            direction=direction,
            room_id=room.id,
            session_id=room.session_id,
            caller_number=caller_number,
            called_number=called_number,
            clock=self.now,
            started=self.now(),
        )
        leg.participant_id = f"sip-{leg.id}"
        leg.log.append(("initiated", self.now()))
        self.legs[leg.id] = leg
        return leg

    def _transferable(self, leg_id: str, refused_status: int) -> Leg:
        leg = self.legs.get(leg_id)
        if leg is None:
            raise Refused(self.unknowns.unknown_call_status, "call not found")
        if leg.status not in TRANSFERABLE:
            raise Refused(refused_status, f"call is {leg.status}")
        return leg

    def _start(self, of: str, work: Coroutine[Any, Any, None]) -> None:
        """Starts something that goes on by itself, of a leg or a room."""
        task = asyncio.get_running_loop().create_task(work)  # owned by the network: close() awaits it
        tasks = self._tasks.setdefault(of, set())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _enter_room(self, leg: Leg) -> None:
        self.enter(
            leg.room_id,
            {
                "id": leg.participant_id,
                "displayName": leg.name,
                "device": {},
                "mode": "SEND_AND_RECV",
                "metaData": {"sipUser": True, "callType": leg.direction, **leg.said_in_room},
                "audioAfter": self.unknowns.audio_after if leg.direction == "outbound" else 0.0,
            },
        )

    def _leave_room(self, leg: Leg) -> None:
        if leg.participant_id is not None:
            self.exit(leg.room_id, leg.participant_id)


def _or_for_ever(seconds: float | None) -> float:
    return math.inf if seconds is None else seconds
