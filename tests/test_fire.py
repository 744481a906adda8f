"""Calls under fire: a short run of the machine, and every call in which it once found something, made short.

`make fire` runs it for long.
"""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from videosdk.agents.room.room import VideoSDKHandler

from calltransfer.call import Move
from calltransfer.sandbox import Calls
from tests.fire import PhoneCall, Setting, under_fire
from tests.plans import PEOPLE

CALLS = 40
STEPS = 20


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Everything goes wrong here: what the SDK says of it is not worth reading."""
    logger = logging.getLogger("videosdk")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


TestUnderFire = PhoneCall.TestCase
TestUnderFire.settings = settings(
    max_examples=CALLS,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


def test_an_end_is_believed_only_when_the_platform_says_so() -> None:
    """A leg whose end and whose readings are answered with nonsense is reported as not released, and tried again."""
    with under_fire(Setting(target="silent", answers_after=12.0)) as call:
        call.until(phase="ringing")
        call.platform_fails(request="everything", fault="wrong types", times=None, then=0.0)
        call.time_passes(seconds=40.0)


def test_a_platform_that_knows_nothing_any_more_has_not_ended_a_leg() -> None:
    """When every request is answered with "not found", a leg that was ringing is not taken for ended."""
    with under_fire(Setting(target="no answer")) as call:
        call.until(phase="ringing")
        call.platform_fails(request="everything", fault="unknown", times=None, then=0.0)
        call.time_passes(seconds=40.0)


def test_the_answer_of_another_call_says_nothing() -> None:
    """A document of another call, in the place of the target's, is none."""
    with under_fire(Setting(target="no answer")) as call:
        call.until(phase="ringing")
        call.platform_fails(request="everything", fault="another call", times=None, then=0.0)
        call.time_passes(seconds=40.0)


@pytest.mark.parametrize("move", ["caller", "target"])
def test_a_move_that_loses_somebody_shows_without_a_log(move: Move) -> None:
    """A caller, or target, who leaves one room and never comes into the other is missed within two seconds."""
    with under_fire(Setting(move=move, unknowns={"keeps_log": False})) as call:
        call.room_fails(trouble="a leg that is switched vanishes", then=0.0)
        call.until(phase="connecting")
        call.time_passes(seconds=15.0)


def test_a_caller_who_is_brought_back_hears_nothing_that_was_meant_for_the_target() -> None:
    """A realtime model that answers a target who has gone does not answer the caller who has come instead."""
    with under_fire(Setting(kind="realtime", target="hangs up after yes", latency=0.05, recorded=True)) as call:
        call.until(phase="connecting")
        call.caller_presses(key="1", then=0.1)
        call.platform_fails(request="switch", fault="another call", times=1, then=15.0)


def test_an_answer_that_the_sdk_has_forgotten_does_not_make_another_one_doubtful() -> None:
    """After a change of agents, a transfer asked for in a finished sentence is begun, whatever waits to be confirmed."""
    with under_fire(Setting(preemptive=True, target="IVR", asks="")) as call:
        call.model_will(does=Calls("another_agent"))
        call.caller_says(text="thank you", then=8.0)


def test_a_caller_whose_target_has_left_is_not_alone_with_an_end_that_was_answered_with_nothing() -> None:
    """A 2xx to the end of a caller's leg is no proof either: it is tried again until the platform says that it is over."""
    with under_fire(Setting(again=False)) as call:
        call.until(phase="finished")
        call.time_passes(seconds=15.0)
        call.platform_fails(request="end", fault="empty", times=1, then=0.0)
        call.target_hangs_up(then=40.0)


def test_a_recording_that_cannot_be_made_leaves_nobody_unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """When what goes on beside the handover breaks, the end of one side is still the end of the other."""

    async def breaks(*_: Any) -> None:
        raise RuntimeError("no recording")

    with under_fire(Setting(recorded=True, again=False)) as call:
        call.until(phase="connecting")
        monkeypatch.setattr(VideoSDKHandler, "_start_track_recording_kind", breaks)
        call.time_passes(seconds=40.0)
        call.target_hangs_up(then=15.0)


def test_a_target_hears_no_music_while_a_caller_who_never_came_is_fetched() -> None:
    """Music in the consultation's room is for a caller who is alone in it, not for a target who waits there."""
    with under_fire(Setting(latency=0.4, unknowns={"switch_after": 1.0})) as call:
        call.room_fails(trouble="a leg that is switched vanishes", then=0.0)
        call.until(phase="connecting")
        call.time_passes(seconds=15.0)


@pytest.mark.parametrize("mixes", [False, True], ids=["", "where the room can mix"])
def test_a_state_that_stays_behind_does_not_silence_the_hold(mixes: bool) -> None:
    """An agent who is said to speak, and is not heard, keeps neither music nor sentences from a caller on hold."""
    with under_fire(Setting(kind="realtime", target="silent", background_audio=mixes, asks="", again=False)) as call:
        call.caller_says(text="thank you", then=1.5)
        call.author_interrupts(then=3.0)
        call.author_transfers(route="supervisor", then=40.0)


def test_who_was_rung_for_nothing_is_released_before_an_agent_that_leaves_reports_the_end() -> None:
    """Where the agent leaves two who are connected at once, the others of a group are told and released first."""
    with under_fire(Setting(plan="ring", stay=False, again=False)) as call:
        call.until(phase="finished")
        call.time_passes(seconds=15.0)


@pytest.mark.parametrize("closes", [False, True])
def test_a_last_sentence_that_takes_long_is_over_before_the_end_is_reported(closes: bool) -> None:
    """A target who says yes over it does not leave a leg open at the end, whether the agent leaves or is closed."""
    with under_fire(Setting(kind="realtime", plan="ring", stay=closes, answers_after=0.2, again=False)) as call:
        call.until(phase="attempted")
        if closes:
            call.author_ends(how="shuts the worker down", then=20.0)
        call.time_passes(seconds=20.0)


def test_a_plan_under_fire_is_told_as_a_program() -> None:
    """A call with strategies inside one another is set up from what it prints, and several are dialled in one transfer."""
    setting = Setting(plan=("fallback", "warm 1", ("fallback", "nobody", "ring")), target="declines", others="busy")
    assert setting == eval(repr(setting))  # noqa: S307 # how it is had again
    with under_fire(setting) as call:
        call.until(phase="finished")
        call.time_passes(seconds=40.0)
    assert ["+14155550198", *PEOPLE, "+14155550188"] == [target.number for target in call.sandbox.targets]
