"""A request to the platform, however it comes, and the pages that answer one."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs


@attrs.frozen
class Asked:
    """A request: over HTTP, or one of the SDK's that block the loop."""

    method: str
    path: str
    body: Any = None
    query: Mapping[str, str] = attrs.field(factory=dict)
    authorization: str = ""
    connection: int = 0

    @property
    def order(self) -> dict[str, Any]:
        """Its body, where that is an object."""
        return self.body if isinstance(self.body, dict) else {}


Page = tuple[str, str, Callable[..., Any]]
"""A method, the paths it answers, and what makes the document: given the request, and what the path has in brackets."""


def page(method: str, path: str, handler: Callable[..., Any]) -> Page:
    """What `handler` answers; `path` is a regular expression."""
    return method, path, handler
