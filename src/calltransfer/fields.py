"""What fields of many values have in common: how their seconds, and their choices of two, are checked."""

import math
from collections.abc import Callable
from typing import Any

import attrs

from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown

Validator = Callable[[Any, "attrs.Attribute[Any]", Any], None]


def is_seconds(value: object, *, at_least: float = 0, at_most: float = math.inf) -> bool:
    """Whether `value` is a finite number of seconds above 0: `True` is none, though to Python it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return 0 < value < math.inf and at_least <= value <= at_most


def seconds(*, at_least: float = 0, at_most: float = math.inf) -> Validator:
    """Returns what validates a field that is a number of seconds."""
    limit = f"at least {at_least:g}" if at_least else "above 0"
    limit += f" and at most {at_most:g}" if at_most < math.inf else ""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not is_seconds(value, at_least=at_least, at_most=at_most):
            raise ConfigurationError(f"{attribute.name}= is in seconds, {limit}, not {shown(value)}")

    return check


def yes_or_no(error: type[ConfigurationError] = ConfigurationError) -> Validator:
    """Returns what validates a field that is a choice of two, and raises `error` where it is none."""

    def check(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
        if not isinstance(value, bool):
            raise error(f"{attribute.name}= is True or False, not {shown(value)}")

    return check
