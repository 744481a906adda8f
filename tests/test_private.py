"""What is private is in no log, event, exception or repr: no token, and no number, name or word of a call unmasked."""

import asyncio
import logging
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import attrs
import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calltransfer import (
    Briefing,
    Call,
    ConfigurationError,
    Destination,
    DirectTransfer,
    ExtractiveSummary,
    HoldMusic,
    LLMSummary,
    Outcome,
    Phase,
    Route,
    TransferRequest,
    TransferResult,
    Utterance,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.errors import NoToken
from calltransfer.masking import masked_address, masked_text, one_line, without
from calltransfer.sandbox import Caller, Sandbox
from calltransfer.timeline import described
from calltransfer.transfers import Transfers
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.consultation import Plan
from tests.agents import ASKS, TO_BILLING, SupportAgent
from tests.test_values import EXAMPLES
from tests.warm import SUPERVISOR, SupervisedAgent, script

profile = settings(derandomize=True, deadline=None, max_examples=60)

NAME = "Zebedee Quux"
TOKEN = "opaque9f8a7btoken"
TICKET = "ticket-vermilion"
CALLER_ID = "+14155550100"
SPOKEN = "my password is swordfish"
SECRETS = (NAME, "Zebedee", "Quux", TOKEN, TICKET, SPOKEN, "swordfish", "vermilion")

INVISIBLE = ["", " ", "-", ".", "/", " - ", "\u2011", "\u2013", "\u200b", "\u2060", "\u00a0", "\u00b7", "_", ", "]
APART = ["\n", "\r\n", "\t", "__", "  -  ", " .... ", ") - (", "&nbsp;", "<br>", "\\xa0", "\\u2011", " | ", "\n\n  \n"]
DIGITS = ["0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "〇一二三四五六七八九", "⁰¹²³⁴⁵⁶⁷⁸⁹"]
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def leaks(text: str) -> list[str]:
    """What of the secrets can be read in `text`: five digits of one number in a row count as the number."""
    found = [secret for secret in SECRETS if secret.lower() in text.lower()]
    digits = re.sub(r"[^\w\n]|_", "", text)
    return found + [run for run in ("41555501", "55550100", "5550199", "15550123") if run in digits]


numbers = st.builds(
    lambda number, separators, digits: "".join(
        digits[int(character)] + separators[index % len(separators)] if character.isdigit() else character
        for index, character in enumerate(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    ).removesuffix(separators[-1]),
    st.sampled_from(EXAMPLES),
    st.lists(st.sampled_from(INVISIBLE + APART), min_size=1, max_size=4),
    st.sampled_from(DIGITS),
)
"""Numbers as data has them: with anything between the digits, and in digits of any script."""

said = st.builds(
    lambda number, apart, dash, zero, extension: (
        "plus "
        + "".join(
            f"{dash if index in {1, 4, 7} else apart}{zero if digit == '0' else WORDS[int(digit)]}"
            for index, digit in enumerate(str(number.country_code) + str(number.national_number))
        )
        + extension
    ),
    st.sampled_from(EXAMPLES),
    st.sampled_from([" ", ", ", "-", " \n"]),
    st.sampled_from([" ", ", ", " dash ", " space ", ". Then "]),
    st.sampled_from(["zero", "oh", "O", "nought"]),
    st.sampled_from(["", " x 12", ", extension 1234", ";ext=99"]),
)
"""Numbers as a recogniser writes down what was said."""

names = st.from_regex(r"\AZq[a-z]{4,10} Xv[a-z]{4,10}\Z")


@profile
@given(number=numbers)
def test_a_number_is_masked_however_it_is_written(number: str) -> None:
    """A number in any digits, with whatever stands between them, shows at most its last four."""
    shown = masked_text(f"could not reach {number} now")

    assert sum(map(str.isdigit, shown)) <= 4


@profile
@given(number=said)
def test_a_number_is_masked_as_it_is_said(number: str) -> None:
    """A number in words shows nothing of itself, nor of its extension."""
    shown = masked_text(f"could not reach {number} now")

    assert not re.search("|".join((*WORDS, r"\boh?\b", "nought", r"\d")), shown, re.IGNORECASE)
    assert shown.split()[:4] == ["could", "not", "reach", "plus"]
    assert "***" in shown
    assert shown.endswith(" now")


@profile
@given(
    number=numbers | said, before=st.sampled_from(["09:00-17:00 ", "2026-12-25: ", "HTTP 400, ", "id f39ecd308e00 "])
)
def test_masks_are_not_taken_off(number: str, before: str) -> None:
    """What is masked once stays as it is, and so does a number behind something that is readable."""
    once = masked_text(f"{before}{number}")

    assert once == masked_text(once)
    assert 4 + sum(map(str.isdigit, before)) >= sum(map(str.isdigit, once))


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("anna.ruiz@example.com is busy", "***@example.com is busy"),
        ("'anna@example.com'", "'***@example.com'"),
        ("mailto:Anna.Ruiz+x@example.com", "mailto:***@example.com"),
        ("at sip:anna smith:secret@pbx now", "at sip:***@pbx now"),
        ("sip:anna:se@cret@pbx", "sip:***@pbx"),
        ("sip:anna.ruiz, who", "sip:***, who"),
        ('"Anna Ruiz" <sip:anna@pbx>', "*** <sip:***@pbx>"),
        ("of: Anna María Ruiz <sips:anna@pbx>", "of: *** <sips:***@pbx>"),
        ("Anna Ruiz <anna@example.com>", "*** <***@example.com>"),
        ("https://user:p@ssw@host/a?b", "https://***@host/a?b"),
        ("token=opaque&x=1", "token=***&x=1"),
        ('{"api_key": "opaque words", "x": 1}', '{"api_key": ***, "x": 1}'),
        ("Authorization: Bearer abc.def", "Authorization: ***"),
        ("Bearer abc.def.ghi", "Bearer ***"),
        ("Bearer hunter2", "Bearer ***"),
        ("Basic dXNlcjpwYXNz", "Basic ***"),
        ("password: hunter2", "password: ***"),
        ("token: abc, secret: abc", "token: ***, secret: ***"),
        ("api_key: abc", "api_key: ***"),
        ("API key: abc", "API key: ***"),
        ("access_token:abc", "access_token:***"),
        ("clientSecret: abc", "clientSecret: ***"),
        ("VIDEOSDK_SECRET_KEY: abc", "VIDEOSDK_SECRET_KEY: ***"),
        ("'password': hunter2", "'password': ***"),
        ("https://anna:token:x@host/a", "https://***@host/a"),
        ("415.555.0123", "***0123"),
        ("41.55.55.12", "***5512"),
        ("01.42.68.53", "***6853"),
        ("+41.55.5.123", "+***5123"),
        ("33.1.42.68.53.00", "***5300"),
        ("127.0.0.1.4155", "***4155"),
        ("4.1.5.5 5.5.0.1 2.3", "***0123"),
        ("4, 1, 5, 5, 5, 0, 1, 2, 3", "***0123"),
        ("2, 3, 4, 5, 6, 7, 8, 9", "***6789"),
        ("12; 34; 56; 78", "***5678"),
        ("0; 12; 34; 56", "***456"),
        ("xeyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJ4In0.sig", "x***"),
        ("eyJhbGciOiJIUzI1NiJ9%2EeyJhcGlrZXkiOiJ4In0", "***"),
        ("+1 415 555 0123 ext. 1234", "+***0123 x***"),
        ("tel:+14155550123;ext=99", "tel:+***0123 x***"),
        (repr({"number": "415\u00a0555\u00a00123"}), "{'number': '***0123'}"),
        ("born 1980-02-03", "born ***0203"),
        ("2026-12-25-5501", "***5501"),
        ("4155 one 550 123", "***0123"),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    """What can be recognised as somebody's own is hidden, and what is around it stays."""
    assert masked == masked_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "closed until 2026-12-25 09:00 (America/New_York)",
        "2026-11-29T17:12:07, 09:00-17:00, 22:00 - 06:00",
        "no answer within 10 s, 4 of 10 attempts after 240.25 s",
        "transfer f39ecd308e00 to billing: finished outcome=failed status=answered after 1.88 s",
        "POST /v2/sip/call: HTTP 400; what it says is in the log, at DEBUG",
        "token= raised ValueError, and token= must give a non-empty token, without line breaks",
        "routes.toml:12:9: a SIP URI (which begins with 'sip:'), in the room of gateway gw_12",
        "one or two of three targets; 1 or 2 within 30 s",
        "$1250.00, 3 x 100 ms, 0x7f4c",
        "base_url='http://127.0.0.1:50080/', https://10.20.30.40/v2",
        "203.0.113.7:5060, not 192.168.10.12",
        "1, 2, 3, 4, 5 targets",
        "after 40; 20; 10; 5; 3 s",
        "Basic training. Bearer tokens, basically self-service",
        "the token: it has expired; token: the token isn't valid; no password: you need one; prompt_tokens: 120",
    ],
)
def test_what_stays_readable(text: str) -> None:
    """Times, dates, ids, prices, durations, counts and addresses of machines are no numbers of a phone."""
    assert text == one_line(text)


@profile
@given(
    name=st.sampled_from(["Zoë Nuñez-Ruiz", "ZEBEDEE QUUX", "Li Bo", "d'Artagnan"]),
    written=st.sampled_from([str, str.lower, str.upper, str.title, lambda text: text.replace(" ", "_")]),
    around=st.sampled_from(["{}", "participant {}!", "'{}'", "{}'s phone", "x_{}_y", "mr. {} is"]),
)
def test_no_part_of_a_name_that_is_known(name: str, written: Callable[[str], str], around: str) -> None:
    """A name that was kept private is hidden in every part, in any case, with its accents or without."""
    plain = "".join(each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each))
    for form in (name, plain):
        shown = without(around.format(written(form)), [name]).lower()

        for part in re.findall(r"\w{2,}", form.lower()):
            assert not re.search(rf"(?<![^\W_]){part}(?![^\W_])", shown)


@pytest.mark.parametrize(
    "again",
    [
        "1",
        "12:30 ",
        "eyJ",
        "sip:",
        "sip:a@",
        "a@",
        "<sip:",
        '"',
        "'a",
        "one ",
        "token",
        "http://",
        "a.",
        "x",
        "\\xa0",
        "a b ",
        "token: ",
        "password: it ",
        "basic ",
        "bearer a",
        "1; ",
        "1.1.",
    ],
)
def test_a_text_that_repeats_itself_is_masked_at_once(again: str) -> None:
    """The time that masking takes grows with a text and not with its square, which would take hours here."""
    assert masked_text(again * (200_000 // len(again)))


@pytest.mark.parametrize(
    "private",
    [
        "anna.ruiz@example.com",
        f"{'anna.' * 300}ruiz@example.com",
        '"Anna Maria Ruiz" <sip:anna@pbx>',
        "sip:anna maria ruiz:secret@pbx",
        "https://anna:ruiz@host",
        "password: 'anna ruiz'",
    ],
)
def test_nothing_private_is_cut_so_that_it_shows(private: str) -> None:
    """Of a long text a line shows the beginning, and wherever that ends, no part of a name or number in it."""
    for before in range(1800, 3010, 41):
        shown = one_line(f"{'so ' * 1000}"[:before] + f" {private}, +1 (415) 555-0123 {'and so on ' * 10_000}")

        assert len(shown) < 3000
        assert not re.search("anna|ruiz|415", shown, re.IGNORECASE)


@profile
@given(number=numbers, name=names, spoken=st.text(min_size=8))
def test_what_an_error_says_is_not_logged(number: str, name: str, spoken: str) -> None:
    """An error that is not ours is named by its type and by where it was raised, whatever it says and wraps."""

    def raises() -> None:
        secret = ValueError(f"{name} at {number}: {spoken}")
        secret.add_note(spoken)
        raise ExceptionGroup(name, [RuntimeError(f"{number} {name}", spoken), secret]) from secret

    with pytest.raises(ExceptionGroup) as caught:
        raises()
    shown = described(caught.value)

    assert shown.startswith("RuntimeError")
    with pytest.raises(KeyError) as one:
        dict[str, str]()[name]
    shown += described(one.value)
    assert re.search(r"\n  .+test_private\.py:\d+ in test_what_an_error_says_is_not_logged", shown)
    assert not any(part in shown for part in (name, *name.split()))
    assert number not in shown


@profile
@given(text=st.text(alphabet=st.characters(), max_size=60) | names | numbers)
def test_an_address_that_is_refused_is_not_shown(text: str) -> None:
    """What a directory has in the place of a number, a name too, shows its shape at most, on one line."""
    for shown in (masked_address(text), masked_address(f"sip:{text}@{text}"), masked_address(f"sip:{text}")):
        assert sum(map(str.isdigit, shown)) <= 8
        assert not re.search(r"[^\W\d_x]", shown.replace("sip", ""))
        assert shown.isprintable()
        assert len(shown) <= 300


PRIVATE: dict[str, Any] = {
    "caller_id": CALLER_ID,
    "headers": {"X-Name": NAME},
    "metadata": {"name": NAME, "ticket": TICKET},
    "display_name": NAME,
}
DESTINATION = Destination(SUPERVISOR, **PRIVATE)
REQUEST = TransferRequest(route="billing", reason=SPOKEN)
PLATFORM = VideoSDKPlatform(token=TOKEN, caller_id=CALLER_ID, gateway="gw_1")


async def nothing() -> str:
    return ""


VALUES: list[Any] = [
    DESTINATION,
    Destination("sip:zebedee.quux@pbx.example.com"),
    DirectTransfer(SUPERVISOR),
    WarmTransfer(DESTINATION),
    Route("billing", WarmTransfer(DESTINATION), when="the caller asks"),
    REQUEST,
    TransferResult(outcome=Outcome.FAILED, destination=DESTINATION, summary=SPOKEN),
    Utterance("caller", SPOKEN),
    [Utterance("caller", SPOKEN)],
    PLATFORM,
    PLATFORM._setup,
    VideoSDKAPI(base_url="https://api.example.com", token=lambda: TOKEN),
    Plan(
        destination=DESTINATION,
        room={},
        dialling=PLATFORM._setup.dialling(DESTINATION, 10.0),
        briefing=Briefing(),
        reason=SPOKEN,
        transcript=lambda: [Utterance("caller", SPOKEN)],
        summarise=nothing,
        ring_timeout=1.0,
        longest_call=900.0,
        decision_timeout=1.0,
        phone_is_free=nothing,
    ),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_reprs(value: Any) -> None:
    """The repr and the text of every value that holds something private, ours and public ones, show none of it."""
    assert [] == leaks(repr(value))
    assert [] == leaks(str(value))
    assert [] == leaks(f"{value} {[value]}")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Destination(NAME),
        lambda: Destination(f"sip:{NAME}"),
        lambda: Destination("+1415555010"),
        lambda: Destination("0155550100"),
        lambda: Destination(SUPERVISOR, caller_id=NAME),
        lambda: Destination(SUPERVISOR, caller_id="5555 0100"),
        lambda: Destination(SUPERVISOR, headers={NAME: "1"}),
        lambda: Destination(SUPERVISOR, headers={"X-A": f"{NAME}\n"}),
        lambda: Destination(SUPERVISOR, headers={CALLER_ID: "1"}),
        lambda: Destination(SUPERVISOR, metadata={NAME: object()}),
        lambda: Destination(SUPERVISOR, display_name=f"{NAME}\n"),
        lambda: DirectTransfer(CALLER_ID.encode()),  # type: ignore[arg-type]
        lambda: VideoSDKPlatform(base_url=f"https://user:{TOKEN}@api.example.com"),
        lambda: VideoSDKPlatform(base_url=TOKEN),
        lambda: VideoSDKPlatform(token=(TOKEN,)),  # type: ignore[arg-type]
        lambda: VideoSDKPlatform(caller_id="55550100"),
        lambda: VideoSDKPlatform(gateway=[CALLER_ID]),  # type: ignore[arg-type]
        lambda: Briefing(accept_key=CALLER_ID),
        lambda: Briefing(greeting=[CALLER_ID]),  # type: ignore[arg-type]
        lambda: HoldMusic(return_key=CALLER_ID),
        lambda: WarmTransfer(SUPERVISOR, ring_timeout=CALLER_ID),  # type: ignore[arg-type]
        lambda: WarmTransfer(SUPERVISOR, move=CALLER_ID),  # type: ignore[arg-type]
        lambda: LLMSummary(words=CALLER_ID),  # type: ignore[arg-type]
        lambda: ExtractiveSummary(quote=CALLER_ID),
        lambda: Route(CALLER_ID, DirectTransfer(SUPERVISOR), when="x"),
        lambda: Route("x", DirectTransfer(SUPERVISOR), when=CALLER_ID),
        lambda: Route("x", CALLER_ID, when="x"),  # type: ignore[arg-type]
    ],
)
def test_errors_about_a_value_do_not_show_it(wrong: Callable[[], Any]) -> None:
    """What is wrong with a value is said without the private part of it, in the text and in the repr of the error."""
    with pytest.raises(ConfigurationError) as caught:
        wrong()

    assert [] == leaks(str(caught.value))
    assert [] == leaks(repr(caught.value))


@pytest.mark.parametrize("token", [f"{TOKEN}\n", None])
async def test_a_token_source_that_fails_shows_no_token(token: Any) -> None:
    """What a token source raises, or gives, is not repeated: it may be the token, in any form."""

    def refuses() -> str:
        if token is None:
            raise ValueError(f"no good: {TOKEN}")
        return str(token)

    async with VideoSDKAPI(base_url="http://127.0.0.1:9", token=refuses) as api:
        with pytest.raises(NoToken) as caught:
            await api.leg("x")

    assert [] == leaks(f"{caught.value} {caught.value!r} {described(caught.value)}")


class Raises:
    """Whatever it is asked for, it raises something with everything private in it."""

    def __init__(self, *methods: str) -> None:
        for method in methods:
            setattr(self, method, self._raise)

    async def _raise(self, *_: Any, **__: Any) -> Any:
        raise ValueError(f"{NAME} {CALLER_ID} 4/1/5/5/5/5/0/1/0/0 {TOKEN} {SPOKEN} {TICKET}")


class FailingStrategy:
    """A strategy of an author's that raises."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        result: TransferResult = await Raises()._raise()
        return result


class ForgingStrategy:
    """A strategy of an author's whose detail has a number in it, and a second line."""

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        return TransferResult(
            outcome=Outcome.FAILED, detail=f"{CALLER_ID}\nERROR forged", status=f"{CALLER_ID}\nforged"
        )


class FailingBriefing(Briefing):
    """A briefing of an author's that raises."""

    def understood(self, text: str) -> Any:
        raise ValueError(f"{NAME} said {text} {SPOKEN}")


def finds(found: Any) -> Callable[[Call, TransferRequest], Any]:
    async def find(call: Call, request: TransferRequest) -> Any:
        return await found(call, request) if callable(found) else found

    return find


OF_OTHERS = (
    f"participant {NAME.title()} (zebedee.quux@example.com), 'ZEBEDEE', of +1 (415)  -  555\\n-\\n0100 and "
    f"sip:zebedee quux:swordfish@pbx already has a call"
)
"""What the platform says of somebody whom it was not told of in the request."""

ECHO = f'{{"message": "cannot call {NAME} ({SUPERVISOR}) from {CALLER_ID} with {TOKEN}: {TICKET}"}}'


@attrs.frozen
class Scenario:
    """A transfer in which something private comes near a log."""

    strategy: Any = attrs.field(factory=lambda: WarmTransfer(DESTINATION))
    fault: tuple[str, str, dict[str, Any]] | None = None
    outcome: Outcome = Outcome.FAILED
    says: Any = "no thanks"


SCENARIOS = {
    "connected": Scenario(outcome=Outcome.CONNECTED, says="yes please"),
    "declined": Scenario(outcome=Outcome.DECLINED),
    "asked about": Scenario(outcome=Outcome.UNDECIDED, says=f"who is {NAME}, and what is {SPOKEN}"),
    "dial refused": Scenario(fault=("POST", "/v2/sip/call", {"status": 400, "body": ECHO})),
    "token refused": Scenario(
        fault=("POST", "", {"status": 401, "body": f'{{"error": "bad {TOKEN} for {SUPERVISOR}"}}'})
    ),
    "dial refused, as they have a call": Scenario(
        WarmTransfer(SUPERVISOR),
        fault=("POST", "/v2/sip/call", {"status": 409, "body": f'{{"message": "{OF_OTHERS}"}}'}),
    ),
    "dial lost": Scenario(fault=("POST", "/v2/sip/call", {"status": 500, "body": ECHO})),
    "end refused": Scenario(
        fault=("POST", "/end", {"status": 400, "body": ECHO, "times": 2}), outcome=Outcome.DECLINED
    ),
    "odd status": Scenario(
        fault=("GET", "", {"body": f'{{"data": {{"id": "call-1", "status": "{NAME}\\n{SUPERVISOR}"}}}}', "times": 3}),
        outcome=Outcome.DECLINED,
    ),
    "strategy raises": Scenario(FailingStrategy()),
    "strategy forges": Scenario(ForgingStrategy()),
    "summary raises": Scenario(
        WarmTransfer(DESTINATION, summary=Raises("summarise")),  # type: ignore[arg-type]
        outcome=Outcome.DECLINED,
    ),
    "briefing raises": Scenario(WarmTransfer(DESTINATION, briefing=FailingBriefing()), outcome=Outcome.UNDECIDED),
    "finding raises": Scenario(WarmTransfer(finds(Raises()._raise))),
    "finds a name": Scenario(WarmTransfer(finds(NAME)), outcome=Outcome.REFUSED),
    "finds a wrong number": Scenario(DirectTransfer(finds("4155550100")), outcome=Outcome.REFUSED),
    "forward refused": Scenario(
        DirectTransfer(SUPERVISOR),
        fault=("POST", "/transfer", {"status": 400, "body": ECHO.replace(TICKET, "x")}),
    ),
}


class Watched(SupervisedAgent):
    """An agent whose author's hook raises something private."""

    def on_transfer_event(self, event: Any) -> None:
        super().on_transfer_event(event)
        if event.phase is Phase.STARTED:
            raise ValueError(f"{NAME} {CALLER_ID} {SPOKEN}")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_a_transfer_tells_nobody(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever happens in a transfer, logs at every level, events, result, warnings and task names show nothing private."""
    scenario = SCENARIOS[name]
    caplog.set_level(logging.DEBUG, logger="calltransfer")
    tasks: set[str] = set()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, name=NAME, says=scenario.says)
        caller = await sandbox.call(
            lambda: Watched(scenario.strategy, platform=PLATFORM),
            model=script(*["Yes?"] * 9),
            consultation_model=["I do not know that."] * 9,
            name=NAME,
        )
        if scenario.fault is not None:
            method, path, how = scenario.fault
            sandbox.fault(method, path, **how)
        await caller.say(f"I am {NAME} and {SPOKEN}")
        started = Transfers.of(caller.session).current
        result = await transferred(caller, tasks)

        assert scenario.outcome is result.outcome
        assert [] == leaks(repr(started) + repr(vars(caller.agent._call())))
        assert TOKEN in {request.authorization for request in sandbox.requests}
    ours = [record for record in caplog.records if record.name.startswith("calltransfer")]
    assert ours
    for record in ours:
        shown = logging.Formatter().format(record)
        assert [] == leaks(shown), shown
        assert "\nERROR" not in shown
        assert "\nforged" not in shown
    for event in caller.agent.events:
        assert [] == leaks(f"{event} {event!r}")
    assert [] == leaks(repr(result))
    assert [] == leaks(result.detail + str(result.status))
    assert [] == leaks(" ".join(tasks))


async def transferred(caller: Caller, tasks: set[str]) -> TransferResult:
    """How the transfer that is under way ends, and the names of the tasks there are meanwhile."""
    current = Transfers.of(caller.session).current
    result = current.result if current is not None else asyncio.ensure_future(caller.agent.transfer("supervisor"))
    while not result.done():
        tasks |= {task.get_name() for task in asyncio.all_tasks()}
        await asyncio.sleep(0.5)
    return result.result()


async def test_a_strategy_whose_check_raises(caplog: pytest.LogCaptureFixture) -> None:
    """What an author's check of a strategy raises when the tool is called is neither logged nor told the model."""

    class Checked(FailingStrategy):
        built = False

        def problems(self) -> list[str]:
            if self.built:
                raise ValueError(f"{NAME} {CALLER_ID}")
            self.built = True
            return []

    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupportAgent(Checked()), model=[TO_BILLING, "I cannot do that."])
        await caller.say(ASKS)
        await caller.hears("I cannot do that.")

        assert [] == leaks(str(caller.script.answers))
    assert [] == leaks(" ".join(record.getMessage() for record in caplog.records if "calltransfer" in record.name))


def test_what_the_author_asks_for_is_there() -> None:
    """Private is not lost: address, headers, summary and words are there for who asks for them by name."""
    result = TransferResult(outcome=Outcome.FAILED, destination=DESTINATION, summary=SPOKEN)
    assert result.destination is not None

    assert (SUPERVISOR, SPOKEN) == (result.destination.address, result.summary)
    assert NAME == DESTINATION.display_name
    assert SPOKEN == Utterance("caller", SPOKEN).text
