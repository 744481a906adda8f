"""Routes as data: what is written is what is built, and every mistake is said, with its line and what would be right."""

import asyncio
import pickle
import re
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from videosdk.agents import Agent

from calltransfer import (
    Briefing,
    Choose,
    ConfigurationError,
    Destination,
    DirectTransfer,
    ExtractiveSummary,
    Fallback,
    Gate,
    HoldMusic,
    Limit,
    LLMSummary,
    OpenHours,
    Outcome,
    Phase,
    Policy,
    RingGroup,
    Route,
    Routes,
    RoutesError,
    Schedule,
    StayWithCaller,
    TakeMessage,
    TransferEvent,
    TransferMixin,
    WarmTransfer,
    direct_or_bridge,
)
from calltransfer.hold import music
from calltransfer.sandbox import Sandbox
from tests import plan_parts
from tests.agents import ASKS, BILLING, TO_BILLING

WHEN = "the caller asks about an invoice"
OFFICE = Schedule("America/New_York", {"mon-fri": "09:00-17:00"}, exceptions={"2026-12-25": "closed"})
HOURS = """
[hours.office]
time_zone = "America/New_York"
weekly = { mon-fri = "09:00-17:00" }
exceptions = { 2026-12-25 = "closed" }
"""


def written(directory: Path, text: str) -> Path:
    path = directory / "routes.toml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(directory: Path, text: str) -> list[str]:
    """What is wrong with a plan, without the name of its file."""
    path = written(directory, text)
    with pytest.raises(RoutesError) as raised:
        Routes.from_toml(path)
    assert "\n".join(raised.value.mistakes) == str(raised.value)
    assert all(mistake.startswith(f"{path}:") for mistake in raised.value.mistakes)
    return [mistake.removeprefix(f"{path}:") for mistake in raised.value.mistakes]


def strategy_of(directory: Path, table: str, *, rest: str = "") -> Any:
    path = written(directory, f'[routes.billing]\nwhen = "{WHEN}"\n{table}\n{rest}')
    return Routes.from_toml(path)[0].strategy


@pytest.mark.parametrize(
    ("table", "strategy"),
    [
        ('strategy = "direct"', DirectTransfer()),
        (f'strategy = "direct"\nto = "{BILLING}"', DirectTransfer(to=BILLING)),
        (
            f'strategy = "direct"\nto = "{BILLING}"\ntimeout = 30\nplay_dialtone = true',
            DirectTransfer(to=BILLING, timeout=30, play_dialtone=True),
        ),
        (f'strategy = {{ strategy = "direct", to = "{BILLING}" }}', DirectTransfer(to=BILLING)),
        ('strategy = "direct"\nto = "tests.plan_parts:find"', DirectTransfer(to=plan_parts.find)),
        ('strategy = "direct"\nto = "sip:queue@pbx.example.com"', DirectTransfer(to="sip:queue@pbx.example.com")),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nmove = "target"\nring_timeout = 20.0\nleave_unwatched = true',
            WarmTransfer(to=BILLING, move="target", ring_timeout=20.0, leave_unwatched=True),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nhold = {{ every = 9.0, reassurance = ["Soon."], return_key = "#" }}',
            WarmTransfer(to=BILLING, hold=HoldMusic(every=9.0, reassurance=("Soon.",), return_key="#")),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nhold = {{ stay_with_caller = true, return_key = false }}',
            WarmTransfer(to=BILLING, hold=StayWithCaller(then=HoldMusic(return_key=None))),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nhold = "tests.plan_parts:SILENCE_IS_GOLDEN"',
            WarmTransfer(to=BILLING, hold=HoldMusic(reassurance=())),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nsummary = {{ words = 20, timeout = 4 }}',
            WarmTransfer(to=BILLING, summary=LLMSummary(words=20, timeout=4)),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nsummary = {{ extractive = true, words = 20 }}',
            WarmTransfer(to=BILLING, summary=ExtractiveSummary(words=20)),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\nsummary = "tests.plan_parts:SHORT"',
            WarmTransfer(to=BILLING, summary=ExtractiveSummary(words=10)),
        ),
        (
            f'strategy = "warm"\nto = "{BILLING}"\n'
            'briefing = { gate = "keys_only", accept_key = "5", greeting = "Hi.", accept_words = ["aye"] }',
            WarmTransfer(
                to=BILLING,
                briefing=Briefing(gate=Gate.KEYS_ONLY, accept_key="5", greeting="Hi.", accept_words=("aye",)),
            ),
        ),
        (
            f'strategy = "open_hours"\nhours = "office"\noutside = "desk"\n'
            f'inside = {{ strategy = "warm", to = "{BILLING}" }}',
            OpenHours(OFFICE, inside=WarmTransfer(to=BILLING), outside=DirectTransfer(to="+14155550177")),
        ),
        (
            'strategy = "open_hours"\nhours = { time_zone = "UTC", weekly = { mon = "closed" } }\ninside = "desk"',
            OpenHours(Schedule("UTC", {"mon": "closed"}), inside=DirectTransfer(to="+14155550177")),
        ),
        ('strategy = "desk"', DirectTransfer(to="+14155550177")),
        (
            f'strategy = "fallback"\ntry = ["desk", {{ strategy = "direct", to = "{BILLING}" }}]\nstop_on = ["declined"]\n'
            "between = []\ntimeout = 100",
            Fallback(
                DirectTransfer(to="+14155550177"),
                DirectTransfer(to=BILLING),
                stop_on={Outcome.DECLINED},
                between=(),
                timeout=100,
            ),
        ),
        (
            'strategy = "choose"\nchooser = "tests.plan_parts:choose"\ndefault = "desk"\ntimeout = 2',
            Choose(plan_parts.choose, default=DirectTransfer(to="+14155550177"), timeout=2),
        ),
        (
            'strategy = "take_message"\ndeliver = "tests.plan_parts:deliver"\ndone_key = false\nlongest = 60',
            TakeMessage(plan_parts.deliver, done_key=None, longest=60),
        ),
        (
            f'strategy = "direct_or_bridge"\nto = {{ to = "{BILLING}", caller_id = "+14155550100" }}\n'
            "ring_timeout = 20\nhold = { every = 9 }",
            direct_or_bridge(Destination(BILLING, caller_id="+14155550100"), ring_timeout=20, hold=HoldMusic(every=9)),
        ),
        (
            f'strategy = "ring_group"\ntargets = ["{BILLING}", {{ to = "+14155550177" }}, "tests.plan_parts:find"]\n'
            "ring_timeout = 15",
            RingGroup(WarmTransfer(ring_timeout=15), targets=[BILLING, "+14155550177", plan_parts.find]),
        ),
        ('strategy = "tests.plan_parts:READY"', plan_parts.READY),
        ('strategy = "tests.plan_parts:queue"', plan_parts.Queue("+14155550123")),
        (
            f'strategy = "tests.plan_parts:Queue"\nto = {{ to = "{BILLING}" }}\nannounce_every = 9.0',
            plan_parts.Queue(BILLING, announce_every=9.0),
        ),
    ],
)
def test_what_is_written_is_what_is_built(tmp_path: Path, table: str, strategy: Any) -> None:
    """A table builds what the same keywords build in Python."""
    rest = f'{HOURS}\n[strategies.desk]\nstrategy = "direct"\nto = "+14155550177"'

    assert strategy == strategy_of(tmp_path, table, rest=rest)


def test_a_limit(tmp_path: Path) -> None:
    """What is limited stands under the key that everything stands under which is tried."""
    table = 'strategy = "limit"\ntry = "desk"\nattempts = 2\nattempts_per_minute = 1'
    limit = strategy_of(tmp_path, table, rest='[strategies.desk]\nstrategy = "direct"')

    assert isinstance(limit, Limit)
    assert (DirectTransfer(), 2, 1) == (limit.strategy, limit.attempts, limit.attempts_per_minute)


def test_everything_a_destination_may_carry(tmp_path: Path) -> None:
    """A destination is a table with its fields, where an address alone does not say it all."""
    table = (
        f'to = {{ to = "{BILLING}", caller_id = "+1 (415) 555-0100", extension = "12#", headers = {{ X-A = "b" }}, '
        'display_name = "Desk", metadata = { a = [1] } }'
    )
    found = strategy_of(tmp_path, f'strategy = "warm"\n{table}').to

    assert BILLING == found.address
    assert "+14155550100" == found.caller_id
    assert ("12#", {"X-A": "b"}, "Desk", {"a": [1]}) == (
        found.extension,
        found.headers,
        found.display_name,
        found.metadata,
    )


def test_special_numbers_are_allowed_by_name(tmp_path: Path) -> None:
    """Premium-rate and emergency numbers may be called where the plan says so."""
    assert "112" == strategy_of(tmp_path, 'strategy = "direct"\nto = { to = "112", allow_emergency = true }').to.address
    satellite = "+881612345678"
    table = f'strategy = "warm"\nto = {{ to = "{satellite}", allow_satellite = true }}'
    assert satellite == strategy_of(tmp_path, table).to.address


def test_seconds_that_fit_each_other_are_no_mistake_beside_one(tmp_path: Path) -> None:
    """A whole that is longer than its ring is right, although it is not longer than the ring would be by default."""
    warm = f'[routes.desk]\nwhen = "{WHEN}"\nstrategy = "warm"\nto = "{BILLING}"\ntotal_timeout = 20\n'

    (alone,) = mistakes(tmp_path, warm)
    assert alone.startswith(
        "5: routes.desk.total_timeout: must be longer than the phone rings, which is 25 s, not 20: "
    )
    (beside,) = mistakes(tmp_path, f"{warm}ring_timeout = 8\ndecision_timeout = -1")
    assert beside.startswith("7: routes.desk.decision_timeout: ")


def test_a_group_that_the_policy_does_not_let_ring_is_a_mistake(tmp_path: Path) -> None:
    """Some of its targets would never be rung."""
    numbers = [f"+141555501{last}" for last in range(60, 63)]
    text = (
        f'[policy]\ndials_at_once = 2\n[routes.desk]\nwhen = "{WHEN}"\nstrategy = "ring_group"\ntargets = {numbers}\n'
    )
    with pytest.raises(ConfigurationError, match=r"rings 3 phones at once, and dials_at_once in .policy. allows 2"):
        Routes.from_toml(written(tmp_path, text))
    policy = Routes.from_toml(written(tmp_path, text.replace("= 2", "= 3"))).policy
    assert policy is not None
    assert 3 == policy.dials_at_once


def test_routes_are_a_sequence(tmp_path: Path) -> None:
    """They are in the order of the file, and can be taken for a list of routes."""
    text = "\n".join(f'[routes.{name}]\nwhen = "{WHEN}"\nstrategy = "direct"' for name in ("b", "a", "c"))
    routes = Routes.from_toml(written(tmp_path, text))

    assert ["b", "a", "c"] == [route.name for route in routes]
    assert 3 == len(routes)
    assert routes.routes[1:] == routes[1:]
    assert routes[0] == Route("b", DirectTransfer(), when=WHEN)
    assert routes.policy is None
    assert routes == Routes.from_toml(str(tmp_path / "routes.toml"))


def test_from_a_mapping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapping of the same form gives the same routes; mistakes name the key, as there are no lines."""
    monkeypatch.setenv("DESK", BILLING)
    plan: dict[str, Any] = {
        "policy": {"countries": ["US"], "attempts": 3},
        "routes": {"billing": {"when": WHEN, "strategy": "direct", "to": "${DESK}"}},
    }
    routes = Routes.from_mapping(plan)

    assert Routes(
        [Route("billing", DirectTransfer(to=BILLING), when=WHEN)], policy=Policy(countries={"US"}, attempts=3)
    ) == (routes)
    plan["routes"]["billing"]["timout"] = 3
    with pytest.raises(RoutesError, match=r"\Aroutes.billing.timout: unknown key 'timout'; did you mean 'timeout'\?\Z"):
        Routes.from_mapping(plan)
    with pytest.raises(RoutesError, match="a mapping of tables"):
        Routes.from_mapping([])  # type: ignore[arg-type]


def test_a_mapping_without_end() -> None:
    """A mapping that is inside of itself is refused, as a file would be that is too deep."""
    endless: dict[str, Any] = {}
    endless["routes"] = endless

    with pytest.raises(RoutesError, match=r"\Ahas tables too deep inside one another to be read\Z"):
        Routes.from_mapping(endless)


def test_strategies_of_your_own_in_a_list(tmp_path: Path) -> None:
    """Wherever a strategy stands, one of an author's own may: one that is ready, or a class that needs no values."""
    found = strategy_of(tmp_path, 'strategy = "fallback"\ntry = ["tests.plan_parts:READY", "tests.plan_parts:Plain"]')

    assert plan_parts.READY is found.strategies[0]
    assert isinstance(found.strategies[1], plan_parts.Plain)


def test_what_is_missing_is_said_once_wherever_it_stands(tmp_path: Path) -> None:
    """A value that the environment lacks, or may not give, is one mistake, in a list, a table, or in the place of one."""
    text = """\
[routes.a]
when = "x"
strategy = "fallback"
try = ["${NOPE_A}", { strategy = "warm", to = "${NOPE_B}", hold = "${NOPE_C}", briefing = "${NOPE_D}" }]
[routes.b]
when = "${NOPE_E}"
strategy = "take_message"
deliver = "${NOPE_F}"
[routes.c]
when = "x"
strategy = "${NOPE_G}"
[routes]
d = "${NOPE_H}"
e = { when = "x", strategy = "ring_group", targets = ["${NOPE_I}", "+14155550199"], hold = { every = "${NOPE_J}" } }
[hours]
f = "${NOPE_K}"
g = { time_zone = "${NOPE_L}", weekly = { mon = "${NOPE_M}" } }
"""
    found = mistakes(tmp_path, text)

    missing = {line.partition("NOPE_")[2][0] for line in found if "NOPE_" in line}
    not_there = [line.split(": ")[1] for line in found if "takes nothing from the environment" in line]
    assert set("BI") == missing
    assert 11 == len(not_there) == len(set(not_there))
    assert 13 == len(found)


def test_music_is_beside_the_file(tmp_path: Path) -> None:
    """Paths in a file are relative to it, wherever the program runs."""
    (tmp_path / "music").mkdir()
    default = Path(sys.modules["calltransfer"].__file__ or "").parent / "assets" / "hold.wav"
    (tmp_path / "music" / "own.wav").write_bytes(default.read_bytes())

    hold = strategy_of(tmp_path, f'strategy = "warm"\nto = "{BILLING}"\nhold = {{ file = "music/own.wav" }}').hold

    assert music() == music(hold.file)


def test_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable stands for a whole value or a part of one, where an address, a host or a path is."""
    monkeypatch.setenv("DESK", BILLING)
    monkeypatch.setenv("PBX", "pbx.example.com")

    assert DirectTransfer(to=BILLING) == strategy_of(tmp_path, 'strategy = "direct"\nto = "${DESK}"')
    assert (
        "sip:q@pbx.example.com" == strategy_of(tmp_path, 'strategy = "direct"\nto = { to = "sip:q@${PBX}" }').to.address
    )


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ('to = "${DESK}"', "3: routes.billing.to: '${DESK}' must begin with '+' and the country code"),
        ('to = "sip:a${DESK}"', "3: routes.billing.to: 'sip:a${DESK}' is not a SIP URI"),
        ('to = { to = "+14155550123", extension = "a${DESK}" }', "3: routes.billing.to.extension: is 1 to 32 keys"),
        ("${DESK} = 1", None),
    ],
)
def test_what_is_from_the_environment_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, line: str | None
) -> None:
    """A mistake in a value from the environment names the variable and shows no part of what is in it."""
    monkeypatch.setenv("DESK", "4155550123")
    found = mistakes(tmp_path, f'[routes.billing]\nwhen = "x"\n{value}\nstrategy = "direct"')

    assert line is None or found[0].startswith(line)
    assert "0123" not in "".join(found)
    assert "4155" not in "".join(found)


@pytest.mark.parametrize(
    "secret",
    ["hunter2", "x", 'Bob\'s "token"', "eyJhbGciOi.eyJh", "s3cr3t-Value//x/./y", "PBX.Internal.Corp", "/a/../Zoë/b"],
)
def test_nothing_of_the_environment_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    """What is no number is not shown either, however short or odd it is, and in whatever form it is looked at."""
    monkeypatch.setenv("PLACE", secret)
    text = """\
[policy]
sip_hosts = ["${PLACE}", "pbx.example.com"]
[routes.billing]
strategy = "warm"
when = "x"
to = { to = "${PLACE}", caller_id = "${PLACE}", extension = "${PLACE}" }
hold = { file = "${PLACE}" }
[routes.other]
strategy = "ring_group"
when = "x"
targets = ["sip:a@${PLACE}", "sip:a@other.example.com"]
"""
    found = mistakes(tmp_path, text)

    assert 2 <= sum("${PLACE}" in line for line in found)
    for part in [secret, *re.findall(r"[^\W_]{4,}", secret)]:
        assert len(part) < 2 or part.lower() not in "\n".join(found).lower()


PIECES = [
    "qxz7",
    "JKW",
    "vvqj",
    "Ÿẍq",
    "/",
    "//",
    "/./",
    "../",
    ".",
    ":",
    "@",
    "%41",
    "\\",
    "'",
    '"',
    " ",
    "{",
    "+1",
    "sip:",
    "~",
]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=7),
    st.sampled_from(["{}", "sip:a@{}", "sip:{}@b.example", "a/{}/b"]),
)
def test_no_form_of_what_is_in_the_environment_is_shown(pieces: list[str], written: str) -> None:
    """However a value is taken apart before it is found wrong, four letters of it in a row are in no mistake."""
    secret = "".join(pieces)
    there = written.format("${PLACE}")
    plan = {
        "policy": {"sip_hosts": [there, "pbx.example.com"]},
        "routes": {
            "a": {"when": "x", "strategy": "warm", "to": {"to": there, "caller_id": there}, "hold": {"file": there}},
            "b": {"when": "x", "strategy": "ring_group", "targets": [there, "sip:a@c.example", {"to": there}]},
            "c": {"when": "x", "strategy": "direct", "to": [there]},
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLACE", secret)
        with pytest.raises(RoutesError) as raised:
            Routes.from_mapping(plan)

    said, letters = plain(str(raised.value)), plain(secret)
    assert not [
        run
        for run in (letters[at : at + 4] for at in range(len(letters) - 3))
        if set(run) <= set("qxz7jkwvy") and run in said
    ], raised.value


def plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKD", text).casefold()))


@pytest.mark.parametrize(
    "line",
    [
        'when = "the caller says ${DESK}"',
        'briefing = { greeting = "Hello ${DESK}" }',
        'hold = { reassurance = ["${DESK}"] }',
        'ring_timeout = "${DESK}"',
        'to = { to = "+14155550123", display_name = "${DESK}" }',
        'to = { to = "+14155550123", metadata = { a = { b = ["x"], to = "${DESK}" } } }',
        'to = { to = "+14155550123", headers = { file = "${DESK}" } }',
        'strategy = "${DESK}"',
        'summary = { extractive = true, reason = "{reason} ${DESK}" }',
    ],
)
def test_what_takes_nothing_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """What is spoken, sent to a model or decides how a plan works is written in the plan itself."""
    monkeypatch.setenv("DESK", "swordfish")
    key = line.partition(" ")[0]
    table = {"when": 'when = "x"', "strategy": 'strategy = "warm"', "to": f'to = "{BILLING}"', key: line}

    found = "\n".join(mistakes(tmp_path, "[routes.a]\n" + "\n".join(table.values())))

    assert f"routes.a.{key}" in found
    assert (
        ": takes nothing from the environment: it may be read out, or shown. to, targets, caller_id, extension,"
        in found
    )
    assert "swordfish" not in found


@pytest.mark.parametrize(
    "name",
    [
        "VIDEOSDK_SECRET_KEY",
        "VIDEOSDK_AUTH_TOKEN",
        "VIDEOSDK_API_KEY",
        "OPENAI_API_KEY",
        "db_password",
        "TOKEN",
        "MY_SECRET_2",
    ],
)
def test_no_secret_in_a_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is a secret by its name is referred to nowhere, not even where others are."""
    monkeypatch.setenv(name, BILLING)

    (found,) = mistakes(tmp_path, f'[routes.a]\nwhen = "x"\nstrategy = "direct"\nto = "${{{name}}}"')

    assert (
        f"4: routes.a.to: {name} is the name of a secret, and nothing in a plan is one: refer to another variable"
        == found
    )


def test_a_strategy_of_your_own_may_be_given_what_is_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its keys mean is its author's to know; what is read in our way beside it takes nothing."""
    monkeypatch.setenv("DESK", BILLING)
    table = 'strategy = "tests.plan_parts:queue"\nnumber = "${DESK}"'

    assert plan_parts.Queue(BILLING) == strategy_of(tmp_path, table)
    (found,) = mistakes(tmp_path, f'[routes.a]\nwhen = "x${{DESK}}"\n{table}')
    assert "2: routes.a.when: takes nothing from the environment" in found


def test_no_module_is_named_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which code runs is in the plan: a value of the environment is an address, whatever it looks like."""
    monkeypatch.setenv("DESK", "tests.plan_parts:find")

    (found,) = mistakes(tmp_path, '[routes.a]\nwhen = "x"\nstrategy = "direct"\nto = "${DESK}"')

    assert "4: routes.a.to: '${DESK}' is neither a phone number" in found


def test_a_value_of_the_environment_that_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is longer than any of them is refused before it is looked at."""
    monkeypatch.setenv("DESK", "Q" * 60_000)

    assert ["4: routes.a.to: the environment variable DESK is longer than 1024 characters"] == mistakes(
        tmp_path, '[routes.a]\nwhen = "x"\nstrategy = "direct"\nto = "${DESK}"'
    )


def test_a_secret_that_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long value is shown cut, and no part of a secret with it, wherever it stands."""
    secret = "kx7Qpz".join("abcdefghijklmnop")
    monkeypatch.setenv("DESK", secret)
    for value in ("${DESK}", "Bearer ${DESK} and then some more words that make it long", "a" * 60 + "${DESK}"):
        for written_as in (f'"{value}"', f'["x", "{value}"]', f'{{ to = ["{value}"] }}'):
            table = f'strategy = "ring_group"\ntargets = {{ to = {written_as} }}\nwhen = "x"'
            found = mistakes(tmp_path, f"[routes.billing]\n{table}")

            assert 1 == len(found)
            assert not [at for at in range(len(secret) - 6) if secret[at : at + 6] in found[0]], found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${DESK}", "the environment variable DESK is not set; set it before this is read"),
        ("${EMPTY}", "the environment variable EMPTY is empty; set it before this is read"),
        ("+1${DESK}${DESK}", "the environment variable DESK is not set"),
        ("${}", "'${}' refers to no variable; write '${NAME}'"),
        ("${1 2}", "'${1 2}' refers to no variable"),
        ("${DESK", "'${DESK' refers to no variable"),
    ],
)
def test_variables_that_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    """A missing variable is a mistake that names it and its line, and the only one about that value."""
    monkeypatch.setenv("EMPTY", "")
    found = mistakes(tmp_path, f'[routes.billing]\nstrategy = "direct"\nwhen = "x"\nto = "{text}"')

    assert 1 == len(found)
    assert found[0].startswith(f"4: routes.billing.to: {message}")


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """Every mistake is said, in the order of the file, whatever is wrong before it and inside of what it stands in."""
    found = mistakes(
        tmp_path,
        """\
[polcy]
[policy]
countries = ["us"]
attempts = 0
[hours.office]
time_zone = "America/NewYork"
weekly = { mon-fri = "09:00-17:00", satt = "closed", sun = "10-12" }
exceptions = { 2026-02-30 = "closed" }
closed = true
[hours]
shop = { weekly = {} }
[strategies.a]
strategy = "open_hours"
hours = "ofice"
inside = "b"
[strategies]
b = { strategy = "open_hours", hours = "office", inside = "a" }
warm = { strategy = "direct" }
[routes.billing]
strategy = "direct"
to = "4155550123"
timeout = 300
playDialtone = 1
[routes.sales]
when = "ask 415 555 0123"
strategy = "warm"
to = { to = "+1415555012", callerId = "x", extension = "x" }
ring_timeout = -1
briefing = { gate = "key", greating = "x", accept_key = "1", decline_key = "1" }
hold = { stay_with_caller = 1, every = -1 }
summary = { words = 3, llm = "x", extractive = 2 }
[routes.Other]
when = "x"
strategy = "tests.plan_parts:NO_STRATEGY"
""",
    )

    expected = """\
1: polcy: unknown key 'polcy'; did you mean 'policy'?
3: policy.countries: 'us' is no region of ISO 3166 that has phone numbers; write two capital letters, such as 'US' or 'DE'
4: policy.attempts: is a whole number, 1 or more, not 0
6: hours.office.time_zone: 'America/NewYork' is no time zone; did you mean 'America/New_York'?
7: hours.office.weekly.satt: 'satt' is no day of the week; did you mean 'sat'?
7: hours.office.weekly.sun: '10-12' is no span of hours; write '09:00-17:00', '09:00-12:00, 13:00-17:00', '22:00-06:00', \
'00:00-24:00' or 'closed'
8: hours.office.exceptions.2026-02-30: '2026-02-30' is no date: day is out of range for month
9: hours.office.closed: unknown key 'closed'; known here: exceptions, time_zone, weekly
11: hours.shop: needs time_zone, such as time_zone = "Europe/Berlin"
14: strategies.a.hours: there are no hours 'ofice'; did you mean 'office'?
17: strategies.b.inside: goes round in a circle: a -> b -> a; a strategy cannot be inside itself
18: strategies.warm: 'warm' is what a strategy of calltransfer is called; give yours another name
19: routes.billing: needs when, such as when = "the caller asks about an invoice"
21: routes.billing.to: '***0123' must begin with '+' and the country code; or set region, such as region = "US", under \
[numbers]
22: routes.billing.timeout: is in seconds, at least 1 and at most 240, not 300
23: routes.billing.playDialtone: unknown key 'playDialtone'; did you mean 'play_dialtone'?
25: routes.sales.when: contains what looks like a phone number, '***0123'; the model must not see any. Say what the caller \
wants in words
27: routes.sales.to.callerId: unknown key 'callerId'; did you mean 'caller_id'?
27: routes.sales.to.to: '***5012' is not a valid number of its country; check the digits
27: routes.sales.to.extension: is 1 to 32 keys: digits, '*', '#', and 'w' or ',' for a pause
28: routes.sales.ring_timeout: is in seconds, at least 1 and at most 240, not -1
29: routes.sales.briefing.gate: is one of 'voice_or_key', 'keys_only', 'connect_without_asking', not 'key'
29: routes.sales.briefing.greating: unknown key 'greating'; did you mean 'greeting'?
29: routes.sales.briefing.decline_key: accept_key and decline_key are both '1'; give them different keys
30: routes.sales.hold.stay_with_caller: is true or false, not 1
30: routes.sales.hold.every: is in seconds, above 0, not -1
31: routes.sales.summary.llm: unknown key 'llm'; known here: extractive, prompt, timeout, words
31: routes.sales.summary.words: is a whole number of words from 5 to 200, not 3
31: routes.sales.summary.extractive: is true or false, not 2
32: routes.Other: must be at most 64 lower-case letters, digits, '_' or '-', starting with a letter, such as 'billing'
34: routes.Other.strategy: a int is not a strategy; it needs 'async def transfer(self, call, request)'
"""
    assert sorted(expected.splitlines()) == sorted(found)
    assert [line.partition(":")[0] for line in expected.splitlines()] == [line.partition(":")[0] for line in found]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("strategy = 3", "2: routes.billing.strategy: is a strategy: a name of [strategies], or a table such as"),
        (
            f'strategy = "wram"\nto = "{BILLING}"',
            "2: routes.billing.strategy: there is no strategy 'wram'; did you mean 'warm'?",
        ),
        (
            'strategy = "fallback"\ntry = []',
            "3: routes.billing.try: is empty; name what is to be tried, such as try = ",
        ),
        ('strategy = "fallback"', '1: routes.billing: needs try, such as try = ["supervisors", '),
        (
            'strategy = "fallback"\ntry = 3',
            "3: routes.billing.try: is a list of strategies, each a name of [strategies]",
        ),
        (
            'strategy = "fallback"\ntry = ["desk"]\nstop_on = ["connected"]',
            "4: routes.billing.stop_on: 'connected' is no end after which a plan goes on; those are",
        ),
        (
            'strategy = "fallback"\ntry = ["desk"]\nstop_on = "declined"',
            "4: routes.billing.stop_on: takes outcomes, such as [\"declined\"], not 'declined'",
        ),
        (
            'strategy = "fallback"\ntry = ["desk", { strategy = "warm" }]\nbetween = "Soon."',
            '3: routes.billing.try.2: needs to, such as to = "+14155550199"',
        ),
        (
            'strategy = "ring_group"\ntargets = []',
            "3: routes.billing.targets: takes 1 to 20 destinations, not 0",
        ),
        ('strategy = "ring_group"\ntargets = "+14155550199"', "3: routes.billing.targets: is a list of targets"),
        ('strategy = "ring_group"\ntargets = ["+14155550199"]\nto = "x"', "4: routes.billing.to: unknown key 'to'; "),
        (
            'strategy = "ring_group"\ntargets = ["+14155550199"]\nringTimeout = 3',
            "4: routes.billing.ringTimeout: unknown key 'ringTimeout'; did you mean 'ring_timeout'?",
        ),
        ('strategy = "xyz"', "2: routes.billing.strategy: there is no strategy 'xyz'; there are choose, "),
        ('strategy = "blind"', "2: routes.billing.strategy: there is no strategy 'blind'; did you mean 'direct'?"),
        (
            'strategy = "DirectTransfer"',
            "2: routes.billing.strategy: there is no strategy 'DirectTransfer'; did you mean 'direct'?",
        ),
        ('strategy = "+14155550123"', "2: routes.billing.strategy: is an address, and a strategy stands here"),
        (
            'strategy = "open_hours"\nhours = 1\ninside = "desk"',
            "3: routes.billing.hours: is a name of [hours], or a table",
        ),
        (
            'strategy = "open_hours"\nhours = "x y"\ninside = "desk"',
            "3: routes.billing.hours: there are no hours 'x y'; write a name",
        ),
        (
            'strategy = "open_hours"\nhours = "office"\ninside = "direct"',
            "4: routes.billing.inside: says no more than its name; write",
        ),
        ('strategy = "desk"\ntimeout = 3', "3: routes.billing.timeout: is of no use here"),
        ('strategy = { strategy = "direct" }\nto = "x"', "3: routes.billing.to: is of no use here"),
        ('strategy = "warm"', '1: routes.billing: needs to, such as to = "+14155550199"'),
        ('stratgy = "warm"', "2: routes.billing.stratgy: unknown key 'stratgy'; did you mean 'strategy'?"),
        ('type = "warm"', "2: routes.billing.type: unknown key 'type'; did you mean 'strategy'?"),
        ('to = "x"', '1: routes.billing: needs strategy, such as strategy = "warm"'),
        (
            'strategy = "direct"\ndestination = "x"',
            "3: routes.billing.destination: unknown key 'destination'; did you mean 'to'?",
        ),
        ('strategy = "direct"\nto = 3', "3: routes.billing.to: is somebody to call, such as"),
        ('strategy = "direct"\nto = {}', '3: routes.billing.to: needs to, such as to = "+14155550199"'),
        (
            'strategy = "direct"\nto = { to = 3 }',
            "3: routes.billing.to.to: a destination is a phone number in international form",
        ),
        ('strategy = "direct"\nto = "+19005550123"', "3: routes.billing.to: "),
        (
            'strategy = "direct"\nto = "112"',
            "3: routes.billing.to: '112' is an emergency number; if transferring there is meant, say so with "
            "{ to = ..., allow_emergency = true }",
        ),
        (
            'strategy = "direct"\nto = { to = "+14155550123", caller_id = "+14155550100" }',
            "3: routes.billing.to: a call that is forwarded cannot carry caller_id; only a target that is dialled can",
        ),
        (
            'strategy = "direct"\nto = { to = "+14155550123", allow_premium = 1 }',
            "3: routes.billing.to.allow_premium: is true or false, not 1",
        ),
        (
            'strategy = "direct"\nto = "00442079460018"',
            "3: routes.billing.to: '***0018' must begin with '+' and the country code: write '+' instead of '00'",
        ),
        (
            'strategy = "direct"\nto = "14155550123"',
            "3: routes.billing.to: '***0123' must begin with '+' and the country code; put '+' in front of it: '+1***0123'",
        ),
        (
            'strategy = "direct"\nto = "2079460018"',
            "3: routes.billing.to: '***0018' must begin with '+' and the country code; or set region, such as region = ",
        ),
        (
            'strategy = "warm"\nto = "+14155550123 x12"',
            "3: routes.billing.to: '***0123...' has an extension behind the number; write the number alone, and the "
            'extension as { to = ..., extension = "..." }, which targets can have who are dialled through VideoSDKPlatform(',
        ),
        (
            'strategy = "warm"\nto = "500"',
            "3: routes.billing.to: '***0' must begin with '+' and the country code, and more than 3 digits; an extension",
        ),
        (
            'strategy = "direct"\nto = "tests.plan_parts:takes_nothing"',
            "3: routes.billing.to: a callable takes two arguments",
        ),
        (
            'strategy = "direct"\nto = "tests.plan_parts:fnd"',
            "3: routes.billing.to: 'tests.plan_parts' has no 'fnd'; did you mean 'find'?",
        ),
        (
            'strategy = "direct"\nto = "tests.no_such:find"',
            "3: routes.billing.to: there is no module 'tests.no_such' here",
        ),
        ('strategy = "direct"\nto = "no_such.plan:find"', "3: routes.billing.to: there is no module 'no_such' here"),
        ('strategy = "tests.plan_parts:Queue"', '1: routes.billing: needs to, such as to = "+14155550199"'),
        (
            'strategy = "tests.plan_parts:Queue"\nto = "+14155550123"\nannounce_every = -1',
            "4: routes.billing.announce_every: raised ValueError: ",
        ),
        (
            'strategy = "tests.plan_parts:Queue"\nto = "+14155550123"\nevery = 1',
            "4: routes.billing.every: unknown key 'every'; known here: announce_every, to, when",
        ),
        (
            'strategy = "tests.plan_parts:READY"\nto = "+14155550123"',
            "3: routes.billing.to: is of no use beside a strategy that is ready",
        ),
        (
            'strategy = "tests.plan_parts:BUILT_IN"',
            "2: routes.billing.strategy: is neither a strategy, nor a class or function",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nhold = 3',
            "4: routes.billing.hold: is a table, such as { every = 15.0 }, or an object of yours",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nhold = "tests.plan_parts:NO"',
            "4: routes.billing.hold: 'tests.plan_parts' has no 'NO'",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nhold = "tests.plan_parts:NO_STRATEGY"',
            "4: routes.billing.hold: takes an object such as HoldMusic()",
        ),
        ('strategy = "warm"\nto = "+14155550123"\nhold = { file = "none.wav" }', "4: routes.billing.hold.file: "),
        (
            'strategy = "warm"\nto = "+14155550123"\nsummary = true',
            "4: routes.billing.summary: is a table, such as { words = 25 }",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nbriefing = []',
            "4: routes.billing.briefing: is a table, such as { gate",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nmove = "both"',
            "4: routes.billing.move: is 'caller' or 'target', not 'both'",
        ),
        (
            'strategy = "warm"\nto = "+14155550123"\nleave_unwatched = 1',
            "4: routes.billing.leave_unwatched: is true or false, not 1",
        ),
    ],
)
def test_mistakes_in_a_route(tmp_path: Path, table: str, message: str) -> None:
    """Each is said once, where it stands, with what would be right."""
    text = f'[routes.billing]\n{table}\nwhen = "x"\n{HOURS}\n[strategies.desk]\nstrategy = "direct"'
    found = mistakes(tmp_path, text)

    assert 1 == len(found), found
    assert found[0].startswith(message), found[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", '1: has no route; write [routes.billing] with when = "the caller asks about an invoice" and a strategy'),
        ("routes = 3", "1: routes: holds tables with names of your choice, such as [routes.office], not 3"),
        ("[routes]\nbilling = 3", "2: routes.billing: is a table, such as [routes.billing] with a line when = "),
        ("policy = 3", "1: policy: is a table with keys, such as countries, sip_hosts, attempts, not 3"),
        ("numbers = 3", '1: numbers: is a table, such as [numbers] with region = "US", not 3'),
        (
            '[numbers]\nregion = "us"',
            "2: numbers.region: 'us' is no region of ISO 3166 that has phone numbers; did you mean 'US'?",
        ),
        (
            "[numbers]\nregion = 1",
            "2: numbers.region: 1 is no region of ISO 3166 that has phone numbers; write two capital",
        ),
        ('[numbers]\ncountry = "US"', "2: numbers.country: unknown key 'country'; "),
        ('[route.billing]\nwhen = "x"', "1: route: unknown key 'route'; did you mean 'routes'?"),
        ("[hours]\noffice = 3", "2: hours.office: is a table with keys, such as time_zone, weekly, exceptions, not 3"),
        ("hours = 3", "1: hours: holds tables with names of your choice"),
        ('strategies = 3\n[routes.a]\nwhen = "x"\nstrategy = "desk"', "1: strategies: holds tables"),
        ('[strategies]\na = "b"\nb = "a"', "3: strategies.b: goes round in a circle: a -> b -> a"),
        ("[strategies]\na = 3", "2: strategies.a: is a strategy: "),
        ("[hours.office]\ntime_zone = 3\nweekly = {}", "2: hours.office.time_zone: 3 is no time zone"),
        ('[hours.office]\ntime_zone = "UTC"\nweekly = 3', "3: hours.office.weekly: takes days and hours"),
        (
            '[hours.office]\ntime_zone = "UTC"\nweekly = { mon-tue = "closed", tue = "closed" }',
            "3: hours.office.weekly: 'tue' and",
        ),
    ],
)
def test_mistakes_around_routes(tmp_path: Path, text: str, message: str) -> None:
    """The tables around the routes are checked just as they are."""
    found = mistakes(tmp_path, text)

    assert found[0].startswith(message), found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a = 1\nstrategy = warm",
            "2:12: is not TOML: Invalid value; text stands in quotes, and true, false and numbers without",
        ),
        (
            "[routes.a]\nhold = {\nevery = 1 }",
            "2:9: is not TOML: Invalid initial character for a key part; an inline table",
        ),
        (
            "a = { b = 1, }",
            "1:14: is not TOML: Invalid initial character for a key part; an inline table { ... } stands on one",
        ),
        ("a b", "1:3: is not TOML: Expected '=' after a key in a key/value pair; write key = value, or [table]"),
        ("a = 1\nb = 1\na = 2", "3: is not TOML: Cannot overwrite a value; it stands there twice; keep it once"),
        ("[a]\n[a]", "2:3: is not TOML: Cannot declare ('a',) twice; the table stands there twice"),
        ('to = "+1415', "1: is not TOML: Unterminated string"),
        ('to = "+1415\n', "1:12: is not TOML: Illegal character '\\n'; the quote that ends the text is missing"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, text: str, message: str) -> None:
    """A mistake in the language of the file has its line and column, and says what would be right."""
    assert mistakes(tmp_path, text)[0].startswith(message)


def test_a_byte_order_mark(tmp_path: Path) -> None:
    """A plan that a Windows editor has saved with a byte order mark is read as any other, and so is its first line."""
    (tmp_path / "saved.toml").write_text(
        f'[routes.a]\nwhen = "the caller asks"\nstrategy = "direct"\nto = "{BILLING}"\n', encoding="utf-8-sig"
    )
    (tmp_path / "wrong.toml").write_text("routes = 1", encoding="utf-8-sig")

    assert ["a"] == [route.name for route in Routes.from_toml(tmp_path / "saved.toml")]
    with pytest.raises(RoutesError, match=r"wrong\.toml:1: routes"):
        Routes.from_toml(tmp_path / "wrong.toml")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """No file, a folder, another encoding, tables without end: each is one line, like any other mistake."""
    (tmp_path / "latin.toml").write_bytes(b'a = 1\nb = "\xe4"')
    (tmp_path / "deep.toml").write_text("a = " + "[" * 100_000, encoding="utf-8")
    (tmp_path / "nested.toml").write_text(f"a = {'[' * 60}{'1,' * 100_000}{']' * 60}", encoding="utf-8")
    (tmp_path / "dotted.toml").write_text("a." * 15_000 + "a = 1", encoding="utf-8")
    (tmp_path / "quoted.toml").write_text("[" + "'a' . " * 15_000 + "a]", encoding="utf-8")
    (tmp_path / "large.toml").write_text("#" * 600_000, encoding="utf-8")
    for name, message in {
        "none.toml": "none.toml: cannot be read: No such file or directory",
        "": "cannot be read: Is a directory",
        "latin.toml": "latin.toml:2: is not written in UTF-8; save it as that",
        "deep.toml": "deep.toml: has tables too deep inside one another to be read",
        "nested.toml": "nested.toml: has tables too deep inside one another to be read",
        "dotted.toml": "dotted.toml: has tables too deep inside one another to be read",
        "quoted.toml": "quoted.toml: has tables too deep inside one another to be read",
        "large.toml": "large.toml: is larger than 512 kB, and so no plan",
        "/dev/zero": "/dev/zero: is larger than 512 kB, and so no plan",
    }.items():
        with pytest.raises(RoutesError) as raised:
            Routes.from_toml(tmp_path / name)
        assert str(raised.value).endswith(message)


def test_modules_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an author's module raises is said in one line, without what is private in it."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "plan_that_raises.py").write_text('raise RuntimeError("call +1 415 555 0123")', encoding="utf-8")
    (tmp_path / "plan_that_needs.py").write_text("import no_such_package", encoding="utf-8")
    (tmp_path / "plan_that_ends.py").write_text("import sys; sys.exit()", encoding="utf-8")
    routes = "\n".join(
        f'[routes.{name}]\nwhen = "x"\nstrategy = "plan_that_{does}:X"'
        for name, does in (("a", "raises"), ("b", "needs"), ("c", "ends"))
    )

    assert [
        "3: routes.a.strategy: 'plan_that_raises' cannot be imported: RuntimeError: call +***0123",
        "6: routes.b.strategy: 'plan_that_needs' cannot be imported: it needs 'no_such_package', which is not installed",
        "9: routes.c.strategy: 'plan_that_ends' cannot be imported: it ends the program (SystemExit)",
    ] == mistakes(tmp_path, routes)


def test_numbers_without_their_country(tmp_path: Path) -> None:
    """With a region, numbers may be written as they are there; what is in international form stays as it is."""
    text = f"""\
[numbers]
region = "GB"
[policy]
countries = ["GB", "US"]
[routes.a]
when = "x"
strategy = "warm"
to = {{ to = "020 7946 0018", caller_id = "(020) 7946-0019" }}
[routes.b]
when = "x"
strategy = "direct"
to = "{BILLING}"
"""
    first, second = Routes.from_toml(written(tmp_path, text))

    assert isinstance(first.strategy, WarmTransfer)
    assert isinstance(first.strategy.to, Destination)
    assert ("+442079460018", "+442079460019") == (first.strategy.to.address, first.strategy.to.caller_id)
    assert DirectTransfer(to=BILLING) == second.strategy
    wrong = mistakes(tmp_path, text.replace("020 7946 0018", "020 7946 001"))
    assert ["8: routes.a.to.to: '***6001' must begin with '+' and the country code"] == wrong
    two = mistakes(tmp_path, text.replace("020 7946 0018", "020 794600/18"))
    assert [
        "8: routes.a.to.to: '***4600/**' names two lines, with a few digits behind a slash; write one of them in full"
    ] == two


def test_the_region_of_the_other_numbers(tmp_path: Path) -> None:
    """Where nothing names a region, the other numbers of the file tell which one is meant."""
    text = (
        '[routes.a]\nwhen = "x"\nstrategy = "direct"\nto = "{}"\n[routes.b]\nwhen = "x"\nstrategy = "direct"\nto = "{}"'
    )

    assert (
        "as a number of DE it is '+49***3456': put '+49' in the place of the '0' that it begins with"
        in mistakes(tmp_path, text.format("030 123456", "+49 30 654321"))[0]
    )


def test_the_policy_holds(tmp_path: Path) -> None:
    """A destination that the policy does not allow is a mistake of the plan, where it stands."""
    text = (
        '[policy]\ncountries = ["US"]\n[strategies.abroad]\nstrategy = "warm"\nto = "+442079460018"\n'
        '[routes.a]\nwhen = "x"\nstrategy = "abroad"'
    )

    assert [
        "5: strategies.abroad.to: '***0018' is not allowed: it is a number of GB, and the policy allows the countries US "
        "only; allow it in [policy], or call somebody else"
    ] == mistakes(tmp_path, text)


def test_a_named_strategy_is_one(tmp_path: Path) -> None:
    """Wherever it is named it is the same object, and its mistakes are said once."""
    text = (
        '[strategies.desk]\nstrategy = "direct"\n[routes.a]\nwhen = "x"\nstrategy = "desk"\n'
        '[routes.b]\nwhen = "x"\nstrategy = "desk"'
    )
    first, second = Routes.from_toml(written(tmp_path, text))

    assert first.strategy is second.strategy
    assert 1 == len(mistakes(tmp_path, text.replace('"direct"', '"driect"')))


@pytest.mark.parametrize("wrong", [["x"], 3, [DirectTransfer()]])
def test_only_routes_are_routes(wrong: Any) -> None:
    """Routes that are made by hand are checked too."""
    with pytest.raises(ConfigurationError, match="Routes takes Route objects"):
        Routes(wrong)
    with pytest.raises(ConfigurationError, match="policy= takes a Policy"):
        Routes([], policy=wrong)


def test_a_misspelt_strategy_is_read_all_the_same(tmp_path: Path) -> None:
    """What else is wrong with it is said at once, as of the strategy that was probably meant."""
    text = '[routes.a]\nwhen = "x"\nstrategy = "WarmTransfer"\nto = "+14155550199"\nringTimeout = 3\nmove = "both"'

    assert [
        "3: routes.a.strategy: there is no strategy 'WarmTransfer'; did you mean 'warm'?",
        "5: routes.a.ringTimeout: unknown key 'ringTimeout'; did you mean 'ring_timeout'?",
        "6: routes.a.move: is 'caller' or 'target', not 'both'",
    ] == mistakes(tmp_path, text)


def test_the_error_is_a_value() -> None:
    """It can cross the border of a process."""
    error = pickle.loads(pickle.dumps(RoutesError(["a: b", "c: d"])))  # noqa: S301

    assert ("a: b", "c: d") == error.mistakes
    assert "a: b\nc: d" == str(error)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    st.recursive(
        st.one_of(st.text(max_size=8), st.integers(), st.floats(), st.booleans(), st.none(), st.dates()),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.one_of(
                    st.sampled_from(
                        ["strategy", "when", "to", "inside", "hours", "weekly", "hold", "briefing", "policy"]
                    ),
                    st.sampled_from(["routes", "strategies", "summary", "billing", "time_zone", "numbers", "region"]),
                    st.text(max_size=4),
                ),
                st.one_of(inner, st.sampled_from(["warm", "direct", "open_hours", "billing", "UTC", "US", BILLING])),
                max_size=5,
            ),
        ),
        max_leaves=20,
    )
)
@example({"numbers": {"\n": None}})
def test_nothing_breaks_the_reader(plan: Any) -> None:
    """Whatever is written: routes, or mistakes in words, a line each."""
    try:
        read: Any = Routes.from_mapping(plan)
    except RoutesError as error:
        read = error.mistakes

    assert read
    assert all(isinstance(each, Route) or (each and "\n" not in each) for each in read)


async def test_an_agent_with_routes_from_a_file(tmp_path: Path) -> None:
    """An agent takes them as they are, and is held to their policy."""
    text = f'[policy]\nattempts = 1\n[routes.billing]\nwhen = "{WHEN}"\nstrategy = "direct"\nto = "{BILLING}"'
    routes = Routes.from_toml(written(tmp_path, text))

    class Planned(TransferMixin, Agent):
        def __init__(self, **arguments: Any) -> None:
            self.ended = asyncio.Event()
            super().__init__(instructions="You help.", transfers=routes, **arguments)

        async def on_enter(self) -> None:
            return

        async def on_exit(self) -> None:
            return

        def on_transfer_event(self, event: TransferEvent) -> None:
            if event.phase is Phase.FINISHED:
                self.ended.set()

    async with Sandbox() as sandbox:
        sandbox.person(BILLING, refuses_after=1.0)
        caller = await sandbox.call(Planned, model=[TO_BILLING, "Connecting you.", "Sorry."])
        await caller.say(ASKS)
        await caller.agent.ended.wait()
        again = await caller.agent.transfer("billing", tell_model=False)
        assert (Outcome.REFUSED, "the policy allows 1 attempt on one call") == (again.outcome, again.detail)
    with pytest.raises(ConfigurationError, match="not allowed"):
        Planned(policy=Policy(countries={"DE"}))
