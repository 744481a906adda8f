"""The direct transfer: the call is forwarded, without a word to the target."""

import os
from collections.abc import Sequence

import attrs

from calltransfer.call import FORWARD_TIMEOUT, SENTENCE_TIMEOUT, Call, TransferRequest
from calltransfer.destination import Destination
from calltransfer.errors import CallOver, ConfigurationError, DestinationError, NoLiveCall, PlatformError
from calltransfer.events import TransferResult
from calltransfer.fields import yes_or_no
from calltransfer.outcome import Outcome
from calltransfer.strategies.target import Target, checked_target, destination_or_end, people_seconds, wait_seconds

TRANSFER_TO_VARIABLE = "VIDEOSDK_CALL_TRANSFER_TO"


@attrs.frozen
class DirectTransfer:
    """Forwards the caller to another line (blind or cold transfer; SIP REFER, RFC 3515).

    Waits until the agent's sentence has been heard, forwards the call in place, without disconnecting or redialling
    it, and follows it to its end. The caller stays with the agent until the platform has proven the connection; on any
    other end the agent speaks to them at once.

    While the target's phone rings the caller hears what their carrier plays, which may be silence: `play_dialtone` asks
    the platform for a ringing tone. A forwarded call cannot be called back: a target who answers after `timeout` still
    gets the caller.

    Attributes:
        to: A number in international form or a SIP URI; a `Destination`; or a callable `(call, request)`, async or not,
            that finds one at call time (None: there is none now). Without it, the environment variable
            VIDEOSDK_CALL_TRANSFER_TO is read at call time.
        timeout: Seconds the forwarded call is followed, its ring included; at most 240.
        sentence_timeout: Seconds for the agent to begin its sentence, which is heard to its end; then a fixed one is said
            in its place. At most 240.
        play_dialtone: Whether the platform plays a ringing tone meanwhile.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    to: Target | None = attrs.field(default=None, converter=checked_target)
    timeout: float = attrs.field(default=FORWARD_TIMEOUT, kw_only=True, validator=people_seconds)
    sentence_timeout: float = attrs.field(default=SENTENCE_TIMEOUT, kw_only=True, validator=wait_seconds)
    play_dialtone: bool = attrs.field(default=False, kw_only=True, validator=yes_or_no())

    def __attrs_post_init__(self) -> None:
        if isinstance(self.to, Destination) and self.to.only_dialled:
            raise ConfigurationError(
                f"to=: a call that is forwarded cannot carry {', '.join(self.to.only_dialled)}; only a target that is "
                "dialled can, as WarmTransfer does"
            )

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Forwards the caller; see the class."""
        destination = await self._destination(call, request)
        if isinstance(destination, TransferResult):
            return destination
        try:
            await call.prepare()
        except CallOver as error:
            return TransferResult(outcome=Outcome.CALLER_LEFT, destination=destination, detail=str(error))
        except (NoLiveCall, PlatformError) as error:
            return TransferResult(outcome=Outcome.FAILED, destination=destination, detail=str(error))
        await call.sentence_heard(timeout=self.sentence_timeout)
        return await call.forward(destination, timeout=self.timeout, play_dialtone=self.play_dialtone)

    def fixed_destinations(self) -> Sequence[Destination]:
        """The destination, where it is fixed."""
        return (self.to,) if isinstance(self.to, Destination) else ()

    def problems(self) -> Sequence[str]:
        """What is wrong with VIDEOSDK_CALL_TRANSFER_TO, where it is needed."""
        if self.to is not None:
            return ()
        try:
            found = _from_environment()
        except DestinationError:
            # The model is told of this, and must not see any part of a number, as the error's own words may show it.
            return (f"{TRANSFER_TO_VARIABLE} holds no number in international form or SIP URI that may be dialled",)
        return () if found else (f"{TRANSFER_TO_VARIABLE} is not set; set it, or give DirectTransfer a destination",)

    async def _destination(self, call: Call, request: TransferRequest) -> Destination | TransferResult:
        return await destination_or_end(self.to or _from_environment_now, call, request)


def _from_environment_now(_call: Call, _request: TransferRequest) -> Destination | None:
    return _from_environment()


def _from_environment() -> Destination | None:
    configured = os.environ.get(TRANSFER_TO_VARIABLE, "").strip()
    return Destination(configured) if configured else None
