"""Hostile SIP and REST: nothing in an address, a header or an answer gets where it was not meant to."""

import math
from typing import Any

import pytest

from calltransfer import Destination, DestinationError
from tests.agents import BILLING


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


# SIP


@pytest.mark.parametrize("user", ["19005550123", "0019005550123", "01119005550123", "%2B19005550123", "1-900-555-0123"])
def test_a_premium_number_cannot_hide_in_a_sip_uri(user: str) -> None:
    """A gateway that dials the user of a SIP URI dials no premium-rate number, however it is written there."""
    with pytest.raises(DestinationError, match="premium-rate"):
        Destination(f"sip:{user}@pbx.example.com")
    assert Destination(f"sip:{user}@pbx.example.com", allow_premium=True).is_sip


@pytest.mark.parametrize(
    "parameter",
    ["method=BYE", "METHOD=BYE", "%6dethod=BYE", "%256dethod=BYE", "maddr=evil.example.org", "m%61ddr=1.2.3.4"],
)
def test_a_sip_uri_chooses_no_method_and_no_other_host(parameter: str) -> None:
    """A parameter that would make another request of it, or send it to another host, is refused however it is escaped."""
    with pytest.raises(DestinationError, match="must not choose a SIP method or another host"):
        Destination(f"sip:billing@pbx.example.com;transport=tls;{parameter}")


@pytest.mark.parametrize(
    "address",
    ["sip:a%250d%250aX-Evil:1@pbx.example.com", "sip:a%25250a@pbx.example.com", "sip:a@pbx.example.com;x=%250d"],
)
def test_a_line_break_that_is_escaped_twice(address: str) -> None:
    """Somebody on the way may decode an escape twice; what would then be a line break is refused."""
    with pytest.raises(DestinationError, match="control characters"):
        Destination(address)


@pytest.mark.parametrize(
    "address", ["sip:a@pbx.example.com;x=%", "sip:a@pbx.example.com;x=%0", "sip:a@pbx.example.com;%zz"]
)
def test_a_broken_escape(address: str) -> None:
    """An escape that is none may be read one way or another, and is refused."""
    with pytest.raises(DestinationError, match="not a SIP URI that can be used"):
        Destination(address)


@pytest.mark.parametrize(
    "address",
    [
        "+1４155550123",
        "+1415\u202e5550123",
        "+1415\u20605550123",
        "+14155550123\x00",
        "+1415555012\u0301",
        "sip:b\u0456lling@pbx.example.com",
        "sip:billing@p\u0432x.example.com",
        "sip:billing@pbx.example.com\u2028X-Evil: 1",
        "sip:+1%EF%BC%9900555@pbx.example.com\x7f",
        "\ud800",
        "+" + "1" * 10_000,
        "sip:" + "%41" * 10_000 + "@pbx.example.com",
    ],
)
def test_unicode_and_length_are_no_way_around(address: str) -> None:
    """Full-width digits, marks that reverse or hide, homoglyphs, line separators and NUL are refused, and 10 kB too."""
    with pytest.raises(DestinationError):
        Destination(address)


@pytest.mark.parametrize(
    ("brought", "complaint"),
    [
        ({"headers": {f"X-{n}": "1" for n in range(17)}}, "headers= takes at most 16 headers, not 17"),
        ({"headers": {"X-" + "a" * 63: "1"}}, "headers= takes names such as 'X-Ticket'"),
        ({"headers": {"X-A": "1" * 257}}, "the value of X-A must be text of at most 256 characters"),
        ({"headers": {"X-A": "1\r\nRoute: <sip:evil>"}}, "without line breaks"),
        ({"headers": {"X-A": "1\u2028"}}, "without line breaks"),
        ({"headers": {"X-A": "\u202e1"}}, "without line breaks"),
        ({"headers": {"X-A": "1\x00"}}, "without line breaks"),
        ({"headers": {"X-A\r\n": "1"}}, "headers= takes names such as"),
        ({"headers": {"X-А": "1"}}, "headers= takes names such as"),
        ({"headers": {"Replaces": "1"}}, "headers= takes names such as"),
        ({"metadata": {"a": math.nan}}, "data that JSON can hold"),
        ({"metadata": {"a": math.inf}}, "data that JSON can hold"),
        ({"metadata": {1: "a"}}, "names that are text"),
        ({"metadata": {"a": {None: 1}}}, "names that are text"),
        ({"metadata": {"a": nested(16)}}, "at most 16 levels deep"),
        ({"metadata": {"a": "x" * 4096}}, "at most 4096 characters of JSON"),
        ({"display_name": "a\r\nb"}, "display_name="),
        ({"display_name": "\u202eevil"}, "display_name="),
        ({"display_name": "a\x00"}, "display_name="),
        ({"extension": "1" * 33}, "extension="),
        ({"extension": "１"}, "extension="),
        ({"extension": "1\n"}, "extension="),
        ({"caller_id": "+1４155550123"}, "caller_id="),
        ({"caller_id": "+14155550123\n"}, "caller_id="),
    ],
)
def test_what_a_destination_brings_along_is_bounded(brought: dict[str, Any], complaint: str) -> None:
    """Headers, metadata, name, extension and caller id are held to their form and length when they are set."""
    with pytest.raises(DestinationError, match=complaint):
        Destination(BILLING, **brought)


@pytest.mark.parametrize(
    ("brought", "complaint"),
    [
        ({"headers": 5}, "headers= takes names and values, not int"),
        ({"headers": None}, "headers= takes names and values, not NoneType"),
        ({"metadata": 5}, "metadata= takes names and values, not int"),
        ({"metadata": [("a", 1)]}, "metadata= takes names and values, not list"),
        ({"metadata": {"a": nested(100_000)}}, "data that JSON can hold"),
        ({"display_name": 5}, "display_name="),
    ],
)
def test_what_a_destination_cannot_take_is_a_destination_error(brought: dict[str, Any], complaint: str) -> None:
    """A value of a wrong type, or one too deep to be written, raises what is documented and nothing else."""
    with pytest.raises(DestinationError, match=complaint):
        Destination(BILLING, **brought)


def test_what_was_checked_does_not_change() -> None:
    """A destination has copies: what its author writes into the headers and the data afterwards is not sent."""
    headers, metadata = {"X-A": "1"}, {"a": ["b"]}
    destination = Destination(BILLING, headers=headers, metadata=metadata)
    headers["Route"] = "<sip:evil@example.org>\r\n"
    metadata["a"].append("c")

    assert {"X-A": "1"} == destination.headers
    assert {"a": ["b"]} == destination.metadata


@pytest.mark.parametrize("name", ["allow_premium", "allow_emergency"])
def test_what_is_allowed_is_allowed_by_true_and_nothing_else(name: str) -> None:
    """A setting that came as the text "false" allows nothing."""
    with pytest.raises(DestinationError, match=f"{name}= is True or False, not 'false'"):
        Destination(BILLING, **{name: "false"})  # type: ignore[arg-type]
