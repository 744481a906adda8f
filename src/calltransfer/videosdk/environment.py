"""What the environment says of how targets are dialled: checked, and as it will be sent."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Final, Literal, Self

import attrs

from calltransfer.destination import checked_caller_id
from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown

CALLER_ID_VARIABLE: Final = "VIDEOSDK_CALLER_ID"
ROUTING_RULE_VARIABLE: Final = "VIDEOSDK_ROUTING_RULE"
GATEWAY_VARIABLE: Final = "VIDEOSDK_GATEWAY"

_ID: Final = re.compile(r"[\w.:\-]{1,200}", re.ASCII)
_TOKEN: Final = re.compile(r"eyJ[\w\-]+(?:\.[\w\-]*)+", re.ASCII)
_NUMBER: Final = re.compile(r"\+?(?:[ ().\-]*\d){7,15}[ ().\-]*", re.ASCII)

Kind = Literal["routing rule", "gateway"]

PREFIXES: Final[Mapping[Kind, str]] = {"routing rule": "rr_", "gateway": "gw_"}
"""What ids begin with where the platform shows any. It does not promise that: only the prefix of another kind is refused."""


def checked_id(name: str, value: object, kind: Kind) -> str:
    """Returns an id of the platform's, without the spaces and line breaks that were pasted with it.

    Args:
        name: What it was given as, such as "routing_rule=".
        value: The id.
        kind: What it is the id of.

    Raises:
        ConfigurationError: it is none, or certainly something else: a token, a phone number, an id of the other kind.
    """
    written = value.strip() if isinstance(value, str) else ""
    is_right = f"{name} is the id of a {kind}, such as '{PREFIXES[kind]}...'"
    if _TOKEN.fullmatch(written):
        raise ConfigurationError(f"{is_right}, and this is a token; give that as VIDEOSDK_AUTH_TOKEN or token=")
    if _NUMBER.fullmatch(written):
        raise ConfigurationError(f"{is_right}, and {shown(value)} is a phone number")
    for other, prefix in PREFIXES.items():
        if other != kind and written.startswith(prefix):
            raise ConfigurationError(f"{is_right}, and {shown(written)} is that of a {other}; give it as the {other}")
    if not _ID.fullmatch(written):
        raise ConfigurationError(f"{is_right}, not {shown(value)}")
    return written


@attrs.frozen(kw_only=True)
class Environment:
    """What the environment says of how targets are dialled, as it will be sent.

    Attributes:
        caller_id: VIDEOSDK_CALLER_ID, in E.164.
        routing_rule: VIDEOSDK_ROUTING_RULE.
        gateway: VIDEOSDK_GATEWAY.
        wrong: What is wrong, by the name of the variable; masked.
    """

    caller_id: str | None = attrs.field(default=None, repr=False)
    routing_rule: str | None = None
    gateway: str | None = None
    wrong: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def read(cls) -> Self:
        """What it says now. A variable that is empty, or nothing but spaces, is not set."""
        wrong: dict[str, str] = {}

        def value(name: str, check: Callable[[str], str]) -> str | None:
            written = os.environ.get(name, "").strip()
            try:
                return check(written) if written else None
            except ConfigurationError as error:
                wrong[name] = str(error).removeprefix("caller_id=: ").removeprefix(f"{name} ")
                return None

        return cls(
            caller_id=value(CALLER_ID_VARIABLE, checked_caller_id),
            routing_rule=value(
                ROUTING_RULE_VARIABLE, lambda written: checked_id(ROUTING_RULE_VARIABLE, written, "routing rule")
            ),
            gateway=value(GATEWAY_VARIABLE, lambda written: checked_id(GATEWAY_VARIABLE, written, "gateway")),
            wrong=wrong,
        )
