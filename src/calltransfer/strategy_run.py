"""Runs the strategy of one transfer: whatever it does, it comes to an end, and nothing of it stays behind.

A strategy is an author's code. It may raise, hang, return nonsense, claim what is not so, not end when it is cancelled,
or leave a caller on hold and a target on the line: its transfer then ends as `FAILED` and says whose fault it was, and
the caller is with the agent.
"""

import asyncio
import logging
from contextlib import suppress

from calltransfer.attempt import attempt
from calltransfer.call import Presence
from calltransfer.claims import MOVED_TIMEOUT, Claims
from calltransfer.events import Phase, TransferResult
from calltransfer.hook import uncancelled
from calltransfer.outcome import Outcome
from calltransfer.platform import PlatformCall
from calltransfer.timeline import described
from calltransfer.transfer import LAST_TIMEOUT, STRATEGY_TIMEOUT, Transfer
from calltransfer.transfer_call import Opened, TransferCall

logger = logging.getLogger("calltransfer")

END_TIMEOUT = 2.0
"""Seconds for a strategy to end once it has been cancelled, while a caller waits: what it has to say to a target is said
beside it."""

END_TIMEOUT_ALONE = 12.0
"""The same once the caller has gone, and nobody waits: a message that they have left is still being delivered."""

_MOVED = "the caller was moved by other means, and the platform shows them with somebody"


class StrategyRun:
    """One run of a strategy.

    Args:
        transfer: The transfer that it is for.
        call: The call that it is about.
    """

    def __init__(self, transfer: Transfer, call: PlatformCall) -> None:
        self._transfer = transfer
        self._call = call
        self._claims = Claims(
            call,
            proven=lambda: transfer.proven,
            connected_late=transfer.connected_late,
            ending=lambda: transfer.ended_from_outside is not None,
        )
        self._opened = Opened(transfer)
        self._name = type(transfer.strategy).__name__
        self._left_moving: list[str] = []

    async def result(self) -> TransferResult:
        """How it ended: by itself, from outside, or because it did not end."""
        transfer = self._transfer
        self._claims.begin()
        running = transfer.attempt = asyncio.create_task(self._attempt(), name=f"{self._name} to {transfer.route}")
        if transfer.ended_from_outside is not None:
            running.cancel()
        try:
            async with asyncio.TaskGroup() as group:
                hang_up = group.create_task(self._watch_for_hang_up())
                watching = [
                    group.create_task(watch)
                    for watch in (
                        self._watch_for_return(),
                        self._watch_for_hang(),
                        self._keep_company(),
                    )
                ]
                await self._until_ended(running)
                await self._until_moved()
                if self._call.caller is Presence.GONE and transfer.proven is None and not transfer.forwarded:
                    # Their leaving came first, although it takes a reading to know how they left.
                    await asyncio.wait([hang_up], timeout=2 * MOVED_TIMEOUT)
                for watch in (hang_up, *watching):
                    watch.cancel()
        except asyncio.CancelledError:
            running.cancel()
            await asyncio.wait([running], timeout=END_TIMEOUT)
            raise
        finally:
            running.cancel()  # who is not done by now is left to itself
            transfer.over = True
            try:
                await self._end_moving()
            finally:
                left = await self._opened.close()
        left = [*self._left_moving, *left]
        if left:
            logger.error("%s left %s behind, and its transfer had to see to it", self._name, " and ".join(left))
        return await self._judged(running, left)

    async def _until_ended(self, running: "asyncio.Task[TransferResult]") -> None:
        asked = asyncio.ensure_future(self._transfer.asked_to_end.wait())
        try:
            await asyncio.wait([running, asked], return_when=asyncio.FIRST_COMPLETED)
        finally:
            asked.cancel()
        while not running.done():
            gone = self._call.caller is Presence.GONE
            await asyncio.wait([running], timeout=END_TIMEOUT_ALONE if gone else END_TIMEOUT)
            if not self._transfer.is_moving:  # that comes to its own end, and half done would leave the caller alone
                return

    async def _until_moved(self) -> None:
        """Follows a forward or a connection to its end that a task of the strategy's own has asked for, and goes on with.

        What it comes to is the truth, whatever the strategy has returned meanwhile.
        """
        transfer = self._transfer
        while (connecting := transfer.connecting) is not None and transfer.forwarded:
            self._left_moving = [connecting.what]
            ends = [asyncio.ensure_future(what.wait()) for what in (connecting.over, transfer.asked_to_end)]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if transfer.asked_to_end.is_set():  # the session closes, and has waited for it
                    connecting.end()
                    await ends[0]
            finally:
                for end in ends:
                    end.cancel()

    async def _end_moving(self) -> None:
        """Ends a forward or a connection that has not been asked for yet, or that there is no time for."""
        connecting = self._transfer.connecting
        if connecting is not None:
            self._left_moving = [connecting.what]
            connecting.end()
            with suppress(TimeoutError):
                async with asyncio.timeout(END_TIMEOUT):
                    await connecting.over.wait()

    async def _judged(self, running: "asyncio.Task[TransferResult]", left: list[str]) -> TransferResult:
        """What is true of how it ended, whatever the strategy says."""
        transfer = self._transfer
        ended = transfer.ended_from_outside
        cancelled = ended is not None and ended.outcome is Outcome.CANCELLED
        if transfer.proven is None and cancelled and self._call.caller is Presence.GONE:
            await self._claims.moved_away()  # which of two forwards it was is known only now
        if transfer.proven is not None:
            return transfer.proven  # whatever has come between that and the strategy's own end
        result = running.result() if running.done() and not running.cancelled() else None
        if result is not None and result.connected and await self._is_connected(left):
            return result
        if transfer.moved_by_others and await self._claims.seen_connected():
            return TransferResult(outcome=Outcome.CONNECTED, detail=_MOVED)
        if not running.done():
            logger.error("%s does not end although it is cancelled; it is left to itself", self._name)
            return ended or self._failed("did not end")
        if ended is not None:
            # Who hangs up after they have left a message has left it.
            taken = result is not None and result.outcome is Outcome.MESSAGE_TAKEN
            return result if result is not None and taken else ended
        if left:
            return self._failed(f"left {' and '.join(left)} behind")
        if result is None:
            return self._failed("ended by cancelling itself")
        return result

    async def _is_connected(self, left: list[str]) -> bool:
        """Whether a caller still is who was when the strategy returned; nothing has been looked at that was ended."""
        unchanged = self._transfer.ended_from_outside is None and not left
        return unchanged or await self._claims.seen_connected()

    def _failed(self, why: str) -> TransferResult:
        return TransferResult(outcome=Outcome.FAILED, detail=f"{self._name} {why}")

    async def _attempt(self) -> TransferResult:
        transfer = self._transfer
        if not transfer.turn.confirmed:
            if not await transfer.turn.confirmation():
                return TransferResult(outcome=Outcome.CANCELLED, detail="the caller said something else in the end")
            transfer.timeline.record(Phase.CONFIRMED)
        return await attempt(transfer.strategy, TransferCall(self._call, transfer, self._opened), transfer.request)

    async def _watch_for_hang_up(self) -> None:
        await self._call.caller_left()
        # A call that has been forwarded is followed to its end by who forwarded it: leaving may be its success.
        while self._transfer.forwarded:
            await self._transfer.until_it_can_be_taken_back()
            if self._call.caller is Presence.HERE:  # who was let go of and is back has not hung up
                await self._call.caller_left()
        moved = await self._claims.moved_away()
        if moved:
            self._transfer.end(Outcome.CANCELLED, moved)
        self._transfer.end(Outcome.CALLER_LEFT, "the caller hung up")

    async def _watch_for_return(self) -> None:
        await self._call.caller_returned()
        # Who pressed it while they were being connected, in vain, is not to wait for the next attempt.
        await self._transfer.until_it_can_be_taken_back()
        self._transfer.end(Outcome.CALLER_RETURNED, "the caller pressed the key that brings them back")

    async def _keep_company(self) -> None:
        try:
            await uncancelled(self._call.keep_company(self._transfer.wording.in_progress.spoken))
        except Exception as error:
            # It only accompanies the transfer, which goes on.
            logger.error("the caller was not kept company: %s", described(error))  # noqa: TRY400

    async def _watch_for_hang(self) -> None:
        try:
            async with asyncio.timeout(STRATEGY_TIMEOUT) as self._transfer.deadline:
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            if self._transfer.proven is not None:
                logger.error(  # noqa: TRY400
                    "%s did not end within %g s of connecting the caller", self._name, LAST_TIMEOUT
                )
            self._transfer.end(Outcome.FAILED, f"{self._name} did not end within {STRATEGY_TIMEOUT:g} s")
        finally:
            self._transfer.deadline = None
