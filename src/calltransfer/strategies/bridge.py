"""The direct transfer where the carrier allows it, and else the target is dialled into the call."""

import logging
from collections.abc import Mapping

import attrs

from calltransfer.attempt import attempt
from calltransfer.briefing import Briefing, Gate
from calltransfer.call import (
    CONNECT_TIMEOUT,
    FORWARD_TIMEOUT,
    RING_TIMEOUT,
    SENTENCE_TIMEOUT,
    Call,
    Summary,
    TransferRequest,
    TransferStrategy,
)
from calltransfer.destination import Destination
from calltransfer.errors import (
    CallOver,
    ConfigurationError,
    NoConsultation,
    NoLiveCall,
    NotAllowed,
    PlatformError,
)
from calltransfer.events import TransferResult
from calltransfer.hold import Hold, HoldMusic
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.target import Target, checked_target, destination_or_end
from calltransfer.strategies.warm import WarmTransfer, ended_by
from calltransfer.summary import LLMSummary

logger = logging.getLogger("calltransfer")


def direct_or_bridge(
    to: Target,
    *,
    timeout: float = FORWARD_TIMEOUT,
    play_dialtone: bool = False,
    hold: Hold | None = None,
    summary: Summary | None = None,
    briefing: Briefing | None = None,
    ring_timeout: float = RING_TIMEOUT,
    connect_timeout: float = CONNECT_TIMEOUT,
    sentence_timeout: float = SENTENCE_TIMEOUT,
    leave_unwatched: bool = False,
) -> TransferStrategy:
    """A strategy that forwards the caller, and where their carrier refuses that, dials the target into the call.

    Not every carrier lets a call be forwarded (SIP REFER). The target is dialled only when it is certain that the
    forward was refused and their phone never rang: not when it rang and nobody answered, not after a timeout or a lost
    answer, when the forward may still come true and one target would get two calls.

    The target is then told what the call is about, and not asked; the caller is on hold meanwhile, and the target is
    brought into their room. A voicemail or a plain no still keeps them from being connected. Both tries are in the result
    (`attempts`). Where the target cannot be dialled, as a SIP URI cannot on VideoSDK, the forward's end stands.

    A destination with an extension or headers, which a forwarded call cannot carry, is dialled at once. Its other fields
    are for dialling, and do not keep the call from being forwarded.

    Args:
        to: As for `DirectTransfer`; a callable is asked once.
        timeout: Seconds the forwarded call is followed.
        play_dialtone: Whether the platform plays a ringing tone while it is.
        hold: What the caller hears while the target is dialled; by default `HoldMusic()`.
        summary: What the target is told; by default `LLMSummary()`.
        briefing: How they are told; by default a `Briefing` that announces the call and asks nothing.
        ring_timeout: Seconds the target's phone rings.
        connect_timeout: Seconds until both have been seen in one room.
        sentence_timeout: Seconds for the agent to begin its sentence, which is heard to its end.
        leave_unwatched: Whether the agent leaves the two at once, as for `WarmTransfer`.

    Raises:
        ConfigurationError: a value is wrong.
    """
    checked = checked_target(to)
    if checked is None:
        raise ConfigurationError("direct_or_bridge needs to=, such as direct_or_bridge('+14155550123')")
    return _DirectOrBridge(
        to=checked,
        direct=DirectTransfer(
            _as_forwarded(checked) if isinstance(checked, Destination) else checked,
            timeout=timeout,
            sentence_timeout=sentence_timeout,
            play_dialtone=play_dialtone,
        ),
        bridge=WarmTransfer(
            checked,
            hold=hold or HoldMusic(),
            summary=summary or LLMSummary(),
            briefing=briefing or Briefing(gate=Gate.CONNECT_WITHOUT_ASKING),
            move="target",
            ring_timeout=ring_timeout,
            connect_timeout=connect_timeout,
            sentence_timeout=sentence_timeout,
            leave_unwatched=leave_unwatched,
        ),
    )


@attrs.frozen(kw_only=True)
class _DirectOrBridge:
    to: Target
    direct: DirectTransfer
    bridge: WarmTransfer

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """The two ways, the first only where the destination can be forwarded to."""
        direct = {"direct": self.direct} if not isinstance(self.to, Destination) or _forwards(self.to) else {}
        return {**direct, "bridge": self.bridge}

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Forwards the caller, or bridges them; see `direct_or_bridge`."""
        destination = await destination_or_end(self.to, call, request)
        if isinstance(destination, TransferResult):
            return destination
        if not _forwards(destination):
            try:
                return await self._bridged(call, request, destination)
            except NoConsultation as error:
                return ended_by(error, destination)
        forwarded = await attempt(attrs.evolve(self.direct, to=_as_forwarded(destination)), call, request)
        if not forwarded.target_untouched:
            return forwarded
        call.attempted(forwarded)
        try:
            bridged = await self._bridged(call, request, destination)
        except NoConsultation as error:
            logger.info("the target cannot be dialled instead: %s", error)
            return attrs.evolve(forwarded, attempts=(forwarded,))
        call.attempted(bridged)
        return attrs.evolve(bridged, attempts=(forwarded, bridged))

    async def _bridged(self, call: Call, request: TransferRequest, destination: Destination) -> TransferResult:
        try:
            return await self.bridge.reach(call, request, destination)
        except (CallOver, NotAllowed, NoLiveCall, PlatformError) as error:
            return ended_by(error, destination)


def _forwards(destination: Destination) -> bool:
    """Whether a forwarded call reaches whom the destination means, with all that they are to get."""
    return not destination.extension and not destination.headers


def _as_forwarded(destination: Destination) -> Destination:
    """The address alone: the rest is for dialling."""
    return Destination(
        destination.address,
        allow_premium=destination.allow_premium,
        allow_emergency=destination.allow_emergency,
        allow_satellite=destination.allow_satellite,
    )
