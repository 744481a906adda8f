"""The call, and the consultation, as the strategy of one transfer sees them.

What a strategy may do wrong with them is bounded here: two at once connect nobody twice, what it has open can be closed for
it, and after its transfer it can do nothing any more.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Generic, TypeVar

import attrs
from typing_extensions import override

from calltransfer.allowed import Allowed
from calltransfer.call import (
    CONNECT_TIMEOUT,
    FORWARD_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    Consultation,
    Dictation,
    Move,
    Presence,
    Response,
    Summary,
    TransferRequest,
)
from calltransfer.call_wrapper import CallWrapper
from calltransfer.claims import Claims
from calltransfer.destination import Destination
from calltransfer.errors import CallOver, ConfigurationError, NotAllowed
from calltransfer.events import ConsultationIds, Phase, TransferResult
from calltransfer.hold import Hold
from calltransfer.hook import give_up, uncancelled
from calltransfer.outcome import Outcome
from calltransfer.timeline import described
from calltransfer.transfer import Dial, Transfer
from calltransfer.under_way import UnderWay

logger = logging.getLogger("calltransfer")

CLOSE_TIMEOUT = 5.0
"""Seconds for something that a strategy has left open to be closed for it."""

MOVE_TIMEOUT = 15.0
"""The same for a caller who was left to others who move them: one who is alone then is brought back, which takes up to 10 s,
and the platform is asked before and after."""

_ALREADY = "the caller is already being connected"

T = TypeVar("T")


class TransferCall(CallWrapper):
    """The call as one transfer sees it: its sentence is that of the turn the transfer was asked for in."""

    def __init__(self, call: Call, transfer: Transfer, opened: "Opened") -> None:
        super().__init__(call)
        self._transfer = transfer
        self._opened = opened

    @override
    async def prepare(self) -> None:
        await super().prepare()
        self.report(Phase.PREPARED)

    @override
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        self._transfer.waited_for_sentence = True
        await self._transfer.turn.sentence_heard(timeout=timeout)
        while self._transfer.doubts:
            await asyncio.wait(self._transfer.doubts)
        self.report(Phase.SENTENCE_HEARD)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        transfer, checked = self._transfer, _checked(destination, "forward")
        transfer.still_runs()
        if transfer.connecting is not None or transfer.proven is not None:
            return TransferResult(outcome=Outcome.FAILED, destination=destination, detail=_ALREADY)
        with transfer.connects("a forward"):
            try:
                dial = await transfer.reaching(checked)
                try:
                    await Allowed.on(self).now()
                    result = await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)
                finally:
                    Allowed.on(self).asked += transfer.forwarded
                    dial.is_over(dialled=transfer.forwarded)
            except NotAllowed as error:
                return TransferResult(outcome=Outcome.REFUSED, destination=destination, detail=str(error))
            except BaseException:
                if transfer.ended_from_outside is None:  # a strategy that follows it no longer, and goes on
                    transfer.can_be_taken_back(True)
                raise
            transfer.can_be_taken_back(not result.connected)
            transfer.proved(result)
        if not result.connected and self.caller is Presence.GONE:
            known = result.outcome in {Outcome.UNCONFIRMED, Outcome.CANCELLED}
            transfer.end(result.outcome if known else Outcome.CALLER_LEFT, result.detail)
        return result

    @override
    def report(
        self, phase: Phase, detail: str = "", status: str | None = None, *, destination: Destination | None = None
    ) -> None:
        self._transfer.still_runs()  # whom the call tells now may be the next transfer
        super().report(phase, detail, status, destination=destination)

    @override
    async def say(self, text: str) -> bool:
        self._transfer.still_runs()
        return await super().say(text)

    @override
    def on_hold(self, hold: Hold) -> AbstractAsyncContextManager[None]:
        return _Open("the caller on hold", super().on_hold(hold), self._opened)

    @override
    def consult(
        self, destination: Destination, request: TransferRequest, *, summary: Summary, **how: Any
    ) -> AbstractAsyncContextManager[Consultation]:
        checked = _checked(destination, "consult")
        inner = super().consult(checked, request, summary=self._opened.kept(summary), **how)
        return _OpenConsultation(checked, inner, self._opened)

    @override
    def being_moved(self) -> AbstractAsyncContextManager[None]:
        return _OpenMove("the caller to others who move them", self._moved(), self._opened)

    @asynccontextmanager
    async def _moved(self) -> AsyncIterator[None]:
        dial = await self._transfer.reaching(None)
        try:
            await Allowed.on(self).now()
            self.report(Phase.CONNECTING, "by other means")
            self._transfer.is_moved_by_others()
            try:
                async with super().being_moved():
                    yield
            finally:
                self._transfer.moved_by_others = await self._transfer.call.seen_connected()
                if not self._transfer.moved_by_others:
                    self._transfer.progress(Phase.ROLLED_BACK, "they were not connected")
        finally:
            dial.is_over(dialled=True)

    @override
    def dictation(self, *, done_key: str | None = None) -> AbstractAsyncContextManager[Dictation]:
        return _Open("a caller who is listened to", self._taken_down(done_key), self._opened)

    @asynccontextmanager
    async def _taken_down(self, done_key: str | None) -> AsyncIterator[Dictation]:
        self._transfer.takes_a_message()
        async with super().dictation(done_key=done_key) as dictation:
            try:
                yield dictation
            finally:
                claims = Claims.on(self)
                if claims is not None and dictation.text:
                    claims.message_left = True

    @property
    @override
    def ending(self) -> Outcome | None:
        ended = self._transfer.ended_from_outside
        return ended.outcome if ended is not None else None

    @override
    def attempted(self, result: TransferResult) -> None:
        self._transfer.note(result)


def _checked(destination: Destination, method: str) -> Destination:
    if not isinstance(destination, Destination):
        kind = type(destination).__name__
        raise ConfigurationError(f"{method}() takes a Destination, not a {kind}: call.{method}(Destination(...))")
    return destination


class Opened:
    """What the strategy of one transfer has opened and not closed yet, and the summaries made for it."""

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer
        self._open: list[_Open[Any]] = []
        self._summaries: list[_KeptSummary] = []

    def add(self, opened: "_Open[Any]") -> None:
        """Something is about to be opened.

        Raises:
            CallOver: the transfer has ended.
        """
        self.transfer.still_runs()
        self._open.append(opened)

    def remove(self, opened: "_Open[Any]") -> None:
        """Something has been closed, or has not come to be open."""
        self._open.remove(opened)

    def kept(self, summary: Summary) -> "_KeptSummary":
        """A summary that is made once, whoever is consulted with it."""
        kept = next((kept for kept in self._summaries if kept.wrapped == summary), None)
        if kept is None:
            kept = _KeptSummary(summary)
            self._summaries.append(kept)
        return kept

    async def close(self) -> list[str]:
        """Closes what is open, or being opened, the last first; waits for what is being closed.

        Returns:
            What was open, or being opened. What does not come to be closed in time is in the log.
        """
        left = [*reversed(self._open)]
        behind = [opened.what for opened in left if not opened.is_closing]
        cancelled = False
        for opened in left:
            opened.end_opening()  # all at once: they are waited for together
        began = asyncio.get_running_loop().time()
        closing = [opened.close(began + opened.close_timeout) for opened in left]
        for work in (*closing, *(kept.close() for kept in self._summaries)):
            try:
                await work
            except asyncio.CancelledError:  # the others are closed all the same
                cancelled = True
        if cancelled:
            raise asyncio.CancelledError
        return behind


class _Open(AbstractAsyncContextManager[T], Generic[T]):
    """Something that a strategy opens and has to close; it can be closed for it, whatever it is doing with it.

    Where it is being opened when its transfer ends, the task that opens it is ended, and gets `CallOver`; what comes to be
    open all the same is closed by that task, at once.
    """

    close_timeout = CLOSE_TIMEOUT

    def __init__(self, what: str, inner: AbstractAsyncContextManager[T], opened: Opened) -> None:
        self.what = what
        self.is_closing = False
        self._inner = inner
        self._opened = opened
        self._opening = UnderWay(what)
        self._is_open = False
        self._over = asyncio.Event()

    @override
    async def __aenter__(self) -> T:
        if self._opening.began:
            raise RuntimeError(f"{self.what}: this is opened once; call the method again for another one")
        self._opened.add(self)
        try:
            with self._opening:
                entered = await self._inner.__aenter__()
        except BaseException:
            self._is_over()
            raise
        self._is_open = True
        if self._opened.transfer.over:
            await self._closed_in_time()
            raise CallOver("the transfer is over")
        return entered

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        if not self._is_open or self.is_closing:
            return None  # it has been closed for the strategy, or is now
        self.is_closing = True
        try:
            return await self._inner.__aexit__(kind, error, traceback)
        finally:
            self._is_over()

    def end_opening(self) -> None:
        """Has the task that is just opening it do so no longer."""
        if not self._is_open:
            self._opening.end()

    async def close(self, until: float) -> None:
        """Closes it in the place of the strategy; waits until then for one that is being opened or closed."""
        if self._is_open and not self.is_closing:
            await self._closed_in_time()
            return
        try:
            async with asyncio.timeout_at(until):
                await self._over.wait()
        except TimeoutError:
            logger.error(  # noqa: TRY400
                "%s, left by a strategy, was not %s in time; it is closed when it is",
                self.what,
                "closed" if self.is_closing else "opened",
            )

    async def _closed_in_time(self) -> None:
        try:
            async with asyncio.timeout(self.close_timeout):
                await uncancelled(self.__aexit__(None, None, None))
        except Exception as error:
            logger.error("%s, left open by a strategy, did not close: %s", self.what, described(error))  # noqa: TRY400

    def _is_over(self) -> None:
        self._is_open = False
        self._opened.remove(self)
        self._over.set()


class _OpenMove(_Open[None]):
    """A caller whom somebody else moves: to bring them back is followed to its end, as a forward is."""

    close_timeout = MOVE_TIMEOUT

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        with self._opened.transfer.connects(self.what):
            return await super().__aexit__(kind, error, traceback)


class _OpenConsultation(_Open[Consultation]):
    def __init__(
        self, destination: Destination, inner: AbstractAsyncContextManager[Consultation], opened: Opened
    ) -> None:
        super().__init__("a consultation", inner, opened)
        self._destination = destination
        self._dial: Dial | None = None
        self._tells_its_end = False

    @override
    async def __aenter__(self) -> Consultation:
        transfer = self._opened.transfer
        dial = self._dial = await transfer.reaching(self._destination)
        try:
            consultation = await super().__aenter__()
        except BaseException:
            dial.is_over(dialled=False)
            raise
        self._tells_its_end = consultation.when_over(dial.is_over)
        return _TransferConsultation(consultation, transfer)

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            return await super().__aexit__(kind, error, traceback)
        finally:
            if self._dial is not None:
                self._dial.ends()
                if not self._tells_its_end:
                    self._dial.is_over(dialled=True)


@attrs.define(eq=False)
class _KeptSummary:
    """A summary that is made once for a transfer, whoever is consulted with it, until the caller has said more.

    Made in a task of its own: who waits for it first may be gone before it is there.
    """

    wrapped: Summary
    _made_of: "dict[int, asyncio.Task[str]]" = attrs.field(factory=dict)

    @property
    def otherwise(self) -> Summary | None:
        """The one that is told where this one cannot be."""
        return getattr(self.wrapped, "otherwise", None)

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        """The summary, made now if there is none of what has been said so far."""
        said = sum(utterance.speaker == "caller" for utterance in call.transcript())
        making = self._made_of.get(said)
        if making is None or (making.done() and (making.cancelled() or making.exception() is not None)):
            making = self._made_of[said] = asyncio.create_task(
                self._made(call, request), name=f"{type(self.wrapped).__name__}.summarise"
            )
        return await asyncio.shield(making)

    async def _made(self, call: Call, request: TransferRequest) -> str:
        return await self.wrapped.summarise(call, request)

    async def close(self) -> None:
        """Makes it no longer; one that does not end when it is cancelled is left to itself."""
        await give_up(*self._made_of.values())


class _TransferConsultation(Consultation):
    """The consultation as one transfer sees it: once it has connected the two, nothing that comes after undoes it."""

    def __init__(self, consultation: Consultation, transfer: Transfer) -> None:
        self._wrapped = consultation
        self._transfer = transfer

    @property
    @override
    def summary(self) -> str:
        return self._wrapped.summary

    @property
    @override
    def ids(self) -> ConsultationIds:
        return self._wrapped.ids

    @property
    @override
    def asked(self) -> bool:
        return self._wrapped.asked

    @override
    async def answered(self) -> Response:
        return await self._wrapped.answered()

    @override
    async def decision(self) -> Response:
        return await self._wrapped.decision()

    @override
    async def connect(
        self, move: Move = "caller", *, timeout: float = CONNECT_TIMEOUT, leave_unwatched: bool = False
    ) -> TransferResult:
        transfer = self._transfer
        transfer.still_runs()
        if transfer.connecting is not None or transfer.proven is not None:
            return self.result(Response(Outcome.FAILED, _ALREADY))
        with transfer.connects("a connection"):
            result = await self._wrapped.connect(move, timeout=timeout, leave_unwatched=leave_unwatched)
            transfer.proved(result)
        return result

    @override
    def set_goodbye(self, sentence: str) -> None:
        self._wrapped.set_goodbye(sentence)

    @override
    def result(self, response: Response) -> TransferResult:
        return self._wrapped.result(response)
