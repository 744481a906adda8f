"""What VideoSDK needs to dial a target and to consult them: checked when the agent is built, used when they are called."""

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final

import attrs

from calltransfer.destination import Destination
from calltransfer.errors import NoConsultation
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.environment import (
    CALLER_ID_VARIABLE,
    GATEWAY_VARIABLE,
    PREFIXES,
    ROUTING_RULE_VARIABLE,
    Environment,
    Kind,
)

STAND_IN: ContextVar[Callable[[], Any] | None] = ContextVar("what makes pipelines instead", default=None)
"""What makes a consultation's pipeline in the place of an author's `pipeline=`, which would reach real providers."""

_SPARE_RING: Final = 5
"""Seconds that the platform lets a phone ring longer than we do: ours ends first, its own when we no longer can."""

LONGEST_CALL: Final = 4 * 3600
"""Seconds after which the platform ends a target's leg that nobody else has ended, unless an author says otherwise."""

_SPARE_ROOM: Final = 300
"""Seconds that a consultation's room lives longer than the longest call in it: the longest ring is 245."""


@attrs.frozen(kw_only=True)
class ConsultationSetup:
    """How targets are dialled and consulted on one platform.

    Attributes:
        caller_id: The number they see; without one VIDEOSDK_CALLER_ID.
        routing_rule: The platform's rule they are dialled by; without one, and without a gateway, VIDEOSDK_ROUTING_RULE.
        gateway: The gateway they are dialled through instead; without one VIDEOSDK_GATEWAY.
        pipeline: Makes the pipeline of a consultation; without one the agent's components are made anew.
        longest_call: Seconds after which the platform ends a target's leg.
    """

    caller_id: str | None = attrs.field(default=None, repr=False)
    routing_rule: str | None = None
    gateway: str | None = None
    pipeline: Callable[[], Any] | None = None
    longest_call: int = LONGEST_CALL

    @property
    def room(self) -> dict[str, Any]:
        """What the platform is asked for when it makes a consultation's room: to close it once nobody can need it.

        The platform's references take the duration for seconds of the session, and elsewhere for inactivity, or for
        minutes. In seconds, and beyond the longest call, it cuts nobody off whichever is true.
        """
        duration = self.longest_call + _SPARE_ROOM
        return {"autoCloseConfig": {"type": "session-end-and-deactivate", "duration": duration}}

    def problems(self, destination: Destination | None) -> list[str]:
        """Why a target could not be dialled, a sentence each, with nothing private in it."""
        found = []
        environment = Environment.read()
        line = self._line(environment)
        # The model is told of these, and must not see any part of a number, as the check's own words may show it.
        if self._caller_id(destination, environment) is None:
            wrong = CALLER_ID_VARIABLE in environment.wrong
            found.append(
                f"{CALLER_ID_VARIABLE} holds no phone number in international form"
                if wrong
                else f"the platform needs caller_id=, or {CALLER_ID_VARIABLE}, to dial a target"
            )
        if not line:
            variables: dict[str, Kind] = {ROUTING_RULE_VARIABLE: "routing rule", GATEWAY_VARIABLE: "gateway"}
            wrong_ids = [name for name in variables if name in environment.wrong]
            found += [
                f"{name} holds no id of a {variables[name]}, such as '{PREFIXES[variables[name]]}...'"
                for name in wrong_ids
            ]
            if not wrong_ids:
                found.append(
                    f"the platform needs routing_rule= or gateway=, or {ROUTING_RULE_VARIABLE} or {GATEWAY_VARIABLE}, "
                    "to dial a target"
                )
        if destination is not None:
            found += self._not_carried(destination, line)
        return found

    def dialling(self, destination: Destination, ring_timeout: float) -> dict[str, Any]:
        """What the platform is asked for, but the room and the participant's id.

        Raises:
            NoConsultation: something is missing, or could not be carried.
        """
        problems = self.problems(destination)
        if problems:
            raise NoConsultation("; ".join(problems))
        environment = Environment.read()
        asked: dict[str, Any] = {
            "sipCallTo": destination.address,
            "sipCallFrom": self._caller_id(destination, environment),
            **self._line(environment),
            "participant": {"name": destination.display_name} if destination.display_name else {},
            "waitUntilAnswered": True,
            "ringingTimeout": math.ceil(ring_timeout) + _SPARE_RING,
            "maxCallDuration": self.longest_call,
        }
        if destination.metadata:
            asked["metadata"] = dict(destination.metadata)
        if destination.extension:
            asked["dtmf"] = destination.extension
        if destination.headers:
            asked["headers"] = dict(destination.headers)
        return asked

    def pipeline_of(self, session: Any) -> Callable[[], Any] | None:
        """What makes the consultation's pipeline; None: the components of `session` are made anew.

        Raises:
            NoConsultation: they cannot be.
        """
        if self.pipeline is not None:
            return STAND_IN.get() or self.pipeline
        why = _sdk.why_not_rebuilt(session)
        if why is not None:
            raise NoConsultation(f"the consultation needs pipeline=, because the agent's cannot be made anew: {why}")
        return None

    def consultation_problems(self, session: Any) -> list[str]:
        """What is certain to go wrong in a consultation as long as there is no `pipeline`, a sentence each."""
        if self.pipeline is not None:
            return []
        why = _sdk.why_not_rebuilt(session)
        if why is not None:
            return [
                f"targets cannot be consulted, because the agent's pipeline cannot be made anew: {why}; give "
                "VideoSDKPlatform(pipeline=make_pipeline)"
            ]
        lost = _sdk.lost_when_rebuilt(session)
        if not lost:
            return []
        return [
            f"targets are spoken to without {', '.join(lost)}, because the agent's components are made anew without "
            "arguments; give VideoSDKPlatform(pipeline=make_pipeline)"
        ]

    def _line(self, environment: Environment) -> dict[str, str]:
        rule, gateway = self.routing_rule, self.gateway
        if not rule and not gateway:
            rule, gateway = environment.routing_rule, environment.gateway
            if ROUTING_RULE_VARIABLE in environment.wrong:
                return {}  # it is meant, and would come first
        return {"routingRuleId": rule} if rule else {"gatewayId": gateway} if gateway else {}

    def _caller_id(self, destination: Destination | None, environment: Environment) -> str | None:
        own = destination.caller_id if destination is not None else None
        return own or self.caller_id or environment.caller_id

    def _not_carried(self, destination: Destination, line: Mapping[str, str]) -> list[str]:
        found = []
        if destination.is_sip:
            found.append("the platform dials phone numbers, not SIP URIs; DirectTransfer forwards to those")
        if "routingRuleId" in line:
            ignored = [name for name in ("extension", "headers") if getattr(destination, name)]
            if ignored:
                found.append(
                    f"{' and '.join(ignored)} of a destination {'is' if len(ignored) == 1 else 'are'} ignored by the "
                    "platform when it dials by a routing rule; set them in the rule, or dial through gateway="
                )
        return found
