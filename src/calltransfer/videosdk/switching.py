"""Moves a leg from one room into another, and believes it only when they are seen there.

The platform answers a switch before it happens (`switch-room-initiated`, then `-completed` or `-failed`), so its answer
proves nothing; nor does a leave, which may be a hang-up. The proof is who is in the room, with audio.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable

import attrs

from calltransfer.call import Response
from calltransfer.errors import PlatformError
from calltransfer.outcome import Outcome
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.attendance import Attendance
from calltransfer.videosdk.following import Leg

logger = logging.getLogger("calltransfer.videosdk")

POLL_INTERVAL = 0.5
"""Seconds between readings of a leg that is being moved; somebody coming or leaving makes for one at once."""


APPEAR_TIMEOUT = 1.0
"""Seconds for somebody to be in the room that the platform says they have been moved into; until then they are alone."""


UNSEEN_TIMEOUT = 1.5
"""Seconds for the same where only their leaving, and a status that says nothing of a move, show that they were moved."""

_MOVES_NO_LONGER = frozenset({"answered", "switch-room-completed"})


@attrs.frozen
class Room:
    """A room that a leg can be moved into.

    Attributes:
        id: The platform's id of it.
        attendance: Who is in it.
        token: Makes a token for one participant of it; None where none can be signed for it alone.
    """

    id: str
    attendance: Attendance
    token: Callable[[str], str | None]


class Switch:
    """Moves one leg into one room.

    Args:
        api: The platform.
        leg_id: The leg.
        room: Where it is to be.
        role: Who it is: begins the participant's id.
        still_there: Whether they are in the room they are moved out of; None where they are in none.
    """

    def __init__(
        self, api: VideoSDKAPI, *, leg_id: str, room: Room, role: str, still_there: Callable[[], bool] | None
    ) -> None:
        self._api = api
        self._leg_id = leg_id
        self._room = room
        self._still_there = still_there
        self._asked_id = f"{role}-{uuid.uuid4().hex[:12]}"
        self._there_before = {participant.id for participant in room.attendance.phones}
        self._before: Leg | None = None
        self._refused: str | None = None
        self._read_last: Leg | None = None
        self._has_failed = False
        self._completed_at: float | None = None
        self._left_at: float | None = None
        self._over: Leg | None = None
        self._when_over = Outcome.FAILED
        self._deadline: asyncio.Timeout | None = None

    @property
    def participant_id(self) -> str | None:
        """Who they are in the room; None while they are not there."""
        here = [participant.id for participant in self._room.attendance.phones]
        if self._asked_id in here:
            return self._asked_id
        return next((known for known in here if known not in self._there_before), None)

    @property
    def may_come_true(self) -> bool:
        """Whether they may still be moved, although it was given up."""
        return self._refused is None and not self._has_failed and self.participant_id is None

    @property
    def settled(self) -> bool:
        """Whether nothing more can come of it: it was refused, or the platform says that it is over, one way or the other.

        A request whose answer was lost may have been carried out, and one that takes too long may still be.
        """
        return self._refused is not None or self._has_failed or self._completed_at is not None

    @property
    def another_is_under_way(self) -> bool:
        """Whether it was refused because the leg is being moved already: that says nothing of what comes after it."""
        moved = self._read_last is not None and self._read_last.status == "switch-room-initiated"
        return self._refused is not None and moved

    @property
    def under_way(self) -> bool:
        """Whether they have left, as far as can be told, and are not there yet, nor lost."""
        lost = self._over is not None or self._completed_at is not None
        gone = self._still_there is not None and not self._still_there()
        return self.may_come_true and gone and not lost

    async def done(
        self,
        *,
        timeout: float,
        over: Outcome,
        together: Callable[[], Response | None],
    ) -> Response:
        """Asks for it, and waits until they are in the room, with audio.

        Args:
            timeout: Seconds for all of it.
            over: How it ends when the leg that is moved is over.
            together: Whether whom they are to meet is there too: how it ends if not, None while they cannot be heard.
        """
        self._when_over = over
        try:
            async with asyncio.timeout(timeout) as self._deadline:
                async with asyncio.TaskGroup() as group:
                    asking = group.create_task(self._ask())
                    reading = group.create_task(self._read_on())
                    try:
                        return await self._seen(together)
                    finally:
                        asking.cancel()
                        reading.cancel()
        except TimeoutError:
            return Response(Outcome.FAILED, f"they were not seen in one room within {timeout:g} s")
        finally:
            self._deadline = None

    def hurry(self, timeout: float) -> None:
        """Gives it `timeout` seconds more, or what it had if that is less."""
        deadline = self._deadline
        until = asyncio.get_running_loop().time() + timeout
        if deadline is not None and not deadline.expired() and until < (deadline.when() or until):
            deadline.reschedule(until)

    async def _seen(self, together: Callable[[], Response | None]) -> Response:
        while (end := self._end(together)) is None:
            await self._room.attendance.change()
        return end

    def _end(self, together: Callable[[], Response | None]) -> Response | None:
        """How it ends; None while that is not known."""
        if self.participant_id is None and self._over is not None:
            return Response(self._when_over, "they hung up while they were being connected", self._over.status)
        if self.participant_id is None and self._refused is not None:
            return Response(Outcome.FAILED, self._refused)
        if self.participant_id is None and self._has_failed:
            return Response(Outcome.FAILED, "the platform did not move the call", "switch-room-failed")
        if self.participant_id is None and self._vanished:
            return Response(Outcome.FAILED, "the platform moved the call, and it never came", "switch-room-completed")
        other = together()
        if other is None or other.outcome is not None:
            return other
        return other if self._room.attendance.can_be_heard(self.participant_id) else None

    @property
    def _vanished(self) -> bool:
        now = asyncio.get_running_loop().time()
        completed = self._completed_at is not None and now - self._completed_at > APPEAR_TIMEOUT
        return completed or (self._left_at is not None and now - self._left_at > UNSEEN_TIMEOUT)

    async def _ask(self) -> None:
        try:
            await self._api.switch_room(
                self._leg_id,
                room_id=self._room.id,
                participant_id=self._asked_id,
                token=self._room.token(self._asked_id),
            )
        except PlatformError as error:
            if error.may_have_acted:
                logger.warning("the answer to a switch was lost; the room will show: %s", error)
                return
            await self._read()  # a leg that is over is refused too, and has another reason
            self._refused = str(error)
            self._room.attendance.wake()  # whoever waits there waits for this too

    async def _read_on(self) -> None:
        """Reads the leg until it is over, or has failed to move."""
        while self._over is None and not self._has_failed:
            await self._read()
            await asyncio.sleep(POLL_INTERVAL)

    async def _read(self) -> None:
        had_left = self._still_there is not None and not self._still_there()
        try:
            leg = await self._api.leg(self._leg_id, timeout=2.0)
        except PlatformError as error:
            logger.info("a leg that is being moved could not be read: %s", error)
            return
        self._read_last = leg
        before = self._before = self._before or leg
        # A leg that was moved in vain before still says so: only what is new counts.
        new = Counter(leg.log) - Counter(before.log)
        # Not every platform keeps a log: who has left, on a leg that is being moved no longer, has been moved. A status
        # may be late itself.
        if leg.status == "switch-room-initiated":
            self._left_at = None
        elif had_left and leg.status in _MOVES_NO_LONGER and self._left_at is None:
            self._left_at = asyncio.get_running_loop().time()
        if "switch-room-completed" in new and self._completed_at is None:
            self._completed_at = asyncio.get_running_loop().time()
        self._has_failed = "switch-room-failed" in new or (leg.status == "switch-room-failed" != before.status)
        here = self.participant_id is not None or (self._still_there is not None and self._still_there())
        if leg.is_over(here=here):
            self._over = leg
        self._room.attendance.wake()
