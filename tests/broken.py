"""Strategies with one thing wrong with them each, and what the conformance suite is to say of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

import attrs

from calltransfer import (
    Briefing,
    Call,
    Consultation,
    Destination,
    HeldCaller,
    HoldMusic,
    LLMSummary,
    Outcome,
    TransferRequest,
    TransferResult,
)

SUPERVISOR = "+14155550199"
DECLINED = TransferResult(outcome=Outcome.DECLINED)


@attrs.frozen
class Queue:
    """A strategy of an author's, that does not do what it should."""

    does: Callable[[Call, TransferRequest], Awaitable[Any]]

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        result: TransferResult = await self.does(call, request)
        return result


def consulting(call: Call, request: TransferRequest) -> AbstractAsyncContextManager[Consultation]:
    return call.consult(Destination(SUPERVISOR), request, summary=LLMSummary(), briefing=Briefing())


async def consults(call: Call, request: TransferRequest) -> TransferResult:
    """What a strategy that asks a target should do."""
    async with consulting(call, request) as consultation, call.on_hold(HoldMusic()):
        for step in (consultation.answered, consultation.decision):
            response = await step()
            if response.outcome is not None:
                return consultation.result(response)
        return await consultation.connect()


async def raises(call: Call, request: TransferRequest) -> Any:
    raise RuntimeError("no free line")


async def lies(call: Call, request: TransferRequest) -> Any:
    return TransferResult(outcome=Outcome.CONNECTED)


async def returns_nonsense(call: Call, request: TransferRequest) -> Any:
    return "connected"


async def hangs(call: Call, request: TransferRequest) -> Any:
    await asyncio.Event().wait()


async def swallows_its_cancellation(call: Call, request: TransferRequest) -> Any:
    async with consulting(call, request) as consultation:
        await consultation.answered()
        for _ in range(20):
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                continue
    return DECLINED


async def leaks_a_consultation(call: Call, request: TransferRequest) -> Any:
    consultation = await consulting(call, request).__aenter__()
    await consultation.answered()
    return DECLINED


async def goes_round_what_it_is_given(call: Call, request: TransferRequest) -> Any:
    opened.append(consulting(call.wrapped, request))  # type: ignore[attr-defined]
    consultation = await opened[-1].__aenter__()
    await consultation.answered()
    return DECLINED


opened: list[AbstractAsyncContextManager[Consultation]] = []


async def forgets_the_caller_on_hold(call: Call, request: TransferRequest) -> Any:
    await call.on_hold(HoldMusic()).__aenter__()
    return DECLINED


async def connects_without_asking(call: Call, request: TransferRequest) -> Any:
    async with consulting(call, request) as consultation, call.on_hold(HoldMusic()):
        response = await consultation.answered()
        return consultation.result(response) if response.outcome else await consultation.connect()


async def leaves_a_task_behind(call: Call, request: TransferRequest) -> Any:
    tasks.append(asyncio.create_task(asyncio.sleep(3600.0), name="counts the minutes"))
    return await consults(call, request)


tasks: list[asyncio.Task[None]] = []


async def fails(call: Call) -> None:
    raise ValueError("no such queue")


async def does_not_look_at_an_error(call: Call, request: TransferRequest) -> Any:
    tasks.append(asyncio.create_task(fails(call)))
    await asyncio.sleep(0)
    tasks.clear()
    return await consults(call, request)


async def logs_a_number(call: Call, request: TransferRequest) -> Any:
    logging.getLogger("queue").warning("calling %s", SUPERVISOR)
    return await consults(call, request)


async def tells_the_caller_what_the_target_is_told(call: Call, request: TransferRequest) -> Any:
    async with consulting(call, request) as consultation:
        response = await consultation.answered()
        await call.say(consultation.summary)
        return consultation.result(response if response.outcome else await consultation.decision())


class Silence(HoldMusic):
    """A hold that plays what nobody can hear."""

    async def entertain(self, caller: HeldCaller) -> None:
        await caller.play(bytes(48_000), seconds=10.0)


async def holds_in_silence(call: Call, request: TransferRequest) -> Any:
    async with call.on_hold(Silence()):
        await asyncio.sleep(10.0)
        return DECLINED


async def takes_its_time(call: Call, request: TransferRequest) -> Any:
    await asyncio.sleep(100.0)
    return DECLINED


async def says_it_was_the_caller(call: Call, request: TransferRequest) -> Any:
    return TransferResult(outcome=Outcome.CALLER_LEFT)


BROKEN: Mapping[str, tuple[Callable[[Call, TransferRequest], Awaitable[Any]], str]] = {
    "raises": (raises, "the strategy's part: Queue raised RuntimeError"),
    "lies": (lies, "the strategy's part: Queue returned CONNECTED, and nothing shows that*"),
    "returns nonsense": (returns_nonsense, "the strategy's part: Queue returned str instead of a TransferResult"),
    "hangs": (hangs, "the strategy's part: Queue did not end within 360 s"),
    "swallows its cancellation": (swallows_its_cancellation, "the strategy's part: Queue does not end although*"),
    "leaks a consultation": (leaks_a_consultation, "the strategy's part: Queue left a consultation behind"),
    "goes round what it is given": (goes_round_what_it_is_given, "no orphan leg: a leg is open at the end*"),
    "forgets the caller on hold": (forgets_the_caller_on_hold, "the strategy's part: Queue left the caller on hold*"),
    "connects without asking": (connects_without_asking, "consent: connected to somebody who has not agreed"),
    "leaves a task behind": (leaves_a_task_behind, "clean: the task 'counts the minutes' was left behind"),
    "does not look at an error": (
        does_not_look_at_an_error,
        "clean: nobody took an error: ValueError at broken.py:* in fails",
    ),
    "logs a number": (logs_a_number, "private: a line of the log shows what is private: calling +14155550199"),
    "tells the caller what the target is told": (
        tells_the_caller_what_the_target_is_told,
        "leg isolation: the caller heard 'They want a refund and have waited for three weeks.'",
    ),
    "holds in silence": (holds_in_silence, "never silent on hold: a caller on hold heard nothing for *"),
    "takes its time": (takes_its_time, "bounded: not over after 60 s: strategy"),
    "says it was the caller": (says_it_was_the_caller, "the strategy's part: Queue returned CALLER_LEFT, and the*"),
}
"""Each with the line that the suite has to report."""
