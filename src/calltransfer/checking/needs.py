"""What a plan needs of the platform, and what it is run with; no I/O but the environment."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any, Self

import attrs
from typing_extensions import override

from calltransfer.briefing import Gate
from calltransfer.call import TransferStrategy
from calltransfer.destination import Destination, checked_caller_id
from calltransfer.errors import ConfigurationError, NoLiveCall
from calltransfer.platform import Platform, PlatformCall
from calltransfer.route import Route
from calltransfer.strategies.combining import Combining, leaves, problems_of
from calltransfer.strategies.fallback import Fallback
from calltransfer.strategies.warm import WarmTransfer
from calltransfer.videosdk import tokens
from calltransfer.videosdk.api import BASE_URL
from calltransfer.videosdk.environment import (
    CALLER_ID_VARIABLE,
    GATEWAY_VARIABLE,
    ROUTING_RULE_VARIABLE,
    Environment,
    checked_id,
)


class Verdict(StrEnum):
    """What came of a question."""

    OK = "ok"
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """It could not be asked, or the platform does not say."""


@attrs.frozen
class Finding:
    """One answer.

    Attributes:
        verdict: Whether it is good for the plan.
        about: What it is about.
        detail: What was found, and what to do about it; nothing private in it.
    """

    verdict: Verdict
    about: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict.value:<8} {self.about}: {self.detail}"


@attrs.frozen(kw_only=True)
class SetUp:
    """What a plan is run with, from options and the environment.

    Attributes:
        token: The token; None: there is none, and none can be signed.
        signed: Whether it was signed just now, with the account's key and secret.
        base_url: Where the platform is.
        caller_id: The number that targets see.
        routing_rule: The rule they are dialled by.
        gateway: The gateway they are dialled through instead.
        wrong: What was given and cannot be used: what it is about, and why.
    """

    token: str | None = attrs.field(default=None, repr=False)
    signed: bool = False
    base_url: str = BASE_URL
    caller_id: str | None = attrs.field(default=None, repr=False)
    routing_rule: str | None = None
    gateway: str | None = None
    wrong: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        *,
        caller_id: str | None,
        routing_rule: str | None,
        gateway: str | None,
        base_url: str | None,
        token: str | None = None,
    ) -> Self:
        """What was given, and what the environment says where nothing was, as a platform object would send it."""
        environment, wrong = Environment.read(), list[tuple[str, str]]()
        token, signed = (token, False) if token else _token()

        def given(about: str, option: str, value: str | None, check: Callable[[str], str]) -> str | None:
            try:
                return check(value) if value else None
            except ConfigurationError as error:
                wrong.append((about, f"{option}: {str(error).removeprefix('caller_id=: ').removeprefix(f'{option} ')}"))
                return None

        def of_environment(about: str, variable: str) -> None:
            if variable in environment.wrong:
                wrong.append((about, f"{variable}: {environment.wrong[variable]}"))

        own_caller_id = given("caller ID", "--caller-id", caller_id, checked_caller_id)
        rule = given(
            "routing rule",
            "--routing-rule",
            routing_rule,
            lambda value: checked_id("--routing-rule", value, "routing rule"),
        )
        line = given("gateway", "--gateway", gateway, lambda value: checked_id("--gateway", value, "gateway"))
        if not caller_id:
            own_caller_id = environment.caller_id
            of_environment("caller ID", CALLER_ID_VARIABLE)
        if not routing_rule and not gateway:
            rule = environment.routing_rule
            line = None if rule or ROUTING_RULE_VARIABLE in environment.wrong else environment.gateway
            of_environment("routing rule", ROUTING_RULE_VARIABLE)
            if not rule:
                of_environment("gateway", GATEWAY_VARIABLE)
        return cls(
            token=token,
            signed=signed,
            base_url=base_url or BASE_URL,
            caller_id=own_caller_id,
            routing_rule=rule,
            gateway=line,
            wrong=tuple(wrong),
        )

    @property
    def says_something(self) -> bool:
        """Whether anything is known of it: otherwise it may all be in the program's code."""
        return any((self.token, self.caller_id, self.routing_rule, self.gateway, self.wrong))

    @property
    def line(self) -> str:
        """What targets are dialled by, as it is called in a finding."""
        return f"routing rule {self.routing_rule}" if self.routing_rule else f"gateway {self.gateway}"


@attrs.frozen
class Needs:
    """What a plan needs of the platform.

    Attributes:
        dialled: Every target that is dialled: the route, and the destination where it is fixed.
        by_key: The routes in which a target may answer by key.
        by_key_alone: Those in which they can answer by key only.
        return_by_key: Those in which the caller comes back to the agent by key.
        problems: What strategies themselves say is missing: the route, and what it is.
    """

    dialled: tuple[tuple[str, Destination | None], ...]
    by_key: tuple[str, ...]
    by_key_alone: tuple[str, ...]
    return_by_key: tuple[str, ...]
    problems: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, routes: Sequence[Route]) -> Self:
        """What these routes need."""
        dialled, gates, returning, problems = [], [], [], []
        for route in routes:
            asked = _Asked()
            problems_of(route.strategy, asked)
            dialled += [(route.name, destination) for destination in asked.destinations]
            for leaf in leaves(route.strategy):
                problems += [(route.name, each) for each in problems_of(leaf, _Asked())]
                if isinstance(leaf, WarmTransfer):
                    gates.append((route.name, leaf.briefing.gate))
                    returning += [route.name] if leaf.hold.at_once and leaf.hold.return_key is not None else []
        return cls(
            # Each once, although the same address may be there again with another caller ID.
            tuple({(name, id(destination)): (name, destination) for name, destination in dialled}.values()),
            _names(name for name, gate in gates if gate is not Gate.CONNECT_WITHOUT_ASKING),
            _names(name for name, gate in gates if gate is Gate.KEYS_ONLY),
            _names(returning),
            tuple(problems),
        )

    @property
    def routes_that_dial(self) -> str:
        """Their names, in a sentence."""
        return listed(name for name, _ in self.dialled)

    def caller_ids(self, own: str | None) -> dict[str, str]:
        """Every number that targets see, with what it is for."""
        found = {} if own is None else {own: "caller ID"}
        for name, destination in self.dialled:
            if destination is not None and destination.caller_id is not None:
                found.setdefault(destination.caller_id, f"caller ID of a target of '{name}'")
        return found


def unasked(needs: Needs, set_up: SetUp) -> Iterator[Finding]:
    """What can be found without asking the platform: what a plan needs and nobody has given."""
    yield from (problem(f"'{name}'", each) for name, each in needs.problems)
    for name in ("VIDEOSDK_AUTH_TOKEN", "VIDEOSDK_API_KEY", "VIDEOSDK_SECRET_KEY"):
        written = os.environ.get(name, "")
        if written != written.strip():
            yield problem("token", f"{name} has spaces or a line break around it, which are sent along; take them out")
    if not needs.dialled:
        yield Finding(Verdict.OK, "caller ID and routing rule", "not needed, as nobody is dialled")
        return
    yield from (problem(about, why) for about, why in set_up.wrong)
    wrong = {about for about, _ in set_up.wrong}
    without = listed(name for name, to in needs.dialled if to is None or to.caller_id is None)
    if set_up.caller_id is None and without and "caller ID" not in wrong:
        yield problem(
            "caller ID",
            f"targets are dialled in {without}, and there is none to show them; set VIDEOSDK_CALLER_ID, or give "
            "--caller-id, or a caller_id with the target: a number of the account",
        )
    if not set_up.routing_rule and not set_up.gateway and not wrong & {"routing rule", "gateway"}:
        yield problem(
            "routing rule",
            f"targets are dialled in {needs.routes_that_dial}, and there is none to dial them by; set VIDEOSDK_ROUTING_RULE "
            "or VIDEOSDK_GATEWAY, or give --routing-rule or --gateway",
        )
    for about, given in (("routing rule", set_up.routing_rule), ("gateway", set_up.gateway)):
        if given is not None and given.endswith("..."):
            yield problem(about, f"'{given}' only stands for an id; copy the account's own from the dashboard")
    for name, destination in needs.dialled:
        if destination is not None and destination.is_sip:
            yield problem(
                f"'{name}'",
                f"'{destination}' cannot be dialled: the platform dials phone numbers; use direct, which forwards",
            )
        if destination is not None and destination.extension and set_up.routing_rule:
            yield problem(
                f"'{name}'",
                "the platform does not press an extension when it dials by a routing rule; dial through a gateway instead",
            )


def cut_short(routes: Iterable[Route]) -> Iterator[Finding]:
    """Which phones stop ringing before their own time because that of the plan they are in is over."""
    for route in routes:
        for plan in _fallbacks(route.strategy):
            rings = [leaf.ring_timeout for leaf in leaves(plan) if isinstance(leaf, WarmTransfer)]
            if rings and max(rings) >= plan.timeout:
                yield problem(
                    f"'{route.name}'",
                    f"a fallback ends after {plan.timeout:g} s, while a phone in it still rings, which it may for "
                    f"{max(rings):g} s: who picks up late is not asked, and nobody is tried after them; raise its timeout, "
                    "or ring for less",
                )


def _fallbacks(strategy: TransferStrategy) -> Iterator[Fallback]:
    if isinstance(strategy, Fallback):
        yield strategy
    for part in strategy.parts.values() if isinstance(strategy, Combining) else ():
        yield from _fallbacks(part)


class _Asked(Platform):
    """Stands in for a platform, to learn whom a strategy would dial."""

    def __init__(self) -> None:
        self.destinations: list[Destination | None] = []

    @override
    def call_of(self, session: Any) -> PlatformCall:
        raise NoLiveCall("there is no call")

    @override
    def dialling_problems(self, destination: Destination | None) -> Sequence[str]:
        self.destinations.append(destination)
        return ()


def _token() -> tuple[str | None, bool]:
    """That of the environment, or one signed with its key and secret; and whether it is such a one."""
    token = os.environ.get("VIDEOSDK_AUTH_TOKEN")
    signed = None if token else tokens.for_asking()
    return token or signed, signed is not None


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def listed(names: Iterable[str]) -> str:
    """Names in a sentence, each once."""
    return ", ".join(f"'{name}'" for name in dict.fromkeys(names))


def ok(about: str, detail: str) -> Finding:
    """Something is good for the plan."""
    return Finding(Verdict.OK, about, detail)


def problem(about: str, detail: str) -> Finding:
    """Something is not."""
    return Finding(Verdict.PROBLEM, about, detail)
