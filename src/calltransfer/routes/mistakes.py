"""What is wrong with a plan: every mistake, where it stands, and what would be right; nothing private in it."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

from calltransfer.errors import RoutesError
from calltransfer.masking import masked_address, masked_text, one_line
from calltransfer.routes.toml_lines import Path

_SHORTEST_SECRET: Final = 4
"""Characters: what is shorter is replaced between quotes only; it might be part of a word."""

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
"""It has as many digits as a phone number."""

_QUOTE: Final = "'"
_SHOWN: Final = re.compile(r"(?P<quoted>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")|[^\s'\"(),;]+")
"""What may be, or have in it, a value: it stands between quotes, or is a word."""

_ALSO_KNOWN_AS: Final = {
    "blind": "direct",
    "cold": "direct",
    "refer": "direct",
    "attended": "warm",
    "consultative": "warm",
    "address": "to",
    "destination": "to",
    "number": "to",
    "phone": "to",
    "transfer_to": "to",
    "target": "to",
    "strategies": "try",
    "schedule": "hours",
    "type": "strategy",
    "kind": "strategy",
    "voicemail": "take_message",
    "ring_all": "ring_group",
}
"""Other words for the same thing, in this field and in Python's keywords."""


class Mistakes:
    """Collects mistakes.

    Args:
        source: What the file is called; empty where there is none.
        lines: The line of each key and element, where they are known.
    """

    def __init__(self, source: str = "", lines: Mapping[Path, int] | None = None) -> None:
        self._source = source
        self._lines = lines or {}
        self._found: list[tuple[int, str]] = []
        self._secrets: dict[str, str] = {}
        self._plain_secrets: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._found)

    def keep_secret(self, value: str, reference: str) -> None:
        """Has `reference` stand wherever a message would show `value`, which is from the environment."""
        for shown in (value, masked_address(value), masked_text(value)):
            if len(shown) >= _SHORTEST_SECRET:
                self._secrets[shown] = reference
            self._secrets[repr(shown)] = f"'{reference}'"
        if len(_plain(value)) >= _SHORTEST_SECRET:
            self._plain_secrets[_plain(value)] = reference

    def note(self, path: Path, message: str) -> None:
        """Notes a mistake at `path`, or at the nearest that stands in the file above it."""
        line = next((self._lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self._lines), 0)
        place = f"{self._source}:{line}: " if line else f"{self._source}: " if self._source else ""
        where = f"{spelt(path)}: " if path else ""
        message = self._without_secrets(message)
        # A line each, whatever is in a key or a value.
        shown = "".join(character if character.isprintable() else " " for character in message)
        self._found.append((line, f"{place}{where}{shown}"))

    def _without_secrets(self, message: str) -> str:
        for secret in sorted(self._secrets, key=len, reverse=True):
            message = message.replace(secret, self._secrets[secret])
            # What is too long to be shown is cut, wherever in it a secret stands.
            for end in range(len(secret) - 1, _SHORTEST_SECRET - 1, -1):
                message = message.replace(f"{secret[:end]}...", f"{self._secrets[secret].rstrip(_QUOTE)}...")
        return _SHOWN.sub(self._unless_secret, message) if self._secrets else message

    def _unless_secret(self, found: re.Match[str]) -> str:
        """What is shown, or the reference in its place: a path or a host is not shown as it was written, but is the same."""
        quote, text = (found.group()[0], found.group()[1:-1]) if found["quoted"] else ("", found.group())
        plain = _plain(text)
        for secret, reference in self._plain_secrets.items():
            # Between quotes stands a value; what does not is a word of ours, or all of a value.
            enough = min(len(plain), len(secret)) * (1 if quote else 2) // 2
            if len(plain) >= _SHORTEST_SECRET and _have_in_common(plain, secret, max(enough, _SHORTEST_SECRET)):
                return f"{quote}{reference}{quote}"
        return found.group()

    def raise_if_any(self) -> None:
        """Raises all of them at once, in the order in which they stand in the file.

        Raises:
            RoutesError: there is one.
        """
        if self._found:
            raise RoutesError(message for _, message in sorted(self._found, key=lambda found: found[0]))


def _plain(text: str) -> str:
    """What is left of a text however it is written: letters and digits."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


def _have_in_common(text: str, secret: str, length: int) -> bool:
    """Whether that many characters in a row are in both."""
    return any(text[at : at + length] in secret for at in range(len(text) - length + 1))


def spelt(path: Path) -> str:
    """How a path is written: elements of an array are counted from 1, as the parts of a strategy are."""
    return ".".join(str(name + 1) if isinstance(name, int) else _spelt(name) for name in path)


def _spelt(name: str) -> str:
    return name if _DATE.fullmatch(name) else one_line(name)


def meant(word: str, known: Iterable[str]) -> str | None:
    """Which of the known words somebody most probably meant who wrote `word`; None if it is like none of them."""
    words = list(known)
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", word).replace("-", "_").replace(" ", "_").lower()
    for candidate in (
        snake,
        snake.removesuffix("_transfer"),
        snake.removesuffix("_strategy"),
        _ALSO_KNOWN_AS.get(snake),
    ):
        if candidate in words:
            return candidate
    near = difflib.get_close_matches(snake, words, n=1, cutoff=0.6)
    return near[0] if near else None


def right(word: str, known: Iterable[str], otherwise: str) -> str:
    """What to write instead of `word`: the nearest of the known ones, or `otherwise`."""
    nearest = meant(word, known)
    return f"did you mean '{nearest}'?" if nearest else otherwise
