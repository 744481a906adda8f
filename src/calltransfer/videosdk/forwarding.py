"""One forwarded call: the request, and the readings that tell what became of it."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from calltransfer.destination import Destination
from calltransfer.errors import PlatformError
from calltransfer.outcome import Outcome
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.following import SETTLE_TIMEOUT, Following, Leg, Meaning, Verdict

logger = logging.getLogger("calltransfer.videosdk")

POLL_INTERVAL = 0.5
"""Seconds between readings of a call that is being forwarded; somebody leaving the room makes for one at once."""


class Forward:
    """Forwards one leg, and follows it to its end.

    Args:
        api: The platform.
        leg: The caller's leg, as it was read last.
        after_another: Whether an earlier request for this leg may still come true.
        rings: Called when the platform reports that the target's phone rings, with its word for it.
    """

    def __init__(self, api: VideoSDKAPI, leg: Leg, *, after_another: bool, rings: Callable[[str], None]) -> None:
        self._api = api
        self._leg = leg
        self._rings = rings
        self._following = Following(leg, after_another=after_another)
        self._worth_a_reading = asyncio.Event()

    @property
    def last_reading(self) -> Leg:
        """The caller's leg as it was read last; what comes after it is a later transfer's."""
        return self._following.last_reading

    @property
    def may_come_true(self) -> bool:
        """Whether it may still be connected, although it was given up."""
        return self._following.may_come_true

    def someone_left(self, *, caller: bool) -> None:
        """Somebody left the room: no proof of anything, but worth a reading."""
        if caller:
            self._following.left()
        self._worth_a_reading.set()

    async def to(self, destination: Destination, *, timeout: float, play_dialtone: bool) -> Verdict:
        """Asks for it, and returns how it ended, after at most `timeout` seconds."""
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
                asking = group.create_task(self._ask(destination, play_dialtone))
                while (verdict := self._following.verdict(now())) is None:
                    await self._something_happens(asking)
                    await self._read_beside(asking)
                asking.cancel()
                return verdict
        except TimeoutError:
            return self._following.at_deadline()

    async def came_true(self) -> str | None:
        """Whether a call whose caller has left was transferred after all: the platform's word for it, or None."""
        now = asyncio.get_running_loop().time
        until = now() + SETTLE_TIMEOUT
        while now() <= until:
            await self._read()
            verdict = self._following.verdict(now())
            if verdict is not None and verdict.outcome is Outcome.CONNECTED:
                return verdict.status
            await asyncio.sleep(POLL_INTERVAL)
        return None

    async def _ask(self, destination: Destination, play_dialtone: bool) -> None:
        now = asyncio.get_running_loop().time
        try:
            await self._api.transfer(self._leg.id, destination, play_dialtone=play_dialtone)
        except PlatformError as error:
            if error.may_have_acted:
                self._following.answer_lost(str(error), now())
            else:
                self._following.refused(str(error), now())
        else:
            self._following.accepted(now())

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
        rang = self._following.ringing
        try:
            reading = await self._api.leg(self._leg.id, timeout=SETTLE_TIMEOUT)
        except PlatformError as error:
            logger.info("a forwarded call could not be read: %s", error)
            return
        self._following.read(reading, asyncio.get_running_loop().time())
        if reading.meaning is Meaning.RINGING and not rang:
            self._rings(reading.status)
