"""Ends a leg, and believes it only when the platform says so of that leg."""

import asyncio
import logging
from collections.abc import Awaitable

from calltransfer.errors import NotFound, PlatformError
from calltransfer.videosdk.api import VideoSDKAPI

logger = logging.getLogger("calltransfer.videosdk")

END_TIMEOUT = 15.0
"""Seconds for a leg to be seen ended."""

REQUEST_TIMEOUT = 3.0
"""Seconds for one request: there is time for a second one, and for ending all that is in the room."""

_LOOK_AGAIN = 0.3


class Ending:
    """Ends one leg.

    Args:
        api: The platform.
        leg_id: The leg.
        room_id: Its room, in which there is nobody else to be spared.
        request_timeout: Seconds for one request.
    """

    def __init__(
        self, api: VideoSDKAPI, *, leg_id: str, room_id: str, request_timeout: float = REQUEST_TIMEOUT
    ) -> None:
        self._api = api
        self._leg_id = leg_id
        self._room_id = room_id
        self._request_timeout = request_timeout

    async def done(self, *, timeout: float = END_TIMEOUT) -> bool:
        """Ends it; returns False when it has not been seen ended within `timeout` seconds.

        An end that is refused is tried again; then everything in its room is ended.
        """
        try:
            async with asyncio.timeout(timeout):
                if await self._by(self._api.end(self._leg_id, timeout=self._request_timeout)):
                    return True
                await asyncio.sleep(_LOOK_AGAIN)
                return await self.tried()
        except TimeoutError:
            return False

    async def tried(self) -> bool:
        """Tries once, first to end it, and then everything in its room; returns whether it has been seen ended."""
        if await self._by(self._api.end(self._leg_id, timeout=self._request_timeout)):
            return True
        return await self._by(self._api.end_session(self._room_id))

    async def _by(self, request: Awaitable[bool | None]) -> bool:
        try:
            says_so = await request
        except PlatformError as error:
            logger.info("a leg was not ended: %s", error)
            says_so = False
        try:
            leg = await self._api.leg(self._leg_id, timeout=REQUEST_TIMEOUT)
            return leg.is_over(here=True)  # of who was seen a moment ago a `transferred` says nothing
        except NotFound:
            return await self._is_listed_no_more()
        except PlatformError:
            return bool(says_so)  # nothing else is to be had

    async def _is_listed_no_more(self) -> bool:
        """Whether the room's list agrees that there is no such leg: "not found" alone may be a platform in trouble."""
        try:
            legs = [leg async for leg in self._api.legs(room_id=self._room_id)]
        except PlatformError:
            return False
        return not any(leg.id == self._leg_id and not leg.is_over(here=True) for leg in legs)
