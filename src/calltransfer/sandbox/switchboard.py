"""Who is in which room, and so who hears whom: between phones, and between phones and agents."""

import asyncio
import functools
import itertools
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from calltransfer.masking import masked_address
from calltransfer.sandbox.cloud import Cloud
from calltransfer.sandbox.hearing import Ear
from calltransfer.sandbox.leg import Leg
from calltransfer.sandbox.life import live
from calltransfer.sandbox.network import Refused, Room
from calltransfer.sandbox.people import Person
from calltransfer.sandbox.phone import Phone, Target, WebUser
from calltransfer.sandbox.room_client import SandboxRoomClient
from calltransfer.sandbox.speech import FRAME_SECONDS, Word


def web_peer(peer_id: str, name: str) -> dict[str, Any]:
    """A participant in the browser, as a room tells of them."""
    return {"id": peer_id, "displayName": name, "device": {}, "mode": "SEND_AND_RECV", "metaData": {}}


class Switchboard:
    """Joins mouths to ears. Lives on the agents' loop, where the phones are, too.

    Attributes:
        phones: Every phone, callers and targets, in the order of their calls.
        clients: Every connection of an agent to a room, those that have left included.
        changed: Set when the next thing happens; then there is another.
        frames_played_at: When each frame of an agent's audio was played, on the wall clock only.
        notes: What is missing in the sandbox, and when it was missed.
    """

    def __init__(self, cloud: Cloud, frames_played_at: list[float]) -> None:
        self.phones: list[Phone] = []
        self._by_peer: dict[str, Phone] = {}
        self.clients: list[SandboxRoomClient] = []
        self.frames_played_at = frames_played_at
        self.notes: list[tuple[float, str]] = []
        self._cloud = cloud
        self._loop = asyncio.get_running_loop()
        self.changed = asyncio.Event()
        self._lives: list[asyncio.Task[None]] = []
        self._web_users = itertools.count(1)
        self._ears: WeakKeyDictionary[Phone, Ear] = WeakKeyDictionary()

    @property
    def fast_forward(self) -> bool:
        """Whether time passes at once."""
        return self._cloud.fast_forward

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return self._loop.time()

    async def close(self) -> None:
        """Ends what people do, and the agents' connections."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)
        for client in self.clients:
            await client.left()

    # What happens

    def change(self) -> None:
        """Something has happened."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Calls a function on the agents' loop, from wherever."""
        self._loop.call_soon_threadsafe(function, *arguments)

    async def something_happens_within(self, seconds: float) -> bool:
        """Waits until something happens, at most `seconds`; returns whether it did."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        except TimeoutError:
            return False
        return True

    async def until(self, condition: Callable[[], bool], timeout: float | None = None) -> None:
        """Waits until `condition` holds, at most `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self.changed.wait()
        except TimeoutError:
            return

    @property
    def unsettled(self) -> bool:
        """Whether a leg is being dialled, forwarded or moved."""
        return any(phone.leg is not None and phone.leg.unsettled for phone in self.phones)

    def web_users_of(self, room_id: str) -> list[WebUser]:
        """Who has come into a room in the browser, beside a caller."""
        return [phone for phone in self.phones if isinstance(phone, WebUser) and phone.room_id == room_id]

    def dialled_since(self, at: float) -> list[Target]:
        """Whom the platform has dialled since then."""
        return [phone for phone in self.phones if isinstance(phone, Target) and phone.leg.started >= at]

    # Who is where, and hears what

    def ear_of(self, phone: Phone) -> Ear:
        """What is audible to somebody on the phone."""
        return self._ears.setdefault(phone, Ear())

    def room_of(self, phone: Phone) -> str | None:
        """The room that somebody is in, on a line that has been answered; None: in none."""
        if phone.leg is not None and not phone.leg.answered:
            return None
        room_id = phone.leg.room_id if phone.leg is not None else phone.room_id
        room = self._cloud.network.rooms.get(room_id)
        return room_id if room is not None and phone.peer_id in room.peers else None

    def phones_in(self, room_id: str) -> list[Phone]:
        """Who is in a room on the phone."""
        room = self._cloud.network.rooms.get(room_id)
        if room is None:
            return []
        found = [self._phone_of(peer_id) for peer_id in list(room.peers)]
        return [phone for phone in found if phone is not None and self.room_of(phone) == room_id]

    def _phone_of(self, peer_id: str) -> Phone | None:
        """By its id: with a hundred callers, looking at every phone for every frame would be most of the work."""
        phone = self._by_peer.get(peer_id)
        if phone is None or phone.peer_id != peer_id:
            self._by_peer = {phone.peer_id: phone for phone in self.phones}
            phone = self._by_peer.get(peer_id)
        return phone

    def clients_in(self, room_id: str) -> list[SandboxRoomClient]:
        """The connections of the agents who are in a room."""
        return [client for client in self.clients if client.inside and client.room_id == room_id]

    def company_of(self, phone: Phone) -> str:
        """Who is in the same room: the number of another phone, else "agent", else a web user's name, else "nobody"."""
        room_id = self.room_of(phone)
        if room_id is None:
            return "nobody"
        others = [other for other in self.phones_in(room_id) if other is not phone]
        on_the_web = [other.number for other in others if isinstance(other, WebUser)]
        on_the_phone = [other.number for other in others if not isinstance(other, WebUser)]
        agents = ["agent"] if self._cloud.network.rooms[room_id].members else []
        return next(iter([*on_the_phone, *agents, *on_the_web]), "nobody")

    # What somebody on the phone does

    def speak(self, phone: Phone, pcm: bytes) -> None:
        """Audio from a phone arrives at every agent in its room."""
        for client in self.clients_in(self.room_of(phone) or ""):
            if phone.peer_id in client.tracks:
                client.tracks[phone.peer_id].speak(pcm)

    def said(self, phone: Phone, word: Word) -> None:
        """A word has been said on a phone, and is heard on the others in its room."""
        now = self.now()
        for other in self.phones_in(self.room_of(phone) or ""):
            if other is not phone:
                self._ears[other].sound(now - word.seconds, now, speech=True)
                self._hears(other, word, phone.number)

    def press(self, phone: Phone, digit: str) -> None:
        """A key pressed on a phone arrives at every agent in its room."""
        for client in self.clients_in(self.room_of(phone) or ""):
            client.press(digit, phone.peer_id)

    async def hang_up(self, phone: Phone) -> None:
        """Somebody hangs up, or leaves the room in the browser."""
        leg, room_id = phone.leg, self.room_of(phone)
        if leg is not None:
            await self._cloud.run(lambda network: network.hang_up(leg.id))
        elif room_id is not None:
            await self._cloud.run(lambda network: network.exit(room_id, phone.peer_id))
            self.change()

    async def join_on_the_web(self, room_id: str, name: str) -> WebUser:
        """Somebody comes into a room in the browser."""
        user = WebUser(self, name, room_id, f"web-user-{next(self._web_users)}")
        self.phones.append(user)
        await self._cloud.run(lambda network: network.enter(room_id, web_peer(user.peer_id, name)))
        self.change()
        return user

    # What the platform does

    def dialled(self, leg: Leg, person: Person | None) -> None:
        """The platform has dialled somebody. Called on the network's loop."""
        target = Target(self, leg, person)
        leg.moved = functools.partial(self.moved, target)
        self.call(self._connect, target)

    def nobody_at(self, number: str) -> None:
        """The platform has dialled, or forwarded somebody to, where nobody is. Called on the network's loop."""
        who = masked_address(number)
        self.note(f"nobody is at {who} in this sandbox: sandbox.person('{who}', ...) puts somebody there")

    def note(self, what: str) -> None:
        """Something is missing in the sandbox. Called from wherever."""
        self.notes.append((self.now(), what))

    def moved(self, phone: Phone, leg: Leg) -> None:
        """The leg of somebody's phone has another status. Called on the network's loop."""
        self.call(self._note, phone, leg.status)

    def _note(self, phone: Phone, status: str) -> None:
        if not phone.statuses or phone.statuses[-1][0] != status:  # something else has changed otherwise
            phone.statuses.append((status, self.now()))
        self.change()

    def _connect(self, target: Target) -> None:
        self.phones.append(target)
        self._lives.append(self._loop.create_task(live(target, self.until), name="what somebody who was dialled does"))
        self.change()

    def forget(self) -> None:
        """Keeps only those phones whose leg the network still knows, and the agents who are in a room."""
        known = self._cloud.network.legs
        self.phones = [phone for phone in self.phones if phone.leg is not None and phone.leg.id in known]
        self.clients = [client for client in self.clients if client.inside]
        self._lives = [life for life in self._lives if not life.done()]
        self._by_peer.clear()
        self.notes.clear()

    # What an agent's connection to a room needs

    async def join(self, client: SandboxRoomClient) -> Room | None:
        """An agent comes into a room; None: it does not get in."""
        trouble = self._cloud.network.trouble
        if trouble.join_seconds:
            await asyncio.sleep(trouble.join_seconds)
        if trouble.join_fails or client.leaving:
            return None
        try:
            room = await self._cloud.run(lambda network: network.join(client))
        except Refused:
            return None
        client.inside = True
        self.clients.append(client)
        self.change()
        return room

    async def leave(self, client: SandboxRoomClient) -> None:
        """An agent leaves a room."""
        if client in self.clients:
            await self._cloud.run(lambda network: network.leave(client))
            self.change()

    def played(self, room_id: str, *, audible: bool, speech: bool) -> None:
        """A frame of an agent's audio has been played in a room."""
        now = self.now()
        if not self.fast_forward:
            self.frames_played_at.append(now)
        if audible:
            for phone in self.phones_in(room_id):
                self._ears[phone].sound(now, now + FRAME_SECONDS, speech=speech)

    def heard(self, room_id: str, word: Word) -> None:
        """An agent has said a word in a room."""
        for phone in self.phones_in(room_id):
            self._hears(phone, word, "agent")

    def _hears(self, phone: Phone, word: Word, speaker: str) -> None:
        self._ears[phone].word(word, speaker, self.now())
        self.change()
