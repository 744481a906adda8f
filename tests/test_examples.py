"""What a user runs first: the examples, the demo and the command line, as they are."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import calltransfer
from calltransfer.cli import main

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("example", "last_lines"),
    [
        ("call_transfer.py", ["agent: I am connecting you.", "the caller is talking to the human"]),
        ("call_center_agent.py", ["agent: I am trying once more.", "the caller is talking to the supervisor"]),
    ],
)
def test_examples_on_the_sandbox(example: str, last_lines: list[str]) -> None:
    """Each example runs on this machine as its first lines say, and ends with the caller where they should be."""
    assert last_lines == run(str(EXAMPLES / example), "--sandbox").splitlines()[-2:]


def test_the_demo_shows_both_calls() -> None:
    """The demo shows who said what, what the platform did, how each call ended, and no number."""
    result = CliRunner().invoke(main, ["demo", "--fast"])

    assert 0 == result.exit_code, result.output
    shown = result.output
    assert shown.index("transferring") < shown.index("transferred") < shown.index("CONNECTED")
    assert "is now talking to billing (***0123)" in shown
    assert (
        shown.index("transfer-failed") < shown.index("FAILED") < shown.index("I am sorry, billing cannot be reached.")
    )
    assert shown.rstrip().endswith("is now talking to the agent")
    assert "4155550123" not in shown
    assert 2 == shown.count('"I am connecting you to billing now."')


def test_the_command_line() -> None:
    """`--help` says what there is, and `--version` what this is."""
    assert "demo" in CliRunner().invoke(main, ["--help"]).output
    assert calltransfer.__version__ in CliRunner().invoke(main, ["--version"]).output


def test_the_command_line_without_its_extra() -> None:
    """Without the extra, the command says what to install."""
    code = "import sys; sys.modules['rich'] = None; import calltransfer.cli"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "pip install 'calltransfer[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def blocks(page: str) -> list[str]:
    """The Python code on a page."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/index.md"])
def test_the_first_agent_on_a_page_works(page: str) -> None:
    """The agent that a page shows first can be built as it stands there."""
    names: dict[str, Any] = {}
    exec(blocks(page)[0], names)  # noqa: S102
    assert "- billing: the caller asks about an invoice" in names["SupportAgent"]().instructions


def test_the_test_on_the_page_passes() -> None:
    """What the page on the sandbox shows runs, with the agent of the first page."""
    names: dict[str, Any] = {}
    for block in [*blocks("docs/index.md"), *blocks("docs/sandbox.md")]:
        exec(block, names)  # noqa: S102


def test_the_test_on_the_page_passes_under_pytest(tmp_path: Path) -> None:
    """The test of the page on the sandbox is collected and passes with what the page says for pytest."""
    test, _, for_pytest = blocks("docs/sandbox.md")
    module = tmp_path / "test_page.py"
    module.write_text("\n".join([*blocks("docs/index.md"), test, for_pytest]))

    assert "1 passed" in run("-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(module))


@pytest.mark.parametrize("example", ["call_transfer.py", "call_center_agent.py"])
def test_an_example_refuses_what_it_does_not_know(example: str) -> None:
    """A mistyped option says what there is, instead of going to the real platform."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), "--sandbx"], capture_output=True, text=True, check=False
    )

    assert 1 == done.returncode
    assert done.stderr.startswith("usage:")
