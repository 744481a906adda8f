"""In the place of the client of the media servers: joins, leaves, audio and keys reach the SDK as its own events."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
from av import AudioFrame
from pyee.asyncio import AsyncIOEventEmitter
from videosdk._events import Events
from vsaiortc.mediastreams import MediaStreamError, MediaStreamTrack

from calltransfer.sandbox._patches import AudioOutput
from calltransfer.sandbox.network import Room
from calltransfer.sandbox.speech import SAMPLE_RATE, Listener, Word, is_silent

logger = logging.getLogger("calltransfer.sandbox")


class Exchange(Protocol):
    """What the client needs of the sandbox."""

    @property
    def fast_forward(self) -> bool:
        """Whether time passes at once."""

    async def join(self, client: "SandboxRoomClient") -> Room | None:
        """Enters the room, and says so in `inside`; None: it does not get in."""

    async def leave(self, client: "SandboxRoomClient") -> None:
        """Leaves it."""

    def played(self, room_id: str, *, audible: bool, speech: bool) -> None:
        """A frame of the agent's audio has been played to everybody in the room."""

    def heard(self, room_id: str, word: Word) -> None:
        """The last of a word's frames has been played."""


class CallerTrack(MediaStreamTrack):
    """A caller's voice, as the agent receives it."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue()

    def speak(self, pcm: bytes) -> None:
        """Adds audio."""
        self._frames.put_nowait(pcm)

    def stop(self) -> None:
        """Ends the track, for who waits for its next frame too."""
        super().stop()
        self._frames.put_nowait(None)

    async def recv(self) -> AudioFrame:
        """The next frame, as soon as there is one."""
        pcm = await self._frames.get()
        if pcm is None:
            raise MediaStreamError
        samples = np.frombuffer(pcm, dtype=np.int16).reshape(1, -1)
        frame = AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        return frame


class SandboxRoomClient(AsyncIOEventEmitter):
    """One agent's connection to one room.

    Attributes:
        inside: Whether the agent is in the room.
        tracks: The voice of each participant, by their id.
    """

    def __init__(self, exchange: Exchange, **config: Any) -> None:
        super().__init__(loop=config.get("loop"))
        self.room_id: str = config["room_id"]
        self.peer_id: str = config["peer_id"]
        self.session_id: str | None = None
        self.attributes = {"logs": {}, "observability": "", "traces": {"enabled": False}}
        self.inside = False
        self.tracks: dict[str, CallerTrack] = {}
        self._exchange = exchange
        self._track = config["custom_microphone_audio_track"]
        self._loop_of_agent = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._playing: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    async def async_join(self) -> None:
        """Joins the room, as the SDK asks for it."""
        # Handlers have to run in the context of the session that joins, where its own event bus is.
        self._context = contextvars.copy_context()
        room = await self._exchange.join(self)
        if room is None:
            # As the real one does: told to whoever listens for errors, and otherwise swallowed.
            self.emit(Events.ERROR, "Failed to Join in the Meeting")
            return
        self.session_id = room.session_id
        self._playing = asyncio.create_task(self._play(), name=f"audio of {self.room_id}")
        self.emit(Events.MEETING_JOINED, {"participants": [], "messages": [], "base_url": "sandbox"})

    @property
    def leaving(self) -> bool:
        """Whether it has been asked to leave."""
        return self._leaving is not None

    def leave(self) -> None:
        """Leaves the room, as the SDK asks for it."""
        self.inside = False
        if self._leaving is None:
            self._leaving = asyncio.create_task(self._leave(), name=f"leaving {self.room_id}")

    async def left(self) -> None:
        """Waits until it has left."""
        self.leave()
        if self._leaving is not None:
            await self._leaving

    async def async_handle_pubsub_subscribe(self, _config: Mapping[str, Any]) -> list[Any]:
        """Subscribes to a topic: every key pressed arrives on its own."""
        return []

    async def async_handle_pubsub_publish(self, _config: Mapping[str, Any]) -> None:
        """Publishes to a topic: nobody else listens."""

    def press(self, digit: str, sender_id: str) -> None:
        """A participant presses a key."""
        number: Any = int(digit) if digit.isdecimal() else digit
        message = {"topic": "DTMF_EVENT", "senderId": sender_id, "payload": {"number": number}}
        self._tell(self.emit, Events.PUBSUB_MESSAGE, message)

    # Told by the network, on whatever loop it lives

    def peer_joined(self, peer: Mapping[str, Any]) -> None:
        """Somebody came into the room, with their audio."""
        self._tell(self._add_peer, peer)

    def peer_left(self, peer_id: str) -> None:
        """Somebody left the room."""
        self._tell(self._remove_peer, peer_id)

    def removed(self) -> None:
        """The platform ended the session."""
        self._tell(self._removed)

    def _tell(self, callback: Callable[..., Any], *arguments: Any) -> None:
        self._loop_of_agent.call_soon_threadsafe(callback, *arguments, context=self._context)

    def _removed(self) -> None:
        self.inside = False
        self.emit(Events.MEETING_LEFT, {"reason": "session ended"})

    def _add_peer(self, peer: Mapping[str, Any]) -> None:
        self.emit(Events.ADD_PEER, dict(peer))
        track = self.tracks[peer["id"]] = CallerTrack()
        consumer = self._consumer(peer["id"], track)
        delay = peer.get("audioAfter", 0.0)
        if delay:
            self._loop_of_agent.call_later(delay, self._add_audio, peer["id"], consumer)
        else:
            self._add_audio(peer["id"], consumer)

    def _add_audio(self, peer_id: str, consumer: Any) -> None:
        if self.tracks.get(peer_id) is consumer.track:  # they are still there
            self.emit(Events.ADD_CONSUMER, consumer)

    def _remove_peer(self, peer_id: str) -> None:
        track = self.tracks.pop(peer_id, None)
        if track is not None:
            self.emit(Events.REMOVE_CONSUMER, self._consumer(peer_id, track))
            self.emit(Events.REMOVE_PEER, {"peerId": peer_id})

    @staticmethod
    def _consumer(peer_id: str, track: CallerTrack) -> Any:
        return SimpleNamespace(id=f"audio-{peer_id}", appData={"peerId": peer_id}, track=track)

    async def _leave(self) -> None:
        if self._playing is not None:
            self._playing.cancel()
            await asyncio.gather(self._playing, return_exceptions=True)
        for track in self.tracks.values():
            track.stop()
        await self._exchange.leave(self)

    async def _play(self) -> None:
        output = AudioOutput(self._track, fast_forward=self._exchange.fast_forward)
        listener = Listener()
        heard: tuple[int, int] | None = None
        frames = 0
        try:
            while True:
                pcm = await output.frame()
                if not self.inside:
                    continue
                words = listener.words(pcm)
                self._exchange.played(self.room_id, audible=not is_silent(pcm), speech=bool(words))
                for word in words:
                    frames = frames + 1 if heard == (word.utterance, word.index) else 1
                    heard = (word.utterance, word.index)
                    if frames == word.frames():
                        self._exchange.heard(self.room_id, word)
        except MediaStreamError:
            logger.debug("the agent's audio has ended")
