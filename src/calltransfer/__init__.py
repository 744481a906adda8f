"""Hand a live phone call from an AI agent to another line or a human, and know what really happened."""

from typing import TYPE_CHECKING, Any

from calltransfer.briefing import Answer, Briefing, Gate, Utterance
from calltransfer.call import (
    Call,
    Consultation,
    Dictation,
    Platform,
    Presence,
    Response,
    Summary,
    TransferRequest,
    TransferStrategy,
    Turn,
)
from calltransfer.call_wrapper import CallWrapper
from calltransfer.destination import Destination
from calltransfer.details import CallDetails
from calltransfer.errors import (
    AnswerLost,
    CallOver,
    CallTransferError,
    ConfigurationError,
    ConfigurationWarning,
    DestinationError,
    NoConsultation,
    NoDictation,
    NoLiveCall,
    NotAllowed,
    NotAuthorised,
    NoTextModel,
    NotFound,
    NoToken,
    PlatformError,
    PlatformUnreachable,
    RateLimited,
    RequestRefused,
    RoutesError,
    ServerFault,
)
from calltransfer.events import ConsultationIds, Phase, TransferEvent, TransferResult
from calltransfer.hold import HeldCaller, Hold, HoldMusic, StayWithCaller
from calltransfer.outcome import Outcome
from calltransfer.policy import Policy
from calltransfer.route import Route
from calltransfer.routes import Routes
from calltransfer.schedule import Schedule
from calltransfer.strategies.bridge import direct_or_bridge
from calltransfer.strategies.choose import Choose
from calltransfer.strategies.combining import Combining
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.fallback import Fallback
from calltransfer.strategies.limit import Limit
from calltransfer.strategies.open_hours import OpenHours
from calltransfer.strategies.ring_group import RingGroup
from calltransfer.strategies.take_message import Message, TakeMessage
from calltransfer.strategies.warm import WarmTransfer
from calltransfer.summary import ExtractiveSummary, LLMSummary
from calltransfer.wording import ToolAnswer, Wording

if TYPE_CHECKING:
    from calltransfer.agent import TransferMixin
    from calltransfer.sandbox import Sandbox
    from calltransfer.videosdk.platform import VideoSDKPlatform
    from calltransfer.videosdk.sigterm import shut_down_on_sigterm

__version__ = "0.1.0"

__all__ = [
    "Answer",
    "AnswerLost",
    "Briefing",
    "Call",
    "CallDetails",
    "CallOver",
    "CallTransferError",
    "CallWrapper",
    "Choose",
    "Combining",
    "ConfigurationError",
    "ConfigurationWarning",
    "Consultation",
    "ConsultationIds",
    "Destination",
    "DestinationError",
    "Dictation",
    "DirectTransfer",
    "ExtractiveSummary",
    "Fallback",
    "Gate",
    "HeldCaller",
    "Hold",
    "HoldMusic",
    "LLMSummary",
    "Limit",
    "Message",
    "NoConsultation",
    "NoDictation",
    "NoLiveCall",
    "NoTextModel",
    "NoToken",
    "NotAllowed",
    "NotAuthorised",
    "NotFound",
    "OpenHours",
    "Outcome",
    "Phase",
    "Platform",
    "PlatformError",
    "PlatformUnreachable",
    "Policy",
    "Presence",
    "RateLimited",
    "RequestRefused",
    "Response",
    "RingGroup",
    "Route",
    "Routes",
    "RoutesError",
    "Sandbox",
    "Schedule",
    "ServerFault",
    "StayWithCaller",
    "Summary",
    "TakeMessage",
    "ToolAnswer",
    "TransferEvent",
    "TransferMixin",
    "TransferRequest",
    "TransferResult",
    "TransferStrategy",
    "Turn",
    "Utterance",
    "VideoSDKPlatform",
    "WarmTransfer",
    "Wording",
    "__version__",
    "direct_or_bridge",
    "shut_down_on_sigterm",
]

_NEEDS_THE_SDK = {
    "TransferMixin": "calltransfer.agent",
    "Sandbox": "calltransfer.sandbox",
    "VideoSDKPlatform": "calltransfer.videosdk.platform",
    "shut_down_on_sigterm": "calltransfer.videosdk.sigterm",
}


def __getattr__(name: str) -> Any:
    """Imports the SDK, which takes about two seconds, only for the names that need it."""
    if name not in _NEEDS_THE_SDK:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_NEEDS_THE_SDK[name]), name)


def __dir__() -> list[str]:
    return __all__
