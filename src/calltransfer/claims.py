"""What a strategy says of the caller is believed where its run knows the same.

A strategy may say that the caller is connected, has gone, was moved, or has left a message, and be wrong: what it asks may
have a "cancelled" of its own. A plan would stop at that, and nobody would tell the caller anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import attrs

from calltransfer.call import Call, Presence
from calltransfer.events import TransferResult
from calltransfer.hook import is_cancelled
from calltransfer.outcome import Outcome
from calltransfer.platform import PlatformCall
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")

T = TypeVar("T")

PROOF_TIMEOUT = 5.0
"""Seconds for the platform to show a connection that a strategy says it has made by other means than ours."""

MOVED_TIMEOUT = 1.0
"""Seconds to learn whether a caller who has left was moved by something else: one reading, before a target is told."""

LEFT_TIMEOUT = 2.0
"""Seconds for a caller to be seen leaving of whom a strategy says that they have: their leg may be over before that."""

MOVED_AWAY = "the caller was moved by something else than this transfer"

CONNECTED_LATE = "an earlier target got the caller after all"

_GONE = frozenset({Outcome.CALLER_LEFT, Outcome.UNCONFIRMED, Outcome.CANCELLED})
"""Ends with which the caller is not there any more."""


@attrs.define(eq=False)
class Claims:
    """What one run of a strategy knows of its caller, and what it therefore believes.

    Attributes:
        call: The call.
        proven: The connection that has been proven; None: there is none.
        connected_late: Told of a connection that a forward has made which had been given up.
        ending: Whether the transfer is being ended from outside: then whoever ends it knows how it ended.
        message_left: Whether the caller has said anything that was taken down as a message.
    """

    call: PlatformCall
    proven: Callable[[], TransferResult | None]
    connected_late: Callable[[TransferResult], None]
    ending: Callable[[], bool]
    message_left: bool = False

    @classmethod
    def on(cls, call: Call) -> "Claims | None":
        """Those of the transfer that is under way on a call, whoever sees it; None outside of one."""
        claims: Claims | None = call.memory.get(cls)
        return claims

    def begin(self) -> None:
        """Has everything that is tried on the call from now on held to this."""
        self.call.memory[Claims] = self

    async def checked(self, strategy: str, result: TransferResult) -> TransferResult:
        """The end that `strategy` says its attempt had, or the true one.

        A proven connection is the end of whatever has made it, whether that has raised or says something else.
        """
        proven = self.proven()
        if proven is not None:
            return result if result.connected else attrs.evolve(proven, attempts=result.attempts)
        try:
            return await self._seen(strategy, result)
        except asyncio.CancelledError:
            if is_cancelled() and not self.ending():
                raise
            return result  # it is held to what is known once more, by whoever has ended the transfer

    async def _seen(self, strategy: str, result: TransferResult) -> TransferResult:
        outcome, why = result.outcome, ""
        if outcome is Outcome.MESSAGE_TAKEN and not self.message_left:
            why = "the caller has left no message"
        elif self.ending():
            return result
        elif outcome is Outcome.CONNECTED and not await self.seen_connected():
            why = "nothing shows that the caller is connected to anybody"
        elif outcome in _GONE and not await self._has_left():
            why = "the caller is on the line"
        elif outcome in {Outcome.CALLER_LEFT, Outcome.CANCELLED}:
            return await self._as_they_left(result)
        if not why:
            return result
        detail = f"{strategy} returned {outcome.name}, and {why}"
        return attrs.evolve(result, outcome=Outcome.FAILED, detail=detail, target_untouched=False, told=False)

    async def _has_left(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(LEFT_TIMEOUT):
                await self.call.caller_left()
        return self.call.caller is not Presence.HERE

    async def _as_they_left(self, result: TransferResult) -> TransferResult:
        """Of a caller who has left: whether they hung up, or were moved."""
        moved = await self.moved_away()
        if moved:
            return attrs.evolve(result, outcome=Outcome.CANCELLED, detail=moved)
        if result.outcome is Outcome.CANCELLED:
            return attrs.evolve(result, outcome=Outcome.CALLER_LEFT, detail="the caller hung up")
        return result

    async def seen_connected(self) -> bool:
        """Whether the platform shows that the caller is connected, by whatever means."""
        return bool(await self._read(self.call.seen_connected, PROOF_TIMEOUT, "whether the caller is connected"))

    async def moved_away(self) -> str:
        """What has moved a caller who has left, in a line for a log, as far as the platform shows it; else nothing.

        A forward of this transfer that had been given up may have: then they are connected.
        """
        late = await self._read(self.call.connected_late, MOVED_TIMEOUT, "whether a forward came true late")
        if late is not None:
            self.connected_late(late)
            return CONNECTED_LATE
        moved = await self._read(self.call.moved_away, MOVED_TIMEOUT, "whether the caller was moved")
        return MOVED_AWAY if moved else ""

    @staticmethod
    async def _read(reading: Callable[[], Awaitable[T]], timeout: float, what: str) -> T | None:
        try:
            async with asyncio.timeout(timeout):
                return await reading()
        except Exception as error:
            logger.error("%s could not be seen: %s", what, described(error))  # noqa: TRY400
            return None
