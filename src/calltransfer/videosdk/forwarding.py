"""The forwards of one leg: each request, and the readings that tell what became of it, now or later."""

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from calltransfer.call import FORWARD_TIMEOUT
from calltransfer.destination import Destination
from calltransfer.errors import PlatformError
from calltransfer.events import Phase
from calltransfer.outcome import Outcome
from calltransfer.platform import ProgressListener
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.following import (
    SETTLE_TIMEOUT,
    Following,
    Leg,
    Meaning,
    Requests,
    Verdict,
)

logger = logging.getLogger("calltransfer.videosdk")

POLL_INTERVAL = 0.5
"""Seconds between readings of a call that is being forwarded; somebody leaving the room makes for one at once."""

POLL_INTERVAL_LATER = 2.0
"""Seconds between readings of a call that has been forwarded: nobody waits for what they show."""

CAME_TRUE_LATE = "the target got the caller after all"


class Forwards:
    """All forwards of one leg. Each is kept for as long as it may come true, whatever is asked for after it.

    Attributes:
        leg_id: The platform's id of the leg.

    Args:
        api: The platform.
        leg_id: The platform's id of the leg.
        here: Whether the caller is in the agent's room, as far as it can be seen.
    """

    def __init__(self, api: VideoSDKAPI, leg_id: str, here: Callable[[], bool]) -> None:
        self.leg_id = leg_id
        self._api = api
        self._here = here
        self._requests = Requests()
        self._asked: list[Forward] = []

    @property
    def may_come_true(self) -> bool:
        """Whether one that was given up may still be connected."""
        return self._requests.may_come_true

    def begin(
        self,
        leg: Leg,
        destination: Destination,
        listener: ProgressListener,
        hears_again: Callable[[], None] | None = None,
    ) -> "Forward":
        """Another one, that is about to be asked for.

        Args:
            leg: The leg, as it was read last.
            destination: Where to.
            listener: Told what becomes of it, by now or later.
            hears_again: Called when it has come true late, and the caller is with the agent again all the same.
        """
        forward = Forward(self, self._requests.ask(leg), destination, listener, hears_again)
        self._asked = [other for other in self._asked if other.following.may_come_true] + [forward]
        return forward

    async def came_true(self) -> "Forward | None":
        """Which of those that were given up has connected a caller who has left by now; None: none has."""
        now = asyncio.get_running_loop().time
        until = now() + SETTLE_TIMEOUT
        while now() <= until:
            await self.read()
            connected = self._requests.connected
            if connected is not None:
                return next(forward for forward in self._asked if forward.following is connected)
            await asyncio.sleep(POLL_INTERVAL)
        return None

    async def read(self, timeout: float = SETTLE_TIMEOUT) -> Leg | None:
        """Reads the leg, for all of them; None where it cannot be read."""
        self._requests.here(self._here())
        try:
            reading = await self._api.leg(self.leg_id, timeout=timeout)
        except PlatformError as error:
            logger.info("a forwarded call could not be read: %s", error)
            return None
        self._requests.here(self._here())  # who has left meanwhile
        self._requests.read(reading, asyncio.get_running_loop().time())
        return reading

    def look(self) -> None:
        """Notes whether the caller is there."""
        self._requests.here(self._here())

    async def ask(self, following: Following, destination: Destination, play_dialtone: bool) -> None:
        """Asks for one of them; what the platform answers is noted."""
        now = asyncio.get_running_loop().time
        try:
            await self._api.transfer(self.leg_id, destination, play_dialtone=play_dialtone)
        except PlatformError as error:
            if error.may_have_acted:
                following.answer_lost(str(error), now())
            else:
                following.refused(str(error), now())
        else:
            following.accepted(now())


class Forward:
    """One forward, followed to its end; see `Forwards.begin`."""

    def __init__(
        self,
        forwards: Forwards,
        following: Following,
        destination: Destination,
        listener: ProgressListener,
        hears_again: Callable[[], None] | None,
    ) -> None:
        self.following = following
        self.hears_again = hears_again
        self.destination = destination
        self.listener = listener
        self._forwards = forwards
        self._worth_a_reading = asyncio.Event()
        self._give_up_at = math.inf

    @property
    def last_reading(self) -> Leg:
        """The caller's leg as it was read last; what comes after it is a later transfer's."""
        return self.following.last_reading

    def look(self) -> None:
        """Somebody came into the room or left it: no proof of anything, but worth a reading."""
        self._worth_a_reading.set()

    async def followed(self, *, timeout: float, play_dialtone: bool) -> Verdict:
        """Asks for it, and returns how it ended, after at most `timeout` seconds, and what a leave takes."""
        now = asyncio.get_running_loop().time
        following, forwards = self.following, self._forwards
        give_up_at = self._give_up_at = now() + timeout
        try:
            async with asyncio.timeout_at(give_up_at) as deadline, asyncio.TaskGroup() as group:
                asking = group.create_task(forwards.ask(following, self.destination, play_dialtone))
                while (verdict := following.verdict(now())) is None:
                    await self._something_happens(asking)
                    await self._read_beside(asking)
                    deadline.reschedule(max(give_up_at, following.until))
                asking.cancel()
                return verdict
        except TimeoutError:
            forwards.look()
            return following.at_deadline()

    @property
    def final(self) -> bool:
        """Whether the platform says that the caller's leg is over: then nothing is taken back any more."""
        return self.last_reading.is_over(here=True) or self._give_up_at <= asyncio.get_running_loop().time()

    def comes_true_late(self) -> None:
        """It has connected a caller although it was given up. It may be taken back for as long as any forward may take."""
        self._give_up_at = asyncio.get_running_loop().time() + FORWARD_TIMEOUT
        self.contradict(Outcome.CONNECTED, CAME_TRUE_LATE, self.last_reading.status)

    async def taken_back(
        self, *, back: Callable[[], bool], change: Callable[[], Coroutine[Any, Any, None]], final: Callable[[], None]
    ) -> None:
        """Returns when a caller who was connected is in the agent's room again; says so, and before, if the platform does.

        Does not return where they are not: whoever waits for it is ended when the call is.

        Args:
            back: Whether somebody is in the room as the caller.
            change: Waits until somebody comes into the room or leaves it.
            final: Called once there is nothing more to be read.
        """
        told = False
        failed_before = self.following.taken_back  # of two under way another may have
        while True:
            reads = not self.final
            if not reads:
                final()
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL_LATER if reads else None):
                    await change()
            if not (reads or back()):
                continue
            leg = await self._forwards.read() or self.last_reading
            is_back = back() and not leg.is_over(here=True)
            fails = self.following.taken_back and not failed_before
            if (is_back or fails) and not told:
                told = True
                says = (
                    "the caller is with the agent again" if is_back else "the platform reports that it failed after all"
                )
                self.contradict(Outcome.FAILED, says, leg.status)
            if is_back:
                return

    def contradict(self, outcome: Outcome, detail: str, status: str) -> None:
        """Says that it ended otherwise than was reported."""
        self.listener(Phase.CONTRADICTED, detail, status, outcome=outcome, destination=self.destination)

    async def _something_happens(self, asking: "asyncio.Task[None]") -> None:
        """Waits for the answer to the request, or for somebody to leave, or for the next poll."""
        leaving = asyncio.ensure_future(self._worth_a_reading.wait())
        waiting: set[asyncio.Task[Any]] = {leaving} if asking.done() else {leaving, asking}
        try:
            await asyncio.wait(waiting, timeout=POLL_INTERVAL, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()

    async def _read_beside(self, asking: "asyncio.Task[None]") -> None:
        """Reads, and reads again where the answer to the request came meanwhile: it decides what a reading means."""
        if not asking.done():
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read())
                await asyncio.wait([reading, asking], return_when=asyncio.FIRST_COMPLETED)
                was_read = reading.done()
                reading.cancel()
            if was_read:
                return
        await self._read()

    async def _read(self) -> None:
        self._worth_a_reading.clear()
        rang = self.following.ringing
        reading = await self._forwards.read()
        if reading is not None and reading.meaning is Meaning.RINGING and not rang:
            self.listener(Phase.RINGING, "", reading.status, destination=self.destination)
