"""The conformance suite: every invariant, for a strategy of anybody's, on the sandbox, under faults."""

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import attrs
import pytest
from videosdk.agents import Agent

from calltransfer.agent import TransferMixin
from calltransfer.briefing import Briefing
from calltransfer.call import TransferStrategy
from calltransfer.events import Phase
from calltransfer.masking import masked_address
from calltransfer.outcome import Outcome
from calltransfer.platform import Platform
from calltransfer.policy import Policy
from calltransfer.route import Route
from calltransfer.sandbox import Caller, Calls, Sandbox, Script, Target
from calltransfer.strategies.combining import Combining, destinations_of
from calltransfer.strategies.warm import WarmTransfer
from calltransfer.testing.consent import said_yes
from calltransfer.testing.left import Left
from calltransfer.testing.scenes import (
    CALLERS,
    CHANGES_THEIR_MIND,
    FORWARDS,
    PLATFORMS,
    TARGETS,
    breaks,
    heals,
    target_acts,
)
from calltransfer.testing.witness import BOUND, Witness
from calltransfer.videosdk.platform import VideoSDKPlatform

CALLER = "+14155550111"
"""Who calls."""

ANOTHER_TARGET = "+14155550166"
"""Who the caller is transferred to in the end, to see that this still works. They always accept."""

ASKS = "I want to talk to a human about my refund"
ASKS_AGAIN = "let me speak to somebody else at once"
GREETING = "Hello, how can I help?"
CONNECTING = "I am putting you through now."
SORRY = "Unfortunately that did not work."
STILL_HERE = "Yes, I am still here."
SUMMARY = "They want a refund and have waited for three weeks."
ANSWER = "They paid twice."

CLOSINGS = (Phase.STARTED, Phase.DIALLED, Phase.ON_HOLD, Phase.BRIEFING, Phase.CONNECTING, Phase.FORWARDING)
"""When the session closes: once a transfer has come that far."""

LONG_AFTER = 90.0
"""Seconds after everybody has gone in which what still goes on shows."""

_OVER_WITHIN = 120.0


@attrs.frozen(kw_only=True)
class Case:
    """What happens in one test.

    Attributes:
        target: What those who are dialled do; one of `TARGETS`.
        others: What all but the first of them do; by default the same.
        caller: What the caller does; one of `CALLERS`.
        platform: What fails; one of `PLATFORMS` or `FORWARDS`.
        closes: When the session closes, if it does.
    """

    target: str = "accepts"
    others: str | None = None
    caller: str = "stays"
    platform: str = "healthy"
    closes: Phase | None = None

    def __str__(self) -> str:
        usual = Case()
        unusual = (
            f"{field.name} {getattr(self, field.name)}"
            for field in attrs.fields(Case)
            if getattr(self, field.name) != getattr(usual, field.name)
        )
        return ", ".join(unusual) or "nothing special"


class StrategyConformance:
    """Tests a strategy: subclass it, and pytest has a test for everything that must hold of any.

        class TestQueue(StrategyConformance):
            def strategy(self):
                return Queue(to="+14155550123")

    An agent with the strategy is called, and asked for a transfer, while targets, caller, platform and session do what
    they can. Each call is held to every invariant by a `Witness`, and is followed by a second transfer. A test that fails
    says which invariants broke, and shows the timeline of the call.

    A strategy that misbehaves fails, although the caller is helped all the same: one that raises, hangs, does not let
    itself be cancelled, returns what is no result, reports a connection that is none, or leaves a consultation, a hold or
    a task behind.

    Attributes:
        stays: Whether the agent stays in the call, to watch over it, once caller and target are connected.
        consent: Whether those who are dialled have to say yes before they are connected. Not for one who is dialled
            into the call as a forwarded caller's target would be.
        connects: Whether the caller is connected when all is well and everybody accepts. Not for a strategy that takes a
            message, or transfers nobody.
        calls_all: Whether everybody in `targets()` is dialled, or forwarded to, in some case of
            `test_whatever_targets_do`; the last of these cases fails where somebody never is. Not for a strategy whose
            targets hang on what a suite has one of, such as the time.
        bound: Seconds within which a transfer has an end, whatever happens; more for a strategy that tries
            many in vain.
        thorough: Whether every target is combined with every caller and every fault: some 1,700 tests more, and
            minutes.
    """

    stays: ClassVar[bool] = True
    consent: ClassVar[bool] = True
    connects: ClassVar[bool] = True
    calls_all: ClassVar[bool] = True
    bound: ClassVar[float] = BOUND
    thorough: ClassVar[bool] = False

    def strategy(self) -> TransferStrategy:
        """Makes the strategy; called for each test, and once when the tests are collected.

        Raises:
            NotImplementedError: it is not overridden.
        """
        raise NotImplementedError(
            f"{type(self).__name__} needs 'def strategy(self)', which returns the strategy to test"
        )

    def targets(self) -> Sequence[str]:
        """Where the strategy may transfer to, and where there is somebody: by default what it says by itself.

        Every destination that is given to a `DirectTransfer` or a `WarmTransfer` as a number, wherever in it they are, and
        what a strategy of one's own returns from `fixed_destinations() -> Sequence[Destination]`, where it has such a
        method. To be overridden for a strategy that finds its targets at call time: whoever it calls has to be in here.
        """
        return list(dict.fromkeys(destination.address for destination in destinations_of(self.strategy())))

    def platform(self) -> Platform:
        """The platform that the agent is set up with."""
        return VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")

    def number(self) -> str:
        """The number of the caller."""
        return CALLER

    def metadata(self) -> Mapping[str, Any] | None:
        """What is given along with each call, for a strategy that goes by `call.details.metadata`: by default nothing."""
        return None

    def agrees(self, target: Target) -> bool:
        """Whether `target`, who was dialled, has agreed to be connected; looked at again and again."""
        return said_yes(target) if self.consent else True

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Makes the tests of each kind."""
        cases = _CASES.get(metafunc.function.__name__)
        if cases is not None:
            metafunc.parametrize("case", list(cases(self)), ids=str)

    async def test_whatever_targets_do(self, sandbox: Sandbox, case: Case) -> None:
        """Every invariant holds, whatever those do who are dialled, or forwarded to; and everybody is, in some case."""
        await self._holds(sandbox, case)
        called = _CALLED.setdefault(type(self), {})
        called[case] = _called_in(sandbox)
        everywhere = set().union(*called.values())
        never = [masked_address(number) for number in self.targets() if number not in everywhere]
        if self.calls_all and never and len(called) == len(list(_of_targets(self))):
            what = type(self.strategy()).__name__
            pytest.fail(
                f"targets() has {', '.join(never)}, who was called in no case: that part of {what} was not tested. Where "
                "it goes by the call, override metadata() or number(); with calls_all = False this is not looked at",
                pytrace=False,
            )

    async def test_whatever_the_caller_does(self, sandbox: Sandbox, case: Case) -> None:
        """Every invariant holds, wherever the caller hangs up, changes their mind, or speaks."""
        await self._holds(sandbox, case)

    async def test_whatever_fails_on_the_platform(self, sandbox: Sandbox, case: Case) -> None:
        """Every invariant holds, whatever fails on the platform."""
        await self._holds(sandbox, case)

    async def test_whenever_the_session_closes(self, sandbox: Sandbox, case: Case) -> None:
        """Every invariant holds, wherever the strategy is when the agent's session closes."""
        await self._holds(sandbox, case)

    async def _holds(self, sandbox: Sandbox, case: Case) -> None:
        strategy = self.strategy()
        broken = await _Run(self, sandbox, case, strategy).broken()
        if broken:
            what = "\n".join(f"  {line}" for line in broken)
            pytest.fail(f"{type(strategy).__name__}, with {case}, did not hold to:\n{what}", pytrace=False)


def _of_targets(suite: StrategyConformance) -> Iterator[Case]:
    yield from (Case(target=target) for target in TARGETS)
    if len(suite.targets()) > 1:
        yield from (Case(target=target, others="accepts") for target in TARGETS if target != "accepts")
        yield from (Case(target="accepts", others=target) for target in TARGETS if target != "accepts")


def _of_callers(suite: StrategyConformance) -> Iterator[Case]:
    for target in TARGETS if suite.thorough else ("accepts", "silent"):
        yield from (Case(target=target, caller=caller) for caller in CALLERS if caller != "stays")


def _of_platforms(suite: StrategyConformance) -> Iterator[Case]:
    some = [("accepts", "stays"), ("declines", "speaks over everything")]
    every = list(itertools.product(TARGETS, ("stays", "hangs up after yes", "speaks over everything")))
    for platform in [*PLATFORMS, *FORWARDS]:
        if platform != "healthy":
            for target, caller in every if suite.thorough else some:
                yield Case(target=target, caller=caller, platform=platform)


def _of_closings(suite: StrategyConformance) -> Iterator[Case]:
    for target, closes in itertools.product(TARGETS if suite.thorough else ("accepts",), CLOSINGS):
        yield Case(target=target, closes=closes)


_CASES: Mapping[str, Callable[[StrategyConformance], Iterator[Case]]] = {
    "test_whatever_targets_do": _of_targets,
    "test_whatever_the_caller_does": _of_callers,
    "test_whatever_fails_on_the_platform": _of_platforms,
    "test_whenever_the_session_closes": _of_closings,
}


_CALLED: WeakKeyDictionary[type[StrategyConformance], dict[Case, set[str]]] = WeakKeyDictionary()
"""Who was called in each case of a suite that has been run."""


def _called_in(sandbox: Sandbox) -> set[str]:
    """Every number that the platform was asked to dial, or to forward somebody to."""
    bodies = [request.body for request in sandbox.requests if isinstance(request.body, dict)]
    return {body[name] for body in bodies for name in ("sipCallTo", "transferTo") if body.get(name)}


class _ConformingAgent(TransferMixin, Agent):
    """An agent with the strategy, and another one that is known to work."""

    def __init__(self, strategy: TransferStrategy, platform: Platform) -> None:
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("strategy", strategy, when="the caller asks for a human"),
                Route("another", WarmTransfer(ANOTHER_TARGET), when="the caller asks for somebody else"),
            ],
            platform=platform,
            policy=Policy(attempts=50, attempts_per_minute=50, dials=1000),
        )

    async def on_enter(self) -> None:
        await self.session.say(GREETING)

    async def on_exit(self) -> None: ...


def _answers(last: str) -> Any:
    """What the agent's model does."""
    if last.startswith("[Call system"):
        return SORRY
    if last.startswith("{"):
        return CONNECTING
    destinations = {ASKS: "strategy", ASKS_AGAIN: "another", CHANGES_THEIR_MIND: "none"}
    asked = next((route for text, route in destinations.items() if len(last) > 10 and last in text), None)
    return Calls("transfer_call", {"destination": asked, "reason": "as they said"}) if asked else STILL_HERE


class _Run:
    """One case, run to its end."""

    def __init__(self, suite: StrategyConformance, sandbox: Sandbox, case: Case, strategy: TransferStrategy) -> None:
        self._suite = suite
        self._sandbox = sandbox
        self._case = case
        self._strategy = strategy
        self._numbers = suite.targets()

    async def broken(self) -> list[str]:
        """What did not hold."""
        self._people()
        private = {number.removeprefix("+") for number in (self._suite.number(), *self._numbers)} | {SUMMARY}
        with Left(private) as left:
            caller = await self._call()
            witness = Witness(
                self._sandbox,
                caller,
                agrees=self._agrees,
                stays=self._suite.stays,
                bound=self._suite.bound,
                for_targets=(Briefing().opening(SUMMARY), ANSWER),
                for_caller=(GREETING, CONNECTING, SORRY, STILL_HERE),
            )
            async with witness.watching():
                await self._happens(caller, witness)
            witness.look_back()
            witness.look_for_what_is_left()
        for invariant, what in left.found:
            witness.holds(invariant, False, what)
        for fault in self._faults(witness, left.errors):
            witness.holds("the strategy's part", False, fault)
        return witness.broken

    def _agrees(self, target: Target) -> bool:
        return said_yes(target) if target.number == ANOTHER_TARGET else self._suite.agrees(target)

    async def _happens(self, caller: Caller, witness: Witness) -> None:
        case, sandbox = self._case, self._sandbox
        breaks(sandbox, case.platform)
        async with _beside(CALLERS[case.caller](caller), target_acts(sandbox, caller, case.target)):
            await self._transfer(caller, witness)
        heals(sandbox)
        await witness.talks()
        await witness.is_transferred_again(ASKS_AGAIN, ANOTHER_TARGET)
        await self._everybody_goes(caller, witness)

    def _faults(self, witness: Witness, errors: Sequence[str]) -> Iterator[str]:
        """What the runner says that the strategy did wrong, although the caller was helped; and what it did not do."""
        names = tuple(f"{name} " for name in _names(self._strategy))
        transfers = list(witness.transfers.values())
        failed = [transfer.detail for transfer in transfers if transfer.outcome is Outcome.FAILED]
        yield from (fault for fault in (*failed, *errors) if fault.startswith(names))
        if self._case == Case() and self._suite.connects and transfers[0].outcome is not Outcome.CONNECTED:
            yield f"all is well, and the caller is not connected: {transfers[0].outcome}"
        unknown = sorted(map(masked_address, _called_in(self._sandbox) - {*self._numbers, ANOTHER_TARGET}))
        if unknown:
            yield f"it transfers to {', '.join(unknown)}, which targets() does not have: nobody is there"

    def _people(self) -> None:
        for place, number in enumerate(self._numbers):
            does = self._case.target if place == 0 else self._case.others or self._case.target
            # Each answers a little later than the one before: at the same instant would be a case of its own.
            self._sandbox.person(number, **{"answers_after": 3.0 + 0.4 * place, **TARGETS[does]})
        self._sandbox.person(ANOTHER_TARGET, answers_after=1.0, says="yes please")

    async def _call(self) -> Caller:
        return await self._sandbox.call(
            functools.partial(_ConformingAgent, self._strategy, self._suite.platform()),
            number=self._suite.number(),
            metadata=self._suite.metadata(),
            model=Script(itertools.repeat(_answers), summary=SUMMARY),
            consultation_model=Script(itertools.repeat(ANSWER)),
        )

    async def _transfer(self, caller: Caller, witness: Witness) -> None:
        await caller.say(ASKS)
        try:
            await caller.until(Phase.STARTED, timeout=30.0)
        except AssertionError:
            told = caller.script.answers[-1] if caller.script.answers else "it was not asked"
            pytest.fail(f"the transfer was not begun; the model was told: {told}", pytrace=False)
        if self._case.closes is not None:
            await self._closes(caller, witness, self._case.closes)
        await witness.settled()

    async def _closes(self, caller: Caller, witness: Witness, phase: Phase) -> None:
        ended = asyncio.create_task(caller.until(Phase.FINISHED, timeout=self._suite.bound))
        reached = asyncio.create_task(caller.until(phase, timeout=self._suite.bound))
        await asyncio.wait([ended, reached], return_when=asyncio.FIRST_COMPLETED)
        for waiting in (ended, reached):
            waiting.cancel()
        await asyncio.gather(ended, reached, return_exceptions=True)
        witness.closed_at = asyncio.get_running_loop().time()
        caller.note("the session closes")
        await asyncio.create_task(caller.session.close(), context=caller.context)

    async def _everybody_goes(self, caller: Caller, witness: Witness) -> None:
        caller.note("the caller hangs up in the end")
        await caller.hang_up()
        try:
            async with asyncio.timeout(_OVER_WITHIN):
                await caller.over.wait()
        except TimeoutError:
            # Whoever is left of two whom nobody watches over keeps the room open.
            witness.holds("caller first", witness.unwatched, "the agent's session goes on after everybody has left")
        await asyncio.sleep(LONG_AFTER)
        witness.look()


def _names(strategy: object) -> Iterator[str]:
    yield type(strategy).__name__
    if isinstance(strategy, Combining):
        for part in strategy.parts.values():
            yield from _names(part)


@asynccontextmanager
async def _beside(*works: Any) -> AsyncIterator[None]:
    """Goes on with `works` for as long as the block lasts. That they wait for what does not happen is no error."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for error in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(error, Exception) and not isinstance(error, AssertionError):
                raise error
