"""The caller's leg on the platform: found when they join, so that it is known when it is needed."""

import asyncio
import logging
from collections.abc import Callable

from calltransfer.errors import AnswerLost, NoLiveCall, NotFound, PlatformError, RequestRefused
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.following import Leg

logger = logging.getLogger("calltransfer.videosdk")

RECHECK_TIMEOUT = 2.0
"""Seconds for a leg that is known to be read again: it warms the connection and is not worth waiting for longer."""

PREPARE_TIMEOUT = 8.0
"""Seconds for everything before the forward that the caller does not notice."""

_STALE_AFTER = 10.0


class CallerLeg:
    """Looks the leg of one caller up, and keeps it known and the connection warm.

    Attributes:
        known: The leg, as far as it is known to be live.
        seen: The leg as it was read last, over by now or not.

    Args:
        api: The platform.
        room_id: The room the caller is in.
        session_id: The session of the room, as far as it is known.
        direction: Who called whom, as far as it is known.
        here: Whether they are seen in the room: who is has a leg that is live, whatever its status promises.
    """

    def __init__(
        self,
        api: VideoSDKAPI,
        *,
        room_id: str,
        session_id: str | None,
        direction: str | None,
        here: Callable[[], bool],
    ) -> None:
        self.known: Leg | None = None
        self.seen: Leg | None = None
        self._api = api
        self._room_id = room_id
        self._session_id = session_id
        self._direction = direction
        self._here = here
        self._read_at = 0.0
        # Owned by this object: prepare() awaits it, close() ends it.
        self._lookup = asyncio.create_task(self._look_up_early(), name="caller's leg")

    async def close(self) -> None:
        """Ends a look-up that is still under way."""
        self._lookup.cancel()
        await asyncio.gather(self._lookup, return_exceptions=True)

    async def prepare(self) -> None:
        """Finds the leg, or reads it again.

        Raises:
            NoLiveCall: the platform lists none that is live.
            PlatformError: the platform could not say.
        """
        try:
            async with asyncio.timeout(PREPARE_TIMEOUT):
                await asyncio.wait([self._lookup])
                if self.known is None:
                    await self._find()
                else:
                    await self._read_again(self.known)
        except TimeoutError:
            raise AnswerLost(f"the caller's leg was not found within {PREPARE_TIMEOUT:g} s") from None

    async def keep_warm(self) -> None:
        """Keeps the connection open while the caller and the agent talk about it once more."""
        if self.known is not None and asyncio.get_running_loop().time() - self._read_at > _STALE_AFTER:
            try:
                await self._read_again(self.known)
            except (PlatformError, NoLiveCall) as error:
                logger.info("the caller's leg could not be read again: %s", error)

    async def _look_up_early(self) -> None:
        try:
            await self._find()
        except (PlatformError, NoLiveCall) as error:
            logger.info("the caller's leg was not found yet: %s", error)

    async def _find(self) -> None:
        found: list[Leg] = []
        if self._session_id:
            found = [leg async for leg in self._api.legs(room_id=self._room_id, session_id=self._session_id)]
        live = self._of_caller(found)
        if not live:
            # Not every leg says which session it belongs to.
            found = [leg async for leg in self._api.legs(room_id=self._room_id)]
            live = self._of_caller(found)
        if not live:
            raise NoLiveCall(
                "the platform lists no live leg of the caller; is the token of the account that has taken the call?"
            )
        if len(live) > 1:
            logger.warning(
                "the caller may be any of %d legs; the newest is taken. Does somebody else dial into this room?",
                len(live),
            )
        self._keep(max(live, key=lambda leg: leg.started))

    def _of_caller(self, legs: list[Leg]) -> list[Leg]:
        # In the same room somebody may have been before who was forwarded: who certainly is live comes first.
        return self._live_of(legs, here=False) or self._live_of(legs, here=self._here())

    def _live_of(self, legs: list[Leg], *, here: bool) -> list[Leg]:
        live = [
            leg
            for leg in legs
            if not leg.is_over(here=here)
            and (leg.direction is None or self._direction is None or leg.direction == self._direction)
        ]
        exact = [leg for leg in live if self._session_id and leg.session_id == self._session_id]
        return exact or [leg for leg in live if leg.session_id is None or not self._session_id]

    async def _read_again(self, known: Leg) -> None:
        try:
            leg: Leg | None = await self._api.leg(known.id, timeout=RECHECK_TIMEOUT)
        except NotFound:
            leg = None
        except PlatformError as error:
            if isinstance(error, RequestRefused) and not error.may_have_acted:
                raise
            logger.info("the caller's leg could not be read again: %s", error)
            return  # it is known, and forwarding it will show
        if leg is None or leg.is_over(here=self._here()):
            self.known = None
            await self._find()
        else:
            self._keep(leg)

    def _keep(self, leg: Leg) -> None:
        self.known = self.seen = leg
        self._read_at = asyncio.get_running_loop().time()
