"""A plan as a tree: what each strategy in it does, to whom, and how long it may take."""

from collections.abc import Callable, Iterator
from typing import Any

import attrs
from rich.text import Text
from rich.tree import Tree

from calltransfer.briefing import Briefing, Gate
from calltransfer.call import TOTAL_TIMEOUT, TransferStrategy
from calltransfer.destination import Destination
from calltransfer.hold import Hold, HoldMusic, StayWithCaller
from calltransfer.policy import Policy
from calltransfer.routes import Routes
from calltransfer.routes.kinds import KINDS
from calltransfer.schedule import Schedule
from calltransfer.strategies.bridge import direct_or_bridge
from calltransfer.strategies.checks import KnowsDestinations
from calltransfer.strategies.choose import Choose
from calltransfer.strategies.combining import Combining
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.fallback import Fallback
from calltransfer.strategies.limit import Limit
from calltransfer.strategies.open_hours import OpenHours
from calltransfer.strategies.ring_group import RingGroup
from calltransfer.strategies.take_message import TakeMessage
from calltransfer.strategies.warm import WarmTransfer

_NAMES = {kind.make: name for name, kind in KINDS.items()} | {
    RingGroup: "ring_group",
    type(direct_or_bridge("+14155550123")): "direct_or_bridge",
}


_Names = Callable[[Destination], str]


def tree_of(routes: Routes, title: str, *, show_numbers: bool = False) -> Tree:
    """Returns the plan as a tree to be printed; numbers are masked, unless they are to be shown."""
    names: _Names = _in_full if show_numbers else str
    tree = Tree(Text(title, style="bold"))
    tree.add(Text(_policy(routes.policy)))
    for route in routes:
        branch = tree.add(Text.assemble((route.name, "bold cyan"), f": when {route.when}"))
        _add(branch, route.strategy, "", names)
    return tree


def _in_full(destination: Destination) -> str:
    return f"{destination.address}{f', extension {destination.extension}' if destination.extension else ''}"


def _add(tree: Tree, strategy: TransferStrategy, label: str, names: _Names) -> None:
    does = ", ".join(_does(strategy, names))
    label = f"{label}: " if label else ""
    branch = tree.add(Text.assemble((label, "dim"), (_name(strategy), "green"), f" ({does})" if does else ""))
    if isinstance(strategy, RingGroup):
        for target in strategy.targets:
            branch.add(Text(_target(target, names)))
    elif isinstance(strategy, Combining):
        for part, inside in strategy.parts.items():
            _add(branch, inside, part, names)


def _name(strategy: TransferStrategy) -> str:
    return _NAMES.get(type(strategy), type(strategy).__name__)


def _does(strategy: TransferStrategy, names: _Names) -> Iterator[str]:
    """What a strategy does, in a few words each."""
    match strategy:
        case DirectTransfer():
            yield f"to {_target(strategy.to, names) if strategy.to is not None else 'VIDEOSDK_CALL_TRANSFER_TO'}"
            yield f"followed for {strategy.timeout:g} s"
        case WarmTransfer():
            yield f"to {_target(strategy.to, names)}"
            yield from _consultation(strategy)
        case RingGroup():
            yield "whoever says yes first"
            yield from _consultation(strategy.warm)
        case Fallback():
            yield f"one after the other, for {strategy.timeout:g} s in all"
            if strategy.stop_on:
                yield f"not after {' or '.join(sorted(outcome.value for outcome in strategy.stop_on))}"
        case OpenHours():
            yield _hours(strategy.schedule)
            if strategy.outside is None:
                yield "refused outside"
        case Choose():
            yield f"as {_called(strategy.chooser)} says within {strategy.timeout:g} s"
            if strategy.default is None:
                yield "refused otherwise"
        case Limit():
            if strategy.attempts is not None:
                yield f"at most {strategy.attempts} on one call"
            if strategy.attempts_per_minute is not None:
                yield f"at most {strategy.attempts_per_minute} within a minute"
        case TakeMessage():
            yield f"at most {strategy.longest:g} s, over after {strategy.silence:g} s of silence"
            yield f"delivered by {_called(strategy.deliver)} within {strategy.deliver_timeout:g} s"
        case _ if _name(strategy) == "direct_or_bridge":
            yield "forwarded, or dialled where the carrier refuses that"
        case _:
            if isinstance(strategy, KnowsDestinations):
                yield from (f"to {names(destination)}" for destination in strategy.fixed_destinations())
            yield from _numbers_of(strategy)


def _consultation(warm: WarmTransfer) -> Iterator[str]:
    yield f"rings {warm.ring_timeout:g} s"
    yield f"{_answers(warm.briefing)} within {warm.decision_timeout:g} s"
    yield f"connected within {warm.connect_timeout:g} s"
    if warm.total_timeout != TOTAL_TIMEOUT:
        yield f"at most {warm.total_timeout:g} s in all"
    yield _hold(warm.hold)


def _answers(briefing: Briefing) -> str:
    keys = f"{briefing.accept_key} or {briefing.decline_key}"
    return {
        Gate.VOICE_OR_KEY: f"answer by voice or key {keys}",
        Gate.KEYS_ONLY: f"answer by key {keys}",
        Gate.CONNECT_WITHOUT_ASKING: "told and not asked,",
    }[briefing.gate]


def _hold(hold: Hold) -> str:
    # Who talks with the agent says so, and whatever key they press is the agent's own.
    back = "" if hold.return_key is None or not hold.at_once else f", {hold.return_key} brings the caller back"
    match hold:
        case StayWithCaller():
            return f"the agent stays with the caller until the yes{back}"
        case HoldMusic():
            return f"music with a word every {hold.every:g} s{back}"
    return f"on hold with {type(hold).__name__}{back}"


def _target(target: Any, names: _Names) -> str:
    if not isinstance(target, Destination):
        return f"whom {_called(target)} finds"
    carried = ", ".join(name for name in target.only_dialled if name != "extension")  # which is in its own words
    return f"{names(target)} with {carried}" if carried else names(target)


def _called(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))


def _hours(schedule: Schedule) -> str:
    week = "; ".join(f"{days} {hours}" for days, hours in schedule.weekly.items()) or "never"
    days = len(schedule.exceptions)
    exceptions = f", except {days} {'day' if days == 1 else 'days'}" if days else ""
    return f"{week} in {schedule.time_zone}{exceptions}"


def _numbers_of(strategy: TransferStrategy) -> Iterator[str]:
    """The limits and deadlines of a strategy that is not ours."""
    kind: Any = type(strategy)
    if attrs.has(kind):
        for field in attrs.fields(kind):
            value = getattr(strategy, field.name)
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield f"{field.name} = {value:g}"


def _policy(policy: Policy | None) -> str:
    if policy is None:
        return "policy: the default, or that of the agent"
    where = f"numbers of {', '.join(sorted(policy.countries))}" if policy.countries is not None else "any country"
    hosts = f", SIP hosts {', '.join(sorted(policy.sip_hosts))}" if policy.sip_hosts is not None else ""
    return (
        f"policy: {where}{hosts}, {policy.attempts} attempts a call, "
        f"{policy.attempts_per_minute} a minute; {policy.dials} dials a call, {policy.dials_at_once} at once"
    )
