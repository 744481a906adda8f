"""Our own strategies, in the suite that anybody's are tested with, and with no other privileges."""

from calltransfer import DirectTransfer, Fallback, RingGroup, StayWithCaller, TransferStrategy, WarmTransfer
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
