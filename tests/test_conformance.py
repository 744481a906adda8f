"""Our own strategies, in the suite that anybody's are tested with, and with no other privileges."""

from typing import Any

from calltransfer import (
    Choose,
    DirectTransfer,
    Fallback,
    Limit,
    RingGroup,
    StayWithCaller,
    TakeMessage,
    TransferStrategy,
    WarmTransfer,
    direct_or_bridge,
)
from calltransfer.testing import StrategyConformance

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
        return WarmTransfer(SUPERVISOR, stay=False)


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


async def deliver(message: Any) -> None: ...


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
        return [SUPERVISOR, BILLING]


class TestDirectOrBridge(StrategyConformance):
    """The call is forwarded, and where that is refused, the target is dialled into it."""

    consent = False

    def strategy(self) -> TransferStrategy:
        return direct_or_bridge(BILLING)
