"""The target's leg: dialled, followed until it is answered or over, and ended for certain."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from calltransfer.call import Response
from calltransfer.errors import AnswerLost, PlatformError, ServerFault
from calltransfer.outcome import Outcome
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.ending import END_TIMEOUT, REQUEST_TIMEOUT, Ending
from calltransfer.videosdk.following import STATUSES, UNANSWERED, Leg, Meaning

logger = logging.getLogger("calltransfer.videosdk")

POLL_INTERVAL = 0.5
"""Seconds between readings of a leg that rings; somebody coming into the room makes for one at once."""

FIND_TIMEOUT = 5.0
"""Seconds to find a leg whose dial was answered by nothing: the platform lists it among the calls of its room."""

_LOOK_AGAIN = 0.3
_TICK = 0.001
_END_AGAIN = 2
_LONGEST_RING = 60
_OF_A_PROXY = frozenset({502, 504})
"""Answers of somebody before the platform, who does not know what became of the request."""


class DialledLeg:
    """One leg that we dial.

    Args:
        api: The platform.
        room_id: The room it is dialled into; nobody else is dialled into that.
        rings: Called when the platform reports that it rings, with its word for it.
    """

    def __init__(self, api: VideoSDKAPI, *, room_id: str, rings: Callable[[str], None]) -> None:
        self.id: str | None = None
        self._api = api
        self._room_id = room_id
        self._rings = rings
        self._asking: asyncio.Task[str] | None = None
        self._searched = False
        self._none_listed = False
        self._may_exist = False
        self._rang = False
        self._worth_a_reading = asyncio.Event()

    def look(self) -> None:
        """Something happened in the room: worth a reading."""
        self._worth_a_reading.set()

    async def dial(self, dialling: Mapping[str, Any]) -> None:
        """Dials, and knows the leg afterwards.

        Raises:
            PlatformError: it was refused, or no leg can be found.
        """
        # Owned by this object: a request that may have been received must be known to the end, and end() awaits it.
        self._asking = asyncio.create_task(self._api.dial(dialling), name="dialling the target")
        try:
            self.id = await asyncio.shield(self._asking)
        except PlatformError as error:
            if not error.may_have_acted:
                raise
            logger.warning("the answer to a dial was lost; its leg is looked for: %s", error)
            self.id = await self._found(error)

    async def answered(self, ring_timeout: float) -> Response:
        """Waits until it is answered, or over, or has rung for `ring_timeout` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ring_timeout
        while True:
            last = loop.time() > until - _TICK
            leg = await self._reading()
            response = self._response(leg) if leg is not None else None
            if response is not None:
                return response
            if last:
                if leg is None:
                    return Response(Outcome.FAILED, "the platform does not say whether the target has answered")
                return Response(Outcome.NO_ANSWER, f"nobody answered within {ring_timeout:g} s", leg.status)
            await self._something_happens(min(until, loop.time() + POLL_INTERVAL))

    async def end(self, *, request_timeout: float = REQUEST_TIMEOUT, timeout: float = END_TIMEOUT) -> bool:
        """Ends it, once a dial that is still under way is over; see `Ending.done`."""
        if not await self._known():
            return not self._may_exist
        return await self._ending(request_timeout).done(timeout=timeout)

    async def end_in_the_end(self) -> None:
        """Goes on trying, for as long as it may ring and be picked up by somebody whom nobody awaits."""
        for _ in range(_LONGEST_RING // _END_AGAIN):
            await asyncio.sleep(_END_AGAIN)
            self.id = self.id or await self._listed()
            # Who has picked up meanwhile is in the room, and goes with it.
            if self.id is not None and await self._ending(REQUEST_TIMEOUT).tried():
                return

    def _ending(self, request_timeout: float) -> Ending:
        return Ending(self._api, leg_id=self.id or "", room_id=self._room_id, request_timeout=request_timeout)

    async def _known(self) -> bool:
        """Whether the leg is known, now that a request which was still under way is over."""
        if self.id is None and self._asking is not None:
            try:
                self.id = await asyncio.shield(self._asking)
            except PlatformError as error:
                if error.may_have_acted and not self._searched:
                    with suppress(AnswerLost):
                        self.id = await self._found(error)
                self._may_exist = error.may_have_acted and not (self._none_listed and _is_over(error))
        return self.id is not None

    async def _found(self, after: PlatformError) -> str:
        self._searched = True
        try:
            async with asyncio.timeout(FIND_TIMEOUT):
                while True:
                    leg_id = await self._listed()
                    if leg_id is not None:
                        return leg_id
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise AnswerLost(f"{after}; the platform lists no call in its room") from None

    async def _listed(self) -> str | None:
        self._none_listed = False
        try:
            async for leg in self._api.legs(room_id=self._room_id):
                if not leg.is_over(here=False) and leg.direction != "inbound":
                    return leg.id
            self._none_listed = True
        except PlatformError as error:
            logger.info("the calls of a room could not be listed: %s", error)
        return None

    async def _reading(self) -> Leg | None:
        self._worth_a_reading.clear()
        try:
            leg = await self._api.leg(self.id or "", timeout=2.0)
        except PlatformError as error:
            logger.info("a leg that was dialled could not be read: %s", error)
            return None
        if not leg.is_over(here=False) and not self._rang and "ringing" in {leg.status, *leg.log}:
            self._rang = True
            self._rings("ringing")
        return leg

    @staticmethod
    def _response(leg: Leg) -> Response | None:
        # A status that is not known may mean anything: it is no answer.
        if STATUSES.get(leg.status) is Meaning.LIVE and not leg.ended:
            return Response(status=leg.status)
        if not leg.is_over(here=False):
            return None
        if "answered" in leg.log:
            return Response(Outcome.TARGET_LEFT, "they hung up as soon as they had answered", leg.status)
        outcome = UNANSWERED.get(leg.status, Outcome.FAILED)
        return Response(outcome, f"the call to them ended unanswered: {leg.status}", leg.status)

    async def _something_happens(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until):
                await self._worth_a_reading.wait()
        except TimeoutError:
            return


def _is_over(error: PlatformError) -> bool:
    """Whether the platform is done with a request that it may have acted on: nothing of it will be listed later."""
    return isinstance(error, ServerFault) and error.status not in _OF_A_PROXY
