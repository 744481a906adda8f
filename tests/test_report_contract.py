"""The report of the weekly run says which of the things we rely on a new SDK has changed."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "report_contract.py"

GONE = """<testsuites><testsuite><testcase classname="tests.test_sdk_contract" name="test_the_sdk_still_has[A._b]">
<failure message="AssertionError: this SDK has no A._b any more; we need it because: somebody must hear&#10;assert False">
E   assert False</failure></testcase>
<testcase classname="tests.test_sdk_contract" name="test_fine"/></testsuite></testsuites>"""

NOT_LOADED = """<testsuites><testsuite><testcase classname="" name="tests.test_sdk_contract"><error
message="collection failure">src/x.py:1: in
E   ImportError: cannot import name 'there' from 'videosdk'</error></testcase></testsuite></testsuites>"""

ENDED_DIFFERENTLY = """<testsuites><testsuite><testcase classname="tests.test_tool" name="test_a_call"><failure
message="AssertionError: nobody is with the caller">E   AssertionError</failure></testcase></testsuite></testsuites>"""

FINE = """<testsuites><testsuite><testcase classname="tests.test_tool" name="test_a_call"/></testsuite></testsuites>"""


def report(folder: Path, *written: str) -> tuple[int, str]:
    """What is said of what pytest has written, and the exit status."""
    files = [folder / f"{number}.xml" for number in range(len(written))]
    for file, text in zip(files, written, strict=True):
        file.write_text(text)
    done = subprocess.run([sys.executable, SCRIPT, *files], capture_output=True, text=True, check=False)
    assert "" == done.stderr
    return done.returncode, done.stdout


def test_what_is_gone_is_named_with_its_reason(tmp_path: Path) -> None:
    """A name that has gone is a row of a table, and a call that ends differently a line."""
    status, said = report(tmp_path, GONE, ENDED_DIFFERENTLY)

    assert 1 == status
    assert "breaks 1 contract and 1 test\n" in said
    assert "| `A._b` | somebody must hear |" in said
    assert "- `tests.test_tool::test_a_call`: AssertionError: nobody is with the caller" in said


def test_a_contract_that_cannot_be_loaded(tmp_path: Path) -> None:
    """What cannot be imported any more is named, too."""
    status, said = report(tmp_path, NOT_LOADED)

    assert 1 == status
    assert "breaks 1 contract and 0 tests\n" in said
    assert "ImportError: cannot import name 'there' from 'videosdk'" in said


def test_nothing_is_broken(tmp_path: Path) -> None:
    """It says so, in one line."""
    status, said = report(tmp_path, FINE)

    assert 0 == status
    assert said.endswith(": nothing we rely on has changed\n")
    assert 1 == said.count("\n")


def test_a_run_that_wrote_nothing_is_not_taken_for_a_good_one(tmp_path: Path) -> None:
    """Where pytest did not get as far as to write its file, that is what is said."""
    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "none.xml"], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "pytest did not get that far" in done.stdout
