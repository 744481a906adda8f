"""What a user runs first: the examples, the demo and the command line, as they are."""

import asyncio
import functools
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import calltransfer
from calltransfer.cli import main
from calltransfer.demo import show
from calltransfer.sandbox import FastForwardLoop

EXAMPLES = Path(__file__).parent.parent / "examples"


@functools.cache
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
        ("waiting_queue.py", ["caller 3 is talking to the supervisor"]),
        ("sdk_warm_transfer.py", ["the caller is talking to the supervisor"]),
        ("warm_transfer.py", ["the supervisor heard: It is Anna Miller.", "the caller is talking to the supervisor"]),
    ],
)
def test_examples_on_the_sandbox(example: str, last_lines: list[str]) -> None:
    """Each example runs on this machine as its first lines say, and ends with the caller where they should be."""
    assert last_lines == run(str(EXAMPLES / example), "--sandbox").splitlines()[-len(last_lines) :]


def test_the_rehearsal_of_a_warm_transfer_shows_who_heard_what() -> None:
    """What the caller hears on hold is the author's own, and what the supervisor is told they do not hear."""
    lines = run(str(EXAMPLES / "warm_transfer.py"), "--sandbox").splitlines()

    caller = [line for line in lines if line.startswith("the caller heard")]
    supervisor = [line for line in lines if line.startswith("the supervisor heard")]
    assert "I am still trying to reach a supervisor" in caller[2]
    assert "two appointments were missed" in supervisor[1]
    assert "two appointments were missed" not in " ".join(caller)


def test_the_tests_of_an_agent_as_its_author_writes_them() -> None:
    """They pass on their own, with nothing but what installing the package brings."""
    quiet = ("-q", "-p", "no:cacheprovider", "-c", "/dev/null")

    assert "7 passed" in run("-m", "pytest", *quiet, "--rootdir", str(EXAMPLES), str(EXAMPLES))


def test_a_plan_from_a_file_by_day_and_by_night() -> None:
    """By day both supervisors are rung; at night nobody is called who is not there, and the message is delivered."""
    shown = run(str(EXAMPLES / "plan.py"), "--sandbox")
    day, night = shown.split("Tuesday 03:00")

    assert "finished: connected\n  the caller is talking to the second supervisor" in day
    assert ["refused", "no_answer", "message_taken"] == re.findall(r"attempted: (\w+)", night)
    assert "A message by route supervisor: this is Anna Miller please call me back" in night


def test_a_plan_is_checked_from_wherever_one_is(tmp_path: Path) -> None:
    """What it names is found beside it, too."""
    done = subprocess.run(
        [sys.executable, "-m", "calltransfer.cli", "check", str(EXAMPLES / "routes.toml"), "--offline"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (0, "") == (done.returncode, done.stderr)


def test_the_rehearsal_of_a_queue_shows_who_heard_what_place() -> None:
    """Each caller hears their place when they come, and again when it changes; the first hears none."""
    first, _, second, _, third, _ = run(str(EXAMPLES / "waiting_queue.py"), "--sandbox").splitlines()

    assert "You are number" not in first
    assert "You are number 1" in second
    assert third.index("You are number 2") < third.index("You are number 1")


@pytest.fixture(scope="module")
def demo() -> list[str]:
    """What each call of the demo shows, from its title on."""
    result = CliRunner().invoke(main, ["demo", "--fast"])
    assert 0 == result.exit_code, result.output
    return re.split(r"(?m)^(?=\d\. )", result.output)


def test_the_demo_shows_the_direct_transfers(demo: list[str]) -> None:
    """The demo shows who said what, what the platform did, how each call ended, and no number."""
    forwarded, refused = demo[1:3]

    assert forwarded.index("transferring") < forwarded.index("transferred") < forwarded.index("CONNECTED")
    assert "is now talking to billing (***0123)" in forwarded
    assert refused.index("transfer-failed") < refused.index("FAILED")
    assert refused.index("FAILED") < refused.index("I am sorry, billing cannot be reached.")
    assert "is now talking to the agent" in refused
    assert not re.search(r"\d{7}", "".join(demo))


def lane(shown: str, number: int) -> str:
    """What stands in one lane, as one text."""
    cells = [line.split("│")[number] for line in shown.splitlines() if "│" in line]
    return " ".join(" ".join(cells).split())


def test_the_demo_shows_the_lanes_of_a_warm_transfer(demo: list[str]) -> None:
    """Music for the caller, the briefing for the supervisor alone, and in the end each hears the other."""
    assert all(len(line) <= 100 for line in "".join(demo).splitlines())
    caller, agent, supervisor = (lane(demo[3], number) for number in (1, 2, 3))

    assert caller.index("I am connecting you now.") < caller.index("♪ hold music ♪")
    assert caller.index("♪ hold music") < caller.index('supervisor: "Hello, this is Dana"')
    assert caller.index("this is Dana") < caller.index("talks to the supervisor") < caller.index("hangs up")
    assert "charged twice for May" not in caller
    assert supervisor.index("☎ rings ☎") < supervisor.index("charged twice for May") < supervisor.index('says "Yes')
    assert supervisor.index('caller: "Hi Dana"') < supervisor.index("talks to the caller")
    assert supervisor.endswith("(the call is over)")
    assert agent.index("understands: accepted") < agent.index("CONNECTED") < agent.index("deaf and silent")
    assert "at most 0.0 s without sound" in demo[3]


def test_the_demo_shows_how_warm_transfers_end_otherwise(demo: list[str]) -> None:
    """Declined, the caller is with the agent again; when the caller hangs up, the phone that rings stops."""
    caller, agent, supervisor = (lane(demo[4], number) for number in (1, 2, 3))
    assert caller.index("is with the agent again") < caller.index("They cannot come to the phone.")
    assert caller.endswith("talks to the agent")
    assert "DECLINED" in agent
    assert supervisor.endswith('agent: "All right, thank you. Goodbye." (the call is over)')

    caller, agent, supervisor = (lane(demo[5], number) for number in (1, 2, 3))
    assert caller.endswith("hangs up")
    assert "CALLER_LEFT" in agent
    assert supervisor.endswith("☎ (the call is over)")
    assert "picks up" not in supervisor


def test_the_demo_shows_two_supervisors_at_once(demo: list[str]) -> None:
    """Both phones ring and both are told; two yeses are one connection, one apology, and a line for each in the end."""
    caller, agent, dana, lee = (lane(demo[6], number) for number in (1, 2, 3, 4))

    for supervisor in (dana, lee):
        assert supervisor.index("☎ rings") < supervisor.index("charged twice for May")
        assert supervisor.index("charged twice for May") < supervisor.index('says "Yes, put them through"')
        assert supervisor.endswith("(the call is over)")
    assert lee.index("put them through") < lee.index("somebody else has just taken the call")
    assert "taken the call" not in caller + dana
    assert dana.index('caller: "Hi Dana"') < dana.index("talks to the caller")
    assert caller.index("♪ hold music") < caller.index('Dana: "Hello, this is Dana"') < caller.index("talks to Dana")
    assert agent.index("dials from a second room") < agent.index("dials from a third room")
    assert 1 == agent.count("has a summary") == agent.count("both are in one room") == agent.count("CONNECTED")
    assert "at most 0.0 s without sound" in demo[6]
    assert "The plan tried Dana (CONNECTED) and Lee (CANCELLED).\n" in demo[6]


def test_the_demo_shows_a_plan_that_ends_with_a_message(demo: list[str]) -> None:
    """One supervisor says no and the other does not answer; what the caller says is delivered before they are thanked."""
    caller, agent, dana, lee = (lane(demo[7], number) for number in (1, 2, 3, 4))

    assert "picks up" not in dana
    assert lee.index("presses 2") < lee.index("All right, thank you. Goodbye.")
    assert caller.index("♪ hold music") < caller.index("nobody can take your call right now")
    assert caller.index("just stop speaking.") < caller.index('says "Please call me back"')
    assert caller.index("presses #") < caller.index('agent: "Thank you, I will pass it on."')
    assert agent.index("takes a message") < agent.index("MESSAGE_TAKEN: a message was delivered")
    assert demo[7].startswith("7. The same plan, ringing for 5 s: Lee says no, Dana is out, a message is left\n")
    assert "The plan tried Lee (DECLINED), Dana (NO_ANSWER) and a message (MESSAGE_TAKEN).\n" in demo[7]
    assert 'Delivered, from ***0111, who was charged twice: "Please call me back"\n' in demo[7]


@pytest.mark.parametrize(("width", "encoding"), [(100, "utf-8"), (80, "utf-8"), (80, "ascii")])
def test_the_demo_fits_the_terminal(width: int, encoding: str) -> None:
    """No line is longer than the terminal is wide, every lane stays in its column, and all can be shown."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
        runner.run(show(Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False)))
    file.seek(0)
    shown = file.read()
    calls = re.split(r"(?m)^(?=\d\. )", shown)[3:]

    assert max(map(len, shown.splitlines())) <= width
    assert [3, 3, 3, 4, 4] == [len(borders(call)) for call in calls]
    assert all(borders(call) == borders(call.split("\n")[1]) for call in calls)


def borders(shown: str) -> set[int]:
    """In which columns a border stands."""
    return {column for line in shown.splitlines() for column, character in enumerate(line) if character in "│|"}


def test_the_command_line() -> None:
    """`--help` says what there is, and `--version` what this is."""
    assert "demo" in CliRunner().invoke(main, ["--help"]).output
    assert calltransfer.__version__ in CliRunner().invoke(main, ["--version"]).output


@pytest.mark.parametrize("command", [["demo"], ["check", "routes.toml"]])
def test_a_command_without_the_extra(command: list[str]) -> None:
    """Without the extra, a command says what to install; what this is, is said without it."""
    code = f"import sys; sys.modules['rich'] = None; from calltransfer.cli import main; main({command!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert 1 == done.returncode
    assert "pip install 'calltransfer[cli]'" in done.stderr
    assert "Traceback" not in done.stderr
    version = subprocess.run(
        [sys.executable, "-c", code.replace(repr(command), "['--version']")], capture_output=True, text=True, check=True
    )
    assert f"calltransfer, version {calltransfer.__version__}\n" == version.stdout


@pytest.mark.parametrize("example", ["call_transfer.py", "call_center_agent.py", "warm_transfer.py"])
def test_an_example_refuses_what_it_does_not_know(example: str) -> None:
    """A mistyped option says what there is, instead of going to the real platform."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / example), "--sandbx"], capture_output=True, text=True, check=False
    )

    assert 1 == done.returncode
    assert done.stderr.startswith("usage:")
