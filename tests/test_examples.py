"""What a user runs first: the examples, the demo and the command line, as they are."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import calltransfer
from calltransfer.cli import main

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    assert "" == done.stderr
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
