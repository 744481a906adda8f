"""`calltransfer check`: the mistakes people make, the plan as a tree, and what the platform says of it."""

import asyncio
import importlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
from click.testing import CliRunner

from calltransfer import (
    Briefing,
    Destination,
    DirectTransfer,
    Fallback,
    Gate,
    HoldMusic,
    OpenHours,
    Route,
    Routes,
    Schedule,
    StayWithCaller,
    WarmTransfer,
)
from calltransfer.checking.needs import Finding, Needs, SetUp, Verdict, unasked
from calltransfer.checking.preflight import asked
from calltransfer.cli import main
from calltransfer.sandbox import Sandbox
from tests import plan_parts

EXAMPLE = Path(__file__).parent.parent / "examples" / "routes.toml"
CALLER_ID = "+14155550100"
SUPERVISOR = "+14155550199"
RULE = "rr_1"


def run(*arguments: str) -> tuple[int, str]:
    """The exit status and what was printed."""
    result = CliRunner().invoke(main, ["check", *arguments], env={"COLUMNS": "200"}, catch_exceptions=False)
    return result.exit_code, result.output


def broken(directory: Path, old: str, new: str) -> tuple[str, int]:
    """A copy of the example in which `old` is written as `new`, and the line on which that is."""
    before, _, after = EXAMPLE.read_text(encoding="utf-8").partition(old)
    assert after
    path = directory / "routes.toml"
    path.write_text(f"{before}{new}{after}", encoding="utf-8")
    shutil.copy(EXAMPLE.with_name("messages.py"), directory)  # which it names
    return str(path), before.count("\n") + 1


MISTAKES = {
    "a misspelt strategy": (
        'strategy = "ring_group"',
        'strategy = "ringgroup"',
        "{line}: strategies.supervisors.strategy: there is no strategy 'ringgroup'; did you mean 'ring_group'?",
    ),
    "the name of the class": (
        'strategy = "fallback"',
        'strategy = "Fallback"',
        "{line}: routes.supervisor.strategy: there is no strategy 'Fallback'; did you mean 'fallback'?",
    ),
    "a national number without region": (
        '"+14155550123"',
        '"(415) 555-0123"',
        "{line}: routes.billing.to: '***0123' must begin with '+' and the country code; as a number of US it is "
        "'+1***0123': "
        "put '+1' in front of it"
        ', or set region = "US" under [numbers]',
    ),
    "a number with a digit too few": (
        '"+14155550177"',
        '"+1415555017"',
        "{line}: routes.supervisor.try.2.try.to: '***5017' is not a valid number of its country; check the digits",
    ),
    "camel case": (
        "ring_timeout = 20.0",
        "ringTimeout = 20.0",
        "{line}: strategies.supervisors.ringTimeout: unknown key 'ringTimeout'; did you mean 'ring_timeout'?",
    ),
    "a misspelt key": (
        "play_dialtone = true",
        "play_dial_tone = true",
        "{line}: routes.billing.play_dial_tone: unknown key 'play_dial_tone'; did you mean 'play_dialtone'?",
    ),
    "an unknown time zone": (
        '"America/New_York"',
        '"America/NewYork"',
        "{line}: hours.office.time_zone: 'America/NewYork' is no time zone; did you mean 'America/New_York'?",
    ),
    "hours as people write them": (
        'mon-fri = "09:00-17:00"',
        'mon-fri = "9am-5pm"',
        "{line}: hours.office.weekly.mon-fri: '9am-5pm' is no span of hours; write '09:00-17:00', "
        "'09:00-12:00, 13:00-17:00', '22:00-06:00', '00:00-24:00' or 'closed'",
    ),
    "a name that is not there": (
        'inside = "supervisors"',
        'inside = "supervisor"',
        "{line}: routes.supervisor.try.1.inside: there is no strategy 'supervisor'; did you mean 'supervisors'?",
    ),
    "a variable that is not set": (
        '"+14155550199"',
        '"${SUPERVISOR_1}"',
        "{line}: strategies.supervisors.targets.1: the environment variable SUPERVISOR_1 is not set; set it before this "
        "is read",
    ),
    "text without quotes": (
        'strategy = "direct_or_bridge"\nto',
        "strategy = direct_or_bridge\nto",
        "{line}:12: is not TOML: Invalid value; text stands in quotes, and true, false and numbers without",
    ),
    "a country that the policy does not allow": (
        '"+14155550188"',
        '"+442079460018"',
        "{line}: strategies.supervisors.targets.2.to: '***0018' is not allowed: it is a number of GB, and the policy allows "
        "the countries US only; allow it in [policy], or call somebody else",
    ),
    "no time for the model to choose it": (
        'when = "the caller is upset, or asks for a human"\n',
        "",
        '{above}: routes.supervisor: needs when, such as when = "the caller asks about an invoice"',
    ),
    "seconds in quotes": (
        "timeout = 200.0",
        'timeout = "200"',
        "{line}: routes.supervisor.timeout: is in seconds, at least 1 and at most 240, not '200'",
    ),
}
"""What people get wrong most: how it is right in the example, how they write it, and what they are told."""


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES.values(), ids=MISTAKES)
def test_the_most_likely_mistakes(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Each gives one line that a person can act on: where it stands, what is wrong, and what would be right."""
    path, line = broken(tmp_path, old, new)
    told = message.replace("{line}", str(line)).replace("{above}", str(line - 1))

    assert (1, f"{path}:{told}\n") == run(path)


def test_the_example() -> None:
    """The example is right, and is shown as a tree in which every number is masked."""
    status, output = run(str(EXAMPLE))

    assert 0 == status
    assert "fallback (one after the other, for 200 s in all, not after declined)" in output
    assert (
        "1: open_hours (mon-fri 09:00-17:00; sat 10:00-14:00 in America/New_York, except 3 days, refused outside)"
        in output
    )
    assert "ring_group (whoever says yes first, rings 20 s, answer by voice or key 1 or 2 within 30 s" in output
    assert "2: limit (at most 1 on one call)" in output
    assert "inside: warm (to ***0177, rings 20 s, " in output
    assert "3: take_message (at most 120 s, over after 3 s of silence, delivered by deliver within 5 s)" in output
    assert "direct_or_bridge (forwarded, or dialled where the carrier refuses that)" in output
    assert "direct: direct (to ***0123, followed for 40 s)" in output
    assert "unknown  the platform: not asked about token, caller ID and routing rule: set VIDEOSDK_AUTH_TOKEN" in output
    assert "5550" not in output


def test_the_example_does_not_need_the_sdk() -> None:
    """Without asking the platform the check takes no time: the SDK, which takes seconds, is not imported."""
    code = (
        "import sys\nfrom calltransfer.cli import main\n"
        f"try: main(['check', '--offline', {str(EXAMPLE)!r}])\nexcept SystemExit as end: status = end.code\n"
        "print(status, 'videosdk' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "0 False" == result.stdout.splitlines()[-1]
    assert "as --offline wants it" in result.stdout


AS_INSTALLED = """\
from calltransfer.cli import main
try:
    main(["check", "plan.toml", "--base-url", "http://localhost:9"])
except SystemExit as end:
    print("status", end.code)
"""
"""The command as pip installs it, with neither the plan's folder nor the current one on the path; nobody is at port 9."""


@pytest.mark.parametrize("named", ["", "messages:deliver"])
def test_what_lies_beside_a_plan_is_run_only_if_it_is_named(tmp_path: Path, named: str) -> None:
    """A module beside a plan is run if the plan names it, and is never taken for one of Python's or of a library's."""
    for name in {*sys.stdlib_module_names, "aiodns", "brotli", "messages"}:
        (tmp_path / f"{name}.py").write_text(f'print("RUN {name}")\nasync def deliver(_): ...\n', encoding="utf-8")
    does = f'strategy = "take_message"\ndeliver = "{named}"' if named else 'strategy = "direct"\nto = "+14155550199"'
    (tmp_path / "plan.toml").write_text(f'[routes.a]\nwhen = "x"\n{does}\n', encoding="utf-8")

    result = subprocess.run(
        [sys.executable, "-P", "-c", AS_INSTALLED],
        cwd=tmp_path,
        env={**os.environ, "VIDEOSDK_AUTH_TOKEN": "a.b.c"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "" == result.stderr
    lines = result.stdout.splitlines()
    assert (["RUN messages"] if named else []) == [line for line in lines if line.startswith("RUN")]
    assert "status 0" == lines[-1]
    assert "unknown  token: could not be asked: GET /v2/sip/call: ClientConnectorError" in lines


def test_a_module_that_is_called_as_one_of_pythons_is(tmp_path: Path) -> None:
    """It is not the one that is found, and what is said about it says what to do."""
    (tmp_path / "queue.py").write_text("async def deliver(_): ...", encoding="utf-8")
    plan = '[routes.a]\nwhen = "x"\nstrategy = "take_message"\ndeliver = "queue:deliver"\n'
    (tmp_path / "plan.toml").write_text(plan, encoding="utf-8")

    status, output = run(str(tmp_path / "plan.toml"))

    assert 1 == status
    assert (
        "'queue' has no 'deliver'; there is another module of that name, which Python finds first: give yours" in output
    )


def test_a_file_that_is_not_there() -> None:
    """It is one line, like any other mistake."""
    assert (1, "none.toml: cannot be read: No such file or directory\n") == run("none.toml")


def test_one_line_or_the_other() -> None:
    """A routing rule and a gateway together are refused, as the platform object does."""
    status, output = run(str(EXAMPLE), "--routing-rule", "rr_1", "--gateway", "gw_1")

    assert 2 == status
    assert "a target is dialled by one or the other" in output


def test_no_caller_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan that dials needs a number to show: found without asking, as soon as anything is said of the set-up."""
    monkeypatch.setenv("VIDEOSDK_ROUTING_RULE", RULE)
    status, output = run(str(EXAMPLE), "--offline")

    assert 1 == status
    assert (
        "problem  caller ID: targets are dialled in 'supervisor', 'billing', and there is none to show them; set "
        "VIDEOSDK_CALLER_ID, or give --caller-id, or a caller_id with the target: a number of the account\n"
    ) in output


def test_every_kind_of_strategy_is_shown(tmp_path: Path) -> None:
    """A strategy of an author's own is shown by its name and its numbers, a function by what it is called."""
    path = tmp_path / "routes.toml"
    path.write_text(
        f"""
[policy]
sip_hosts = ["pbx.example.com"]
[routes.a]
when = "x"
strategy = "tests.plan_parts:Queue"
to = "{SUPERVISOR}"
[routes.b]
when = "x"
strategy = "ring_group"
targets = ["tests.plan_parts:find"]
hold = {{ stay_with_caller = true }}
briefing = {{ gate = "connect_without_asking" }}
[routes.c]
when = "x"
strategy = "direct"
[routes.d]
when = "x"
strategy = "tests.plan_parts:Plain"
[routes.f]
when = "x"
strategy = "choose"
chooser = "tests.plan_parts:choose"
[routes.g]
when = "x"
strategy = "fallback"
[[routes.g.try]]
strategy = "limit"
try = {{ strategy = "direct_or_bridge", to = "{SUPERVISOR}" }}
attempts = 2
attempts_per_minute = 1
[[routes.g.try]]
strategy = "take_message"
deliver = "tests.plan_parts:deliver"
[routes.e]
when = "x"
strategy = "open_hours"
hours = {{ time_zone = "UTC", weekly = {{}} }}
[routes.e.inside]
strategy = "warm"
to = "{SUPERVISOR}"
hold = "tests.plan_parts:WHISTLING"
briefing = {{ gate = "keys_only" }}
""",
        encoding="utf-8",
    )
    status, output = run(str(path))

    assert 0 == status
    for shown in (
        "policy: any country, SIP hosts pbx.example.com, 10 attempts a call, 4 a minute; 40 dials a call, 20 at once",
        "Queue (announce_every = 30)",
        "whom find finds",
        "told and not asked, within 30 s, connected within 10 s, the agent stays with the caller until the yes)",
        "direct (to VIDEOSDK_CALL_TRANSFER_TO, followed for 40 s)",
        "Plain (to ***0199)",
        "choose (as choose says within 3 s, refused otherwise)",
        "1: limit (at most 2 on one call, at most 1 within a minute)",
        "inside: direct_or_bridge",
        "2: take_message (at most 120 s, over after 3 s of silence, delivered by deliver within 5 s)",
        "open_hours (never in UTC, refused outside)",
        "inside: warm (to ***0199, rings 25 s, answer by key 1 or 2 within 30 s, connected within 10 s, on hold with Wh",
    ):
        assert shown in output


def token(**claims: Any) -> str:
    return jwt.encode({"apikey": "key", **claims}, "s" * 32, algorithm="HS256")


def routes(*strategies: Any) -> Routes:
    return Routes([Route(f"route-{number}", strategy, when="x") for number, strategy in enumerate(strategies, start=1)])


def a_warm(to: Any = SUPERVISOR, **options: Any) -> WarmTransfer:
    return WarmTransfer(to, **options)


async def findings(
    sandbox: Sandbox, *strategies: Any, caller_id: str | None = CALLER_ID, line: str = "rule", **options: Any
) -> list[str]:
    """What is found, a line each, of a plan of these strategies."""
    needs = Needs.of(routes(*strategies))
    given: dict[str, Any] = {
        "caller_id": caller_id,
        "base_url": sandbox.base_url,
        "token": "a-token",
        "routing_rule": RULE if line == "rule" else None,
        "gateway": "gw_1" if line == "gateway" else None,
    }
    set_up = attrs.evolve(SetUp.of(**given), **options)
    found = [*unasked(needs, set_up)] + [finding async for finding in asked(needs, set_up)]
    assert not any("5550" in str(finding) or "a-token" in str(finding) for finding in found)
    return [str(finding) for finding in found]


def set_up_well(sandbox: Sandbox) -> None:
    sandbox.account.numbers += [CALLER_ID, "14155550101"]
    sandbox.account.routing_rule(RULE, numbers=[CALLER_ID])
    sandbox.account.routing_rule("rr_in", type="inbound")
    sandbox.account.gateway("gw_1", numbers=["1 (415) 555-0100"])
    for number in range(20):
        sandbox.account.routing_rule(f"rr_other_{number}")


async def test_all_is_well() -> None:
    """What is good is said to be, by rule and by gateway; lists are read to their last page, and nothing is changed."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        of_rule = await findings(sandbox, a_warm(), DirectTransfer(to=SUPERVISOR))
        of_gateway = await findings(sandbox, a_warm(), line="gateway")

        assert [
            "ok       token: the platform accepts it",
            "ok       caller ID: ***0100 is a number of the account",
            "ok       routing rule rr_1: it is there, for outbound calls",
            "ok       routing rule rr_1: ***0100 (caller ID) is one of its numbers",
            "ok       routing rule rr_1: it passes on keys (DTMF), with which targets answer",
            "ok       inbound routing rules: they pass on keys (DTMF): callers on hold come back to the agent by key in "
            "'route-1'",
        ] == of_rule
        assert [line.replace("gateway gw_1", "routing rule rr_1") for line in of_gateway] == of_rule
        assert {"GET"} == {request.method for request in sandbox.requests}


async def test_nobody_is_dialled() -> None:
    """A plan that only forwards needs a token, and nothing else."""
    async with Sandbox() as sandbox:
        assert [
            "ok       caller ID and routing rule: not needed, as nobody is dialled",
            "ok       token: the platform accepts it",
        ] == await findings(sandbox, DirectTransfer(to=SUPERVISOR), caller_id=None, line="")


def keys_only() -> WarmTransfer:
    return a_warm(briefing=Briefing(gate=Gate.KEYS_ONLY))


def no_return() -> Sequence[WarmTransfer]:
    return a_warm(hold=HoldMusic(return_key=None)), a_warm(hold=StayWithCaller())


def with_headers() -> WarmTransfer:
    return a_warm(Destination(SUPERVISOR, headers={"X-Ticket": "1", "X-Tenant": "2"}))


@pytest.mark.parametrize(
    ("change", "strategy", "options", "expected"),
    [
        (
            lambda account: account.numbers.clear(),
            a_warm,
            {},
            "unknown  caller ID: the platform lists no numbers for this account",
        ),
        (
            lambda account: account.numbers.remove(CALLER_ID),
            a_warm,
            {},
            "problem  caller ID: ***0100 is no number of the account; use one of its own, or add it there",
        ),
        (
            lambda account: None,
            lambda: a_warm(Destination(SUPERVISOR, caller_id="+14155550102")),
            {},
            "problem  caller ID of a target of 'route-1': ***0102 is no number of the account",
        ),
        (
            lambda account: None,
            lambda: a_warm(Destination(SUPERVISOR, caller_id="+14155550101")),
            {"caller_id": None},
            "problem  routing rule rr_1: ***0101 (caller ID of a target of 'route-1') is none of its numbers; add it there",
        ),
        (
            lambda account: None,
            a_warm,
            {"caller_id": "415 555 0100"},
            "problem  caller ID: --caller-id: '***0100' must begin with '+' and the country code",
        ),
        (
            lambda account: None,
            a_warm,
            {"line": ""},
            "problem  routing rule: targets are dialled in 'route-1', and there is none to dial them by; set",
        ),
        (
            lambda account: account.routing_rules.pop(RULE),
            a_warm,
            {},
            "problem  routing rule rr_1: there is none of that id; copy it from the platform's dashboard",
        ),
        (
            lambda account: account.routing_rule(RULE, type="inbound"),
            a_warm,
            {},
            "problem  routing rule rr_1: it is for inbound calls; targets are dialled by an outbound one",
        ),
        (
            lambda account: account.routing_rules[RULE].pop("phoneNumbers"),
            a_warm,
            {},
            "unknown  routing rule rr_1: the platform does not say which numbers it may show",
        ),
        (
            lambda account: account.routing_rules[RULE].pop("type"),
            a_warm,
            {},
            "ok       routing rule rr_1: it is there",
        ),
        (
            lambda account: account.routing_rule(RULE, numbers=[CALLER_ID], dtmf=False),
            a_warm,
            {},
            "problem  routing rule rr_1: DTMF is off, and in 'route-1' targets are told which keys to press; switch it on",
        ),
        (
            lambda account: account.routing_rule(RULE, numbers=[CALLER_ID], dtmf=False),
            keys_only,
            {},
            "problem  routing rule rr_1: DTMF is off, and in 'route-1' a target can accept by key only; switch it on",
        ),
        (
            lambda account: account.routing_rule(RULE, numbers=[CALLER_ID], dtmf=None),
            a_warm,
            {},
            "unknown  routing rule rr_1: the platform does not say whether it passes on keys (DTMF)",
        ),
        (
            lambda account: account.routing_rule(RULE, numbers=[CALLER_ID], headers={"x-ticket": "1"}),
            with_headers,
            {},
            "problem  routing rule rr_1: the platform sends no headers of a target when it dials by a rule: of 'route-1' it "
            "leaves out X-Tenant; set them in the rule, or dial through a gateway",
        ),
        (
            lambda account: account.routing_rule(RULE, headers={"x-ticket": "1", "x-tenant": "2"}),
            with_headers,
            {},
            "ok       routing rule rr_1: the headers of 'route-1' are set in it; what it sends are its own values",
        ),
        (
            lambda account: None,
            lambda: a_warm(Destination(SUPERVISOR, extension="12")),
            {},
            "problem  'route-1': the platform does not press an extension when it dials by a routing rule",
        ),
        (
            lambda account: None,
            lambda: a_warm("sip:desk@pbx.example.com"),
            {},
            "problem  'route-1': 'sip:***@pbx.example.com' cannot be dialled: the platform dials phone numbers; use direct",
        ),
        (
            lambda account: account.routing_rule("rr_in", type="inbound", dtmf=False),
            a_warm,
            {},
            "problem  inbound routing rules: DTMF is off, and callers on hold come back to the agent by key in 'route-1'; ",
        ),
        (
            lambda account: account.routing_rule("rr_in2", type="inbound", dtmf=False),
            a_warm,
            {},
            "unknown  inbound routing rules: DTMF is off in rule rr_in2, and callers on hold come back",
        ),
        (
            lambda account: account.routing_rule("rr_in2", type="inbound", dtmf=None),
            a_warm,
            {},
            "unknown  inbound routing rules: DTMF is not said of all rules, and callers on hold",
        ),
        (
            lambda account: account.routing_rules.pop("rr_in"),
            a_warm,
            {},
            "unknown  inbound routing rules: DTMF is not known of any rule, and callers on hold",
        ),
        (
            lambda account: account.gateways.clear(),
            a_warm,
            {"line": "gateway"},
            "problem  gateway gw_1: there is none of that id",
        ),
    ],
)
async def test_what_the_platform_is_not_set_up_for(
    change: Callable[[Any], Any], strategy: Callable[[], WarmTransfer], options: dict[str, Any], expected: str
) -> None:
    """Each setting that a plan needs is one line, which says what to do about it."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        change(sandbox.account)
        found = await findings(sandbox, strategy(), **options)

        assert any(line.startswith(expected) for line in found), found
        verdicts = {line.split()[0] for line in found if line.startswith(expected)}
        assert {expected.split()[0]} == verdicts


async def test_keys_nobody_needs() -> None:
    """Where nobody presses a key, nothing is said about keys."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        sandbox.account.routing_rule(RULE, numbers=[CALLER_ID], dtmf=False)
        plan = WarmTransfer(
            SUPERVISOR, hold=HoldMusic(return_key=None), briefing=Briefing(gate=Gate.CONNECT_WITHOUT_ASKING)
        )
        found = await findings(sandbox, plan)

        assert 4 == len(found)
        assert not any("DTMF" in line for line in found)
        assert not any("inbound" in line for line in await findings(sandbox, *no_return()))


@pytest.mark.parametrize(("timeout", "status"), [(60, 1), (61, 0)])
def test_a_plan_that_ends_while_a_phone_rings(tmp_path: Path, timeout: int, status: int) -> None:
    """Who picks up late would not be asked, and whoever comes after them not be called: said without any set-up."""
    path = tmp_path / "routes.toml"
    path.write_text(
        f"""
[routes.a]
when = "x"
strategy = "choose"
chooser = "tests.plan_parts:choose"
[routes.a.default]
strategy = "fallback"
timeout = {timeout}
try = [
  {{ strategy = "ring_group", targets = ["{SUPERVISOR}"], ring_timeout = 60 }},
  {{ strategy = "take_message", deliver = "tests.plan_parts:deliver" }},
]
""",
        encoding="utf-8",
    )
    found, output = run("--offline", str(path))

    assert status == found, output
    assert bool(status) == ("problem  'a': a fallback ends after 60 s, while a phone in it still rings" in output)


async def test_every_part_of_a_plan_is_looked_at() -> None:
    """However deep in a plan a target is dialled, the platform has to be set up for it."""
    deep = Fallback(
        DirectTransfer(to=SUPERVISOR),
        OpenHours(
            Schedule("UTC", {}),
            inside=DirectTransfer(to=SUPERVISOR),
            outside=a_warm(Destination(SUPERVISOR, caller_id="+14155550102")),
        ),
        a_warm(plan_parts.find),
    )
    needs = Needs.of(routes(deep, a_warm()))

    assert ["route-1", "route-1", "route-2"] == [name for name, _ in needs.dialled]
    assert [SUPERVISOR, None, SUPERVISOR] == [to.address if to else None for _, to in needs.dialled]
    assert {CALLER_ID: "caller ID", "+14155550102": "caller ID of a target of 'route-1'"} == needs.caller_ids(CALLER_ID)
    assert ("route-1", "route-2") == needs.by_key == needs.return_by_key
    assert () == needs.by_key_alone


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (3 * 86_400, "ok       token: the platform accepts it, for 3 days more"),
        (3 * 3600, "ok       token: the platform accepts it, for 3 hours more"),
        (600, "problem  token: the platform accepts it, and it expires in 10 minutes; make a new one, or set"),
        (60, "problem  token: the platform accepts it, and it expires in ?? seconds; make a new one"),
        (-7300, "problem  token: it expired 2 hours ago; make a new one"),
        (None, "ok       token: the platform accepts it"),
    ],
)
async def test_tokens(monkeypatch: pytest.MonkeyPatch, left: float | None, expected: str) -> None:
    """A token that is about to expire is a problem although it is accepted; one that has expired is not even sent."""
    claims = {} if left is None else {"exp": time.time() + left}
    async with Sandbox() as sandbox:
        monkeypatch.setenv("VIDEOSDK_AUTH_TOKEN", token(**claims))
        found = await findings(sandbox, DirectTransfer(to=SUPERVISOR), token=token(**claims))

        assert fnmatchcase(found[1], expected + "*")
        assert (left is None or left > 0) is bool(sandbox.requests)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"status": 401}, "problem  token: the platform does not accept it (HTTP 401); make a new one, or set"),
        ({"status": 403}, "problem  token: the platform does not accept it (HTTP 403)"),
        ({"status": 503}, "unknown  token: could not be asked: GET /v2/sip/call: HTTP 503"),
        ({"hang": True}, "unknown  token: could not be asked: "),
        ({"status": 200, "body": "no json"}, "unknown  token: could not be asked: "),
    ],
)
async def test_a_token_that_is_not_accepted(fault: dict[str, Any], expected: str) -> None:
    """Without a token that is accepted nothing else is asked, and that is said."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        sandbox.fault("GET", "/v2/sip/call", **fault)
        found = await findings(sandbox, a_warm())

        assert found[0].startswith(expected)
        assert "unknown  everything else: not asked, as it takes a token that the platform accepts" == found[1]
        assert 2 == len(found)


async def test_what_cannot_be_asked() -> None:
    """A question that fails is said to have failed, and the others are asked all the same."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        for path in ("/routing-rule", "/phone-numbers", f"/{RULE}"):
            sandbox.fault("GET", path, status=500)
        found = await findings(sandbox, a_warm())

        assert [
            "ok       token: the platform accepts it",
            "unknown  caller ID: could not be asked: GET /v2/sip/phone-numbers: HTTP 500",
            "unknown  routing rule rr_1: could not be asked: GET /v2/sip/routing-rule/rr_1: HTTP 500",
            "unknown  inbound routing rules: could not be asked: GET /v2/sip/routing-rule: HTTP 500",
        ] == found


@pytest.mark.parametrize(
    "body",
    [
        '{"data": {"type": "outbound", "phoneNumbers": [{"number": "+14155550100"}, 3, {"numbers": ["x"]}], "dtmf": 1}}',
        '{"data": {"phoneNumbers": "x", "headers": ["x"], "name": 3, "type": 3}}',
        '{"data": 3}',
        "{}",
    ],
)
async def test_odd_answers(body: str) -> None:
    """What the platform's references leave open is taken as it comes: what is not said is not known."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        sandbox.fault("GET", f"/{RULE}", status=200, body=body)
        found = await findings(sandbox, a_warm())

        assert not any(line.startswith("problem") for line in found)
        assert any(line.startswith("unknown  routing rule rr_1: ") for line in found)


@pytest.mark.real_time
async def test_the_command_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a token in the environment the command asks; a problem makes its exit status 1, `--offline` keeps it quiet."""
    async with Sandbox() as sandbox:
        sandbox.account.numbers.append(CALLER_ID)
        sandbox.account.routing_rule(RULE, numbers=[CALLER_ID])
        sandbox.account.routing_rule("rr_in", type="inbound")
        options = ["--base-url", sandbox.base_url, "--caller-id", CALLER_ID]
        good = await asyncio.to_thread(run, str(EXAMPLE), *options, "--routing-rule", RULE)
        asked_for = len(sandbox.requests)
        offline = await asyncio.to_thread(run, str(EXAMPLE), *options, "--routing-rule", "rr_2", "--offline")
        assert asked_for == len(sandbox.requests)
        monkeypatch.setenv("VIDEOSDK_GATEWAY", "gw_2")
        wrong = await asyncio.to_thread(run, str(EXAMPLE), *options)

    assert (0, 0, 1) == (good[0], offline[0], wrong[0])
    assert 6 == good[1].count("ok       ")
    assert "problem  gateway gw_2: there is none of that id" in wrong[1]


def test_an_address_at_which_the_token_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token is sent there."""
    monkeypatch.setenv("VIDEOSDK_AUTH_TOKEN", "a.b.c")
    status, output = run(str(EXAMPLE), "--base-url", "http://api.example.com", "--caller-id", CALLER_ID)

    assert 1 == status
    assert "problem  the platform: not asked: its address begins with http://, and the token would be sent" in output


@pytest.mark.parametrize("address", ["nonsense", "ftp://api.example.com", "https://me:secret@api.example.com", ""])
def test_an_address_of_the_platform_that_is_none(address: str) -> None:
    """It is refused before anything is asked, and what is in it is not shown."""
    status, output = run(str(EXAMPLE), "--base-url", address)

    assert 2 == status
    assert "--base-url must " in output
    assert "secret" not in output


def test_the_variable_that_holds_a_wrong_caller_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller ID from the environment is named by its variable."""
    monkeypatch.setenv("VIDEOSDK_CALLER_ID", "4155550100")
    _, output = run(str(EXAMPLE), "--offline")

    assert "problem  caller ID: VIDEOSDK_CALLER_ID: '***0100' must begin with '+' and the country code" in output


@pytest.mark.parametrize(
    ("variable", "about", "value"),
    [("VIDEOSDK_ROUTING_RULE", "routing rule", "rr_..."), ("VIDEOSDK_GATEWAY", "gateway", "gw_...")],
)
def test_an_id_that_was_copied_from_the_documentation(
    monkeypatch: pytest.MonkeyPatch, variable: str, about: str, value: str
) -> None:
    """What stands for an id in the documentation is a problem that is found without asking the platform."""
    monkeypatch.setenv(variable, value)
    _, output = run(str(EXAMPLE), "--offline")

    assert f"problem  {about}: '{value}' only stands for an id; copy the account's own from the dashboard" in output


async def test_what_a_strategy_misses_itself() -> None:
    """What a strategy takes from the environment, and is not there, is a problem too."""
    async with Sandbox() as sandbox:
        found = await findings(
            sandbox, Fallback(DirectTransfer(to=SUPERVISOR), DirectTransfer()), line="", caller_id=None
        )

    assert (
        "problem  'route-1': VIDEOSDK_CALL_TRANSFER_TO is not set; set it, or give DirectTransfer a destination"
        == found[0]
    )


AGENT = """\
from videosdk.agents import Agent
from calltransfer import Destination, DirectTransfer, Route, Routes, TransferMixin, VideoSDKPlatform, WarmTransfer
from plan_numbers import PLATFORM, SUPERVISOR

class SupportAgent(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__(
            instructions="You help.",
            transfers=[Route("supervisor", WarmTransfer(SUPERVISOR), when="the caller asks for a human")],
            platform=VideoSDKPlatform(**PLATFORM),
        )
    async def on_enter(self): ...
    async def on_exit(self): ...

class ForTenant(SupportAgent):
    def __init__(self, tenant): ...

class Broken(SupportAgent):
    def __init__(self):
        raise KeyError("TENANT")

class Ends(SupportAgent):
    def __init__(self):
        raise SystemExit

class Wrong(TransferMixin, Agent):
    def __init__(self) -> None:
        super().__init__("You help.", transfers=Routes.from_toml("wrong.toml"))
    async def on_enter(self): ...
    async def on_exit(self): ...

class Forgets(TransferMixin, Agent):
    def __init__(self):
        self.tenant = "x"
    async def on_enter(self): ...
    async def on_exit(self): ...

class PastUs(Forgets):
    def __init__(self):
        Agent.__init__(self, instructions="You help.")

def make_agent():
    return SupportAgent()

async def make_later():
    return SupportAgent()

NUMBER = 1
"""


def agent_file(directory: Path, monkeypatch: pytest.MonkeyPatch, name: str = "an_agent.py", **platform: str) -> Path:
    """An agent as an author has it, whose file imports another one that is beside it."""
    (directory / "plan_numbers.py").write_text(
        f"PLATFORM = {platform!r}\nSUPERVISOR = {SUPERVISOR!r}\n", encoding="utf-8"
    )
    (directory / name).write_text(AGENT, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "plan_numbers", raising=False)
    monkeypatch.chdir(directory)
    return directory / name


@pytest.mark.parametrize("name", ["SupportAgent", "make_agent"])
def test_routes_that_are_written_in_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An agent, or a function that makes one, is checked as a plan is, with what its platform was given."""
    file = agent_file(tmp_path, monkeypatch, caller_id=CALLER_ID)
    status, output = run(f"{file.name}:{name}", "--offline")

    assert 1 == status
    assert output.startswith(f"an_agent.py:{name}\n├── policy: any country, 10 attempts a call")
    assert "supervisor: when the caller asks for a human" in output
    assert "warm (to ***0199, rings 25 s" in output
    assert "problem  routing rule: targets are dialled in 'supervisor', and there is none to dial them by" in output
    assert "caller ID:" not in output
    assert 0 == run(f"{file.name}:{name}", "--offline", "--gateway", "gw_1")[0]


def test_numbers_for_one_s_own_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are shown in full where that is asked for, of code and of a plan."""
    file = agent_file(tmp_path, monkeypatch, caller_id=CALLER_ID, routing_rule=RULE)
    plan = tmp_path / "routes.toml"
    plan.write_text(
        '[routes.a]\nwhen = "x"\nstrategy = "ring_group"\n'
        f'targets = ["{SUPERVISOR}", {{ to = "+14155550123", extension = "12", display_name = "Desk" }}]\n'
        f'[routes.b]\nwhen = "x"\nstrategy = "direct_or_bridge"\nto = "+14155550124"\n',
        encoding="utf-8",
    )
    _, in_code = run(f"{file.name}:SupportAgent", "--offline", "--show-numbers")
    _, in_plan = run(str(plan), "--offline", "--show-numbers")

    assert f"warm (to {SUPERVISOR}, rings 25 s" in in_code
    assert SUPERVISOR in in_plan
    assert "+14155550123, extension 12 with display_name" in in_plan
    assert "direct (to +14155550124, followed for 40 s)" in in_plan


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("an_agent.py", "an_agent.py: name the agent in it: 'an_agent.py:SupportAgent' or 'an_agent.py:ForTenant' or "),
        ("an_agent.py:SuportAgent", "an_agent.py:SuportAgent: there is no 'SuportAgent'; did you mean 'SupportAgent'?"),
        (
            "an_agent.py:ForTenant",
            "an_agent.py:ForTenant: cannot be made without arguments (missing a required argument",
        ),
        ("an_agent.py:Broken", "an_agent.py:Broken: cannot be made: KeyError: 'TENANT'"),
        (
            "an_agent.py:NUMBER",
            "an_agent.py:NUMBER: is no agent with TransferMixin, nor a function that makes one, but int",
        ),
        (
            "an_agent.py:make_later",
            "an_agent.py:make_later: is no agent with TransferMixin, nor a function that makes one, but coroutine",
        ),
        (
            "an_agent.py:Forgets",
            "an_agent.py:Forgets: Forgets has not been constructed: its __init__ must call super().__init__(instructions=",
        ),
        (
            "an_agent.py:PastUs",
            "an_agent.py:PastUs: PastUs has not been constructed: its __init__ must call super().__init__(instructions=",
        ),
        ("an_agent.py:Wrong", "wrong.toml: cannot be read"),
        ("no_agent.py:SupportAgent", "no_agent.py: cannot be read: there is no such file"),
        (
            "broken.py:SupportAgent",
            "broken.py: cannot be imported: ModuleNotFoundError: No module named 'nothing_of_that'",
        ),
        ("ends.py:SupportAgent", "ends.py: cannot be imported: it ends the program (SystemExit: 0)"),
        ("an_agent.py:Ends", "an_agent.py:Ends: cannot be made: it ends the program (SystemExit)"),
    ],
)
def test_agents_that_cannot_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, said: str) -> None:
    """One line says why, and what would be right."""
    agent_file(tmp_path, monkeypatch)
    (tmp_path / "broken.py").write_text("import nothing_of_that", encoding="utf-8")
    (tmp_path / "ends.py").write_text("import sys; sys.exit(0)", encoding="utf-8")
    status, output = run(named, "--offline")

    assert 1 == status
    assert output.startswith(said)
    assert 1 == output.count("\n")


def test_an_agent_on_another_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform of an author's own is not asked over the network, and says itself what it cannot dial."""
    file = agent_file(tmp_path, monkeypatch)
    own = """
from calltransfer import Platform

class Wires(Platform):
    def __init__(self, problem): self.problem = problem
    def call_of(self, session): raise NotImplementedError
    def dialling_problems(self, destination): return [self.problem] if self.problem else []

def on_wires(problem=""):
    return type("OnWires", (TransferMixin, Agent), {"on_enter": None, "on_exit": None})(
        "You help.",
        transfers=[Route("supervisor", WarmTransfer(SUPERVISOR), when="the caller asks for a human")],
        platform=Wires(problem),
    )

def on_cut_wires():
    return on_wires("the wires are cut")

def locked():
    raise ConnectionError("the vault is sealed")

class Locked(SupportAgent):
    def __init__(self):
        PLATFORM["token"] = locked
        super().__init__()

async def waits():
    import asyncio
    await asyncio.sleep(5.0)

class Waiting(SupportAgent):
    def __init__(self):
        PLATFORM["token"] = waits
        super().__init__()
"""
    monkeypatch.setattr("calltransfer.videosdk.platform.TOKEN_TIMEOUT", 0.05)
    file.write_text(AGENT + own, encoding="utf-8")

    status, output = run(f"{file.name}:on_wires")
    assert (0, True) == (status, output.endswith("unknown  the platform: not asked, as it is a Wires\n"))
    status, output = run(f"{file.name}:on_cut_wires")
    assert (1, True) == (status, output.endswith("problem  'supervisor': the wires are cut\n"))
    status, output = run(f"{file.name}:Locked")
    assert (1, "an_agent.py:Locked: token= locked raised ConnectionError\n") == (status, output)
    status, output = run(f"{file.name}:Waiting")
    assert (1, "an_agent.py:Waiting: token= waits did not return within 0.05 s\n") == (status, output)


def test_an_agent_s_file_stands_in_for_no_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is called as one of Python's modules is checked, and that module stays what it is."""
    file = agent_file(tmp_path, monkeypatch, "queue.py", caller_id=CALLER_ID, routing_rule=RULE)
    status, _ = run(f"{file.name}:SupportAgent", "--offline")

    assert 0 == status
    assert "SupportAgent" not in dir(importlib.import_module("queue"))


@pytest.mark.real_time
async def test_the_platform_is_asked_as_the_agent_asks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the token, the address and the rule that the agent's platform was given."""
    async with Sandbox() as sandbox:
        set_up_well(sandbox)
        given = {"token": "a-token", "base_url": sandbox.base_url, "caller_id": CALLER_ID, "routing_rule": "rr_2"}
        file = agent_file(tmp_path, monkeypatch, **given)
        status, output = await asyncio.to_thread(run, f"{file.name}:SupportAgent")

        assert 1 == status
        assert "ok       token: the platform accepts it\n" in output
        assert "problem  routing rule rr_2: there is none of that id" in output
        assert {"a-token"} == {request.authorization for request in sandbox.requests}


async def test_a_token_that_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With key and secret instead of a token, one is signed that is good for a few minutes, which is no problem."""
    async with Sandbox() as sandbox:
        monkeypatch.delenv("VIDEOSDK_AUTH_TOKEN")
        monkeypatch.setenv("VIDEOSDK_API_KEY", "key")
        monkeypatch.setenv("VIDEOSDK_SECRET_KEY", "s" * 32)
        monkeypatch.setenv("VIDEOSDK_ROUTING_RULE", RULE)
        monkeypatch.setenv("VIDEOSDK_GATEWAY", "gw_1")
        set_up = SetUp.of(caller_id=None, routing_rule=None, gateway=None, base_url=sandbox.base_url)
        found = [finding async for finding in asked(Needs.of(routes(DirectTransfer())), set_up)]

        assert [Finding(Verdict.OK, "token", "the platform accepts it")] == found
        assert (RULE, None) == (set_up.routing_rule, set_up.gateway)
        assert set_up.token is not None
        assert set_up.token not in repr(set_up)
        claims = jwt.decode(set_up.token, "s" * 32, algorithms=["HS256"])
        assert ("key", ["allow_join"], ["crawler"], 2) == (
            claims["apikey"],
            claims["permissions"],
            claims["roles"],
            claims["version"],
        )
        assert [set_up.token] == [request.authorization for request in sandbox.requests]


async def test_what_the_environment_says_as_it_will_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings with spaces and line breaks around them are looked at as the platform object sends them: without these."""
    monkeypatch.setenv("VIDEOSDK_CALLER_ID", " +1 (415) 555-0100\n")
    monkeypatch.setenv("VIDEOSDK_ROUTING_RULE", f" {RULE}\n")
    set_up = SetUp.of(caller_id=None, routing_rule=None, gateway=None, base_url=None)

    assert (CALLER_ID, RULE, ()) == (set_up.caller_id, set_up.routing_rule, set_up.wrong)


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        (
            {"VIDEOSDK_ROUTING_RULE": '"rr_1"'},
            (),
            "problem  routing rule: VIDEOSDK_ROUTING_RULE: is the id of a routing rule, such as 'rr_...', not "
            "'\"rr_1\"'",
        ),
        (
            {"VIDEOSDK_GATEWAY": "my gateway"},
            (),
            "problem  gateway: VIDEOSDK_GATEWAY: is the id of a gateway, such as 'gw_...', not ",
        ),
        (
            {},
            ("--routing-rule", "rr 1"),
            "problem  routing rule: --routing-rule: is the id of a routing rule, such as 'rr_...', not ",
        ),
        ({"VIDEOSDK_CALLER_ID": "Support"}, (), "problem  caller ID: VIDEOSDK_CALLER_ID: 'xxxxxxx' is neither a phone"),
        (
            {"VIDEOSDK_API_KEY": "key\n", "VIDEOSDK_SECRET_KEY": "secret"},
            (),
            "problem  token: VIDEOSDK_API_KEY has spaces or a line break around it, which are sent along; take them out",
        ),
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    """Each is named as it was given, with what is wrong with it, and is not said to be missing as well."""
    for name, value in {"VIDEOSDK_CALLER_ID": CALLER_ID, "VIDEOSDK_ROUTING_RULE": "", **environment}.items():
        monkeypatch.setenv(name, value)
    status, output = run(str(EXAMPLE), "--offline", *arguments)

    assert 1 == status
    assert said in output
    about = said.split()[1]
    assert 1 == output.count(f"problem  {about}")


def test_nothing_is_known_of_the_set_up() -> None:
    """Without anything in the environment it may all be in the program's code, and nothing is said to be missing."""
    nothing = SetUp.of(caller_id=None, routing_rule=None, gateway=None, base_url=None)

    assert not nothing.says_something
    assert SetUp() == nothing
