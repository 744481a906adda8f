"""A call that delegates to another one: what a strategy gives to the strategy inside it."""

from collections.abc import MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from typing_extensions import override

from calltransfer.briefing import Briefing, Utterance
from calltransfer.call import (
    DECISION_TIMEOUT,
    FORWARD_TIMEOUT,
    RING_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    Consultation,
    Dictation,
    Presence,
    Summary,
    TransferRequest,
)
from calltransfer.destination import Destination
from calltransfer.details import CallDetails
from calltransfer.events import Phase, TransferResult
from calltransfer.hold import Hold
from calltransfer.outcome import Outcome


class CallWrapper(Call):
    """A `Call` that delegates to another one; override what should be different.

    Lets a strategy hand a changed call to the strategy inside it:

        class InLowerCase(CallWrapper):
            async def say(self, text):
                return await super().say(text.lower())

    Args:
        call: The call that it delegates to; its attribute `wrapped`.
    """

    def __init__(self, call: Call) -> None:
        self.wrapped = call
        """The call that this one delegates to."""

    @override
    def report(
        self, phase: Phase, detail: str = "", status: str | None = None, *, destination: Destination | None = None
    ) -> None:
        self.wrapped.report(phase, detail, status, destination=destination)

    @property
    @override
    def room_id(self) -> str:
        return self.wrapped.room_id

    @property
    @override
    def leg_id(self) -> str | None:
        return self.wrapped.leg_id

    @property
    @override
    def caller(self) -> Presence:
        return self.wrapped.caller

    @property
    @override
    def direction(self) -> Literal["inbound", "outbound"] | None:
        return self.wrapped.direction

    @property
    @override
    def details(self) -> CallDetails:
        return self.wrapped.details

    @property
    @override
    def memory(self) -> MutableMapping[object, Any]:
        return self.wrapped.memory

    @override
    def attempted(self, result: TransferResult) -> None:
        self.wrapped.attempted(result)

    @override
    def transcript(self) -> Sequence[Utterance]:
        return self.wrapped.transcript()

    @override
    async def prepare(self) -> None:
        await self.wrapped.prepare()

    @override
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        await self.wrapped.sentence_heard(timeout=timeout)

    @override
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        return await self.wrapped.forward(destination, timeout=timeout, play_dialtone=play_dialtone)

    @override
    async def ask_model(self, instructions: str, text: str, *, llm: Any | None = None) -> str:
        return await self.wrapped.ask_model(instructions, text, llm=llm)

    @override
    def on_hold(self, hold: Hold) -> AbstractAsyncContextManager[None]:
        return self.wrapped.on_hold(hold)

    @override
    def consult(
        self,
        destination: Destination,
        request: TransferRequest,
        *,
        summary: Summary,
        briefing: Briefing,
        ring_timeout: float = RING_TIMEOUT,
        decision_timeout: float = DECISION_TIMEOUT,
    ) -> AbstractAsyncContextManager[Consultation]:
        return self.wrapped.consult(
            destination,
            request,
            summary=summary,
            briefing=briefing,
            ring_timeout=ring_timeout,
            decision_timeout=decision_timeout,
        )

    @override
    def dictation(self, *, done_key: str | None = None) -> AbstractAsyncContextManager[Dictation]:
        return self.wrapped.dictation(done_key=done_key)

    @property
    @override
    def ending(self) -> Outcome | None:
        return self.wrapped.ending

    @override
    async def say(self, text: str) -> bool:
        return await self.wrapped.say(text)

    @override
    def being_moved(self) -> AbstractAsyncContextManager[None]:
        return self.wrapped.being_moved()
