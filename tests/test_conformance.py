"""Our own strategies, in the suite that anybody's are tested with, and with no other privileges."""

import random
from collections.abc import Iterator

from calltransfer import (
    Choose,
    DirectTransfer,
    Fallback,
    Limit,
    OpenHours,
    RingGroup,
    Schedule,
    StayWithCaller,
    TakeMessage,
    TransferStrategy,
    WarmTransfer,
    direct_or_bridge,
)
from calltransfer.sandbox import Target
from calltransfer.testing import StrategyConformance
from tests.plans import COMBINE, LEAVES, LINE, PEOPLE, Plan, built, deliver

BILLING = "+14155550123"
SUPERVISOR = "+14155550199"
OTHERS = ("+14155550181", "+14155550182")


class TestDirectTransfer(StrategyConformance):
    """The call is forwarded."""

    def strategy(self) -> TransferStrategy:
        return DirectTransfer(BILLING)


class TestWarmTransfer(StrategyConformance):
    """A human is asked first, and the caller is moved."""

    def strategy(self) -> TransferStrategy:
        return WarmTransfer(SUPERVISOR)


class TestWarmTransferThatMovesTheTarget(StrategyConformance):
    """The human is moved instead."""

    def strategy(self) -> TransferStrategy:
        return WarmTransfer(SUPERVISOR, move="target")


class TestWarmTransferThatStaysWithTheCaller(StrategyConformance):
    """The agent keeps talking with the caller."""

    def strategy(self) -> TransferStrategy:
        return WarmTransfer(SUPERVISOR, hold=StayWithCaller())


class TestWarmTransferThatLeaves(StrategyConformance):
    """The agent leaves as soon as the two are connected."""

    stays = False

    def strategy(self) -> TransferStrategy:
        return WarmTransfer(SUPERVISOR, leave_unwatched=True)


class TestRingGroup(StrategyConformance):
    """Several are asked at once, and the first who says yes is connected."""

    def strategy(self) -> TransferStrategy:
        return RingGroup(WarmTransfer(), targets=[SUPERVISOR, *OTHERS])


class TestFallback(StrategyConformance):
    """One after another is asked, and in the end the call is forwarded."""

    def strategy(self) -> TransferStrategy:
        return Fallback(WarmTransfer(SUPERVISOR), WarmTransfer(OTHERS[0]), DirectTransfer(BILLING))


class TestFallbackOfGroups(StrategyConformance):
    """A group is asked, then another one that has a plan of its own inside it."""

    def strategy(self) -> TransferStrategy:
        return Fallback(
            RingGroup(WarmTransfer(), targets=[SUPERVISOR, OTHERS[0]]),
            Fallback(WarmTransfer(OTHERS[1], move="target"), DirectTransfer(BILLING)),
        )


class TestTakeMessage(StrategyConformance):
    """Nobody is there, and the caller leaves a message."""

    connects = False

    def strategy(self) -> TransferStrategy:
        return TakeMessage(deliver)


class TestMessageInTheEnd(StrategyConformance):
    """Somebody is asked, and whom they do not take leaves a message."""

    def strategy(self) -> TransferStrategy:
        return Fallback(WarmTransfer(SUPERVISOR), TakeMessage(deliver))


class TestChosenAndLimited(StrategyConformance):
    """One is chosen at call time, and used so often and not more."""

    def strategy(self) -> TransferStrategy:
        asked = Limit(WarmTransfer(SUPERVISOR), attempts=2)
        return Choose(lambda call, request: asked, default=DirectTransfer(BILLING))

    def targets(self) -> list[str]:
        return [SUPERVISOR]


class TestDirectOrBridge(StrategyConformance):
    """The call is forwarded, and where that is refused, the target is dialled into it."""

    consent = False

    def strategy(self) -> TransferStrategy:
        return direct_or_bridge(BILLING)


class TestOpenHours(StrategyConformance):
    """One strategy while it is open, and another one while it is not."""

    def strategy(self) -> TransferStrategy:
        never = Schedule("UTC", {"mon-sun": "closed"})
        return OpenHours(never, inside=DirectTransfer(BILLING), outside=WarmTransfer(SUPERVISOR))

    def targets(self) -> list[str]:
        return [SUPERVISOR]


class PlanConformance(StrategyConformance):
    """A plan that was made at random, three strategies deep."""

    calls_all = False
    plan: Plan

    @property
    def connects(self) -> bool:  # type: ignore[override]
        """Whoever is asked for a message before anybody is called is connected to nobody."""
        return not {"message", "nobody", "closed", "default"} & set(_names(self.plan))

    def strategy(self) -> TransferStrategy:
        return built(self.plan, WarmTransfer())

    def targets(self) -> list[str]:
        return [*PEOPLE, LINE]

    def agrees(self, target: Target) -> bool:
        return target.number == LINE or super().agrees(target)


def _names(plan: Plan) -> Iterator[str]:
    if isinstance(plan, str):
        yield plan
        return
    yield plan[0]
    for part in plan[1:]:
        yield from _names(part)


def _made(chance: random.Random, depth: int) -> Plan:
    if depth == 0:
        return chance.choice(LEAVES)
    return (chance.choice(sorted(COMBINE)), _made(chance, depth - 1), _made(chance, chance.randrange(depth)))


PLANS = [_made(random.Random(seed), 3) for seed in range(12)]  # noqa: S311  (the same again for the same seed)

globals().update(
    {
        f"TestPlan{number}": type(f"TestPlan{number}", (PlanConformance,), {"plan": plan})
        for number, plan in enumerate(PLANS)
    }
)
