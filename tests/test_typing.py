"""What type checkers make of the library where it is installed: nothing of right uses, and something of each wrong one.

`tests/typing` is a project of a user's, with its configuration, and is checked in strict mode; so are the files that a
reader of the tutorial saves. Each line of
`wrong_uses.py` that is wrong says so at its end: the code of mypy's error, and the rule of pyright's.
"""

import json
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import KEPT

PROJECT = Path(__file__).with_name("typing")
TUTORIAL = PROJECT.parent.parent / "docs" / "start" / "first-transfer.md"
FILE = re.compile(r'^```python title="(?P<name>\w+\.py)"\n(?P<code>.*?)^```$', re.DOTALL | re.MULTILINE)
CACHE = KEPT / "mypy-of-users"
WRONG = "wrong_uses.py"
EXPECTED = re.compile(r"  # error: (?P<mypy>[\w-]+), (?P<pyright>\w+)$")

Found = Mapping[str, Mapping[int, set[str]]]
"""For each file, on which lines there are which errors."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, by itself."""
    shutil.copytree(PROJECT, tmp_path / "phone")
    (tmp_path / "phone" / "pyproject.toml").rename(tmp_path / "pyproject.toml")
    wrong = tmp_path / "phone" / WRONG
    ours, _, users = wrong.read_text(encoding="utf-8").partition("\n")
    assert "mypy: ignore-errors" in ours
    wrong.write_text(f"#\n{users}", encoding="utf-8")
    files = {found["name"]: found["code"] for found in FILE.finditer(TUTORIAL.read_text(encoding="utf-8"))}
    assert {"agent.py", "test_agent.py"} < set(files)
    for name, code in files.items():
        (tmp_path / name).write_text(code, encoding="utf-8")
    return tmp_path


def test_mypy_finds_what_is_wrong(project: Path) -> None:
    """`mypy --strict` has nothing to say of an agent, its strategies and its tests; every wrong use fails."""
    assert {WRONG: expected("mypy")} == only_expected(found_by_mypy(project), "mypy")


def test_pyright_finds_what_is_wrong(project: Path) -> None:
    """pyright, in strict mode, neither; it is not asked to be silent but of what the SDK leaves open."""
    found = only_expected(found_by_pyright(project), "pyright")
    # The tutorial's pipeline is made of the SDK's components, of which the page on configuration says what pyright finds.
    made = [line.strip() for line in (project / "agent.py").read_text(encoding="utf-8").splitlines()]
    assert {"stt", "llm", "tts"} == {made[line - 1].partition("=")[0] for line in found["agent.py"]}
    assert [{"reportUnknownMemberType"}] * 3 == list(found.pop("agent.py").values())
    assert {WRONG: expected("pyright")} == found


def expected(checker: str) -> dict[int, set[str]]:
    lines = (PROJECT / WRONG).read_text(encoding="utf-8").splitlines()
    found = {number: EXPECTED.search(line) for number, line in enumerate(lines, start=1)}
    return {number: {match[checker]} for number, match in found.items() if match}


def only_expected(found: Found, checker: str) -> dict[str, dict[int, set[str]]]:
    """Without what else a checker says of a line that is expected to be wrong."""
    wanted = expected(checker)
    return {
        file: {number: codes & wanted.get(number, codes) for number, codes in lines.items()}
        for file, lines in found.items()
    }


def found_by_mypy(project: Path) -> Found:
    # What is known of the SDK is kept from run to run: to find it out takes longer than all the rest.
    command = [sys.executable, "-m", "mypy", "--output", "json", "--cache-dir", str(CACHE), "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert 1 == done.returncode, done.stderr
    errors = [json.loads(line) for line in done.stdout.splitlines()]
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for error in errors:
        if error["severity"] == "error":
            found[Path(error["file"]).name][error["line"]].add(error["code"])
    return found


def found_by_pyright(project: Path) -> Found:
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert 1 == done.returncode, done.stderr
    found: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for error in json.loads(done.stdout)["generalDiagnostics"]:
        # Lines are counted from 0 here.
        found[Path(error["file"]).name][error["range"]["start"]["line"] + 1].add(error.get("rule", ""))
    return found
