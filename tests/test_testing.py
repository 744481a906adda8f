"""The kit: its plugin as users have it, and that the suite does catch what is wrong with a strategy."""

import pytest

import calltransfer.testing.conformance  # noqa: F401 # here, because what is imported in a test within a test is forgotten
from tests.broken import BROKEN

pytest_plugins = ["pytester"]

CONFTEST = """
from tests.conftest import pytest_configure
"""

SUITE = """
from calltransfer.testing import StrategyConformance
from tests.broken import BROKEN, SUPERVISOR, Queue, consults

class TestQueue(StrategyConformance):
    bound = {bound}

    def strategy(self):
        return Queue({does})

    def targets(self):
        return [SUPERVISOR]
"""

CASES = "test_whatever_targets_do or (caller and briefing)"


@pytest.fixture
def users(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project of a user's, with the package installed."""
    pytester.makeconftest(CONFTEST)
    return pytester


@pytest.mark.parametrize("name", BROKEN)
def test_the_suite_catches(users: pytest.Pytester, name: str) -> None:
    """A strategy with something wrong with it fails, and the line that names the invariant says what it is."""
    bound = 60.0 if name == "takes its time" else 330.0
    users.makepyfile(SUITE.format(bound=bound, does=f"BROKEN[{name!r}][0]"))
    result = users.runpytest_inprocess("-k", CASES)
    assert result.parseoutcomes()["failed"] > 0
    result.stdout.fnmatch_lines([f"  {BROKEN[name][1].replace('[', '[[]')}"])
    result.stdout.fnmatch_lines(["Queue, with *, did not hold to:", "*Timeline of call 1*", "*caller: (answered)"])


def test_the_suite_passes_the_same_strategy_with_nothing_wrong_with_it(users: pytest.Pytester) -> None:
    """What the broken ones are made from passes: nothing but what is wrong with them is caught."""
    users.makepyfile(SUITE.format(bound=330.0, does="consults"))
    result = users.runpytest_inprocess("-k", CASES)
    result.assert_outcomes(passed=16)
