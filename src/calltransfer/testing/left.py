"""What a call leaves behind, or lets out: tasks, errors that nobody takes, and private words in a log."""

import asyncio
import functools
import logging
import traceback
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import videosdk
from typing_extensions import override

import calltransfer

_LOGGER = logging.getLogger("calltransfer")
_PACKAGE = Path(calltransfer.__file__).parent
_SANDBOX = _PACKAGE / "sandbox"
_STAND_INS = (_SANDBOX, _PACKAGE / "testing")
_SDK = Path(videosdk.__path__[0])
_OTHERS = (_SDK, Path(aiohttp.__file__).parent)
_LOGGERS_OF_OTHERS = ("videosdk", "aiohttp", "asyncio", "calltransfer.sandbox")


class Left:
    """Notes what is left, or let out, while it is open.

    Args:
        private: What no line of a log may show.

    Attributes:
        found: What was, each with the name of its invariant first.
        errors: The first line of every error that calltransfer logs: what a strategy has done wrong is among them.
    """

    def __init__(self, private: Collection[str]) -> None:
        self.found: list[tuple[str, str]] = []
        self.errors: list[str] = []
        self._private = private
        self._log = _Log()

    def __enter__(self) -> Self:
        self._before = asyncio.all_tasks()
        asyncio.get_running_loop().set_exception_handler(self._raised)
        self._level = _LOGGER.level
        _LOGGER.setLevel(logging.DEBUG)
        logging.getLogger().addHandler(self._log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        logging.getLogger().removeHandler(self._log)
        _LOGGER.setLevel(self._level)
        asyncio.get_running_loop().set_exception_handler(None)
        tasks = asyncio.all_tasks() - self._before
        self.found += [("clean", f"the task {task.get_name()!r} was left behind") for task in tasks if not _known(task)]
        self.errors += self._log.errors
        self.found += [("private", f"a line of the log shows what is private: {line}") for line in self._shown()]

    def _raised(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        raised = frames and not _is_in(frames[-1].filename, *_OTHERS, *_STAND_INS)
        if raised:
            where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}"
            self.found.append(("clean", f"nobody took an error: {type(error).__name__} at {where}"))

    def _shown(self) -> Iterator[str]:
        for line in self._log.lines:
            if any(secret in line for secret in self._private):
                yield line


def tasks_left() -> "list[asyncio.Task[Any]]":
    """The tasks of calltransfer's own that run on this loop."""
    return [task for task in asyncio.all_tasks() if _is_in(file_of(task), _PACKAGE) and not _known(task)]


def is_of_the_library(file: str) -> bool:
    """Whether code is in the package and not in its sandbox.

    The folder of a checkout may have the package's name, with an environment and its packages in it: what counts is
    where the package itself is.
    """
    return _is_in(file, _PACKAGE) and not _is_in(file, _SANDBOX)


def is_of_the_sdk(file: str) -> bool:
    """Whether code is the SDK's."""
    return _is_in(file, _SDK)


def file_of(task: "asyncio.Task[Any]") -> str:
    """The file in which a task is written."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code.co_filename if code is not None else ""


def _known(task: "asyncio.Task[Any]") -> bool:
    """Whether it is the sandbox's, the test's or the SDK's, which leaves some of its own behind."""
    return _is_in(file_of(task), *_OTHERS, *_STAND_INS)


@functools.cache
def _is_in(file: str, *folders: Path) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in folders)


class _Log(logging.Handler):
    """Everything that is logged by whoever is tested."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.errors: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_LOGGERS_OF_OTHERS):
            return
        line = record.getMessage()
        self.lines.append(line)
        if record.name == "calltransfer" and record.levelno >= logging.ERROR:
            self.errors.append(line.partition("\n")[0])
