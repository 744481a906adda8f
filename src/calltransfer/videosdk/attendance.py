"""Who is in a room, and whether they can be heard: followed from the room's own events."""

import asyncio
from collections.abc import Callable
from typing import Any

from typing_extensions import override
from videosdk import MeetingEventHandler, Participant, ParticipantEventHandler, Stream


class Attendance:
    """Follows who comes into a room and who leaves it.

    Attributes:
        over: Whether the agent itself is in it no longer.

    Args:
        meeting: The room, as the agent in it sees it.
    """

    def __init__(self, meeting: Any) -> None:
        self.over = False
        self._meeting = meeting
        self._changed = asyncio.Event()
        self._listener = _RoomListener(self._came, self._left, self._ended)
        self._heard: dict[Participant, _AudioListener] = {}
        meeting.add_event_listener(self._listener)
        for participant in list(meeting.participants.values()):
            self._came(participant)

    def close(self) -> None:
        """Follows no longer."""
        for participant, listener in self._heard.items():
            participant.remove_event_listener(listener)
        self._heard.clear()
        if self._listener in self._meeting.listeners:
            self._meeting.remove_event_listener(self._listener)

    @property
    def phones(self) -> list[Participant]:
        """Everybody in the room who is on a phone."""
        return [
            participant for participant in self._meeting.participants.values() if metadata(participant).get("sipUser")
        ]

    def has(self, participant_id: str | None) -> bool:
        """Whether somebody is in the room."""
        return participant_id is not None and participant_id in self._meeting.participants

    def can_be_heard(self, participant_id: str | None) -> bool:
        """Whether somebody is in the room, with audio."""
        participant = self._meeting.participants.get(participant_id)
        return participant is not None and any(stream.kind == "audio" for stream in participant.streams.values())

    async def until(self, condition: Callable[[], bool], timeout: float | None) -> bool:
        """Waits until `condition`, at most `timeout` seconds; returns whether it came about.

        Without a timeout only where whoever waits is ended by somebody else.
        """
        try:
            async with asyncio.timeout(timeout):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    async def change(self) -> None:
        """Waits until somebody comes, leaves, or can or cannot be heard any more."""
        await self._changed.wait()

    def wake(self, _: object = None) -> None:
        """Has every condition that is waited for looked at again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _came(self, participant: Participant) -> None:
        listener = self._heard[participant] = _AudioListener(self.wake)
        participant.add_event_listener(listener)
        self.wake()

    def _left(self, participant: Participant) -> None:
        self._heard.pop(participant, None)
        self.wake()

    def _ended(self) -> None:
        self.over = True
        self.wake()


class _RoomListener(MeetingEventHandler):
    def __init__(
        self,
        came: Callable[[Participant], None],
        left: Callable[[Participant], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__()
        self._came = came
        self._left = left
        self._ended = ended

    @override
    def on_participant_joined(self, participant: Participant) -> None:
        self._came(participant)

    @override
    def on_participant_left(self, participant: Participant) -> None:
        self._left(participant)

    @override
    def on_meeting_left(self, data: Any) -> None:
        self._ended()


class _AudioListener(ParticipantEventHandler):
    def __init__(self, changed: Callable[[], None]) -> None:
        super().__init__()
        self._changed = changed

    @override
    def on_stream_enabled(self, stream: Stream) -> None:
        self._changed()

    @override
    def on_stream_disabled(self, stream: Stream) -> None:
        self._changed()


def metadata(participant: Participant | None) -> dict[str, Any]:
    """What the platform says of a participant; it may say anything."""
    found = participant.meta_data if participant is not None else None
    return found if isinstance(found, dict) else {}
