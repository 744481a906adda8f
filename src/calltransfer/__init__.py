"""Hand a live phone call from an AI agent to another line or a human, and know what really happened."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calltransfer.agent import TransferMixin
    from calltransfer.briefing import Answer, Briefing, Gate, Utterance
    from calltransfer.call import (
        Call,
        Consultation,
        Dictation,
        Presence,
        Response,
        Summary,
        TransferRequest,
        TransferStrategy,
    )
    from calltransfer.call_wrapper import CallWrapper
    from calltransfer.destination import Destination
    from calltransfer.details import CallDetails
    from calltransfer.errors import (
        CallOver,
        CallTransferError,
        ConfigurationError,
        ConfigurationWarning,
        DestinationError,
        NoConsultation,
        NoDictation,
        NoLiveCall,
        NotAllowed,
        NoTextModel,
        PlatformError,
        RoutesError,
    )
    from calltransfer.events import ConsultationIds, Phase, TransferEvent, TransferResult
    from calltransfer.hold import HeldCaller, Hold, HoldMusic, StayWithCaller
    from calltransfer.outcome import Outcome
    from calltransfer.platform import Platform
    from calltransfer.policy import Policy
    from calltransfer.route import Route
    from calltransfer.routes import Routes
    from calltransfer.sandbox import Sandbox
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
    from calltransfer.videosdk.platform import VideoSDKPlatform
    from calltransfer.videosdk.sigterm import shut_down_on_sigterm
    from calltransfer.wording import ToolAnswer, Wording

__version__ = "0.1.0"
"""The version, by the rules of semantic versioning."""

__all__ = [
    "Answer",
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
    "NotAllowed",
    "OpenHours",
    "Outcome",
    "Phase",
    "Platform",
    "PlatformError",
    "Policy",
    "Presence",
    "Response",
    "RingGroup",
    "Route",
    "Routes",
    "RoutesError",
    "Sandbox",
    "Schedule",
    "StayWithCaller",
    "Summary",
    "TakeMessage",
    "ToolAnswer",
    "TransferEvent",
    "TransferMixin",
    "TransferRequest",
    "TransferResult",
    "TransferStrategy",
    "Utterance",
    "VideoSDKPlatform",
    "WarmTransfer",
    "Wording",
    "__version__",
    "direct_or_bridge",
    "shut_down_on_sigterm",
]

_WHERE = {
    "Answer": "briefing",
    "Briefing": "briefing",
    "Call": "call",
    "CallDetails": "details",
    "CallOver": "errors",
    "CallTransferError": "errors",
    "CallWrapper": "call_wrapper",
    "Choose": "strategies.choose",
    "Combining": "strategies.combining",
    "ConfigurationError": "errors",
    "ConfigurationWarning": "errors",
    "Consultation": "call",
    "ConsultationIds": "events",
    "Destination": "destination",
    "DestinationError": "errors",
    "Dictation": "call",
    "DirectTransfer": "strategies.direct",
    "ExtractiveSummary": "summary",
    "Fallback": "strategies.fallback",
    "Gate": "briefing",
    "HeldCaller": "hold",
    "Hold": "hold",
    "HoldMusic": "hold",
    "LLMSummary": "summary",
    "Limit": "strategies.limit",
    "Message": "strategies.take_message",
    "NoConsultation": "errors",
    "NoDictation": "errors",
    "NoLiveCall": "errors",
    "NoTextModel": "errors",
    "NotAllowed": "errors",
    "OpenHours": "strategies.open_hours",
    "Outcome": "outcome",
    "Phase": "events",
    "Platform": "platform",
    "PlatformError": "errors",
    "Policy": "policy",
    "Presence": "call",
    "Response": "call",
    "RingGroup": "strategies.ring_group",
    "Route": "route",
    "Routes": "routes",
    "RoutesError": "errors",
    "Sandbox": "sandbox",
    "Schedule": "schedule",
    "StayWithCaller": "hold",
    "Summary": "call",
    "TakeMessage": "strategies.take_message",
    "ToolAnswer": "wording",
    "TransferEvent": "events",
    "TransferMixin": "agent",
    "TransferRequest": "call",
    "TransferResult": "events",
    "TransferStrategy": "call",
    "Utterance": "briefing",
    "VideoSDKPlatform": "videosdk.platform",
    "WarmTransfer": "strategies.warm",
    "Wording": "wording",
    "direct_or_bridge": "strategies.bridge",
    "shut_down_on_sigterm": "videosdk.sigterm",
}


if not TYPE_CHECKING:  # a checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        """Imports what a name needs when it is used: the SDK takes two seconds, and pytest loads a plugin anywhere."""
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
