"""`calltransfer check`: what is wrong with a plan, the plan as a tree, and what the platform says of it."""

import asyncio
import pathlib

from rich.console import Console
from rich.text import Text

from calltransfer.checking.needs import Finding, Needs, SetUp, Verdict, unasked
from calltransfer.checking.preflight import asked
from calltransfer.checking.tree import tree_of
from calltransfer.errors import RoutesError
from calltransfer.routes import Routes

_STYLES = {Verdict.OK: "green", Verdict.PROBLEM: "bold red", Verdict.UNKNOWN: "yellow"}


def checked(
    file: pathlib.Path,
    console: Console,
    *,
    offline: bool,
    caller_id: str | None,
    routing_rule: str | None,
    gateway: str | None,
    base_url: str | None,
) -> bool:
    """Checks a plan and prints what is found; whether it is good."""
    try:
        routes = Routes.from_toml(file)
    except RoutesError as error:
        for mistake in error.mistakes:
            console.print(Text(mistake), soft_wrap=True)
        return False
    console.print(tree_of(routes, str(file)))
    console.print()
    needs = Needs.of(routes)
    set_up = SetUp.of(caller_id=caller_id, routing_rule=routing_rule, gateway=gateway, base_url=base_url)
    findings = [*unasked(needs, set_up)] if set_up.says_something else []
    for finding in findings:
        _print(console, finding)
    if offline or not set_up.token:
        _print(console, Finding(Verdict.UNKNOWN, "the platform", _why_not_asked(offline)))
    else:
        findings += asyncio.run(_asked(needs, set_up, console))
    return not any(finding.verdict is Verdict.PROBLEM for finding in findings)


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
