"""The kit: its plugin as users have it, and that the suite does catch what is wrong with a strategy."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import calltransfer.testing
from calltransfer.testing.witness import BOUND
from tests.broken import BROKEN

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import pytest_configure
"""

IMPORTS = """
from calltransfer.testing import StrategyConformance
from tests.broken import BROKEN, SUPERVISOR, Queue, consults
"""

SUITE = """
class TestQueue{number}(StrategyConformance):
    bound = {bound}

    def strategy(self):
        return Queue({does})

    def targets(self):
        return [SUPERVISOR]
"""

CASES = "(targets_do and (special or silent)) or (caller_does and briefing)"


@pytest.fixture
def users(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project of a user's, with the package installed, whose tests have a process of their own.

    What the broken strategies leave behind would be found by the garbage collection of some other test.
    """
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)
    pytester.makeconftest(CONFTEST)
    return pytester


def test_the_suite_catches(users: pytest.Pytester) -> None:
    """A strategy with something wrong with it fails, and the line that names the invariant says what it is."""
    suites = [
        SUITE.format(number=number, bound=60.0 if name == "takes its time" else BOUND, does=f"BROKEN[{name!r}][0]")
        for number, name in enumerate(BROKEN)
    ]
    users.makepyfile(IMPORTS + "".join(suites))
    result = users.runpytest_subprocess("-k", CASES)
    _, *reports = re.split(r"^_+ TestQueue(\d+)\.", str(result.stdout), flags=re.MULTILINE)
    of_suite: dict[int, list[str]] = {}
    for number, report in zip(map(int, reports[::2]), reports[1::2], strict=True):
        of_suite.setdefault(number, []).extend(report.splitlines())
    for number, (name, (_, line)) in enumerate(BROKEN.items()):
        assert number in of_suite, name
        lines = pytest.LineMatcher(of_suite[number])
        lines.fnmatch_lines([f"  {line.replace('[', '[[]')}"])
        lines.fnmatch_lines(["Queue, with *, did not hold to:", "*Timeline of call 1*", "*caller: (answered)"])


def test_the_suite_passes_the_same_strategy_with_nothing_wrong_with_it(users: pytest.Pytester) -> None:
    """What the broken ones are made from passes: nothing but what is wrong with them is caught."""
    users.makepyfile(IMPORTS + SUITE.format(number="", bound=BOUND, does="consults"))
    result = users.runpytest_subprocess("-k", CASES)
    result.assert_outcomes(passed=4)


AGENT = """
import asyncio
import pytest
from videosdk.agents import Agent
from calltransfer import HoldMusic, Outcome, Phase, Route, TransferMixin, VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Calls, FastForwardLoop, Unknowns

SUPERVISOR = "+14155550199"
ASKS = "I am angry, give me a human"

class SupportAgent(TransferMixin, Agent):
    def __init__(self):
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[Route("supervisor", WarmTransfer(SUPERVISOR), when="the caller is angry")],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
        )

    async def on_enter(self):
        await self.session.say("Hello, how can I help?")

    async def on_exit(self): ...

MODEL = [Calls("transfer_call", {"destination": "supervisor", "reason": "angry"}), "One moment.", "Nobody is free."]

@pytest.fixture
async def caller(sandbox):
    caller = await sandbox.call(SupportAgent, model=MODEL)
    yield caller
    await caller.hang_up()

"""


def test_an_author_tests_a_whole_agent(users: pytest.Pytester) -> None:
    """An angry caller reaches a human within 40 s, or hears why not; in fast-forwarded time, with fixtures of one's own."""
    users.makepyfile(
        AGENT
        + """
async def test_an_angry_caller_reaches_a_human(sandbox, caller):
    sandbox.person(SUPERVISOR, answers_after=4.0, says="yes please")
    await caller.say(ASKS)
    assert SUPERVISOR == await caller.reaches(SUPERVISOR, timeout=40.0)
    assert SUPERVISOR == await caller.reaches(timeout=1.0) == await caller.talking_to()
    assert [Outcome.CONNECTED] == caller.outcomes
    target = await sandbox.target(SUPERVISOR)
    assert "a caller for you" in target.heard
    assert "a caller for you" not in caller.heard
    assert caller.heard[0] in caller.heard
    assert any(entry.what == "connecting destination=***0199 (caller)" for entry in caller.timeline)
    assert [0.0] == [entry.at for entry in caller.timeline[:1]]
    assert 10.0 < caller.timeline[-1].at < 20.0

async def test_or_hears_why_not(sandbox, caller):
    sandbox.person(SUPERVISOR, answers_after=None)
    await caller.say(ASKS)
    await caller.until(Phase.RINGING)
    await caller.hears("nobody is free", timeout=40.0)
    assert [Outcome.NO_ANSWER] == caller.outcomes

@pytest.mark.parametrize("says, reached, outcome", [("yes", True, "CONNECTED"), ("no thanks", False, "DECLINED")])
async def test_how_it_ended(sandbox, caller, says, reached, outcome):
    sandbox.person(SUPERVISOR, answers_after=4.0, says=says)
    await caller.say(ASKS)
    await (caller.reaches(SUPERVISOR) if reached else caller.hears("nobody is free"))
    first = await caller.until(Phase.FINISHED)
    assert first is await caller.until(Phase.FINISHED, timeout=0.0)
    assert [Outcome[outcome]] == caller.outcomes == [first.outcome]

class TestFixtures:
    @pytest.fixture
    async def patient(self, caller):
        return caller

    async def test_of_a_class(self, patient, sandbox):
        assert [patient] == sandbox.callers
"""
    )
    users.runpytest_subprocess().assert_outcomes(passed=5)


def test_a_failure_shows_the_timeline_of_every_call(users: pytest.Pytester) -> None:
    """Who said, heard and pressed what, every status and every event, with the numbers masked; and what was instead."""
    users.makepyfile(
        AGENT
        + """
async def test_it(sandbox, caller):
    await sandbox.call(SupportAgent, number="+14155550112", model=MODEL)
    caller.note("the number is +14155550199")
    await caller.say(ASKS)
    await caller.press("5")
    await caller.reaches(SUPERVISOR, timeout=20.0)

async def test_phase(sandbox, caller):
    await caller.until(Phase.CONNECTING, timeout=5.0)

async def test_status(sandbox, caller):
    await caller.sees("transferred", timeout=1.0)

async def test_nobody(sandbox, caller):
    await caller.reaches(timeout=1.0)
"""
    )
    result = users.runpytest_subprocess()
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(
        [
            "E*did not reach ***0199 within 20 s: they are with 'agent', transfers that have ended: supervisor failed,*",
            "*Timeline of call 1*",
            "    0.00  caller: (incoming)",
            "    0.40  caller: hears agent say 'Hello, how can I help?'",
            "*  caller: says 'I am angry, give me a human'",
            "*  test: the number is +***0199",
            "*  caller: presses 5",
            "*  target ***0199: (failed)",
            "*  transfer to supervisor: finished destination=***0199 outcome=failed status=failed*",
            "*Timeline of call 2*",
        ]
    )
    result.stdout.fnmatch_lines(["E*no transfer was connecting within 5 s: they are with 'agent', transfers that *"])
    result.stdout.fnmatch_lines(["E*did not reach anybody within 1 s: *"])


def test_markers_say_how_the_sandbox_is_made(users: pytest.Pytester) -> None:
    """Latency and unknowns come from one marker, the wall clock from another; a plain test may have a sandbox too."""
    users.makepyfile(
        AGENT
        + """
@pytest.mark.sandbox(latency=0.25, unknowns=Unknowns(keeps_log=False))
async def test_marked(sandbox, caller):
    assert 0.25 == sandbox._latency
    assert not sandbox._unknowns.keeps_log

@pytest.mark.real_time
async def test_on_the_wall_clock(sandbox):
    assert not sandbox.fast_forward
    assert not isinstance(asyncio.get_running_loop(), FastForwardLoop)

def test_plain(sandbox):
    assert sandbox.fast_forward
"""
    )
    users.runpytest_subprocess("--strict-markers", "-W", "error::pytest.PytestWarning").assert_outcomes(passed=3)


def test_what_calltransfer_leaves_behind_is_an_error(users: pytest.Pytester) -> None:
    """A task of ours that is left when everything is over is an error of the test; one of the author's is theirs."""
    users.makepyfile(
        AGENT
        + """
class Quiet:
    async def play(self, audio, *, seconds):
        await asyncio.Event().wait()

async def test_of_ours(sandbox):
    sandbox.left = asyncio.create_task(HoldMusic().entertain(Quiet()), name="hold music")

async def test_of_theirs(sandbox):
    sandbox.left = asyncio.create_task(asyncio.sleep(3600.0))
"""
    )
    result = users.runpytest_subprocess()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["calltransfer left tasks behind: hold music"])


def test_every_other_test_is_left_alone(users: pytest.Pytester) -> None:
    """Without the fixture, an `async def` test or fixture is not ours to run; a fixture that yields twice is wrong."""
    users.makepyfile(
        AGENT
        + """
async def test_not_ours():
    pass

@pytest.fixture
async def twice(sandbox):
    yield 1
    yield 2

async def test_yields_twice(twice):
    assert 1 == twice
"""
    )
    result = users.runpytest_subprocess("-p", "no:anyio")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(["*async def functions are not natively supported*"])
    result.stdout.fnmatch_lines(["the fixture twice yields more than once"])


def test_the_plugin_is_light() -> None:
    """Loaded into every run of pytest there is, it brings neither the SDK nor a network library with it."""
    heavy = "{'videosdk', 'aiohttp', 'av', 'calltransfer.sandbox', 'calltransfer.agent'}"
    check = f"import sys, calltransfer.testing.plugin; sys.exit(str({heavy} & {{*sys.modules}} or ''))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert "" == done.stderr.strip()


def test_a_suite_without_a_strategy_says_so(users: pytest.Pytester) -> None:
    """Who forgets `strategy` is told; so is who does not name a number that their strategy transfers to."""
    users.makepyfile(
        """
from calltransfer import DirectTransfer
from calltransfer.testing import StrategyConformance

class TestNothing(StrategyConformance):
    pass

class TestSomewhereElse(StrategyConformance):
    def strategy(self):
        return DirectTransfer(lambda call, request: "+14155550123")
"""
    )
    result = users.runpytest_subprocess("-k", "nothing", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(["*TestNothing needs 'def strategy(self)', which returns the strategy to test*"])
    result.stdout.fnmatch_lines(["  the strategy's part: it transfers to ***0123, which targets() does not have: *"])
    result.stdout.fnmatch_lines(["  the strategy's part: all is well, and the caller is not connected: failed"])


def test_a_suite_in_which_somebody_is_never_called_fails(users: pytest.Pytester) -> None:
    """In the last case of what targets do, with who it was; a strategy that goes by the call's metadata is given some."""
    users.makepyfile(
        """
from calltransfer import DirectTransfer, Choose, WarmTransfer
from calltransfer.testing import StrategyConformance

MANAGER, TEAM = "+14155550188", "+14155550199"

def manager(call, request):
    known = call.details.metadata.get("manager") == "Dana" and call.details.number == "+14155550112"
    return DirectTransfer(MANAGER) if known else None

class TestByManager(StrategyConformance):
    def strategy(self):
        return Choose(manager, default=WarmTransfer(TEAM))

    def targets(self):
        return [MANAGER, TEAM]

class TestWithSome(TestByManager):
    def targets(self):
        return [MANAGER]

    def number(self):
        return "+14155550112"

    def metadata(self):
        return {"manager": "Dana"}

class TestNotLookedAt(TestByManager):
    calls_all = False
"""
    )
    result = users.runpytest_subprocess("-k", "targets_do")
    cases = 14 + 13 + 13
    result.assert_outcomes(passed=cases - 1 + 14 + cases, failed=1)
    result.stdout.fnmatch_lines(
        ["targets() has ***0188, who was called in no case: that part of Choose was not tested*"]
    )
    result.stdout.no_fnmatch_line("*TestWithSome*")
    users.runpytest_subprocess("-k", "TestByManager and targets_do and busy").assert_outcomes(passed=3)


def test_a_thorough_suite_has_every_combination(users: pytest.Pytester) -> None:
    """Every target with every caller and every fault, when asked for; and the few that catch the most by default."""
    users.makepyfile(
        """
from calltransfer.testing import StrategyConformance
from tests.broken import SUPERVISOR, Queue, connects_without_asking

class TestQueue(StrategyConformance):
    consent = False

    def strategy(self):
        return Queue(connects_without_asking)

    def targets(self):
        return [SUPERVISOR]

class TestThoroughly(TestQueue):
    thorough = True
"""
    )
    result = users.runpytest_subprocess("--collect-only", "-q")
    assert 122 == sum("::TestQueue::" in line for line in result.outlines)
    assert 14 + 14 * 17 + 34 * 14 * 3 + 14 * 6 == sum("::TestThoroughly::" in line for line in result.outlines)
    users.runpytest_subprocess("-k", "TestQueue and targets_do and (special or silent)").assert_outcomes(passed=2)


def test_the_names_of_the_kit() -> None:
    """What is exported is there, and nothing else."""
    assert set(dir(calltransfer.testing)) == {
        name for name in dir(calltransfer.testing) if getattr(calltransfer.testing, name)
    }
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        getattr(calltransfer.testing, "Nothing")  # noqa: B009 - what is not there has no type
