"""Destinations, masking, wording and routes: what is wrong is refused when it is made, with a sentence one can act on."""

import re
from pathlib import Path
from typing import Any

import attrs
import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from videosdk.agents import Agent, function_tool

from calltransfer import (
    ConfigurationError,
    Destination,
    DestinationError,
    DirectTransfer,
    Outcome,
    Route,
    ToolAnswer,
    TransferEvent,
    TransferMixin,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
)
from calltransfer.destination import phone_of
from calltransfer.masking import masked_address, masked_number, masked_text, one_line
from tests.agents import BILLING, SupportAgent

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


def example_number(region: str) -> "phonenumbers.PhoneNumber | None":
    return phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.FIXED_LINE)


EXAMPLES = [number for number in map(example_number, REGIONS) if number is not None]
FORMATS = [phonenumbers.PhoneNumberFormat.E164, phonenumbers.PhoneNumberFormat.INTERNATIONAL]
PREMIUM = [
    number
    for number in (
        phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.PREMIUM_RATE) for region in REGIONS
    )
    if number is not None and phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE
]


@given(number=st.sampled_from(EXAMPLES), form=st.sampled_from(FORMATS))
def test_every_country_s_numbers_round_trip(number: "phonenumbers.PhoneNumber", form: int) -> None:
    """A valid number, however it is written, becomes E.164, and E.164 stays what it is."""
    written = phonenumbers.format_number(number, form)
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)

    assert e164 == Destination(written).address == Destination(Destination(written).address).address


@given(number=st.sampled_from(PREMIUM))
def test_premium_rate_numbers_are_refused_unless_allowed(number: "phonenumbers.PhoneNumber") -> None:
    """No premium-rate number of any country is dialled by accident, as a number or inside a SIP URI."""
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    for address in (e164, f"sip:{e164}@pbx.example.com"):
        with pytest.raises(DestinationError, match="premium-rate"):
            Destination(address)
        assert address == Destination(address, allow_premium=True).address


@pytest.mark.parametrize("number", ["112", "911", "999", "110", "000", "119"])
def test_emergency_numbers_are_refused_unless_allowed(number: str) -> None:
    """No emergency number of any country is dialled by accident."""
    for address in (number, f"sip:{number}@pbx.example.com"):
        with pytest.raises(DestinationError, match="emergency"):
            Destination(address)
        assert address == Destination(address, allow_emergency=True).address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("+1 (415) 555-0123", "+14155550123"),
        (" +14155550123 ", "+14155550123"),
        ("+44 20 7946 0018", "+442079460018"),
        ("+49 30/901820", "+4930901820"),
        ("+49 (0) 30 / 90 18 20", "+4930901820"),
        ("+49 30 901820-12", "+493090182012"),
        ("sip:billing@pbx.example.com", "sip:billing@pbx.example.com"),
        ("SIP:Billing@PBX.Example.COM", "sip:Billing@pbx.example.com"),
        ("sips:queue-7@pbx.example.com:5061;transport=tls", "sips:queue-7@pbx.example.com:5061;transport=tls"),
        ("sip:2001@[2001:db8::1]:5060", "sip:2001@[2001:db8::1]:5060"),
        ("sip:+14155550123@gateway.example.com;user=phone", "sip:+14155550123@gateway.example.com;user=phone"),
    ],
)
def test_is_normalised(written: str, address: str) -> None:
    """Numbers and URIs come out in the one form in which they are sent."""
    assert address == Destination(written).address
    assert address.startswith("sip") == Destination(written).is_sip


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "must not be empty"),
        ("   ", "must not be empty"),
        ("4155550123", "must begin with '\\+' and the country code$"),
        ("0014155550123", "write '\\+' instead of '00'"),
        ("+1415555", "not a valid number"),
        (
            "+1 415 555 0123 ext 5",
            r"^'\*\*\*0123...' has an extension behind .* Destination\(..., extension='...'\).*gateway=",
        ),
        ("+14155550123x12", "has an extension behind the number"),
        ("+14155550123;ext=12", "has an extension behind the number"),
        ("+1 (415) 555-0123, ext. 12", "has an extension behind the number"),
        ("+14155550123,,12#", "has an extension behind the number"),
        (
            "500",
            r"^'\*\*\*0' must begin .* more than 3 digits; an extension goes with .*extension=.*gateway=.*'sip:user@host'",
        ),
        ("+500", "must have a country code, and more than 3 digits; an extension goes with the number it belongs to"),
        ("+4930901820/12", r"^'\*\*\*1820/\*\*' names two lines.*; write one of them in full"),
        ("+49 30 901820 / 21", "names two lines"),
        ("+1-800-FLOWERS", "digits only, no extension"),
        ("tel:+14155550123", "begins with 'tel:'; write the number alone"),
        ("+1415555012345678", "not a valid number"),
        ("+999123456789", "country code that does not exist"),
        ("+١٤١٥٥٥٥٠١٢٣", "plain ASCII"),
        ("+1415555\u200b0123", "control characters"),
        ("+14155550123\r\nX-Evil: 1", "control characters"),
        ("sip:billing@pbx.example.com\r\nContact: <sip:evil@example.com>", "control characters"),
        ("sip:billing%0d%0a@pbx.example.com", "control characters"),
        ("sip:billing@pbx.example.com?Replaces=abc", "no '\\?' headers"),
        ("sip:billing:secret@pbx.example.com", "no password"),
        ("sip:pbx.example.com", "not a SIP URI"),
        ("sip:billing@", "not a SIP URI"),
        ("sip:bill ing@pbx.example.com", "not a SIP URI"),
        ("sip:billing@pbx..example.com", "not a host name"),
        ("sip:billing@[::zz]", "not a SIP URI"),
        ("sip:billing@[1:2:3]", "not an IPv6 address"),
        ("sip:billing@pbx.example.com:99999", "port"),
        ("sip:billing@pbx.example.com;method=BYE", "SIP method"),
        ("sip:" + "b" * 300 + "@pbx.example.com", "longer than"),
        ("<sip:billing@pbx.example.com>", "neither a phone number in international form"),
        ("billing@pbx.example.com", "begins with 'sip:'"),
        (
            "+15551234567",
            "555 is no area code; numbers for tests are 555-0100 to 555-0199 behind one that exists, such as 415",
        ),
        ("+12", "must have a country code, and more than 2 digits"),
        ("+112", "emergency"),
        ("+1-800-FLOWERS", "'\\+\\*-\\*\\*\\*-xxxxxxx'"),
    ],
)
def test_what_is_doubtful_is_refused(written: str, why: str) -> None:
    """Everything that is not clearly an address is refused, and the error says why."""
    with pytest.raises(DestinationError, match=why):
        Destination(written)


@given(st.text())
def test_any_text_is_an_address_or_a_destination_error(text: str) -> None:
    """No text makes the parser raise anything else, and what it lets through is printable ASCII on one line."""
    try:
        address = Destination(text).address
    except DestinationError:
        return
    assert address.isascii()
    assert address.isprintable()


@given(
    user=st.from_regex(r"[a-z][a-z0-9.\-_]{0,20}", fullmatch=True),
    host=st.from_regex(r"[a-z]([a-z0-9\-]{0,10}[a-z0-9])?(\.[a-z]{2,5}){1,2}", fullmatch=True),
    port=st.one_of(st.none(), st.integers(1, 65535)),
)
def test_sip_uris_round_trip(user: str, host: str, port: int | None) -> None:
    """A SIP URI that is well formed comes out as it went in."""
    uri = f"sip:{user}@{host}" + (f":{port}" if port else "")
    assert uri == Destination(uri).address


@pytest.mark.parametrize("value", [None, 14155550123, b"+14155550123", ["+14155550123"]])
def test_what_is_no_string_is_named(value: object) -> None:
    """A destination of another type is refused with the name of that type."""
    with pytest.raises(DestinationError, match=type(value).__name__):
        Destination(value)  # type: ignore[arg-type]


SATELLITE = ["+870773111632", "+881612345678", "+882161234567", "+883510012345670", "+878101234567890"]


@pytest.mark.parametrize("written", [*SATELLITE, *(f"sip:{number}@gw.example.com" for number in SATELLITE)])
def test_a_network_of_no_country_is_called_only_where_it_is_meant(written: str) -> None:
    """Satellite phones and their like are among the most expensive numbers, and look like any other."""
    with pytest.raises(DestinationError, match="allow_satellite=True"):
        Destination(written)
    assert written == Destination(written, allow_satellite=True).address


@pytest.mark.parametrize(
    "written",
    ["+80012345678", "+18092345678", "+18765551234", "sip:8704561234@gw.example.com", "sip:8811@gw.example.com"],
)
def test_what_is_normal_is_not_taken_for_a_satellite(written: str) -> None:
    """Freephone, a country that shares +1, a number of Arkansas and an extension may be called."""
    assert written == Destination(written).address


def test_policies_do_not_make_two_destinations_of_one() -> None:
    """Destinations are equal when they are the same place."""
    assert Destination(BILLING) == Destination("+1 415 555 0123", allow_premium=True)


DIALLED: dict[str, tuple[Any, Any]] = {
    "caller_id": ("+14155550100", "+14155550101"),
    "extension": ("11#", "12#"),
    "headers": ({"X-Desk": "1"}, {"X-Desk": "2"}),
    "metadata": ({"ticket": 1}, {"ticket": True}),
    "display_name": ("Anna", "Bob"),
}


@pytest.mark.parametrize("field", DIALLED)
def test_what_is_dialled_in_another_way_is_another_destination(field: str) -> None:
    """Whatever is sent for a target tells two destinations apart, and what is sent for both the same does not."""
    one, other = (Destination(BILLING, **{field: value}) for value in DIALLED[field])
    same = Destination(BILLING, **{field: DIALLED[field][0]})
    assert 3 == len({Destination(BILLING), one, other, same})


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"extension": "11#"}, {"extension": "12#"}, False),
        ({"headers": {"X-Desk": "1"}}, {"headers": {"X-Desk": "2"}}, False),
        ({"headers": {"X-Desk": "1"}}, {"headers": {"x-desk": "1"}}, True),
        ({"display_name": "Anna"}, {"metadata": {"ticket": 1}}, True),
        ({"caller_id": "+14155550100"}, {}, True),
    ],
)
def test_which_phone_rings(one: dict[str, Any], other: dict[str, Any], same: bool) -> None:
    """An extension and headers lead on to another phone; what a phone shows, and what is kept with a call, do not."""
    assert same == (phone_of(Destination(BILLING, **one)) == phone_of(Destination(BILLING, **other)))


@pytest.mark.parametrize(
    ("extension", "shown"),
    [("11#", "***1"), ("12#", "***2"), ("ww4711", "***11"), ("2", "***2"), ("*#", "***"), ("1w99,12345678#", "***78")],
)
def test_two_extensions_of_a_number_can_be_told_apart_in_a_log(extension: str, shown: str) -> None:
    """The last of their keys show, and never all of several."""
    destination = Destination(BILLING, extension=extension)
    assert f"***0123, extension {shown}" == str(destination) == one_line(str(destination))
    assert f"Destination('***0123, extension {shown}')" == repr(destination)


@given(number=st.sampled_from(EXAMPLES))
def test_masking_shows_at_most_the_last_four_digits(number: "phonenumbers.PhoneNumber") -> None:
    """Neither repr, str nor a log line shows more of a number than its last four digits."""
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    international = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    destination = Destination(e164)
    for shown in (
        repr(destination),
        str(destination),
        repr(TransferResult(outcome=Outcome.FAILED, destination=destination)),
        masked_text(f"could not reach {e164} now"),
        masked_text(f"could not reach {international} now"),
        repr(Destination(f"sip:{e164}@pbx.example.com")),
        masked_text(f"REFER to sip:{e164}@pbx.example.com"),
    ):
        assert len(re.sub(r"\D", "", shown)) <= 4
        assert e164[1:] not in shown


@given(st.text(alphabet="0123456789+-. ()", max_size=30))
def test_masking_never_shows_all_of_a_number(text: str) -> None:
    """However short a number is, half of it stays hidden, and never more than four digits are shown."""
    digits = re.sub(r"\D", "", text)
    shown = re.sub(r"\D", "", masked_number(text))
    assert len(shown) <= min(4, len(digits) // 2)
    assert digits.endswith(shown)


def test_masking_hides_names_and_tokens() -> None:
    """Who a SIP URI names, and every token, is hidden; the host stays, because it is what one looks for in a log."""
    assert "sip:***@pbx.example.com" == masked_address("sip:jane.doe@pbx.example.com")
    assert "sip:***" == masked_address("sip:nobody")
    assert "bad token ***, sorry" == masked_text("bad token eyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJ4In0.abc-_1, sorry")


@pytest.mark.parametrize("to", [42, b"+14155550123", ["+14155550123"]])
def test_a_target_that_is_none_is_refused_at_construction(to: Any) -> None:
    """`to=` names what it takes."""
    with pytest.raises(ConfigurationError, match="to= takes a phone number"):
        DirectTransfer(to)


def test_a_wrong_number_is_refused_at_construction() -> None:
    """A number that cannot be dialled is found when the strategy is made, and named masked."""
    with pytest.raises(DestinationError, match=r"to=: '\*\*\*555' .* not a valid number"):
        DirectTransfer("+1415555")


@pytest.mark.parametrize("to", [lambda: BILLING, lambda call: BILLING])
def test_a_callable_that_cannot_be_called_is_refused(to: Any) -> None:
    """A callable that does not take the call and the request is found when the strategy is made."""
    with pytest.raises(ConfigurationError, match="takes two arguments"):
        DirectTransfer(to)


def test_play_dialtone_is_yes_or_no() -> None:
    """Nothing else is taken for one of them."""
    with pytest.raises(ConfigurationError, match="play_dialtone= is True or False"):
        DirectTransfer(BILLING, play_dialtone="yes")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["timeout", "sentence_timeout"])
@pytest.mark.parametrize("seconds", [0, -1, 601, float("nan"), float("inf"), True])
def test_deadlines_are_checked(name: str, seconds: float) -> None:
    """A deadline that makes no sense is refused, by name."""
    with pytest.raises(ConfigurationError, match=name):
        DirectTransfer(BILLING, **{name: seconds})  # type: ignore[arg-type]


def test_strategies_are_immutable() -> None:
    """A strategy is shared between calls, so nothing can be written to it."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        DirectTransfer(BILLING).timeout = 3  # type: ignore[misc]


class OneArgument:
    """Nearly a strategy."""

    async def transfer(self, call: object) -> None: ...


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"name": "Billing"}, "lower-case letters"),
        ({"name": "+14155550123"}, r"'\+\*\*\*0123' must be"),
        ({"name": ""}, "lower-case letters"),
        ({"name": "none"}, "withdraw"),
        ({"when": ""}, "needs when="),
        ({"when": "the caller asks for 415 555 0123"}, "phone number"),
        ({"strategy": "+14155550123"}, r"a str is not a strategy; write DirectTransfer\(to=\.\.\.\)$"),
        ({"strategy": DirectTransfer}, r"DirectTransfer is a class; write DirectTransfer\(\.\.\.\)"),
        ({"strategy": lambda call, request: None}, "a function is not a strategy; it needs 'async def transfer"),
        ({"strategy": OneArgument()}, "OneArgument.transfer must take two arguments"),
        ({"name": "b" * 65}, "at most 64"),
    ],
)
def test_routes_are_checked(arguments: dict[str, object], why: str) -> None:
    """A route that could not work is refused when it is made."""
    complete = {"name": "billing", "strategy": DirectTransfer(BILLING), "when": "the caller asks about an invoice"}
    with pytest.raises(ConfigurationError, match=why):
        Route(**{**complete, **arguments})  # type: ignore[arg-type]


DESTINATIONS: dict[str, Any] = {"US": BILLING, "DE": "+4930901820", "found at call time": lambda _call, _request: None}


@pytest.mark.parametrize("to", DESTINATIONS.values(), ids=DESTINATIONS)
@pytest.mark.parametrize(
    "when",
    [
        "the caller asks about order 123456",
        "an order number such as 4500012345",
        "order 4711-0815",
        "orders before 2026-12-24",
        "orders from 24.12.2026 to 12/31/2026",
        "orders of 2026-12-24/2026-12-31",
        "invoices of 2024-2025",
        "between 09.00-17.00 on 24.12.",
        "ticket ORD-2026-001234 or #20261224",
        "case 2026/001234",
        "order 302-1234567-1234567",
        "a claim of 1.000.000 or more",
        "an IBAN such as DE89 3704 0044 0532 0130 00",
        "it is 2026-12-24 10.30",
        "part 000123456",
    ],
)
def test_dates_and_order_numbers_are_no_phone_numbers(when: str, to: Any) -> None:
    """What says when a route is for may have dates, times, amounts and the numbers of orders in it."""
    assert when == Route("orders", WarmTransfer(to), when=when).when


@pytest.mark.parametrize("to", DESTINATIONS.values(), ids=DESTINATIONS)
@pytest.mark.parametrize(
    "number",
    [
        "+14155550123",
        "tel:+1 415 555 0123",
        "(415) 555-0123",
        "415.555.0123",
        "4155550123",
        "14155550123",
        "1-800-555-0199",
        "555-0123",
        "+49 30 901820",
        "030/901820",
        "0049 30 901820",
        "020 7946 0018",
        "91 123 45 67",
        "24.12.2026 or 415-555-0123",
        "4155550123 4155550124",
    ],
)
def test_phone_numbers_are_none_of_the_model_s_business(number: str, to: Any) -> None:
    """What could be dialled is refused, however it is written, and whatever else is beside it."""
    with pytest.raises(ConfigurationError, match="what looks like a phone number"):
        Route("orders", WarmTransfer(to), when=f"the caller asks for {number} or an order")


@pytest.mark.parametrize(
    ("transfers", "why"),
    [
        ([], "takes routes"),
        ("billing", "takes routes"),
        ("routes.toml", r"not the name of a file: transfers=Routes.from_toml\('routes.toml'\)"),
        (Path("routes.toml"), r"Routes.from_toml\('routes.toml'\)"),
        ([DirectTransfer(BILLING)], "takes Route objects, not DirectTransfer"),
        ([Route("a", DirectTransfer(BILLING), when="x"), Route("a", DirectTransfer(BILLING), when="y")], "'a' twice"),
        (42, "is not a strategy"),
        ({"a": DirectTransfer(BILLING)}, "not a mapping"),
    ],
)
def test_transfers_are_checked(transfers: object, why: str) -> None:
    """What an agent cannot work with is refused when it is built."""

    class Plain(TransferMixin, Agent):
        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    with pytest.raises(ConfigurationError, match=why):
        Plain(instructions="You help.", transfers=transfers)  # type: ignore[arg-type]


def test_one_route_needs_no_list() -> None:
    """A single route can be given as it is."""

    class Plain(TransferMixin, Agent):
        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    agent = Plain(instructions="You help.", transfers=Route("billing", DirectTransfer(BILLING), when="x"))  # type: ignore[arg-type]
    assert "- billing: x" in agent.instructions


def test_the_mixin_comes_before_agent() -> None:
    """The wrong order of bases is said when the class is made."""
    with pytest.raises(ConfigurationError, match=r"class Wrong\(TransferMixin, Agent\)"):

        class Wrong(Agent, TransferMixin):
            pass


def test_a_misspelt_argument_is_refused() -> None:
    """An argument that neither we nor the SDK's agent know is an error, not silence."""
    for name, meant in (("instrctions", "instructions"), ("polcy", "policy"), ("agentid", "agent_id")):
        with pytest.raises(TypeError, match=f"SupportAgent got an .* '{name}'. Did you mean '{meant}'?"):
            SupportAgent(**{name: None})
    with pytest.raises(TypeError, match="zebra"):
        SupportAgent(zebra=1)


def test_a_base_class_may_take_arguments_of_its_own() -> None:
    """The mixin hands on what it does not know, to a class that takes it by name, or takes anything."""

    class Tenant(Agent):
        def __init__(self, instructions: str, *, tenant: str) -> None:
            super().__init__(instructions=instructions)
            self.tenant = tenant

        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    class Anything(Tenant):
        def __init__(self, instructions: str, **options: Any) -> None:
            super().__init__(instructions, tenant=options["agent_name"])

    class OfTenant(TransferMixin, Tenant):
        pass

    class OfAnything(TransferMixin, Anything):
        pass

    route = DirectTransfer(BILLING)
    of_tenant = OfTenant(instructions="You help.", transfers=route, tenant="acme")  # type: ignore[call-arg]
    of_anything = OfAnything(instructions="You help.", transfers=route, agent_name="acme")  # type: ignore[call-arg]
    assert ("acme", "acme") == (of_tenant.tenant, of_anything.tenant)


def test_a_hook_may_be_a_static_method() -> None:
    """It is called with the event alone."""

    class Listening(SupportAgent):
        @staticmethod
        def on_transfer_event(event: TransferEvent) -> None: ...

    assert "billing" in Listening().instructions


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"base_url": "api.videosdk.live"}, "base_url= must be an address such as"),
        ({"base_url": "ftp://api.videosdk.live"}, "base_url= must be"),
        ({"token": ""}, "token= must be"),
        ({"token": 42}, "token= must be"),
    ],
)
def test_platforms_are_checked(arguments: dict[str, object], why: str) -> None:
    """An address or token that cannot be one is refused, without being shown."""
    with pytest.raises(ConfigurationError, match=why):
        VideoSDKPlatform(**arguments)  # type: ignore[arg-type]


def test_a_platform_does_not_show_its_token() -> None:
    """The token is in no repr."""
    assert "secret" not in repr(VideoSDKPlatform(token="secret"))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"not_connected": "No luck with {destination}."}, r"Wording.not_connected uses \{destination\}"),
        ({"instructions": "Routes: {routes"}, "Wording.instructions is not a template"),
        ({"tool": "{routes} {}"}, "Wording.tool is not a template"),
        ({"not_connected": "Sorry: {reason:d}"}, "Wording.not_connected is not a template"),
        ({"transferring": "One moment"}, "Wording.transferring is a ToolAnswer, not a str"),
        ({"tool": ToolAnswer("a", "b")}, "Wording.tool is a str, not a ToolAnswer"),
    ],
)
def test_wording_is_checked(arguments: dict[str, str], why: str) -> None:
    """A template with a field that does not exist is refused when it is made, not when it is needed."""
    with pytest.raises(ConfigurationError, match=why):
        Wording(**arguments)  # type: ignore[arg-type]


def test_tool_answers_are_templates_too() -> None:
    """An answer with a field that does not exist there is refused as well."""
    with pytest.raises(ConfigurationError, match=r"Wording.transferring uses \{number\}"):
        Wording(transferring=ToolAnswer("Connecting to {number}.", "One moment."))


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"sentences": {"busi": "They are busy."}}, "Wording.sentences: 'busi' is no outcome; there are connected, "),
        ({"reasons": {Outcome.BUSY: None}}, "Wording.reasons takes words for outcomes"),
        ({"sentences": ["They are busy."]}, "Wording.sentences takes words for outcomes"),
    ],
)
def test_words_are_for_outcomes(arguments: dict[str, Any], why: str) -> None:
    """Words for an outcome that does not exist would never be heard."""
    with pytest.raises(ConfigurationError, match=why):
        Wording(**arguments)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_there_are_words_for_every_outcome(outcome: Outcome) -> None:
    """Whatever the outcome, there is a reason to give, also where an author replaced some of them."""
    assert Wording().reason(outcome)
    assert Wording(reasons={Outcome.BUSY: "besetzt"}).reason(outcome)


def test_what_else_an_agent_cannot_work_with() -> None:
    """A platform or wording that is none, a tool of our name, and a hook that would never run are refused at once."""

    async def transfer_call(destination: str) -> None: ...

    for arguments, why in [
        ({"platform": "videosdk"}, "platform= takes a Platform"),
        ({"wording": {"apology": "Sorry"}}, "wording= takes a Wording, not dict"),
        ({"tools": [function_tool(transfer_call)]}, "a tool of its own named 'transfer_call'"),
    ]:
        with pytest.raises(ConfigurationError, match=why):
            SupportAgent(**arguments)  # type: ignore[arg-type]

    with pytest.raises(ConfigurationError, match="on_transfer_event must be a plain 'def'"):

        class Async(SupportAgent):
            async def on_transfer_event(self, event: object) -> None:  # type: ignore[override]
                ...

    with pytest.raises(ConfigurationError, match="on_transfer_finished must be a plain 'def'"):

        class AsyncToo(SupportAgent):
            async def on_transfer_finished(self, result: object) -> None:  # type: ignore[override]
                ...

    class WithoutAgent(TransferMixin): ...

    with pytest.raises(ConfigurationError, match="must derive from Agent too"):
        WithoutAgent("You help.", transfers=DirectTransfer(BILLING))


def test_a_method_that_would_take_the_place_of_ours() -> None:
    """A `transfer` that is something else, and a hook that cannot be called, are refused; ones that fit are not."""
    with pytest.raises(ConfigurationError, match="Money has a method of its own named 'transfer'"):

        class Money(SupportAgent):
            async def transfer(self, amount: int) -> None:  # type: ignore[override]
                ...

    with pytest.raises(ConfigurationError, match="give it another name"):

        class Tool(SupportAgent):
            @function_tool
            async def transfer(self, name: str, *, reason: str = "", tell_model: bool = True) -> TransferResult:
                raise NotImplementedError

    with pytest.raises(ConfigurationError, match=r"'def on_transfer_event\(self, event\)'"):

        class Hook(SupportAgent):
            def on_transfer_event(self) -> None:  # type: ignore[override]
                ...

    with pytest.raises(ConfigurationError, match=r"'def on_transfer_finished\(self, result\)'"):

        class Finished(SupportAgent):
            def on_transfer_finished(self, result: object, why: str) -> None:  # type: ignore[override]
                ...

    class Fits(SupportAgent):
        async def transfer(self, name: str, *, reason: str = "", tell_model: bool = True) -> TransferResult:
            return await super().transfer(name, reason=reason, tell_model=tell_model)

        def on_transfer_event(self, event: TransferEvent, *more: object) -> None: ...

    assert Fits().transfer_call is not None


def test_an_agent_that_is_finished_is_not_added_to() -> None:
    """A class that gives its own instructions takes none from TransferMixin; one that passes them on may stand behind."""

    class Finished(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="You help.")

        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    with pytest.raises(ConfigurationError, match=r"change that class itself: 'class Finished\(TransferMixin, Agent\)'"):

        class Added(TransferMixin, Finished): ...

    class Open(Agent):
        def __init__(self, instructions: str, polite: bool = True, policies: int = 1, **arguments: Any) -> None:
            super().__init__(instructions=instructions, **arguments)

        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    class Behind(TransferMixin, Open): ...

    arguments: Any = {"polite": False, "policies": 2}
    assert Behind("You help.", transfers=DirectTransfer(BILLING), **arguments).transfer_call is not None


def test_instructions_can_come_first() -> None:
    """As with the SDK's own agent, the instructions need no keyword."""

    class Plain(TransferMixin, Agent):
        async def on_enter(self) -> None: ...

        async def on_exit(self) -> None: ...

    assert Plain("You help.", transfers=DirectTransfer(BILLING)).instructions.startswith("You help.")


def test_platforms_that_are_set_up_alike_are_equal() -> None:
    """Two agents of one call that each make the default platform share what is known of the call."""
    assert VideoSDKPlatform() == VideoSDKPlatform()
    assert hash(VideoSDKPlatform(token="a")) == hash(VideoSDKPlatform(token="a"))
    assert VideoSDKPlatform(token="a") != VideoSDKPlatform(token="b")
    assert VideoSDKPlatform() != "videosdk"
