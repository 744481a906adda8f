"""`calltransfer check`: what is wrong with a plan, the plan as a tree, and what the platform says of it."""

import asyncio

import attrs
from rich.console import Console
from rich.text import Text

from calltransfer.checking.agents import NamedAgent, named_agent
from calltransfer.checking.needs import Finding, Needs, SetUp, Verdict, cut_short, problem, unasked
from calltransfer.checking.preflight import asked
from calltransfer.checking.tree import tree_of
from calltransfer.errors import ConfigurationError, RoutesError
from calltransfer.hook import HookFailed
from calltransfer.platform import Platform
from calltransfer.routes import Routes
from calltransfer.strategies.combining import problems_of

_STYLES = {Verdict.OK: "green", Verdict.PROBLEM: "bold red", Verdict.UNKNOWN: "yellow"}


def checked(
    plan: str,
    console: Console,
    *,
    offline: bool,
    show_numbers: bool = False,
    caller_id: str | None,
    routing_rule: str | None,
    gateway: str | None,
    base_url: str | None,
) -> bool:
    """Checks a plan, or the routes of an agent, and prints what is found; whether it is good."""
    agent = named_agent(plan)
    given = {"caller_id": caller_id, "routing_rule": routing_rule, "gateway": gateway, "base_url": base_url}
    foreign = None
    try:
        if agent is None:
            routes = Routes.from_toml(plan)
        else:
            routes, given, foreign = _of_agent(agent, given)
    except ConfigurationError as error:
        for mistake in error.mistakes if isinstance(error, RoutesError) else (str(error),):
            console.print(Text(mistake), soft_wrap=True)
        return False
    console.print(tree_of(routes, plan, show_numbers=show_numbers))
    console.print()
    needs = Needs.of(routes)
    if foreign is not None:
        return _of_another_platform(routes, foreign, console)
    set_up = SetUp.of(**given)
    # Of a plan alone it may all be in the program's code.
    findings = [*cut_short(routes)]
    findings += unasked(needs, set_up) if set_up.says_something or agent is not None else ()
    for finding in findings:
        _print(console, finding)
    if offline or not set_up.token:
        _print(console, Finding(Verdict.UNKNOWN, "the platform", _why_not_asked(offline)))
    else:
        findings += asyncio.run(_asked(needs, set_up, console))
    return not any(finding.verdict is Verdict.PROBLEM for finding in findings)


_Given = dict[str, str | None]


def _of_agent(agent: NamedAgent, options: _Given) -> tuple[Routes, _Given, Platform | None]:
    """The routes of an agent, what it is run with, and its platform where that is none that could be asked."""
    from calltransfer.videosdk.platform import VideoSDKPlatform, settings_of

    routes, platform = agent.declared()
    if not isinstance(platform, VideoSDKPlatform):
        return routes, options, platform
    try:
        own = asyncio.run(settings_of(platform))
    except HookFailed as error:
        raise ConfigurationError(f"{agent}: token= {error}") from None
    given = attrs.asdict(own) | {name: value for name, value in options.items() if value}
    if options["gateway"]:
        given["routing_rule"] = None
    if options["routing_rule"]:
        given["gateway"] = None
    return routes, given, None


def _of_another_platform(routes: Routes, platform: Platform, console: Console) -> bool:
    """What a platform of an author's own says of the routes before there is a call."""
    found = [
        problem(f"'{route.name}'", each) for route in routes for each in problems_of(route.strategy, platform)
    ] or [Finding(Verdict.UNKNOWN, "the platform", f"not asked, as it is a {type(platform).__name__}")]
    for finding in found:
        _print(console, finding)
    return not any(finding.verdict is Verdict.PROBLEM for finding in found)


async def _asked(needs: Needs, set_up: SetUp, console: Console) -> list[Finding]:
    findings = []
    async for finding in asked(needs, set_up):
        _print(console, finding)
        findings.append(finding)
    return findings


def _why_not_asked(offline: bool) -> str:
    if offline:
        return "not asked about token, caller ID and routing rule, as --offline wants it"
    return (
        "not asked about token, caller ID and routing rule: set VIDEOSDK_AUTH_TOKEN, or VIDEOSDK_API_KEY and "
        "VIDEOSDK_SECRET_KEY"
    )


def _print(console: Console, finding: Finding) -> None:
    verdict = finding.verdict
    line = Text.assemble((f"{verdict.value:<8}", _STYLES[verdict]), f" {finding.about}: {finding.detail}")
    console.print(line, soft_wrap=True)
