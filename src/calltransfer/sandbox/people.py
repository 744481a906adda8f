"""The people at the other end: how somebody reacts to a ringing phone, and what they do once they have answered."""

from collections.abc import Sequence
from typing import Any

import attrs

from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown

_KEYS = frozenset("0123456789*#")


def _a_text(step: Any, _: "attrs.Attribute[str]", value: Any) -> None:
    if not isinstance(value, str):
        raise ConfigurationError(f"{type(step).__name__} takes the words that are said, not {shown(value)}")


def _a_key(_: Any, __: "attrs.Attribute[str]", value: Any) -> None:
    if not isinstance(value, str) or value not in _KEYS:
        raise ConfigurationError(f"one key is pressed at a time, 0 to 9, '*' or '#', not {shown(value)}")


def _some_lines(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigurationError(
            f"lines= is how many calls a phone takes at once, 1 or more, or None, not {shown(value)}"
        )


def _steps(_: Any, __: "attrs.Attribute[Any]", value: Any) -> None:
    steps = value if isinstance(value, Sequence) else [value]
    if steps is not value or not all(isinstance(step, str | Act) for step in steps):
        wrong = next((step for step in steps if not isinstance(step, str | Act)), value)
        raise ConfigurationError(
            "says= takes a sentence, or a list of sentences, Says(...), Presses(...), HangsUp(...) and PutsThrough(...), "
            f"not {shown(wrong)}"
        )


@attrs.frozen
class Says:
    """Somebody says something.

    Attributes:
        text: What.
        when: What they have to have heard first, since their previous step, in any case; "": they do not wait.
        after: Seconds from then until they begin.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    text: str = attrs.field(validator=_a_text)
    when: str = ""
    after: float = 0.3


@attrs.frozen
class Presses:
    """Somebody presses a key.

    Attributes:
        key: Which: a digit, "*" or "#".
        when: What they have to have heard first, since their previous step, in any case; "": they do not wait.
        after: Seconds from then until they press it.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    key: str = attrs.field(validator=_a_key)
    when: str = ""
    after: float = 0.3


@attrs.frozen
class HangsUp:
    """Somebody hangs up.

    Attributes:
        when: What they have to have heard first, since their previous step, in any case; "": they do not wait.
        after: Seconds from then until they hang up.
    """

    when: str = ""
    after: float = 0.0


@attrs.frozen
class PutsThrough:
    """A machine that has answered puts the call through to a human, who says and does what comes next.

    A queue, an assistant that screens calls, a receptionist. The human has heard nothing of what was said to it.

    Attributes:
        when: What the machine has to have heard first, since its previous step, in any case; "": it does not wait.
        after: Seconds from then until the human is on the line.
    """

    when: str = ""
    after: float = 6.0


Act = Says | Presses | HangsUp | PutsThrough


@attrs.frozen(kw_only=True)
class Person:
    """Somebody with a phone.

    Attributes:
        number: Their number in E.164, or their SIP URI.
        name: What they are called in a room, unless who dials them says otherwise.
        answers_after: Seconds of ringing until they pick up; None: never.
        refuses_after: Seconds until they, or their carrier, refuse the call; None: they do not.
        hangs_up_after: Seconds after picking up until they hang up; None: they stay.
        early_media: Whether there is audio on their line while it still rings: dialled, it is in its room, with an
            audio stream, before anybody has answered, whatever `waitUntilAnswered` asked for.
        lines: How many calls their phone takes at once: it is busy to any more. None: any number, as a switchboard does.
        says: What they do, step by step, once they have been dialled and have answered. A plain string is said after
            a question: `Says(text, when="?")`.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    number: str
    name: str = "Support"
    answers_after: float | None = 2.0
    refuses_after: float | None = None
    hangs_up_after: float | None = None
    early_media: bool = False
    lines: int | None = attrs.field(default=1, validator=_some_lines)
    says: str | Sequence[str | Act] = attrs.field(default=(), validator=_steps)

    @property
    def acts(self) -> list[Act]:
        """What they do, step by step."""
        steps = [self.says] if isinstance(self.says, str) else self.says
        return [Says(step, when="?") if isinstance(step, str) else step for step in steps if step]


def address_of(number: str) -> str:
    """A number in the form in which the platform dials it.

    Raises:
        DestinationError: it is none that a call could be forwarded to.
    """
    return Destination(number, allow_premium=True, allow_emergency=True, allow_satellite=True).address
