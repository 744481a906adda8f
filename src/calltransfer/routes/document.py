"""A plan as it is written: read, with its references to the environment resolved, and the line of everything in it."""

import os
import pathlib
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import attrs

from calltransfer.errors import RoutesError
from calltransfer.masking import masked_text, shown
from calltransfer.routes.importing import REFERENCE
from calltransfer.routes.mistakes import Mistakes
from calltransfer.routes.toml_lines import DEEPEST, Path, TooDeep, lines_of

WRONG: Final = object()
"""Stands for a value that is wrong, once that has been noted: nothing more is said about it."""

_LARGEST: Final = 512 * 1024
"""Bytes of a plan: one of a thousand routes has less."""

_DEEP_KEY: Final = re.compile(
    rf"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){{{DEEPEST}}}""", re.ASCII
)
"""The time `tomllib` takes for a dotted key grows with the square of its parts."""

_REFERENCE: Final = re.compile(r"\$\{([^}]*)\}?")
_FROM_ENVIRONMENT: Final = ("to", "targets", "caller_id", "extension", "sip_hosts", "file")
"""Keys whose values may refer to the environment: what differs from one deployment to the next, and is not read out."""

_NOT_IN_YOUR_OWN: Final = frozenset(
    {
        "when",
        "strategy",
        "briefing",
        "chooser",
        "default",
        "deliver",
        "hold",
        "hours",
        "inside",
        "outside",
        "summary",
        "try",
    }
)
"""Keys whose values are read in our way beside a strategy of the author's, too."""

_IN_YOUR_WORDS: Final = frozenset({"metadata", "headers"})
"""Tables in which keys mean what their author says; they are sent along with a call."""

_LONGEST_VALUE: Final = 1024
_A_SECRET: Final = re.compile(
    r"(?:^|_)(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|APIKEY)(?:_|$)|_KEY$", re.ASCII | re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_AT_LINE: Final = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
_HINTS: Final = {
    "Invalid value": "text stands in quotes, and true, false and numbers without",
    "Invalid initial character for a key part": "an inline table { ... } stands on one line, without a comma at its end",
    "Unclosed inline table": "an inline table { ... } stands on one line",
    "Expected '=' after a key": "write key = value, or [table] on a line of its own",
    "Cannot overwrite a value": "it stands there twice; keep it once",
    "Cannot declare": "the table stands there twice; put its keys together",
    "Duplicate inline table key": "keep it once",
    "Illegal character '\\n'": "the quote that ends the text is missing",
}


@attrs.frozen
class Document:
    """What is written in a plan.

    Attributes:
        tables: Its tables, with every reference to the environment replaced; `WRONG` where there is nothing to put there.
        mistakes: Those found so far; whoever reads on adds to them.
        directory: What paths in it are relative to.
        from_environment: The strings that are, wholly or in part, from the environment.
    """

    tables: dict[str, Any]
    mistakes: Mistakes
    directory: pathlib.Path
    from_environment: frozenset[str]


def read_toml(path: str | os.PathLike[str]) -> Document:
    """Reads a TOML file.

    Raises:
        RoutesError: it cannot be read, or is no TOML.
    """
    source = os.fspath(path)
    try:
        with pathlib.Path(path).open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise RoutesError([f"{source}: cannot be read: {error.strerror or type(error).__name__}"]) from None
    if len(data) > _LARGEST:
        raise RoutesError([f"{source}: is larger than {_LARGEST // 1024} kB, and so no plan"])
    try:
        text = data.decode("utf-8-sig")  # Windows editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise RoutesError([f"{source}:{line}: is not written in UTF-8; save it as that"]) from None
    if _DEEP_KEY.search(text):
        raise too_deep(source)
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RoutesError([_not_toml(source, text, str(error))]) from None
    try:
        lines = lines_of(text)
    except TooDeep:
        raise too_deep(source) from None
    return _resolved(tables, Mistakes(source, lines), pathlib.Path(path).parent)


def too_deep(source: str = "") -> RoutesError:
    """What is wrong with tables that are inside one another without end, or nearly so."""
    return RoutesError([f"{f'{source}: ' if source else ''}has tables too deep inside one another to be read"])


def read_mapping(mapping: Mapping[str, Any], directory: str | os.PathLike[str]) -> Document:
    """Reads a mapping of the same form.

    Raises:
        RoutesError: it is no mapping.
    """
    if not isinstance(mapping, Mapping):
        raise RoutesError(
            [f"routes are read from a mapping of tables, such as {{'routes': {{...}}}}, not {shown(mapping)}"]
        )
    return _resolved(mapping, Mistakes(), pathlib.Path(directory))


def _not_toml(source: str, text: str, message: str) -> str:
    at = _AT_LINE.search(message)
    why = masked_text(_AT_LINE.sub("", message))
    hint = next((f"; {hint}" for beginning, hint in _HINTS.items() if why.startswith(beginning)), "")
    line, column = at.groups() if at and at[1] else (text.rstrip().count("\n") + 1, None)
    return f"{source}:{line}:{f'{column}:' if column else ''} is not TOML: {why}{hint}"


def _resolved(tables: Mapping[str, Any], mistakes: Mistakes, directory: pathlib.Path) -> Document:
    environment = _Environment(mistakes)
    resolved = environment.resolved(tables, ())
    return Document(resolved, mistakes, directory, frozenset(environment.used))


class _Environment:
    def __init__(self, mistakes: Mistakes) -> None:
        self.used: set[str] = set()
        self._mistakes = mistakes

    def resolved(self, value: Any, path: Path, belongs: bool = False) -> Any:
        """`value` without references; `belongs`: they may stand there."""
        if isinstance(value, Mapping) and any(name in _IN_YOUR_WORDS for name in path):
            return {str(name): self.resolved(each, (*path, str(name))) for name, each in value.items()}
        if isinstance(value, Mapping):
            own = isinstance(value.get("strategy"), str) and REFERENCE.fullmatch(value["strategy"])
            return {
                str(name): self.resolved(
                    each, (*path, str(name)), name in _FROM_ENVIRONMENT or bool(own and name not in _NOT_IN_YOUR_OWN)
                )
                for name, each in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.resolved(each, (*path, position), belongs) for position, each in enumerate(value)]
        if isinstance(value, str) and "${" in value:
            return self._text(value, path, belongs)
        return value

    def _text(self, text: str, path: Path, belongs: bool) -> Any:
        if not belongs:
            self._mistakes.note(
                path,
                f"takes nothing from the environment: it may be read out, or shown. {', '.join(_FROM_ENVIRONMENT)} do, and "
                "what is given to a strategy of your own; write the value here",
            )
            return WRONG
        missing = []
        for found in _REFERENCE.finditer(text):
            name = found[1]
            if not found.group().endswith("}") or not _VARIABLE.fullmatch(name):
                missing.append(f"{masked_text(found.group())!r} refers to no variable; write '${{NAME}}'")
            elif _A_SECRET.search(name):
                missing.append(
                    f"{name} is the name of a secret, and nothing in a plan is one: refer to another variable"
                )
            elif len(os.environ.get(name, "")) > _LONGEST_VALUE:
                missing.append(f"the environment variable {name} is longer than {_LONGEST_VALUE} characters")
            elif not os.environ.get(name):
                state = "is empty" if name in os.environ else "is not set"
                missing.append(f"the environment variable {name} {state}; set it before this is read")
        for message in dict.fromkeys(missing):
            self._mistakes.note(path, message)
        if missing:
            return WRONG
        resolved = _REFERENCE.sub(lambda found: os.environ[found[1]], text)
        for found in _REFERENCE.finditer(text):
            self._mistakes.keep_secret(os.environ[found[1]], found.group())
        self._mistakes.keep_secret(resolved, text)
        self.used.add(resolved)
        return resolved
