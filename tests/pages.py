"""Executes every block of code on a page of the documentation, from its top to its bottom.

A page has a folder and a namespace of its own, and relies on nothing else. What is done with a block depends on its
language, and a language without a rule is an error:

- `python` runs in the page's namespace. Tests that it defines are run by pytest, with the fixture `sandbox`, at once.
- `python title="agent.py"` is a file, which is imported. One that is named `test_*.py` is run by pytest.
- `toml title="routes.toml"` is a plan, which must be good unless the page shows what `calltransfer check` says of it.
- `console` has commands, each after a `$`, and what they print. `...` stands for anything, and alone on a line for any
  lines; two spaces or more, for as many as the terminal's width makes of them. Without output, the command must succeed.
  What is exported is there for whatever follows on the page. Some are not executed: see `tests/commands.py`.
- `text` and `mermaid` are no code.

No `VIDEOSDK_*` variable is set but those that a page sets, so that it works for who follows it from an empty folder.

Setup that readers have no use for stands in a comment, `<!-- invisible-code-block: python ... -->`.
"""

import ast
import asyncio
import contextlib
import importlib
import inspect
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from sybil import Document, Example, Region
from sybil.parsers.abstract.lexers import LexerCollection
from sybil.parsers.markdown.lexers import DirectiveInHTMLCommentLexer, RawFencedCodeBlockLexer

from calltransfer import ConfigurationWarning, Routes
from calltransfer.sandbox.cloud import Cloud
from calltransfer.sandbox.unknowns import Trouble, Unknowns
from calltransfer.testing.plugin import runner
from tests import A_HANG
from tests.commands import not_executed
from tests.offline.sitecustomize import looked_up_here, only_here

CALLER_ID, RULE = "+14155550100", "rr_support"
OFFLINE = Path(__file__).with_name("offline")

SOME = 20
"""Of how many cases of the conformance suite one is run; a page shows how the suite is used, not that a strategy is good."""

_FENCES = RawFencedCodeBlockLexer(re.compile(r"(?P<arguments>[^\n]*)\n"))
_COMMENTS = DirectiveInHTMLCommentLexer(directive="invisible-code-block", arguments=".*?")
_TITLE = re.compile(r'\btitle="([^"]+)"')


class BrokenPage(Exception):
    """What is wrong with a page, and where."""


def executed(path: Path, folder: Path) -> int:
    """Executes every block of a page in an empty folder.

    Returns:
        How many there were.

    Raises:
        BrokenPage: One of them is not what it seems.
        Exception: What one of them has raised; its traceback leads to the line on the page.
    """
    page = _Page(path, folder)
    with _surroundings(folder):
        try:
            for example in page.examples:
                example.evaluate()
        finally:
            page.close()
    return len(page.examples)


class _Page:
    """A page while it is executed."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path = path
        self.folder = folder
        self.rules: Mapping[str, Callable[[Example], None]] = {
            "python": self.python,
            "toml": self.toml,
            "console": self.console,
            "text": lambda _: None,
            "mermaid": lambda _: None,
        }
        document = Document.parse(str(path), self.regions)
        document.namespace["__name__"] = "page"
        self.examples = list(document.examples())
        self.commands = "\n".join(example.parsed for example in self.examples if _language(example) == "console")
        self.closing = ExitStack()
        self.platform = ""

    def regions(self, document: Document) -> Iterator[Region]:
        for region in LexerCollection([_FENCES, _COMMENTS])(document):
            region.parsed = region.lexemes["source"]
            region.evaluator = self.evaluate
            yield region

    def evaluate(self, example: Example) -> None:
        rule = self.rules.get(_language(example))
        if rule is None:
            shown = example.region.lexemes["arguments"].strip()
            known = ", ".join(self.rules)
            raise self.broken(example, f"there is no rule for a block of {shown!r}; there is one for {known}")
        rule(example)

    def broken(self, example: Example, problem: str) -> BrokenPage:
        return BrokenPage(f"{self.path}:{example.line}: {problem}")

    def python(self, example: Example) -> None:
        title = _title(example)
        if title is None:
            # As many lines down as on the page, for tracebacks.
            source = "\n" * (example.line + example.parsed.line_offset) + example.parsed
            exec(compile(source, self.path, "exec", dont_inherit=True), example.namespace)  # noqa: S102
            tests = _tests(source)
            if tests:
                others = {name: value for name, value in example.namespace.items() if not name.startswith(_TESTS)}
                module = types.ModuleType("page")
                module.__dict__.update(others | {name: example.namespace[name] for name in tests})
                self.pytest(example, self.path, _Collector(self.path, module))
            return
        file = self.file(example, title)
        if file.name.startswith("test_"):
            if not self.runs(file):
                self.pytest(example, file)
            return
        self.forget()
        importlib.import_module(".".join(file.relative_to(self.folder).with_suffix("").parts))

    def runs(self, test: Path) -> bool:
        """Whether a command of the page runs a file of tests."""
        for command in re.findall(r"^\$ pytest\b(.*)", self.commands, re.MULTILINE):
            named = re.findall(r"\S+\.py\b", command)
            if not named or test.name in named:
                return True
        return False

    def toml(self, example: Example) -> None:
        title = _title(example)
        if title is None:
            raise self.broken(example, 'a block of toml needs a title="...", the name of its file')
        file = self.file(example, title)
        if file.name == "pyproject.toml":
            tomllib.loads(example.parsed)
        elif not re.search(rf"^\$ calltransfer check\b.*{re.escape(title)}", self.commands, re.MULTILINE):
            self.forget()
            Routes.from_toml(file)

    def console(self, example: Example) -> None:
        for command, expected in self.conversation(example):
            if not_executed(command, self.folder):
                os.environ.update(_exported(command))
                continue
            done = subprocess.run(
                ["/bin/bash", "-c", self.preamble(command) + command],
                cwd=self.folder,
                env=os.environ | _SUBPROCESS,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=A_HANG,
                check=False,
            )
            printed = _lines(done.stdout)
            if not expected and done.returncode != 0:
                raise self.broken(example, f"$ {command}\nends with {done.returncode}:\n{done.stdout}")
            if expected and not _pattern(expected).fullmatch("".join(f"{line}\n" for line in printed)):
                raise self.broken(example, f"$ {command}\nprints\n{done.stdout}\nand not\n{os.linesep.join(expected)}")

    def conversation(self, example: Example) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines that it is to print."""
        lines = _lines(example.parsed)
        if not lines:
            raise self.broken(example, "an empty block of console")
        while lines:
            line = lines.pop(0)
            if not line.startswith("$ "):
                raise self.broken(example, f"a block of console begins with a command after '$ ', not with {line!r}")
            command = line.removeprefix("$ ")
            while command.endswith("\\") and lines:
                command += "\n" + lines.pop(0).removeprefix("> ")
            expected = []
            while lines and not lines[0].startswith("$ "):
                expected.append(lines.pop(0))
            yield command, _lines("\n".join(expected))

    def preamble(self, command: str) -> str:
        """Has the command line ask a platform on this machine, show a plan wide, and the demo without waiting."""
        if not re.search(r"calltransfer (check|demo)", command):
            return ""
        if not self.platform and "calltransfer check" in command:
            self.platform = self.closing.enter_context(_platform())
        options = f'check) set -- "$@" --base-url \'{self.platform}\';; demo) set -- "$@" --fast;;'
        return f'calltransfer() {{ case $1 in {options} esac; COLUMNS=120 command calltransfer "$@"; }}\n'

    def file(self, example: Example, title: str) -> Path:
        file = self.folder / title
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(example.parsed, encoding="utf-8")
        return file

    def forget(self) -> None:
        """Has what the page has written imported anew: a later block may have changed it."""
        importlib.invalidate_caches()
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(self.folder):
                del sys.modules[name]

    def pytest(self, example: Example, path: Path, *plugins: object) -> None:
        """Runs the tests of a file as its author would, in this process: starting another one takes seconds."""
        self.forget()
        options = ["-c", os.devnull, f"--rootdir={self.folder}", f"--confcutdir={self.folder}", "--capture=no"]
        options += ["-p", "no:cacheprovider", "-p", "no:faulthandler", "-p", "no:xdist"]
        options += ["-W", f"error::calltransfer.{ConfigurationWarning.__name__}"]
        status = pytest.main([*options, str(path)], plugins=[_Sample(), *plugins])
        if status != pytest.ExitCode.OK:
            raise self.broken(example, f"the tests in this block do not pass ({pytest.ExitCode(status).name})")

    def close(self) -> None:
        self.closing.close()
        self.forget()


_TESTS = ("test_", "Test")
_SUBPROCESS = {
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONPATH": os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")])),
    "PYTHONDONTWRITEBYTECODE": "1",
    "COLUMNS": "80",
    "NO_COLOR": "1",
}


class _Collector:
    """Has pytest find a module where it is given the page."""

    def __init__(self, path: Path, module: types.ModuleType) -> None:
        self._path = path
        self._module = module

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Module | None:
        if file_path != self._path:
            return None
        collected: pytest.Module = _Collected.from_parent(parent, path=file_path)
        collected.obj = self._module
        return collected

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: pytest.Function) -> bool | None:
        """Runs a test that opens its sandbox itself; one with the fixture is run by our plugin."""
        if not inspect.iscoroutinefunction(pyfuncitem.obj) or "sandbox" in pyfuncitem.fixturenames:
            return None
        with runner(real_time=False) as loop:
            loop.run(pyfuncitem.obj())
        return True


class _Collected(pytest.Module):
    """A module that was there before pytest came."""


class _Sample:
    """Keeps one in so many of the cases of a conformance suite."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        cases = [item for item in items if "case" in getattr(item, "fixturenames", ())]
        items[:] = [item for item in items if item not in cases] + cases[::SOME]


@contextmanager
def _surroundings(folder: Path) -> Iterator[None]:
    """Where a page is executed: in its folder, off the network, and without an account's settings in the environment."""
    with ExitStack() as stack:
        stack.enter_context(patch.dict(os.environ))
        for name in [name for name in os.environ if name.startswith("VIDEOSDK_")]:
            del os.environ[name]
        stack.enter_context(patch.object(sys, "path", [str(folder), *sys.path]))
        # Where a page writes a file twice within a second, the first one's bytecode passes for the second's of its length.
        stack.enter_context(patch.object(sys, "dont_write_bytecode", new=True))
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(patch.object(socket.socket, "connect", only_here(socket.socket.connect)))
        stack.enter_context(patch.object(socket, "getaddrinfo", looked_up_here(socket.getaddrinfo)))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default")
        warnings.simplefilter("error", ConfigurationWarning)
        yield


@contextmanager
def _platform() -> Iterator[str]:
    """A platform on this machine, with an account that has what the pages name; its address."""

    async def started() -> Cloud:
        cloud = Cloud(Unknowns(), Trouble())
        await cloud.start()
        account = cloud.server.account
        account.numbers.append(CALLER_ID)
        account.routing_rule(RULE, numbers=[CALLER_ID])
        account.routing_rule("rr_inbound", type="inbound")
        return cloud

    cloud = asyncio.run(started())
    try:
        yield cloud.base_url
    finally:
        asyncio.run(cloud.stop())


def _exported(command: str) -> dict[str, str]:
    """The variables that a command exports."""
    words = shlex.split(command, comments=True)
    pairs = (word.partition("=") for word in words[1:]) if words[:1] == ["export"] else ()
    return {name: value for name, equals, value in pairs if equals}


def _language(example: Example) -> str:
    words: list[str] = example.region.lexemes["arguments"].split()
    return words[0] if words else ""


def _title(example: Example) -> str | None:
    found = _TITLE.search(example.region.lexemes["arguments"])
    return found[1] if found else None


def _tests(source: str) -> list[str]:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = (statement.name for statement in ast.parse(source).body if isinstance(statement, definitions))
    return [name for name in names if name.startswith(_TESTS)]


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip("\n").splitlines()]


def _pattern(expected: Iterable[str]) -> re.Pattern[str]:
    """What output has to look like."""
    return re.compile("".join("(?:.*\n)*" if line.strip() == "..." else f"{_any_gap(line)}\n" for line in expected))


def _any_gap(line: str) -> str:
    parts = (".*".join(map(re.escape, part.split("..."))) for part in re.split(r"(?<=\S) {2,}", line))
    return " {2,}".join(parts)
