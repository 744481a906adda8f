"""Ring groups of ten targets at random: who does what and when, what the caller does, and what the platform does wrong."""

import asyncio
import gc
import random
from collections.abc import Iterator
from typing import Any

import attrs

from calltransfer import Outcome, Phase, RingGroup, TransferEvent, WarmTransfer
from calltransfer.sandbox import Caller, FastForwardLoop, HangsUp, Presses, Sandbox, Says
from calltransfer.testing.left import tasks_left
from calltransfer.testing.witness import BOUND
from tests.warm import ASKS, call

TARGETS = 10

BEHAVIOURS: tuple[dict[str, Any], ...] = (
    {"says": "yes please"},
    {"says": "yes please"},
    {"says": [Presses("1", when="take the call?")]},
    {"says": ["yes please", HangsUp(after=0.01)]},
    {"says": "no thanks"},
    {},
    {"answers_after": None},
    {"refuses_after": 0.2},
    {"refuses_after": 6.0},
    {"says": [Says("Hi, please leave a message after the tone", after=0.2)]},
    {"says": [HangsUp(when="Hello", after=0.1)]},
    {"early_media": True, "says": "yes please"},
)

FAULTS: tuple[dict[str, Any], ...] = (
    {"method": "POST", "path": "/v2/rooms", "status": 500, "times": 3},
    {"method": "POST", "path": "/v2/sip/call", "status": 400, "times": 4},
    {"method": "POST", "path": "/v2/sip/call", "reset": True, "acted": True, "times": 3},
    {"method": "POST", "path": "/call/end", "status": 500, "times": 4},
    {"method": "POST", "path": "/call/end", "reset": True, "acted": True, "times": 4},
    {"method": "POST", "path": "/switch-room", "status": 400, "times": 1},
    {"method": "POST", "path": "/switch-room", "reset": True, "acted": True, "times": 1},
    {"method": "GET", "path": "", "delay": 1.5},
    {"method": "GET", "path": "", "status": 500, "times": 10},
)

TROUBLES = ("", "", "", "switch_fails", "switched_leg_vanishes")

CALLERS = ("stays", "stays", "stays", "hangs up", "presses the key")


@attrs.frozen
class Ring:
    """One ring group, as a seed has it."""

    seed: int
    people: tuple[dict[str, Any], ...]
    answers_after: tuple[float, ...]
    fault: dict[str, Any] | None
    trouble: str
    caller_does: str
    caller_does_after: float
    latency: float

    @classmethod
    def of(cls, seed: int) -> "Ring":
        """The same for the same seed."""
        chance = random.Random(seed)  # noqa: S311  (no secret: the same again for the same seed)
        return cls(
            seed=seed,
            people=tuple(chance.choice(BEHAVIOURS) for _ in range(TARGETS)),
            # In steps, so that several pick up, and say yes, in one instant.
            answers_after=tuple(chance.choice((0.2, 2.0, 2.0, 2.0, 5.0, 12.0, 24.9)) for _ in range(TARGETS)),
            fault=chance.choice((None, *FAULTS)),
            trouble=chance.choice(TROUBLES),
            caller_does=chance.choice(CALLERS),
            caller_does_after=chance.uniform(0.0, 25.0),
            latency=chance.choice((0.0, 0.05, 0.4)),
        )


@attrs.define
class Rung:
    """What was seen of it, from outside.

    Attributes:
        broken: What did not hold.
        outcome: How it ended.
        dialled: How many targets were dialled.
        told_taken: How many of them heard that somebody else had taken the call.
    """

    broken: list[str] = attrs.field(factory=list)
    outcome: Outcome | None = None
    dialled: int = 0
    told_taken: int = 0


def rung(seed: int) -> Rung:
    """Runs one group on a loop of its own."""
    gc.freeze()  # the SDK collects all garbage on every leave, and keeps more with every session
    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
        return runner.run(_rung(Ring.of(seed)))


async def _rung(ring: Ring) -> Rung:
    numbers = [f"+1415555{2000 + place}" for place in range(TARGETS)]
    found = Rung()
    async with Sandbox(latency=ring.latency) as sandbox:
        for number, person, answers_after in zip(numbers, ring.people, ring.answers_after, strict=True):
            sandbox.person(number, **{"answers_after": answers_after, **person})
        caller = await call(sandbox, RingGroup(WarmTransfer(), targets=numbers))
        if ring.fault is not None:
            how = dict(ring.fault)
            sandbox.fault(how.pop("method"), how.pop("path"), **how)
        if ring.trouble:
            setattr(sandbox.trouble, ring.trouble, 1)
        caller.agent.listeners.append(lambda event: found.broken.extend(_at_its_end(event, sandbox, caller)))
        does = asyncio.create_task(_does(ring, caller))
        await caller.say(ASKS)
        try:
            async with asyncio.timeout(BOUND):
                await caller.agent.finished.wait()
        except TimeoutError:
            found.broken.append(f"bounded: not over after {BOUND:g} s")
        await does
        await caller.talking_to(settled_for=12.0)
        found.outcome = next(iter(caller.agent.outcomes), None)
        found.broken += _afterwards(found, sandbox, caller)
        await caller.hang_up()
        await asyncio.wait_for(caller.over.wait(), timeout=120.0)
        await asyncio.sleep(90.0)
        found.dialled = len(sandbox.targets)
        found.told_taken = sum(
            any("somebody else has just taken" in text for text in target.texts_heard) for target in sandbox.targets
        )
        open_legs = [target.number for target in sandbox.targets if not target.leg.over]
        if open_legs:
            found.broken.append(f"no orphan leg: {open_legs} when everybody has gone")
        if sandbox.open_connections:
            found.broken.append("clean: a connection to the platform is open")
    left = [task.get_name() for task in tasks_left()]
    if left:
        found.broken.append(f"clean: tasks were left behind: {left}")
    return found


async def _does(ring: Ring, caller: Caller) -> None:
    if ring.caller_does == "stays":
        return
    await caller.agent.until(Phase.STARTED)
    await asyncio.sleep(ring.caller_does_after)
    if ring.caller_does == "hangs up":
        await caller.hang_up()
    else:
        await caller.press("*")


def _at_its_end(event: TransferEvent, sandbox: Sandbox, caller: Caller) -> Iterator[str]:
    if event.phase is not Phase.FINISHED:
        return
    released = Phase.NOT_RELEASED not in caller.agent.phases
    with_caller = [target for target in sandbox.targets if target.connected_to == caller.number]
    if len(with_caller) > 1:
        yield f"two targets are with the caller: {[target.number for target in with_caller]}"
    for target in sandbox.targets:
        if not target.leg.over and target not in with_caller and released and caller.connected_to != "hung up":
            yield f"no orphan leg: {target.number} is {target.leg.status} when it is reported finished"
    if event.outcome is Outcome.CONNECTED and not with_caller and caller.connected_to != "hung up":
        yield "truth: connected, and nobody is with the caller"
    if event.outcome is not Outcome.CONNECTED and with_caller:
        yield f"truth: {event.outcome}, and {with_caller[0].number} is with the caller"


def _afterwards(found: Rung, sandbox: Sandbox, caller: Caller) -> Iterator[str]:
    where = caller.connected_to
    if where == "nobody":
        yield "never stranded: the caller is with nobody"
    agreed = {target.number for target in sandbox.targets if _agreed(target.person.says if target.person else ())}
    if where not in {"agent", "hung up", "nobody"} and where not in agreed:
        yield f"consent: the caller is with {where}, who has not agreed"
    attempts = sum(event.phase is Phase.ATTEMPTED for event in caller.agent.events)
    if found.outcome is Outcome.CONNECTED and attempts != TARGETS:
        yield f"truth: {attempts} of {TARGETS} targets are in the record"


def _agreed(says: Any) -> bool:
    steps = [says] if isinstance(says, str) else says
    return any(step == "yes please" or isinstance(step, Presses) for step in steps)
