"""Asks the platform whether it is set up for a plan, before the first caller finds out. Nothing is changed there."""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from calltransfer.checking.needs import Finding, Needs, SetUp, Verdict, listed, ok, problem
from calltransfer.errors import NotAuthorised, NotFound, PlatformError
from calltransfer.masking import masked_number
from calltransfer.videosdk import tokens
from calltransfer.videosdk.account import Line, inbound_rules, outbound_gateway, phone_numbers, routing_rule
from calltransfer.videosdk.api import IN_THE_LOG, VideoSDKAPI, in_the_clear

SOON: Final = 15 * 60
"""Seconds: a token that is good for less is about to expire; a transfer may begin at the end of a call."""

_RENEW: Final = "make a new one, or set VIDEOSDK_API_KEY and VIDEOSDK_SECRET_KEY, with which fresh ones are signed"


async def asked(needs: Needs, set_up: SetUp) -> AsyncIterator[Finding]:
    """Asks the platform, and gives its answers as they come."""
    if in_the_clear(set_up.base_url):
        yield problem(
            "the platform",
            "not asked: its address begins with http://, and the token would be sent readable; write https://",
        )
        return
    token = set_up.token or ""
    async with VideoSDKAPI(base_url=set_up.base_url, token=lambda: token) as api:
        finding = await _of_token(api, token, None if set_up.signed else tokens.seconds_left(token))
        yield finding
        if finding.verdict is not Verdict.OK:
            yield Finding(
                Verdict.UNKNOWN, "everything else", "not asked, as it takes a token that the platform accepts"
            )
            return
        async for finding in _of_caller_ids(api, needs, set_up):
            yield finding
        if needs.dialled and (set_up.routing_rule or set_up.gateway):
            async for finding in _of_line(api, needs, set_up):
                yield finding
        if needs.return_by_key:
            yield await _of_keys_of_callers(api, needs)


async def _of_token(api: VideoSDKAPI, token: str, left: float | None) -> Finding:
    if left is not None and left <= 0:
        return problem("token", f"it expired {_span(-left)} ago; {_RENEW}")
    try:
        # What every transfer asks first: it tells whether the token is good for that, and not only for joining rooms.
        await api.document("/v2/sip/call", {"perPage": "1"})
    except NotAuthorised as error:
        return problem("token", f"the platform does not accept it (HTTP {error.status}); {_RENEW}")
    except PlatformError as error:
        return _not_asked("token", error)
    if left is not None and left < SOON:
        return problem("token", f"the platform accepts it, and it expires in {_span(left)}; {_RENEW}")
    return ok("token", "the platform accepts it" + (f", for {_span(left)} more" if left is not None else ""))


async def _of_caller_ids(api: VideoSDKAPI, needs: Needs, set_up: SetUp) -> AsyncIterator[Finding]:
    caller_ids = needs.caller_ids(set_up.caller_id) if needs.dialled else {}
    if not caller_ids:
        return
    try:
        own = await phone_numbers(api)
    except PlatformError as error:
        yield _not_asked("caller ID", error)
        return
    for number, what in caller_ids.items():
        if number in own:
            yield ok(what, f"{masked_number(number)} is a number of the account")
        elif own:
            yield problem(
                what, f"{masked_number(number)} is no number of the account; use one of its own, or add it there"
            )
        else:
            yield Finding(
                Verdict.UNKNOWN, what, "the platform lists no numbers for this account; a gateway may have some"
            )


async def _of_line(api: VideoSDKAPI, needs: Needs, set_up: SetUp) -> AsyncIterator[Finding]:
    about = set_up.line
    try:
        if set_up.routing_rule:
            line = await routing_rule(api, set_up.routing_rule)
        else:
            line = await outbound_gateway(api, set_up.gateway or "")
    except NotFound:
        yield problem(about, "there is none of that id; copy it from the platform's dashboard")
        return
    except PlatformError as error:
        yield _not_asked(about, error)
        return
    if line.direction not in {"outbound", None}:
        yield problem(about, f"it is for {line.direction} calls; targets are dialled by an outbound one")
        return
    yield ok(about, "it is there" if line.direction is None else "it is there, for outbound calls")
    for finding in (
        *_of_its_numbers(line, needs, set_up),
        *_of_its_keys(line, needs, about),
        *_of_headers(line, needs, set_up),
    ):
        yield finding


def _of_its_numbers(line: Line, needs: Needs, set_up: SetUp) -> Iterator[Finding]:
    for number, what in needs.caller_ids(set_up.caller_id).items():
        if line.numbers is None:
            yield Finding(Verdict.UNKNOWN, set_up.line, "the platform does not say which numbers it may show")
            return
        if number in line.numbers:
            yield ok(set_up.line, f"{masked_number(number)} ({what}) is one of its numbers")
        else:
            yield problem(
                set_up.line,
                f"{masked_number(number)} ({what}) is none of its numbers; add it there, or use one that is",
            )


def _of_its_keys(line: Line, needs: Needs, about: str) -> Iterator[Finding]:
    if not needs.by_key:
        return
    if line.dtmf is None:
        yield Finding(Verdict.UNKNOWN, about, "the platform does not say whether it passes on keys (DTMF)")
    elif line.dtmf:
        yield ok(about, "it passes on keys (DTMF), with which targets answer")
    elif needs.by_key_alone:
        names = listed(needs.by_key_alone)
        yield problem(
            about, f"DTMF is off, and in {names} a target can accept by key only; switch it on, or no one can"
        )
    else:
        names = listed(needs.by_key)
        yield problem(
            about,
            f"DTMF is off, and in {names} targets are told which keys to press; switch it on, or ask another question",
        )


def _of_headers(line: Line, needs: Needs, set_up: SetUp) -> Iterator[Finding]:
    for name, destination in needs.dialled:
        if destination is None or not destination.headers or not set_up.routing_rule:
            continue
        missing = [header for header in destination.headers if header.lower() not in line.headers]
        if missing:
            yield problem(
                set_up.line,
                f"the platform sends no headers of a target when it dials by a rule: of '{name}' it leaves out "
                f"{', '.join(missing)}; set them in the rule, or dial through a gateway",
            )
        else:
            yield ok(set_up.line, f"the headers of '{name}' are set in it; what it sends are its own values")


async def _of_keys_of_callers(api: VideoSDKAPI, needs: Needs) -> Finding:
    about = "inbound routing rules"
    key = f"callers on hold come back to the agent by key in {listed(needs.return_by_key)}"
    try:
        rules = [rule async for rule in inbound_rules(api)]
    except PlatformError as error:
        return _not_asked(about, error)
    without = [rule.name or "one without a name" for rule in rules if rule.dtmf is False]
    if rules and len(without) == len(rules):
        return problem(about, f"DTMF is off, and {key}; switch it on, or set return_key = false in hold")
    if without or not rules or any(rule.dtmf is None for rule in rules):
        where = (
            f"off in {', '.join(without)}"
            if without
            else "not known of any rule"
            if not rules
            else "not said of all rules"
        )
        return Finding(
            Verdict.UNKNOWN, about, f"DTMF is {where}, and {key}: make sure that it is on where they come in"
        )
    return ok(about, f"they pass on keys (DTMF): {key}")


def _span(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _not_asked(about: str, error: PlatformError) -> Finding:
    return Finding(Verdict.UNKNOWN, about, f"could not be asked: {str(error).removesuffix(IN_THE_LOG)}")
