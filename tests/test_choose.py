"""Choosing a strategy when it is needed: by what is known of the call, in time, and never in a caller's way."""

import asyncio
import gc
import logging
from typing import Any

import pytest

from calltransfer import (
    Call,
    Choose,
    ConfigurationError,
    DirectTransfer,
    Outcome,
    Phase,
    Policy,
    TransferRequest,
    TransferResult,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, Sandbox
from calltransfer.strategies.combining import destinations_of, problems_of
from tests.agents import BILLING, CONNECTING, SORRY, SUPPORT, TRANSFERS, WITHDRAWS, SupportAgent, asking_caller

TO_BILLING = DirectTransfer(BILLING)
TO_SUPPORT = DirectTransfer(SUPPORT)
SECRET = "Anna Schmidt, +4915112345678"


async def transferred(chooser: Any, *, default: Any = TO_SUPPORT, **how: Any) -> tuple[Caller, str]:
    """Somebody calls, and asks; returns them and whom they are talking to."""
    timeout = how.pop("timeout", 3.0)
    async with Sandbox() as sandbox:
        for number in (BILLING, SUPPORT):
            sandbox.person(number)
        caller = await asking_caller(
            sandbox, lambda: SupportAgent(Choose(chooser, default=default, timeout=timeout)), **how
        )
        async with asyncio.timeout(120):
            await caller.agent.finished.wait()
        return caller, await caller.talking_to()


async def test_by_what_is_known_of_the_call() -> None:
    """The function gets the call, with what is known of the caller, and the request; what it returns is used."""
    seen: list[Any] = []

    async def chooser(call: Call, request: TransferRequest) -> DirectTransfer:
        seen.append((call.details.number, call.details.language, request.route))
        return TO_BILLING if call.details.language == "de" else TO_SUPPORT

    _, to = await transferred(chooser, metadata={"language": "de"})
    _, to_other = await transferred(chooser)

    assert (BILLING, SUPPORT) == (to, to_other)
    assert [("+14155550111", "de", "billing"), ("+14155550111", None, "billing")] == seen


async def test_one_that_is_not_async() -> None:
    """A plain function is as good, as long as it does not wait for anything."""
    _, to = await transferred(lambda _call, _request: TO_BILLING)

    assert to == BILLING


async def raises(_call: Call, _request: TransferRequest) -> Any:
    raise LookupError(SECRET)


async def hangs(_call: Call, _request: TransferRequest) -> Any:
    await asyncio.get_running_loop().create_future()


async def holds_on(_call: Call, _request: TransferRequest) -> Any:
    until = asyncio.get_running_loop().time() + 15.0
    while asyncio.get_running_loop().time() < until:
        try:
            await asyncio.sleep(15.0)
        except asyncio.CancelledError:
            continue


async def times_out_itself(_call: Call, _request: TransferRequest) -> Any:
    raise TimeoutError(SECRET)


async def is_cancelled_itself(_call: Call, _request: TransferRequest) -> Any:
    lost = asyncio.get_running_loop().create_future()
    lost.cancel()
    await lost


class NoStrategy:
    """No strategy, and private."""

    def __repr__(self) -> str:
        return SECRET


@pytest.mark.parametrize(
    ("chooser", "why"),
    [
        (raises, "raises raised LookupError"),
        (hangs, "hangs did not return within 3 s"),
        (holds_on, "did not return within 3 s"),
        (times_out_itself, "raised TimeoutError"),
        (is_cancelled_itself, "raised CancelledError"),
        (lambda _call, _request: None, "chose nothing"),
        (lambda _call, _request: NoStrategy(), "chose no strategy: a NoStrategy is not a strategy"),
        (lambda _call, _request: SECRET, "chose no strategy: a str is not a strategy"),
        (lambda _call, _request: DirectTransfer, "chose no strategy: DirectTransfer is a class"),
        (lambda _call, _request: WarmTransfer(), "chose no strategy: WarmTransfer needs to="),
        (lambda _call, _request: 1 / 0, "raised ZeroDivisionError"),
    ],
)
@pytest.mark.parametrize("default", [TO_SUPPORT, None])
async def test_nothing_is_chosen(chooser: Any, why: str, default: Any, caplog: pytest.LogCaptureFixture) -> None:
    """None, too late, raising or nothing that is a strategy: the default, or REFUSED; the log says why, and no secret."""
    with caplog.at_level(logging.INFO):
        caller, to = await transferred(chooser, default=default)

    warnings = [record.getMessage() for record in caplog.records if record.name.startswith("calltransfer")]
    assert any(why in line and "the chooser of route billing" in line for line in warnings)
    assert not any("Schmidt" in line or "12345678" in line for line in warnings)
    assert to == (SUPPORT if default is not None else "agent")
    if default is None:
        assert [Outcome.REFUSED] == caller.agent.outcomes
        assert SORRY in caller.texts_heard


async def test_what_a_late_one_raises_is_private_too(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it any more, and no log shows what it says: not that of the loop either."""

    async def raises_when_cancelled(_call: Call, _request: TransferRequest) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            raise LookupError(SECRET)

    _, to = await transferred(raises_when_cancelled)
    gc.collect()

    assert to == SUPPORT
    assert "Schmidt" not in caplog.text


async def test_while_the_sentence_is_spoken() -> None:
    """A function that takes as long as the agent's sentence costs the caller no time."""

    async def chooser(_call: Call, _request: TransferRequest) -> Any:
        await asyncio.sleep(1.5)
        return TO_BILLING

    quick, _ = await transferred(lambda _call, _request: TO_BILLING)
    slow, _ = await transferred(chooser)

    assert abs(slow.agent.at(Phase.FORWARDING) - quick.agent.at(Phase.FORWARDING)) < 0.05


async def test_the_caller_hangs_up_meanwhile() -> None:
    """A caller who hangs up is not chosen for any more: the function is cancelled, and nothing comes of it."""
    cancelled = asyncio.Event()

    async def chooser(_call: Call, _request: TransferRequest) -> Any:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, lambda: SupportAgent(Choose(chooser, default=TO_SUPPORT, timeout=60.0)))
        await caller.hears(CONNECTING)
        await caller.hang_up()
        await caller.agent.finished.wait()

        assert cancelled.is_set()
        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes
        assert not any(request.method == "POST" for request in sandbox.requests)


async def test_withdrawn_meanwhile() -> None:
    """A caller who changes their mind while it is being chosen stays with the agent."""
    async with Sandbox() as sandbox:
        model = [*TRANSFERS[:2], WITHDRAWS, "All right."]
        caller = await asking_caller(
            sandbox, lambda: SupportAgent(Choose(hangs, default=TO_SUPPORT, timeout=60.0)), model=model
        )
        await caller.hears(CONNECTING)
        await caller.say("no wait I have another question")
        await caller.agent.finished.wait()

        assert [Outcome.CALLER_RETURNED] == caller.agent.outcomes
        assert "agent" == await caller.talking_to()


async def test_what_is_chosen_is_held_to_the_policy() -> None:
    """A destination that the policy does not allow is not dialled because a function has chosen it."""
    elsewhere = DirectTransfer("+442079460000")
    async with Sandbox() as sandbox:
        caller = await asking_caller(
            sandbox,
            lambda: SupportAgent(Choose(lambda _call, _request: elsewhere), policy=Policy(countries={"US"})),
        )
        await caller.agent.finished.wait()

        assert [Outcome.REFUSED] == caller.agent.outcomes


def test_its_parts() -> None:
    """The default is a part, checked and shown; what is wrong with it does not keep the function from being asked."""

    class Wrong:
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            raise AssertionError

        def problems(self) -> list[str]:
            return ["it does not work"]

    choose = Choose(raises, default=Wrong())

    assert {"default": choose.default} == choose.parts
    assert [] == problems_of(choose, None)  # type: ignore[arg-type]
    assert {} == Choose(raises).parts
    assert [TO_SUPPORT.to] == destinations_of(Choose(raises, default=TO_SUPPORT))


anything: Any = Choose


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: anything(TO_BILLING), "takes a function (call, request) that returns a strategy, not DirectTransfer"),
        (lambda: anything(DirectTransfer), "not DirectTransfer"),
        (lambda: anything(lambda: None), "two arguments, the call and the request"),
        (lambda: anything(raises, default=SECRET), "Choose: default: a str is not a strategy"),
        (lambda: anything(raises, default=WarmTransfer()), "Choose: default: WarmTransfer needs to="),
        (lambda: anything(raises, timeout=0), "timeout= is in seconds"),
    ],
)
def test_what_is_wrong_at_construction(make: Any, says: str) -> None:
    """A mistake is found when the agent is built, and named, with nothing private in it."""
    with pytest.raises(ConfigurationError) as caught:
        make()

    assert says in str(caught.value)
    assert "Schmidt" not in str(caught.value)
