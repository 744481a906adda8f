"""On which line of a TOML file each key and each element of an array stands.

Neither `tomllib` nor TOML Kit tells (python-poetry/tomlkit#55). This reads a document that `tomllib` has accepted, and
only as far as it has to: where values begin and end, not what they are (TOML 1.0.0, https://toml.io/en/v1.0.0).
"""

import re
import tomllib
from typing import Final

DEEPEST: Final = 50
"""Levels that tables and arrays may be inside one another: every path is kept, with all that is above it."""

Path = tuple[str | int, ...]
"""How one gets to a value: names of keys, and positions in arrays."""

_BLANK: Final = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2}(?!"))'
    r"|'''.*?'''(?:'{0,2}(?!'))"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\]}#\n]+")


class TooDeep(ValueError):
    """Tables or arrays are more than `DEEPEST` levels inside one another."""


def lines_of(text: str) -> dict[Path, int]:
    """Returns the line, from 1, of everything in `text`, which is valid TOML.

    That of a key is where it stands first; that of an element of an array, where it begins.

    Raises:
        TooDeep: something in it is.
    """
    return _Scanner(text).lines()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._counted_to = 0
        self._lines: dict[Path, int] = {(): 1}
        self._tables: dict[Path, int] = {}
        """How many tables each array of tables has so far."""

    def lines(self) -> dict[Path, int]:
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self._lines

    def _header(self) -> Path:
        of_array = self._text.startswith("[[", self._at)
        line = self._here()
        self._at += 2 if of_array else 1
        names = self._key()
        self._at += 2 if of_array else 1
        path: Path = ()
        for position, name in enumerate(names):
            path = (*path, name)
            self._lines.setdefault(path, line)
            if of_array and position == len(names) - 1:
                self._tables[path] = self._tables.get(path, 0) + 1
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._lines.setdefault(path, line)
        return path

    def _pair(self, table: Path) -> None:
        line = self._here()
        path = table
        for name in self._key():
            path = (*path, name)
            self._lines.setdefault(path, line)
        self._at += 1  # "="
        self._skip(_SPACE)
        self._value(path)

    def _key(self) -> list[str]:
        names = []
        while True:
            self._skip(_SPACE)
            quoted = self._text[self._at] in "\"'"
            name = self._taken(_STRING if quoted else _BARE)
            names.append(tomllib.loads(f"name = {name}")["name"] if quoted else name)
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1

    def _value(self, path: Path) -> None:
        if len(path) > DEEPEST:
            raise TooDeep
        first = self._text[self._at]
        if first == "[":
            self._elements(path)
        elif first == "{":
            self._inline_table(path)
        else:
            self._taken(_STRING if first in "\"'" else _SCALAR)

    def _elements(self, path: Path) -> None:
        position = 0
        while self._more("]"):
            self._lines[*path, position] = self._here()
            self._value((*path, position))
            position += 1

    def _inline_table(self, path: Path) -> None:
        while self._more("}"):
            self._pair(path)

    def _more(self, end: str) -> bool:
        """Steps over what opens, or stands between, the members of an array or table; whether there is another one."""
        if self._text[self._at] in "[{":
            self._at += 1
        self._skip(_BLANK)
        if self._text.startswith(",", self._at):
            self._at += 1
            self._skip(_BLANK)
        if not self._text.startswith(end, self._at):
            return True
        self._at += 1
        return False

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._taken(pattern)

    def _taken(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise ValueError("not valid TOML")
        self._at = found.end()
        return found.group()

    def _here(self) -> int:
        self._line += self._text.count("\n", self._counted_to, self._at)
        self._counted_to = self._at
        return self._line
