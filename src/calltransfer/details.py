"""What is known of a caller."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import attrs


def _read_only(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


@attrs.frozen(kw_only=True)
class CallDetails:
    """What is known of a caller, as the platform says it: nothing here has been checked, and a caller ID can be forged.

    What is not known, or not known yet, is None or missing.

    Attributes:
        number: The caller's number; on an outbound call that of whoever was called.
        called_number: The number of yours that the call is on: the one they called, or that they were called from.
        name: What they are called in the room. Often it is their number.
        metadata: What was given along with the call: by whoever placed it, or by a routing rule (`headersToAttributes`),
            in which case it comes from the caller's side. What the account has given with the call comes before that.
    """

    number: str | None = attrs.field(default=None, repr=False)
    called_number: str | None = attrs.field(default=None, repr=False)
    name: str | None = attrs.field(default=None, repr=False)
    metadata: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False, converter=_read_only)

    @property
    def language(self) -> str | None:
        """The "language" of the metadata; None where there is none that is text."""
        language = self.metadata.get("language")
        return language.strip() or None if isinstance(language, str) else None
