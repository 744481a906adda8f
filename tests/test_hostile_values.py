"""Hostile SIP and REST: nothing in an address, a header or an answer gets where it was not meant to."""

import asyncio
import gzip
import json
import math
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import unquote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from calltransfer import (
    ConfigurationError,
    Destination,
    DestinationError,
    PlatformError,
    VideoSDKPlatform,
)
from calltransfer.errors import AnswerLost, PlatformUnreachable, RequestRefused
from calltransfer.timeline import described
from calltransfer.videosdk.api import VideoSDKAPI, parsed_leg
from calltransfer.videosdk.following import Meaning
from tests import A_HANG
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


def dressed(numbers: list[str]) -> st.SearchStrategy[str]:
    """The user of a SIP URI that a gateway dials as one of these numbers."""
    return st.builds(
        lambda number, code, line, marks, behind: (
            code + line + "".join(digit + marks[at % len(marks)] for at, digit in enumerate(number)) + behind
        ),
        st.sampled_from(numbers),
        st.sampled_from(["", "*67", "*82", "%2331%23", "*31*", "*141", "**"]),
        st.sampled_from(["", ",", "9", "0", "8", "9,", "0w", "9p", "99", "00", "9-", "8."]),
        st.lists(st.sampled_from(["", "-", ".", "(", ")", "_", "/", "!", "~"]), min_size=1, max_size=3),
        st.sampled_from(
            [
                "",
                "a",
                "AB",
                "x",
                "w",
                "%23",
                "*",
                ",1",
                "w22",
                ",,9",
                ";ext=1",
                ";phone-context=x",
                "%20",
                "/1",
                "=1",
                "&b",
                "!1",
                "_2",
            ]
        ),
    )


@settings(derandomize=True, deadline=None, max_examples=300)
@given(user=dressed(["911", "112", "999"]))
def test_an_emergency_number_cannot_hide_in_a_sip_uri(user: str) -> None:
    """Whatever gets a line, hides the caller or makes a pause before it, and whatever stands behind it."""
    with pytest.raises(DestinationError, match="for which a gateway may dial the emergency number") as refused:
        Destination(f"sip:{user}@pbx.example.com")
    assert "allow_emergency=True" in str(refused.value)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(user=dressed(["19005550123", "+19005550123", "01119005550123", "9005550123", "0019005550123"]))
def test_a_premium_number_cannot_be_dressed(user: str) -> None:
    """The same holds for a premium-rate number, in every form in which a gateway may be given it."""
    with pytest.raises(DestinationError, match="premium-rate"):
        Destination(f"sip:{user}@pbx.example.com", allow_emergency=True)


NO_NUMBERS = """
    alice 500 2001 9101 9000 8000 0900 911support 112-desk 4f2a9c q12 24h support.911 2001w100 2001,911 *98 **61*2001
    +919005550123 4155550123 442071838750 billing-1 a911
"""


@pytest.mark.parametrize("user", NO_NUMBERS.split())
def test_names_and_extensions_are_no_numbers(user: str) -> None:
    """What is a name or an extension to everybody is not refused for digits that it has in it."""
    assert f"sip:{user}@pbx.example.com" == Destination(f"sip:{user}@pbx.example.com").address


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    user=st.from_regex(r"[A-Za-z][\w.!~*'()&=+$,/-]{0,30}", fullmatch=True, alphabet=st.characters(max_codepoint=127))
)
def test_a_name_begins_with_a_letter(user: str) -> None:
    """No user that begins with a letter is taken for a number."""
    assert Destination(f"sip:{user}@pbx.example.com").is_sip


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


# REST

TRANSFER = "/v2/sip/call/transfer"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[VideoSDKAPI, list[web.Request]]]:
    """A client of a platform that answers everything with `handler`, on a loopback socket; and what it was asked."""
    asked: list[web.Request] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        return await handler(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server, VideoSDKAPI(base_url=str(server.make_url("")), token=lambda: "token") as api:
        yield api, asked


def answering(body: str | bytes, **how: Any) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, **{"content_type": "application/json", **how})

    return answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.real_time
async def test_the_token_goes_to_no_other_host(status: int) -> None:
    """A redirect to another host is an error: no second request is sent, and so no token."""
    async with served(answering("{}")) as (_, elsewhere_asked), served(answering("{}")) as (elsewhere, asked_there):
        there = elsewhere._base_url
        async with served(answering("{}", status=status, headers={"Location": f"{there}/v2/sip/call/x"})) as (
            api,
            asked,
        ):
            for request in (api.leg("x"), api.transfer("x", Destination(BILLING)), api.create_room({})):
                with pytest.raises(RequestRefused, match=f"HTTP {status}"):
                    await request
        assert 3 == len(asked)
        assert [] == asked_there == elsewhere_asked


@pytest.mark.real_time
async def test_a_dripping_answer_ends_at_the_deadline() -> None:
    """An answer of which a byte comes now and then ends when the whole request's time is over."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)
        return response

    async with served(drip) as (api, _), asyncio.timeout(A_HANG):
        with pytest.raises(AnswerLost, match=r"no answer within 0.3 s"):
            await api.leg("x", timeout=0.3)


@pytest.mark.real_time
async def test_an_answer_that_never_ends_is_cut_off() -> None:
    """An endless answer is read to the limit of an answer, and not to the deadline."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * 65536)
        return response

    async with served(endless) as (api, _):
        with pytest.raises(AnswerLost, match="ClientPayloadError"):
            await api.transfer("x", Destination(BILLING))


@pytest.mark.real_time
async def test_an_answer_that_unpacks_to_much_more_is_cut_off() -> None:
    """The limit is on what an answer unpacks to: 50 kB that are 50 MB are not unpacked, and do not stop the loop."""
    bomb = gzip.compress(b" " * 50_000_000)
    async with served(answering(bomb, headers={"Content-Encoding": "gzip"})) as (api, _):
        tracemalloc.start()
        try:
            with pytest.raises(AnswerLost):
                await api.transfer("x", Destination(BILLING))
            assert tracemalloc.get_traced_memory()[1] < 10_000_000
        finally:
            tracemalloc.stop()


DEEP = 100_000


@pytest.mark.parametrize(
    ("body", "how"),
    [
        (b"[" * DEEP, {}),
        (b'{"a":' * DEEP, {}),
        (b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}", {}),
        (b'{"data": {"id": "c", "status": "answered", "timelog": ' + b"[" * 900 + b"]" * 900 + b"}", {}),
        (b"\xff\xfe\x00", {}),
        (b'{"data": "\xff"}', {}),
        (b"\xef\xbb\xbf{}", {}),
        (b"1" * 10_000, {}),
        (b"NaN", {}),
        (b"null", {}),
        (b'"text"', {}),
        (b"<html></html>", {"content_type": "text/html"}),
        (b"{}", {"content_type": "application/octet-stream"}),
        (b"not gzip", {"headers": {"Content-Encoding": "gzip"}}),
        (b"not known", {"headers": {"Content-Encoding": "br"}}),
        (b'{"data": 1}', {"headers": {"X-A": "a" * 9_000}}),
        (b'{"data": {}, "data": []}', {"headers": CIMultiDict([("X-A", "1"), ("X-A", "2")])}),
    ],
)
@pytest.mark.real_time
async def test_an_answer_that_is_none(body: bytes, how: dict[str, Any]) -> None:
    """Whatever comes in the place of an answer is an answer that was lost, of a reading and of a dial."""
    async with served(answering(body, **how)) as (api, _):
        for request in (api.leg("x", timeout=0.2), api.dial({})):
            with pytest.raises(AnswerLost):
                await request


@pytest.mark.real_time
async def test_a_status_line_and_headers_that_are_none() -> None:
    """What is no HTTP at all is an answer that was lost, and no other error."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers.pop())
        writer.close()

    answers = [
        b"HTTP/1.1 99999 x\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"",
    ]
    answers += [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 99_999,
    ]
    count = len(answers)
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, VideoSDKAPI(base_url=f"http://127.0.0.1:{port}", token=lambda: "token") as api:
        for _ in range(count):
            with pytest.raises(PlatformError):
                await api.transfer("x", Destination(BILLING))


@pytest.mark.parametrize(
    "leg_id", ["../../v2/rooms", "..", ".", "a/b", "a?x=1", "a#b", "a\r\nX: 1", "a%2e", "\u2026", "x" * 129]
)
@pytest.mark.real_time
async def test_an_id_cannot_change_the_path(leg_id: str) -> None:
    """An id that the platform sent is asked for as one segment of the path, or taken for none."""
    document = {"data": [{"callId": leg_id, "status": "answered"}], "pageInfo": {"lastPage": 1}}
    async with served(answering(json.dumps(document))) as (api, asked):
        found = [leg async for leg in api.legs(room_id="r")]
        for leg in found:
            with pytest.raises(AnswerLost):
                await api.leg(leg.id, timeout=0.1)

    assert all(leg.id == leg_id for leg in found)
    for request in asked[1:]:
        assert (4, "") == (request.raw_path.count("/"), request.query_string)
        assert f"/v2/sip/call/{leg_id}" == unquote(request.raw_path)
    if not leg_id.isascii() or not leg_id.isprintable() or len(leg_id) > 128 or set(leg_id) == {"."}:
        assert [] == found


@pytest.mark.parametrize("base_url", ["http://user:hunter2@127.0.0.1:9", "http://[::1", "http://h:99999", "nonsense"])
async def test_an_address_that_cannot_be_asked(base_url: str) -> None:
    """Where the address itself, which a room's options may give, is none, nothing was asked for, and none of it shows."""
    async with VideoSDKAPI(base_url=base_url, token=lambda: "token") as api:
        with pytest.raises(PlatformUnreachable) as caught:
            await api.transfer("x", Destination(BILLING))

    assert not caught.value.may_have_acted
    assert "hunter2" not in described(caught.value)


@pytest.mark.parametrize("last", [10**9, -1, True, "9", None, 1e300, [], {}])
@pytest.mark.real_time
async def test_an_absurd_number_of_pages(last: Any) -> None:
    """Pages are read while there is something on them, however many are announced."""
    async with served(answering(json.dumps({"data": [], "pageInfo": {"lastPage": last}}))) as (api, asked):
        assert [] == [leg async for leg in api.legs(room_id="r")]
        assert 1 == len(asked)


@pytest.mark.parametrize("room_id", ["", 5, None, "a\r\nb", "..", "x" * 1000])
@pytest.mark.real_time
async def test_a_room_that_is_none(room_id: Any) -> None:
    """A room without an id that can be used is no room."""
    async with served(answering(json.dumps({"roomId": room_id}))) as (api, _):
        with pytest.raises(AnswerLost, match="holds no room"):
            await api.create_room({})


@pytest.mark.parametrize(
    "status", ["transferred\n2026 forged line", "transferred +14155550123", "x" * 65, "ANSWERED\u202e", "сompleted"]
)
def test_a_status_that_is_none_proves_nothing_and_forges_nothing(status: str) -> None:
    """A status that is more than words of the platform's is unreadable: no proof, no line of a log, no number in it."""
    leg = parsed_leg({"id": "c", "status": status, "timelog": [{"status": status}]})
    assert leg is not None

    assert ("unreadable", ("unreadable",)) == (leg.status, leg.log)
    assert leg.meaning not in {Meaning.FORWARDED, Meaning.OVER}


@pytest.mark.parametrize(
    "base_url",
    [
        "https://user:hunter2hunter2@api.example.com",
        "https://hunter2hunter2@api.example.com",
        "https://[::1",
        "http://h:99999",
        "https://api.example.com\r\nhunter2hunter2",
        "https://api.example.com#hunter2hunter2",
        "https://:80",
        5,
    ],
)
def test_an_address_of_the_platform_that_is_none(base_url: Any) -> None:
    """An address with a password in it, or one that cannot be asked, is refused when the platform is made, not shown."""
    with pytest.raises(ConfigurationError, match="base_url= must") as caught:
        VideoSDKPlatform(base_url=base_url)
    assert "hunter2" not in str(caught.value)
