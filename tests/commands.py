"""Commands on the pages that are not executed by the tests: which, why, and what they are held to instead."""

import importlib.metadata
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent

SDK_PLUGINS = {
    "videosdk-plugins-deepgram",
    "videosdk-plugins-google",
    "videosdk-plugins-openai",
    "videosdk-plugins-silero",
}
"""What a reader installs besides: the SDK's plugins for the providers of speech and models."""


class UnknownCommand(Exception):
    """A command that is not executed and does not hold what it promises."""


def not_executed(command: str, folder: Path) -> bool:
    """Whether a command is not executed.

    Raises:
        UnknownCommand: It is not, and is wrong.
    """
    for pattern, held_to in _NOT_EXECUTED.items():
        if re.match(pattern, command):
            problem = held_to(command, folder)
            if problem:
                raise UnknownCommand(f"$ {command}\n{problem}")
            return problem is not None
    return False


def _packages(command: str, _: Path) -> str | None:
    """Names and extras exist: pip only warns of an extra that does not."""
    for word in _words(command.partition("install " if "install " in command else "add ")[2]):
        if word.startswith("-"):
            continue
        path, bracket, extras = word.partition("[")
        if path.startswith((".", "/", "dist/")) or path.endswith(".whl"):
            word = "calltransfer" + bracket + extras
        try:
            requirement = Requirement(word)
        except InvalidRequirement:
            return f"{word!r} is nothing that pip installs"
        name = canonicalize_name(requirement.name)
        if name == "calltransfer":
            unknown = requirement.extras - set(_METADATA.get_all("Provides-Extra", []))
            if unknown:
                return f"calltransfer has no extra {', '.join(sorted(unknown))}"
        elif name not in SDK_PLUGINS | _REQUIRED | {"pytest"}:
            return f"{name} is neither ours, nor what we need, nor pytest, nor a plugin of the SDK's; see SDK_PLUGINS"
    return ""


def _target_of_make(command: str, _: Path) -> str | None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    unknown = [word for word in _words(command)[1:] if "=" not in word and word not in targets]
    return f"there is no make {' '.join(unknown)}" if unknown else ""


def _example(command: str, _: Path) -> str | None:
    (file,) = re.findall(r"examples\S*", command)
    return "" if (ROOT / file).exists() else f"there is no {file}"


def _worker(command: str, folder: Path) -> str | None:
    """None where the file starts no worker: such a one is executed."""
    file = folder / _words(command)[1]
    if not file.exists():
        return f"the page has no {file.name}"
    return "" if "WorkerJob(" in file.read_text(encoding="utf-8") else None


def _nothing(_: str, __: Path) -> str | None:
    return ""


def _words(command: str) -> list[str]:
    return shlex.split(command, comments=True)


_METADATA = importlib.metadata.metadata("calltransfer")
_REQUIRED = {canonicalize_name(Requirement(line).name) for line in _METADATA.get_all("Requires-Dist", [])}

_NOT_EXECUTED: dict[str, Callable[[str, Path], str | None]] = {
    # The registry is not ours to ask in a test; the distribution's own check installs the package.
    r"((python3? -m |\.venv/bin/)?pip install|uv (pip install|add)) ": _packages,
    # The reader's shell and machine: there is nothing to learn from doing it here.
    r"(export|source|deactivate|cd|mkdir|git clone)\b|set [A-Z]|python3?(\.\d+)? -m venv|uv venv|\. \.?venv": _nothing,
    # Minutes each, and what `make test` is itself.
    r"make ": _target_of_make,
    # tests/test_examples.py runs them.
    r"(\.venv/bin/)?(python|pytest|calltransfer check) examples\b": _example,
    # A worker waits for calls, on the live platform, until it is stopped.
    r"python \w+\.py$": _worker,
}
