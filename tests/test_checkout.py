"""A checkout works whatever its folder is called and wherever it is, and nothing in it but `.venv` has to be writable."""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import videosdk.agents

import calltransfer
import calltransfer.call
import calltransfer.sandbox
from calltransfer.testing.left import is_of_the_library, is_of_the_sdk
from tests import KEPT, ROOT

CODE = sorted(
    path for folder in ("src", "tests", "benchmarks", "scripts", "examples") for path in (ROOT / folder).rglob("*.py")
)
_PATH = re.compile(r"filename|__file__|\bfile_of\b")


def test_code_is_recognised_by_the_place_of_its_package() -> None:
    """The library's frames are those of its package, whatever the folders above are called, and so are the SDK's."""
    ours, stand_in, sdk = calltransfer.call.__file__, calltransfer.sandbox.__file__, videosdk.agents.__file__
    assert [True, False, False] == [is_of_the_library(file) for file in (ours, stand_in, sdk)]
    assert [False, False, True] == [is_of_the_sdk(file) for file in (ours, stand_in, sdk)]
    checkout = "/home/me/videosdk/agents/calltransfer"
    for file in (f"{checkout}/tests/fire.py", f"{checkout}/.venv/lib/python3.11/site-packages/aiohttp/client.py", ""):
        assert not is_of_the_library(file)
        assert not is_of_the_sdk(file)


def test_no_file_is_recognised_by_a_name_in_its_path() -> None:
    """No code asks whether a text is in the path of a file: the folder of a checkout may be called anything."""
    assert ["'/ours/' in at.filename"] == list(
        _looks_into_paths('ours = [at for at in all if "/ours/" in at.filename]')
    )
    assert [] == [look for path in CODE for look in _looks_into_paths(path.read_text("utf-8"))]


def _looks_into_paths(code: str) -> Iterator[str]:
    if not _PATH.search(code):
        return
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Compare(left=ast.Constant(value=str()), ops=[ast.In() | ast.NotIn()], comparators=[searched]):
                if _PATH.search(ast.unparse(searched)):
                    yield ast.unparse(node)


def test_what_tools_keep_is_kept_in_the_environment() -> None:
    """Caches and measurements are in `.venv`: the rest of a checkout may be another user's, or on a read-only disk."""
    tools: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    kept = (
        tools["ruff"]["cache-dir"],
        tools["mypy"]["cache_dir"],
        tools["pytest"]["ini_options"]["cache_dir"],
        tools["coverage"]["run"]["data_file"],
    )
    assert all((ROOT / each).is_relative_to(KEPT) for each in kept)
    assert "HYPOTHESIS_STORAGE_DIRECTORY" in os.environ


def test_make_calls_tools_by_the_environments_python() -> None:
    """A program in `.venv/bin` begins with the path at which it was installed; `python -m` does not."""
    assert {"python"} == set(re.findall(r"\bbin/(\w+)", (ROOT / "Makefile").read_text("utf-8")))


def test_the_command_is_run_by_the_environments_python() -> None:
    """What `make demo` runs is the command, wherever it was installed, and not a module that does nothing."""
    (module,) = re.findall(r"\$\(RUN\) (calltransfer\S*) demo", (ROOT / "Makefile").read_text("utf-8"))

    run = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)

    assert f"calltransfer, version {calltransfer.__version__}\n" == run.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with a name that is not easy, with an environment that was made in it."""
    folder = tmp_path / "calltransfer é" / "calltransfer"
    (folder / ".venv").mkdir(parents=True)
    (folder / "Makefile").write_bytes((ROOT / "Makefile").read_bytes())
    (folder / "pyproject.toml").touch()
    (folder / ".venv" / ".installed").write_text(f"{folder.resolve()}\n", "utf-8")
    return folder


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("make")
    assert program is not None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = [program, "--directory", str(folder), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_an_environment_that_was_made_elsewhere_is_made_anew(copy: Path) -> None:
    """In a copy of a checkout the tests run on the copy, and not on where its environment came from."""
    assert "-m venv" not in make(copy, "--just-print", "lint").stdout
    moved = copy.rename(copy.with_name("other"))
    assert "-m venv --clear .venv" in make(moved, "--just-print", "lint").stdout


def test_an_environment_that_cannot_be_written_to_is_said_to_have_to(copy: Path) -> None:
    """Where `.venv` cannot be a folder that one can write to, `make` says that it has to be, before anything else."""
    (copy / ".venv" / ".installed").unlink()
    (copy / ".venv").rmdir()
    (copy / ".venv").touch()
    done = make(copy, "lint")
    assert done.returncode != 0
    assert "\nOf this checkout .venv has to be a folder that you can write to" in done.stderr
    assert "-m venv" not in done.stdout
