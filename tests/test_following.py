"""Following a forwarded call: whatever order its statuses come in, it ends, and a failure is never called a connection."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calltransfer import Outcome
from calltransfer.sandbox import LEG_STATES
from calltransfer.videosdk.following import (
    CONTRADICTED_FOR,
    LEAVE_TIMEOUT,
    SETTLE_TIMEOUT,
    STALE_TIMEOUT,
    STATUSES,
    Following,
    Leg,
    Meaning,
    Requests,
)

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
                [
                    ("left", None),
                    ("back", None),
                    ("accepted", None),
                    ("lost", None),
                    ("refused", None),
                    ("read", ANSWERED),
                ]
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
        elif kind in {"left", "back"}:
            following.here(kind == "back")
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
    following.here(False)
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

    following.here(False)
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
    """A leg that ended gets a moment for a "transferred" that comes late; then nobody knows what became of it."""
    following = Following(ANSWERED)
    following.accepted(0.0)
    following.read(leg("ended", ended=True), 1.0)
    assert following.verdict(1.0) is None
    assert following.verdict(1.0 + SETTLE_TIMEOUT / 2) is None

    verdict = following.verdict(1.0 + SETTLE_TIMEOUT)
    assert verdict is not None
    assert (Outcome.UNCONFIRMED, "ended") == (verdict.outcome, verdict.status)


@pytest.mark.parametrize(
    ("read", "left", "outcome"),
    [
        ("transfer-ringing", False, Outcome.NO_ANSWER),
        ("transferring", False, Outcome.FAILED),
        ("answered", False, Outcome.FAILED),
        ("transferring", True, Outcome.UNCONFIRMED),
        ("never-heard-of", False, Outcome.FAILED),
    ],
)
def test_at_the_deadline(read: str, left: bool, outcome: Outcome) -> None:
    """What is not known by the deadline is not connected, and is told apart as far as the platform tells."""
    following = Following(ANSWERED)
    following.accepted(0.0)
    following.read(leg(read, read), 1.0)
    following.here(not left)
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


def two_requests() -> tuple[Requests, Following, Following]:
    """A request that was accepted and given up, and another one for the same leg."""
    requests = Requests()
    first = requests.ask(ANSWERED)
    first.accepted(0.0)
    return requests, first, requests.ask(ANSWERED)


def test_of_two_requests_the_refused_one_connected_nobody() -> None:
    """A connection that shows after this request was refused is an earlier request's, if one may still come true."""
    requests, first, second = two_requests()
    requests.here(False)
    requests.read(leg("transferred", "transferred"), 1.0)
    assert second.verdict(10.0) is None
    second.refused("HTTP 400", 10.0)
    verdict = second.verdict(10.0)

    assert verdict is not None
    assert Outcome.CANCELLED is verdict.outcome
    assert not second.may_come_true
    assert requests.connected is first


def test_of_two_requests_the_accepted_one_connected_the_caller() -> None:
    """A connection that shows after this request was accepted is this one's; at the deadline it is, unanswered, too."""
    requests, _, second = two_requests()
    requests.here(False)
    requests.read(leg("transferred", "transferred"), 1.0)
    assert Outcome.CONNECTED is second.at_deadline().outcome
    second.accepted(2.0)
    verdict = second.verdict(2.0)

    assert verdict is not None
    assert Outcome.CONNECTED is verdict.outcome
    assert requests.connected is second


ANSWERS = ["accepted", "lost", "refused", "unanswered"]


@pytest.mark.parametrize("answers", list(itertools.product(ANSWERS, repeat=3)))
def test_no_request_is_forgotten_because_of_another(answers: tuple[str, ...]) -> None:
    """Of requests that were all given up, the newest that was not refused has the connection, whatever came after it."""
    requests, asked = Requests(), []
    for answer in answers:
        following = requests.ask(ANSWERED)
        asked.append(following)
        if answer == "accepted":
            following.accepted(0.0)
        elif answer == "lost":
            following.answer_lost("reset", 0.0)
        elif answer == "refused":
            following.refused("HTTP 400", 0.0)
    requests.read(leg("transfer-ringing", "transfer-ringing"), 1.0)
    assert requests.may_come_true is any(answer != "refused" for answer in answers)
    assert requests.connected is None

    requests.here(False)
    requests.read(leg("transferred", "transfer-ringing", "transferred"), 2.0)
    known = [number for number, answer in enumerate(answers) if answer in {"accepted", "lost"}]
    unknown = [number for number, answer in enumerate(answers) if answer == "unanswered"]
    expected = known[-1:] or unknown[:1]
    assert [asked[number] for number in expected] == ([requests.connected] if requests.connected else [])


def test_a_failure_of_one_of_two_requests_may_be_either_ones() -> None:
    """While two are under way a failure ends neither for good; once the other was refused it is this one's."""
    requests, first, second = two_requests()
    second.accepted(0.0)
    requests.read(leg("transfer-failed", "transfer-failed"), 1.0)
    assert first.may_come_true
    assert second.may_come_true

    requests, first, second = two_requests()
    second.refused("HTTP 400", 0.0)
    requests.read(leg("transfer-failed", "transfer-failed"), 1.0)
    assert not requests.may_come_true


# What a "transferred" is worth while the caller is in the agent's room, and when it is taken back

SINCE = 10.0


def promised(*, ringing: bool = False) -> Following:
    """A call of which the platform has said that it was transferred, with its caller still in the room."""
    following = Following(ANSWERED)
    following.accepted(SINCE - 1)
    moves = MOVES if ringing else MOVES[:2]
    following.read(leg("transferred", *moves, "transferred"), SINCE)
    return following


def test_every_meaning_says_for_how_long_presence_contradicts() -> None:
    """The table has a bound for whatever the platform may say after "transferred"; only what may go on has none."""
    assert set(Meaning) == set(CONTRADICTED_FOR)
    unbounded = {meaning for meaning, seconds in CONTRADICTED_FOR.items() if seconds == math.inf}
    assert {Meaning.FORWARDED, Meaning.MOVING, Meaning.RINGING} == unbounded


@pytest.mark.parametrize("status", [*STATUSES, "never-heard-of"])
@pytest.mark.parametrize("logged", [True, False])
@pytest.mark.parametrize("ended", [True, False])
def test_what_may_follow_a_transferred(status: str, logged: bool, ended: bool) -> None:
    """Whatever follows: who leaves before the table's time is over is connected, who stays is with the agent, in the end."""
    meaning = STATUSES.get(status, Meaning.LIVE)
    bound = CONTRADICTED_FOR[meaning]
    said = leg(status, *MOVES, "transferred", *([status] if logged and status != "transferred" else []), ended=ended)

    def after(seconds: float, *, stays: bool) -> Outcome | None:
        following = promised()
        following.read(said, SINCE + 1)
        following.here(stays)
        verdict = following.verdict(SINCE + 1 + seconds)
        return None if verdict is None else verdict.outcome

    if meaning is Meaning.NOT_FORWARDED:
        assert [Outcome.FAILED] * 2 == [after(0.0, stays=True), after(0.0, stays=False)]
        return
    assert Outcome.CONNECTED is after(0.0, stays=False)
    assert after(0.0, stays=True) is None
    if bound < math.inf:
        assert after(bound - 0.01, stays=True) is None
        assert Outcome.FAILED is after(bound, stays=True)
    else:
        assert after(1000.0, stays=True) is None


@pytest.mark.parametrize("leaves_after", [0.0, 0.5, 4.0, 30.0])
def test_presence_that_ends_late_is_a_connection(leaves_after: float) -> None:
    """A caller who leaves a while after "transferred" was reported is connected then, and not before."""
    following = promised()
    assert following.verdict(SINCE + leaves_after) is None
    following.here(False)
    verdict = following.verdict(SINCE + leaves_after)
    assert verdict is not None
    assert Outcome.CONNECTED is verdict.outcome


def test_presence_that_never_ends_is_no_connection() -> None:
    """At the deadline a caller who is still in the room is with the agent; who was just promised it may leave until then."""
    following = promised()
    assert SINCE + LEAVE_TIMEOUT == following.until
    assert Outcome.FAILED is following.at_deadline().outcome
    assert following.may_come_true
    following.here(False)
    assert Outcome.CONNECTED is following.at_deadline().outcome
    assert -math.inf == following.until == Following(ANSWERED).until


def test_a_transferred_is_taken_back_without_a_word() -> None:
    """On a platform without a log, a leg that is answered again and whose caller is there was not transferred."""
    following = Following(Leg("call-1", "answered"))
    following.read(Leg("call-1", "transferred"), 1.0)
    following.read(Leg("call-1", "answered"), 2.0)
    following.read(Leg("call-1", "answered"), 3.0)
    assert following.verdict(3.0) is None
    verdict = following.verdict(2.0 + SETTLE_TIMEOUT)
    assert verdict is not None
    assert Outcome.FAILED is verdict.outcome


@pytest.mark.parametrize("here", [True, False])
def test_a_transferred_that_failed_is_taken_back_wherever_the_caller_is(here: bool) -> None:
    """Also when they have left by then: there is no connection, and nothing can come true any more."""
    following = promised(ringing=True)
    following.here(here)
    following.read(leg("transfer-failed", *MOVES, "transferred", "transfer-failed"), SINCE + 1)
    verdict = following.verdict(SINCE + 1)
    assert verdict is not None
    assert (Outcome.FAILED, False) == (verdict.outcome, verdict.target_untouched)
    assert following.taken_back
    assert not following.may_come_true


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("accepted", Outcome.UNCONFIRMED), ("lost", Outcome.UNCONFIRMED), ("refused", Outcome.CALLER_LEFT)],
)
def test_a_leave_during_a_forward_is_a_hang_up_only_where_nothing_was_forwarded(answer: str, outcome: Outcome) -> None:
    """A leg that ends without a result after the platform may have acted has hung up, or has been forwarded."""
    following = Following(ANSWERED)
    following.here(False)
    if answer == "accepted":
        following.accepted(0.0)
    elif answer == "lost":
        following.answer_lost("reset", 0.0)
    else:
        following.refused("HTTP 400", 0.0)
    following.read(leg("ended", "transfer-accepted", "ended", ended=True), 1.0)
    verdict = following.verdict(1.0 + SETTLE_TIMEOUT)
    assert verdict is not None
    assert outcome is verdict.outcome
