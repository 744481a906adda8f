"""Build the sdist and the wheel into `dist/`, and check that they are what users should get.

    make dist       # or: python scripts/check_distribution.py

It needs the dependency group `dist`, git, and a package index. In this order, and it stops at the first thing that is wrong:

1. Both are built twice, here and from a copy elsewhere, where the wheel is made from the sdist: the bytes are the same.
   That is done with the tools of `build-requirements.txt`, each of the version and with the hash that stand there, in an
   environment that holds nothing else.
2. The wheel holds the package, its type marker, its music and its licence, and nothing else; the sdist holds what it
   takes to build, to run every test and to build the site, and nothing else. Both hold only what is in git.
3. The metadata are what `pyproject.toml` means, and the page on PyPI has no link that is dead there.
4. An agent project gets at most two packages by installing the wheel that the SDK does not bring already, and none that
   it has is changed.
5. In that project, away from here: everything public can be imported, the music plays, and the command line works with
   its extra and says what to install without. An agent and its tests pass as their author has them (`examples/`), and
   a type checker sees our types. What has been built is still the same then, whatever was installed to check it.
"""

import email.message
import email.parser
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
BUILD_REQUIREMENTS = ROOT / "scripts" / "build-requirements.txt"

NOT_PYTHON = {"calltransfer/py.typed", "calltransfer/assets/hold.wav"}
"""What the wheel has besides modules and what describes it."""

DESCRIBES_IT = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}

IN_SDIST = {
    "benchmarks", "docs", "examples", "scripts", "src", "tests",
    ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "mkdocs.yml",
    "pyproject.toml",
}  # fmt: skip
"""What of the repository the sdist has; how the repository itself is served (`.ci`, `.github`) is not in it."""

EXTRAS = ["cli"]

ENTRY_POINTS = """\
[console_scripts]
calltransfer = calltransfer.cli:main

[pytest11]
calltransfer = calltransfer.testing.plugin
"""

MOST_ADDED = 2

AN_AGENT = ("warm_transfer.py", "test_warm_transfer.py", "routes.toml", "messages.py")
"""An agent, its tests and a plan, as their author has them."""

IS_COMPLETE = """
import sys
from pathlib import Path

import calltransfer, calltransfer.errors, calltransfer.sandbox

assert Path(sys.prefix) in Path(calltransfer.__file__).parents, calltransfer.__file__
for module in (calltransfer, calltransfer.sandbox):
    for name in module.__all__:
        getattr(module, name)
calltransfer.HoldMusic()  # reads its music
"""

IS_TYPED = """
from calltransfer import WarmTransfer

reveal_type(WarmTransfer(to="+14155550123").ring_timeout)
WarmTransfer(too="+14155550123")
"""


class Wrong(Exception):
    """What is built is not what it should be."""


def main() -> None:
    """Builds, checks, and says what was built."""
    with tempfile.TemporaryDirectory(prefix="calltransfer-") as name:
        elsewhere = Path(name)
        with step("the tools that build"):
            builder = build_tools(elsewhere / "tools")
        with step("built twice, and the same"):
            sdist, wheel = built(builder, elsewhere)
        digests = {file: digest(file) for file in (sdist, wheel)}
        with step("contents"):
            check_wheel(wheel)
            check_sdist(sdist)
        with step("metadata"):
            check_metadata(wheel)
            run(sys.executable, "-m", "twine", "check", "--strict", sdist, wheel)
        check_in_a_project(wheel, elsewhere)
    for file, built_as in digests.items():
        if digest(file) != built_as:
            raise Wrong(f"{file.name} was changed while it was checked")
        print(f"{built_as}  {file.relative_to(ROOT)}")


def build_tools(environment: Path) -> Path:
    """Makes an environment of what is pinned, and returns its interpreter."""
    venv.create(environment, with_pip=True)
    python = programs_of(environment) / "python"
    pip = (python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    run(*pip, "--require-hashes", "--only-binary", ":all:", "--requirement", BUILD_REQUIREMENTS)
    return python


def digest(file: Path) -> str:
    """Its SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def built(builder: Path, elsewhere: Path) -> tuple[Path, Path]:
    """Builds both twice with the interpreter `builder`, and returns where the first ones are."""
    when = os.environ.get("SOURCE_DATE_EPOCH") or run("git", "log", "-1", "--format=%ct").strip()
    copy = elsewhere / "copy"
    for path in in_git():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, copy / path)
    shutil.rmtree(DIST, ignore_errors=True)
    # Without being told which, `build` makes the wheel from the sdist.
    build = (builder, "-m", "build", "--no-isolation", "--outdir")  # else the newest tools would be downloaded
    run(*build, DIST, "--sdist", "--wheel", ROOT, SOURCE_DATE_EPOCH=when)
    run(*build, elsewhere / "again", copy, SOURCE_DATE_EPOCH=when)
    files = sorted(DIST.iterdir())
    for file in files:
        again = elsewhere / "again" / file.name
        if not again.is_file() or file.read_bytes() != again.read_bytes():
            raise Wrong(f"{file.name} is another one when it is built elsewhere, from the same files")
    match files:
        case [wheel, sdist] if wheel.suffix == ".whl" and sdist.name.endswith(".tar.gz"):
            return sdist, wheel
    raise Wrong(f"built is not one wheel and one sdist: {', '.join(file.name for file in files)}")


def check_wheel(wheel: Path) -> None:
    """It has the package and what describes it, and nothing else."""
    package = {path.removeprefix("src/") for path in in_git() if path.startswith("src/calltransfer/")}
    odd = {path for path in package if not path.endswith(".py")} ^ NOT_PYTHON
    if odd:
        raise Wrong(f"the package has files that are no modules, or lacks one: {', '.join(sorted(odd))}")
    about = f"calltransfer-{version()}.dist-info"
    with zipfile.ZipFile(wheel) as archive:
        compare(wheel, set(archive.namelist()), package | {f"{about}/{name}" for name in DESCRIBES_IT})
        entry_points = archive.read(f"{about}/entry_points.txt").decode()
    if entry_points != ENTRY_POINTS:
        raise Wrong(f"entry points are\n{entry_points}")


def check_sdist(sdist: Path) -> None:
    """It has what is in git of what it should have."""
    root = sdist.name.removesuffix(".tar.gz")
    with tarfile.open(sdist) as archive:
        files = {str(PurePosixPath(member.name).relative_to(root)) for member in archive if not member.isdir()}
    compare(sdist, files, {path for path in in_git() if path.partition("/")[0] in IN_SDIST} | {"PKG-INFO"})


def compare(file: Path, has: set[str], should_have: set[str]) -> None:
    """Says what is too much, and what is missing."""
    if has != should_have:
        much, little = sorted(has - should_have), sorted(should_have - has)
        raise Wrong(
            f"{file.name} has {', '.join(much) or 'nothing'} too much, and lacks {', '.join(little) or 'nothing'}"
        )


def check_metadata(wheel: Path) -> None:
    """They are what is written down, and the page on PyPI has no relative link."""
    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"calltransfer-{version()}.dist-info/METADATA").decode()
    has: email.message.Message = email.parser.Parser().parsestr(text)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for name, meant in (
        ("Version", [version()]),
        ("License-Expression", [project["license"]]),
        ("License-File", ["LICENSE"]),
        ("Provides-Extra", EXTRAS),
        ("Project-URL", [f"{name}, {url}" for name, url in project["urls"].items()]),
    ):
        if has.get_all(name) != meant:
            raise Wrong(f"{name} is {has.get_all(name)}, not {meant}")
    page = has.get_payload()
    addresses = re.findall(r'\]\(([^)]*)\)|(?:src|srcset|href)="([^"]*)"', page if isinstance(page, str) else "")
    dead = [address for pair in addresses for address in pair if address and not re.match(r"https://|#", address)]
    if dead or not addresses:
        raise Wrong(f"the page on PyPI has links that are dead there: {', '.join(dead)}")


def check_in_a_project(wheel: Path, elsewhere: Path) -> None:
    """Installs the wheel where only the SDK is, and uses it as an agent's author does."""
    project, environment = elsewhere / "project", elsewhere / "venv"
    project.mkdir()
    with step("the SDK alone is installed"):
        venv.create(environment, with_pip=True)
        here = Project(project, environment)
        here.install("videosdk-agents")
        before = here.installed()
    with step("the wheel is installed"):
        here.install(str(wheel))
        after = here.installed()
        added, changed = after.keys() - before.keys() - {"calltransfer"}, before.items() - after.items()
        if len(added) > MOST_ADDED or changed:
            raise Wrong(f"added are {', '.join(sorted(added))}; changed or gone are {dict(changed)}")
    print(f"    beside {len(before)} packages of the SDK's and calltransfer: {', '.join(sorted(added))}")
    with step("without its extra"):
        here.run("python", "-c", IS_COMPLETE)
        said = here.run("calltransfer", "--version")
        if said != f"calltransfer, version {version()}\n":
            raise Wrong(f"calltransfer --version says {said!r}")
        for command in (("demo", "--fast"), ("check", "routes.toml")):
            if "pip install 'calltransfer[cli]'" not in here.run("calltransfer", *command, status=1):
                raise Wrong(f"calltransfer {command[0]} does not say what to install")
    for name in AN_AGENT:
        shutil.copyfile(ROOT / "examples" / name, project / name)
    with step("the command line"):
        here.install(f"{wheel}[cli]")
        if "7. " not in here.run("calltransfer", "demo", "--fast"):
            raise Wrong("calltransfer demo does not show seven calls")
        if "ring_group" not in here.run("calltransfer", "check", "--offline", "routes.toml"):
            raise Wrong("calltransfer check does not show the plan")
    with step("an agent's tests"):
        here.install("pytest")
        if " passed" not in here.run("pytest", "-q"):
            raise Wrong("no test was run")
    with step("its types"):
        here.install("mypy")
        (project / "typed.py").write_text(IS_TYPED)
        said = here.run("mypy", "--strict", "typed.py", status=1)
        for meant in ('Revealed type is "float"', 'Unexpected keyword argument "too"', "Found 1 error"):
            if meant not in said.replace("builtins.", ""):
                raise Wrong(f"mypy does not say {meant}, but:\n{said}")


class Project:
    """A folder and an environment that know nothing of the repository."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self._folder = folder
        self._programs = programs_of(environment)

    def install(self, what: str) -> None:
        """Installs it, as its author would."""
        self.run("python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", what)

    def installed(self) -> dict[str, str]:
        """What is installed, and in which version."""
        lines = self.run("python", "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check").splitlines()
        return dict(line.split("==") for line in lines)

    def run(self, program: str, *arguments: str, status: int = 0) -> str:
        """Runs a program of the environment in the folder."""
        return run(self._programs / program, *arguments, folder=self._folder, status=status, both=status != 0)


def programs_of(environment: Path) -> Path:
    """Where an environment has its programs."""
    return environment / ("Scripts" if os.name == "nt" else "bin")


def run(*command: str | Path, folder: Path = ROOT, status: int = 0, both: bool = False, **environment: str) -> str:
    """Returns what a program prints; `both` has what it complains of, too."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"PYTHONPATH", "VIRTUAL_ENV"} and not name.startswith("VIDEOSDK_")
    }
    done = subprocess.run(command, cwd=folder, env=inherited | environment, capture_output=True, text=True, check=False)
    if done.returncode != status:
        told = " ".join(map(str, command))
        raise Wrong(f"{told[:200]}\nended with {done.returncode}, not {status}:\n{done.stdout}\n{done.stderr}")
    return done.stdout + done.stderr if both else done.stdout


def in_git() -> Sequence[str]:
    """The files of the repository that are here."""
    return [path for path in run("git", "ls-files", "-z").split("\0") if path and (ROOT / path).is_file()]


def version() -> str:
    """The one place where the version is written."""
    (found,) = re.findall(r'^__version__ = "(.*)"$', (ROOT / "src/calltransfer/__init__.py").read_text(), re.MULTILINE)
    return str(found)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Says how long it took."""
    began = time.monotonic()
    yield
    print(f"{time.monotonic() - began:6.1f} s  {name}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Wrong as wrong:
        sys.exit(f"not what it should be: {wrong}")
