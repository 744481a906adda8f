"""What the environment says of how targets are dialled: checked, and as it will be sent."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Final, Self

import attrs

from calltransfer.destination import checked_caller_id
from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown

CALLER_ID_VARIABLE: Final = "VIDEOSDK_CALLER_ID"
ROUTING_RULE_VARIABLE: Final = "VIDEOSDK_ROUTING_RULE"
GATEWAY_VARIABLE: Final = "VIDEOSDK_GATEWAY"

_ID: Final = re.compile(r"[\w.:\-]{1,200}", re.ASCII)


def checked_id(name: str, value: object) -> str:
    """Returns an id of the platform's, without the spaces and line breaks that were pasted with it.

    Args:
        name: What it was given as, such as "routing_rule=".
        value: The id.

    Raises:
        ConfigurationError: it is none.
    """
    written = value.strip() if isinstance(value, str) else ""
    if not _ID.fullmatch(written):
        raise ConfigurationError(f"{name} is an id of the platform's, such as 'rr_...' or 'gw_...', not {shown(value)}")
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
            routing_rule=value(ROUTING_RULE_VARIABLE, lambda written: checked_id(ROUTING_RULE_VARIABLE, written)),
            gateway=value(GATEWAY_VARIABLE, lambda written: checked_id(GATEWAY_VARIABLE, written)),
            wrong=wrong,
        )
