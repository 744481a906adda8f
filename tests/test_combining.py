"""What strategies that have others inside have in common: they are checked, and known, as deep as they go."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import pytest

from calltransfer import (
    Call,
    Choose,
    ConfigurationError,
    ConfigurationWarning,
    Destination,
    DirectTransfer,
    Limit,
    OpenHours,
    Outcome,
    Platform,
    Policy,
    Route,
    Schedule,
    TransferRequest,
    TransferResult,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Sandbox
from calltransfer.strategies.combining import checked_strategy, destinations_of, leaves, numbered, problems_of
from tests.warm import SUPERVISOR, SupervisedAgent


@attrs.frozen
class Either:
    """A strategy of an author's own that has others inside."""

    inside: tuple[TransferStrategy, ...]

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        return numbered(self.inside)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        return await self.inside[0].transfer(call, request)


@attrs.frozen
class Unusable:
    """A strategy that says why it would not work."""

    why: str

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        raise NotImplementedError

    def problems(self) -> Sequence[str]:
        return (self.why,)


def _open(inside: TransferStrategy) -> TransferStrategy:
    return OpenHours(Schedule("UTC", {"mon-sun": "00:00-24:00"}), inside=inside)


PLATFORM = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
DIRECT, WARM = DirectTransfer("+14155550123"), WarmTransfer(SUPERVISOR)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (DirectTransfer, "Route 'billing': DirectTransfer is a class; write DirectTransfer(...)"),
        ("+14155550123", "Route 'billing': a str is not a strategy; write DirectTransfer(to=...)"),
        (Destination("+14155550123"), "Route 'billing': a Destination is not a strategy"),
        (None, "Route 'billing': a NoneType is not a strategy; it needs 'async def transfer(self, call, request)'"),
        (WarmTransfer(), "Route 'billing': WarmTransfer needs to=, such as WarmTransfer(to='+14155550199')"),
    ],
)
def test_what_is_no_strategy_is_refused_where_it_is_given(given: Any, message: str) -> None:
    """The message begins with where it was given, and says what would be right."""
    with pytest.raises(ConfigurationError) as error:
        checked_strategy(given, "Route 'billing'")
    assert str(error.value).startswith(message)


def test_a_route_is_checked_as_any_place_for_a_strategy_is() -> None:
    """A warm transfer without a destination is found when the route is made."""
    with pytest.raises(ConfigurationError, match=r"Route 'supervisor': WarmTransfer needs to="):
        Route("supervisor", WarmTransfer(), when="the caller asks for a human")


def test_everything_inside_is_known() -> None:
    """The strategies and destinations of a plan are found however deep they are in it."""
    plan = Either((Either((DIRECT, WARM)), WARM))

    assert [DIRECT, WARM, WARM] == list(leaves(plan))
    assert ["***0123", "***0199", "***0199"] == [str(destination) for destination in destinations_of(plan)]


def test_a_plan_works_as_long_as_anything_in_it_does() -> None:
    """Only where nothing inside would work there are problems, and each of them once."""
    no, neither = Unusable("there is no key"), Unusable("there is no door")

    assert [] == problems_of(Either((no, Either((neither, DIRECT)))), PLATFORM)
    assert ["there is no key", "there is no door"] == problems_of(Either((no, Either((neither, no)))), PLATFORM)
    assert [] != problems_of(Either((no, WARM)), VideoSDKPlatform())


def test_a_policy_holds_for_everything_inside() -> None:
    """A destination that is not allowed is found when the agent is built, wherever in a plan it is."""
    london = Either((DIRECT, Either((WarmTransfer("+442079460000"),))))
    with pytest.raises(ConfigurationError, match=r"Route 'supervisor': .* is not allowed"):
        SupervisedAgent(london, policy=Policy(countries={"US"}))


def test_the_author_is_warned_of_every_part_that_would_not_work() -> None:
    """Although the plan as a whole would: the part is named, and so is the route."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConfigurationWarning)
        SupervisedAgent(Either((Unusable("there is no key"), DIRECT)), platform=PLATFORM)
    assert ["Route 'supervisor' cannot be used as it is set up: Unusable in it: there is no key"] == [
        str(warning.message) for warning in caught
    ]


@pytest.mark.parametrize(
    "around", [lambda inside: Limit(inside, attempts=1), lambda inside: Choose(lambda *_: inside), _open]
)
async def test_whoever_breaks_is_named_and_not_what_is_around_them(around: Any) -> None:
    """A strategy that raises inside another one is the one whose fault it is."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupervisedAgent(around(Either(()))))
        result = await caller.agent.transfer("supervisor")
    assert (Outcome.FAILED, "Either raised IndexError") == (result.outcome, result.detail)


def test_a_platform_is_asked_about_every_part() -> None:
    """What a part needs and the platform has not is a problem of that part."""
    platform: Platform = VideoSDKPlatform()
    assert "caller_id" in " ".join(problems_of(Either((WARM,)), platform))
