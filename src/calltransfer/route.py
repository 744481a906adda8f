"""A route: a name the model may choose, when to choose it, and the strategy behind it."""

import re
from typing import Final

import attrs

from calltransfer.call import TransferStrategy
from calltransfer.errors import ConfigurationError
from calltransfer.masking import masked_text
from calltransfer.strategies.combining import checked_strategy

WITHDRAW: Final = "none"
"""What the model chooses to withdraw a transfer."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_LOOKS_LIKE_A_NUMBER = re.compile(r"\d(?:[\s().\-/]{0,2}\d){5,}")


@attrs.frozen
class Route:
    """A name the model may choose, when to choose it, and the strategy behind it.

    Attributes:
        name: What the model sees: lower-case letters, digits, "_" and "-", and not "none".
        strategy: How the caller is moved; shared between calls.
        when: Completes "choose this when ...", for the model. No phone numbers: it would repeat them.

    Raises:
        ConfigurationError: a value is wrong.
    """

    name: str
    strategy: TransferStrategy
    when: str = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"Route name {masked_text(str(self.name))!r} must be at most 64 lower-case letters, "
                "digits, '_' or '-', starting with a letter, such as 'billing'"
            )
        if self.name == WITHDRAW:
            raise ConfigurationError(f"Route name {WITHDRAW!r} is taken: the model uses it to withdraw a transfer")
        if not isinstance(self.when, str) or not self.when.strip():
            raise ConfigurationError(f"Route {self.name!r} needs when=, such as 'the caller asks about an invoice'")
        if _LOOKS_LIKE_A_NUMBER.search(self.when):
            raise ConfigurationError(
                f"Route {self.name!r}: when= contains what looks like a phone number; the model must not see any"
            )
        checked_strategy(self.strategy, f"Route {self.name!r}")
