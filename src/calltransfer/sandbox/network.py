"""The phone network and the platform's rooms: legs, rooms, sessions, and how their states move.

Knows what the platform is documented to do. What its documentation leaves open is in `Unknowns`, each with the default
chosen here, so that a test can choose otherwise.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import attrs

from calltransfer.sandbox.people import Person

LEG_STATES: Mapping[str, frozenset[str]] = {
    "initiated": frozenset({"incoming", "ringing", "failed"}),
    "incoming": frozenset({"verified", "missed"}),
    "verified": frozenset({"answered", "rejected"}),
    "ringing": frozenset({"answered", "not-answered", "rejected", "failed"}),
    "answered": frozenset({"transfer-initiated", "ended"}),
    "transfer-initiated": frozenset({"transfer-accepted", "transfer-failed", "ended"}),
    "transfer-accepted": frozenset({"transferring", "transfer-failed", "ended"}),
    "transferring": frozenset({"transfer-ringing", "transfer-failed", "ended"}),
    "transfer-ringing": frozenset({"transferred", "transfer-failed", "ended"}),
    "transfer-failed": frozenset({"answered", "transfer-initiated", "ended"}),
    "transferred": frozenset({"ended"}),
    "ended": frozenset(),
    "missed": frozenset(),
    "not-answered": frozenset(),
    "rejected": frozenset(),
    "failed": frozenset(),
}
"""Which status of a leg can follow which; the documentation's diagram is drawn from it."""

TRANSFERABLE = frozenset({"answered", "transfer-failed"})
BEING_FORWARDED = frozenset({"transfer-initiated", "transfer-accepted", "transferring", "transfer-ringing"})

_DAY_ZERO = datetime(2026, 1, 1, tzinfo=UTC)


@attrs.define(kw_only=True)
class Unknowns:
    """What the platform's documentation leaves open. A test sets them to learn whether anything depends on them.

    Attributes:
        status_after_failed_transfer: What the leg's status becomes after `transfer-failed`; None: it stays.
        status_after_transfer: The same after `transferred`.
        keeps_log: Whether a leg comes with the log of its statuses.
        session_ends_with_transfer: Whether the agent's session is ended as well when its caller is transferred.
        refused_transfer_status: The HTTP status for transferring a leg that is over or being transferred.
        unknown_call_status: The HTTP status for a call that does not exist.
        newest_first: Whether the newest call is listed first.
        carrier_gives_up_after: Seconds the carrier lets a target's phone ring.
        step: Seconds between two statuses of a transfer.
        keep_alive: Seconds that the server keeps an idle connection.
        audio_after: Seconds from an outbound leg's joining its room to its audio.
    """

    status_after_failed_transfer: str | None = "answered"
    status_after_transfer: str | None = None
    keeps_log: bool = True
    session_ends_with_transfer: bool = False
    refused_transfer_status: int = 400
    unknown_call_status: int = 404
    newest_first: bool = False
    carrier_gives_up_after: float = 30.0
    step: float = 0.1
    keep_alive: float = 75.0
    audio_after: float = 0.5


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
class Leg:
    """One call between the platform and one phone."""

    id: str
    direction: str
    room_id: str
    session_id: str | None
    caller_number: str
    called_number: str
    clock: Callable[[], float]
    status: str = "initiated"
    log: list[tuple[str, float]] = attrs.field(factory=list)
    started: float = 0.0
    ended: float | None = None
    participant_id: str | None = None
    talking_to: str | None = None
    moved: Callable[["Leg"], None] = lambda _leg: None

    def move(self, status: str) -> None:
        """Moves on to `status`; one that cannot follow is a bug of the sandbox."""
        if status not in LEG_STATES[self.status]:
            raise ValueError(f"a leg that is {self.status} cannot become {status}")
        self.status = status
        self.log.append((status, self.clock()))
        if not LEG_STATES[status] or status == "transferred":
            self.ended = self.clock()
        self.moved(self)

    @property
    def over(self) -> bool:
        """Whether nobody is on it any more."""
        return self.ended is not None

    def document(self, *, keeps_log: bool) -> dict[str, Any]:
        """As the platform lists it, in both of its styles."""
        return {
            "callId": self.id,
            "id": self.id,
            "type": self.direction,
            "status": self.status,
            "roomId": self.room_id,
            **({"sessionId": self.session_id} if self.session_id is not None else {}),
            "gatewayId": "gw_sandbox",
            "ruleId": "rr_sandbox",
            "from": self.caller_number,
            "to": self.called_number,
            "sipCallFrom": self.caller_number,
            "sipCallTo": self.called_number,
            "metadata": {},
            "start": _timestamp(self.started),
            "end": _timestamp(self.ended) if self.ended is not None else None,
            "timelog": [{"status": status.upper(), "timestamp": _timestamp(at)} for status, at in self.log]
            if keeps_log
            else [],
        }


@attrs.define(eq=False)
class Room:
    """A room, and the session that begins with the first who is in it."""

    id: str
    session_id: str
    members: list[RoomMember] = attrs.field(factory=list)
    peers: dict[str, dict[str, Any]] = attrs.field(factory=dict)


class Refused(Exception):
    """The platform does not do it; `status` is what it answers."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Network:
    """Everything that is not the agent: lives on one loop, and is only touched there."""

    def __init__(self, unknowns: Unknowns) -> None:
        self.unknowns = unknowns
        self.rooms: dict[str, Room] = {}
        self.legs: dict[str, Leg] = {}
        self.people: dict[str, Person] = {}
        self._numbers = itertools.count(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Ends whatever is still under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @staticmethod
    def now() -> float:
        """Seconds on the loop's clock."""
        return asyncio.get_running_loop().time()

    # Rooms

    def open_room(self, room_id: str | None = None) -> Room:
        """The room, made if there is none."""
        room_id = room_id or f"room-{next(self._numbers):04d}"
        if room_id not in self.rooms:
            self.rooms[room_id] = Room(room_id, session_id=f"session-{next(self._numbers):04d}")
        return self.rooms[room_id]

    def join(self, member: RoomMember) -> Room:
        """An agent comes into a room; it is told who is there already."""
        room = self.open_room(member.room_id)
        room.members.append(member)
        for peer in room.peers.values():
            member.peer_joined(peer)
        return room

    def leave(self, member: RoomMember) -> None:
        """An agent leaves."""
        room = self.rooms[member.room_id]
        if member in room.members:
            room.members.remove(member)

    def enter(self, room_id: str, peer: dict[str, Any]) -> None:
        """A participant comes into a room."""
        room = self.open_room(room_id)
        room.peers[peer["id"]] = peer
        for member in list(room.members):
            member.peer_joined(peer)

    def exit(self, room_id: str, peer_id: str) -> None:
        """A participant leaves a room."""
        room = self.rooms[room_id]
        if room.peers.pop(peer_id, None) is not None:
            for member in list(room.members):
                member.peer_left(peer_id)

    # Calls

    def connect_call(
        self,
        *,
        number: str,
        direction: str,
        room_id: str,
        name: str,
        with_session_id: bool = True,
        moved: Callable[[Leg], None] = lambda _leg: None,
    ) -> Leg:
        """Somebody's phone is connected to a room; inbound, they called, outbound, they were called."""
        room = self.open_room(room_id)
        leg = Leg(
            id=f"call-{next(self._numbers):04d}",
            direction=direction,
            room_id=room_id,
            session_id=room.session_id if with_session_id else None,
            caller_number=number if direction == "inbound" else "+14155550100",
            called_number="+14155550100" if direction == "inbound" else number,
            clock=self.now,
            started=self.now(),
            moved=moved,
        )
        self.legs[leg.id] = leg
        leg.log.append(("initiated", self.now()))
        for status in ("incoming", "verified") if direction == "inbound" else ("ringing",):
            leg.move(status)
        leg.participant_id = f"sip-{leg.id}"
        leg.move("answered")
        self.enter(
            room_id,
            {
                "id": leg.participant_id,
                "displayName": name,
                "device": {},
                "mode": "SEND_AND_RECV",
                "metaData": {"sipUser": True, "callType": direction},
                "audioAfter": self.unknowns.audio_after if direction == "outbound" else 0.0,
            },
        )
        return leg

    def add_earlier_leg(self, room_id: str) -> None:
        """A call of the same room and session that is over."""
        room = self.open_room(room_id)
        leg = Leg(
            id=f"call-{next(self._numbers):04d}",
            direction="inbound",
            room_id=room_id,
            session_id=room.session_id,
            caller_number="+14155550177",
            called_number="+14155550100",
            clock=self.now,
            started=self.now() - 600,
            status="answered",
        )
        leg.move("ended")
        self.legs[leg.id] = leg

    def hang_up(self, leg_id: str) -> None:
        """The leg ends, whoever ended it."""
        leg = self.legs[leg_id]
        task = self._tasks.pop(leg_id, None)
        if task is not None:
            task.cancel()
        if leg.status != "ended" and "ended" in LEG_STATES[leg.status]:
            leg.talking_to = None
            leg.move("ended")
        self._leave_room(leg)

    def transfer(self, leg_id: str, to: str) -> Leg:
        """Starts to forward a leg (SIP REFER); what becomes of it shows later."""
        leg = self.legs.get(leg_id)
        if leg is None:
            raise Refused(self.unknowns.unknown_call_status, "call not found")
        if leg.status not in TRANSFERABLE:
            raise Refused(self.unknowns.refused_transfer_status, f"call is {leg.status}")
        leg.move("transfer-initiated")
        task = asyncio.get_running_loop().create_task(self._refer(leg, to))
        self._tasks[leg_id] = task  # owned by the network: close() awaits it
        return leg

    async def _refer(self, leg: Leg, to: str) -> None:
        step = self.unknowns.step
        await asyncio.sleep(step)
        leg.move("transfer-accepted")
        await asyncio.sleep(step)
        leg.move("transferring")
        person = self.people.get(to)
        if person is None:
            await asyncio.sleep(step)
            await self._refer_failed(leg)
            return
        await asyncio.sleep(step)
        leg.move("transfer-ringing")
        if not await self._rings(person):
            await self._refer_failed(leg)
            return
        leg.talking_to = to
        leg.move("transferred")
        if self.unknowns.status_after_transfer == "ended":
            leg.move("ended")
        self._leave_room(leg)
        if self.unknowns.session_ends_with_transfer:
            for member in list(self.rooms[leg.room_id].members):
                member.removed()
        if person.hangs_up_after is not None:
            await asyncio.sleep(person.hangs_up_after)
            leg.talking_to = None
            leg.moved(leg)

    async def _rings(self, person: Person) -> bool:
        """Lets a phone ring; returns whether it was answered."""
        gives_up = self.unknowns.carrier_gives_up_after
        refuses = person.refuses_after if person.refuses_after is not None else gives_up
        answers = person.answers_after if person.refuses_after is None else None
        if answers is not None and answers < gives_up:
            await asyncio.sleep(answers)
            return True
        await asyncio.sleep(min(refuses, gives_up))
        return False

    async def _refer_failed(self, leg: Leg) -> None:
        leg.move("transfer-failed")
        if self.unknowns.status_after_failed_transfer is not None:
            await asyncio.sleep(self.unknowns.step)
            leg.move(self.unknowns.status_after_failed_transfer)

    def _leave_room(self, leg: Leg) -> None:
        if leg.participant_id is not None:
            self.exit(leg.room_id, leg.participant_id)


def _timestamp(at: float) -> str:
    return (_DAY_ZERO + timedelta(seconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
