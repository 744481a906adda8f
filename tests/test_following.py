"""Following a forwarded call: whatever order its statuses come in, it ends, and a failure is never called a connection."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calltransfer import Outcome
from calltransfer.sandbox import LEG_STATES
from calltransfer.videosdk.following import SETTLE_TIMEOUT, STALE_TIMEOUT, STATUSES, Following, Leg, Meaning

ANSWERED = Leg("call-1", "answered", log=("initiated", "answered"))

MOVES = ["transfer-initiated", "transfer-accepted", "transferring", "transfer-ringing"]
STATUS = st.sampled_from([*STATUSES, "never-heard-of"])


def leg(status: str, *log: str, before: Leg = ANSWERED, ended: bool = False) -> Leg:
    return Leg("call-1", status, log=(*before.log, *log), ended=ended)


@st.composite
def histories(draw: st.DrawFn, *, last: str) -> list[tuple[str, object]]:
    """Readings and events of a call that in truth ends as `last`, late, repeated, and in any order."""
    truth = [*MOVES[: draw(st.integers(0, 4))], last]
    steps: list[tuple[str, object]] = []
    for index in range(1, len(truth) + 1):
        shown = truth[:index]
        reading = leg(shown[-1], *(draw(st.permutations(shown)) if draw(st.booleans()) else ()))
        steps += [("read", reading)] * draw(st.integers(0, 3))
    steps += draw(
        st.lists(
            st.sampled_from(
                [("left", None), ("accepted", None), ("lost", None), ("refused", None), ("read", ANSWERED)]
            ),
            max_size=6,
        )
    )
    return draw(st.permutations(steps))


def outcome_of(steps: list[tuple[str, object]], pause: float, before: Leg = ANSWERED) -> Outcome:
    following, now = Following(before), 0.0
    for kind, what in steps:
        now += pause
        if kind == "read":
            assert isinstance(what, Leg)
            following.read(what, now)
        elif kind == "left":
            following.left()
        elif kind == "accepted":
            following.accepted(now)
        elif kind == "lost":
            following.answer_lost("reset", now)
        else:
            following.refused("HTTP 400", now)
        verdict = following.verdict(now)
        if verdict is not None:
            return verdict.outcome
    return following.at_deadline().outcome


@given(steps=histories(last="transfer-failed"), pause=st.floats(0.0, 3.0))
def test_truth_a_failed_transfer_is_never_connected(steps: list[tuple[str, object]], pause: float) -> None:
    """Whatever order the statuses of a failed transfer come in, it ends, and not as a connection."""
    assert Outcome.CONNECTED is not outcome_of(steps, pause)


@given(steps=histories(last="ended"), pause=st.floats(0.0, 3.0))
def test_truth_a_hang_up_is_never_connected(steps: list[tuple[str, object]], pause: float) -> None:
    """A caller who hangs up while being forwarded is not connected, however much it looks like it."""
    assert Outcome.CONNECTED is not outcome_of(steps, pause)


@given(
    statuses=st.lists(STATUS.filter(lambda status: status != "transferred"), max_size=12),
    logs=st.lists(STATUS.filter(lambda status: status != "transferred"), max_size=12),
    ended=st.booleans(),
    pause=st.floats(0.0, 10.0),
)
def test_truth_only_transferred_is_a_connection(
    statuses: list[str], logs: list[str], ended: bool, pause: float
) -> None:
    """No sequence of statuses without "transferred" in it is a connection."""
    steps: list[tuple[str, object]] = [("read", leg(status, *logs, ended=ended)) for status in statuses]
    assert Outcome.CONNECTED is not outcome_of([("accepted", None), *steps], pause)


@given(log=st.permutations([*MOVES, "transferred"]), status=st.sampled_from(["transferred", "ended", "answered"]))
def test_a_transfer_in_the_log_is_a_connection(log: list[str], status: str) -> None:
    """A transfer that only the log still shows is one, in whatever order the log is kept."""
    following = Following(ANSWERED)
    following.read(leg(status, *log, ended=True), 1.0)
    verdict = following.verdict(1.0)
    assert verdict is not None
    assert Outcome.CONNECTED is verdict.outcome


@given(log=st.permutations(["transferred", "transfer-failed"]))
def test_of_two_ends_the_failure_counts(log: list[str]) -> None:
    """When the platform contradicts itself the caller is taken to be with the agent: silence would strand them."""
    following = Following(ANSWERED)
    following.read(leg("transferred", *log), 1.0)
    verdict = following.verdict(1.0)
    assert verdict is not None
    assert Outcome.FAILED is verdict.outcome


@pytest.mark.parametrize("stale", ["transfer-failed"])
def test_an_old_end_is_not_the_new_one(stale: str) -> None:
    """A leg that was forwarded in vain before still says so; that is not the end of this transfer."""
    before = Leg("call-1", stale, log=("answered", "transfer-initiated", stale))
    following = Following(before)
    following.accepted(0.0)
    following.read(before, 0.5)
    assert following.verdict(0.5) is None

    following.read(leg("transferred", "transfer-initiated", "transferred", before=before), 1.0)
    verdict = following.verdict(1.0)
    assert verdict is not None
    assert Outcome.CONNECTED is verdict.outcome


def test_an_old_end_that_stays_is_the_new_one_after_a_while() -> None:
    """Without a log, a second failure looks like the first; after some seconds it is taken for one."""
    before = Leg("call-1", "transfer-failed")
    following = Following(before)
    following.accepted(0.0)
    following.read(before, STALE_TIMEOUT)
    verdict = following.verdict(STALE_TIMEOUT)
    assert verdict is not None
    assert Outcome.FAILED is verdict.outcome


def test_an_end_may_settle() -> None:
    """A leg that ended gets a moment for a "transferred" that comes late, and then counts as hung up."""
    following = Following(ANSWERED)
    following.read(leg("ended", ended=True), 1.0)
    assert following.verdict(1.0) is None
    assert following.verdict(1.0 + SETTLE_TIMEOUT / 2) is None

    verdict = following.verdict(1.0 + SETTLE_TIMEOUT)
    assert verdict is not None
    assert (Outcome.CALLER_LEFT, "ended") == (verdict.outcome, verdict.status)


@pytest.mark.parametrize(
    ("read", "left", "outcome"),
    [
        ("transfer-ringing", False, Outcome.NO_ANSWER),
        ("transferring", False, Outcome.FAILED),
        ("answered", False, Outcome.FAILED),
        ("transferring", True, Outcome.CALLER_LEFT),
        ("never-heard-of", False, Outcome.FAILED),
    ],
)
def test_at_the_deadline(read: str, left: bool, outcome: Outcome) -> None:
    """What is not known by the deadline is not connected, and is told apart as far as the platform tells."""
    following = Following(ANSWERED)
    following.accepted(0.0)
    following.read(leg(read, read), 1.0)
    if left:
        following.left()
    assert following.verdict(1.0) is None
    assert outcome is following.at_deadline().outcome


def test_a_refusal_waits_for_one_reading_and_no_longer() -> None:
    """A refused request is a failure as soon as the caller's leg has been read once more, or could not be in 2 s."""
    following = Following(ANSWERED)
    following.refused("HTTP 400", 0.0)
    assert following.verdict(0.1) is None
    verdict = following.verdict(SETTLE_TIMEOUT)
    assert verdict is not None
    assert (Outcome.FAILED, "HTTP 400") == (verdict.outcome, verdict.detail)

    following = Following(ANSWERED)
    following.refused("HTTP 400", 0.0)
    following.read(ANSWERED, 0.1)
    assert following.verdict(0.1) is not None


def test_every_status_of_the_sandbox_has_a_meaning() -> None:
    """The sandbox speaks no status that is not in the table, and each is where the table says it is."""
    for status, successors in LEG_STATES.items():
        assert status in STATUSES
        live = bool(successors) and status != "transferred"
        over = STATUSES[status] in {Meaning.OVER, Meaning.FORWARDED}
        assert live is not over


@pytest.mark.parametrize("statuses", list(itertools.permutations(["transfer-ringing", "transferred"])))
def test_rings_only_when_it_rings(statuses: tuple[str, str]) -> None:
    """Ringing is reported from the platform's own word for it."""
    following = Following(ANSWERED)
    assert not following.ringing
    following.read(leg(statuses[0], *statuses), 0.0)
    assert following.ringing


def test_of_two_requests_the_refused_one_connected_nobody() -> None:
    """A connection that shows after this request was refused is an earlier request's, if one may still come true."""
    following = Following(ANSWERED, after_another=True)
    following.read(leg("transferred", "transferred"), 1.0)
    assert following.verdict(10.0) is None
    following.refused("HTTP 400", 10.0)
    verdict = following.verdict(10.0)

    assert verdict is not None
    assert Outcome.CALLER_LEFT is verdict.outcome
    assert not following.may_come_true


def test_of_two_requests_the_accepted_one_connected_the_caller() -> None:
    """A connection that shows after this request was accepted is this one's; at the deadline it is, unanswered, too."""
    following = Following(ANSWERED, after_another=True)
    following.read(leg("transferred", "transferred"), 1.0)
    assert Outcome.CONNECTED is following.at_deadline().outcome
    following.accepted(2.0)
    verdict = following.verdict(2.0)

    assert verdict is not None
    assert Outcome.CONNECTED is verdict.outcome
