"""The REST client: deadlines, typed errors, all pages, and nothing sent twice that could act twice."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calltransfer import (
    Destination,
    PlatformError,
)
from calltransfer.errors import (
    AnswerLost,
    NotAuthorised,
    NotFound,
    NoToken,
    PlatformUnreachable,
    RateLimited,
    RequestRefused,
    ServerFault,
)
from calltransfer.sandbox import Sandbox
from calltransfer.videosdk.api import READ_TIMEOUT, VideoSDKAPI, parsed_leg
from tests.agents import BILLING, SupportAgent

TRANSFER = "/v2/sip/call/transfer"


@asynccontextmanager
async def api_and_call(**options: Any) -> AsyncIterator[tuple[Sandbox, VideoSDKAPI, str]]:
    """A client of its own, and a live call that nobody else asks about any more."""
    async with Sandbox() as sandbox:
        caller = await sandbox.call(SupportAgent, **options)
        await caller.talking_to()
        sandbox.requests.clear()
        assert caller.leg is not None
        async with VideoSDKAPI(base_url=sandbox.base_url, token=lambda: "token") as api:
            yield sandbox, api, caller.leg.id


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, RequestRefused),
        (401, NotAuthorised),
        (403, NotAuthorised),
        (402, NotFound),
        (404, NotFound),
        (409, RequestRefused),
        (429, RateLimited),
        (500, ServerFault),
        (503, ServerFault),
        (302, RequestRefused),
    ],
)
async def test_every_status_has_its_error(status: int, error: type[RequestRefused]) -> None:
    """Each HTTP status is one type of error, which knows its status and whether the platform may have acted."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("POST", TRANSFER, status=status)
        with pytest.raises(error) as caught:
            await api.transfer(leg, Destination(BILLING))

        assert error is type(caught.value)
        assert status == caught.value.status
        assert (status >= 500) == caught.value.may_have_acted


@pytest.mark.parametrize(
    ("fault", "requests"),
    [({"status": 429}, 3), ({"status": 500}, 1), ({"reset": True}, 1), ({"body": "no JSON"}, 1), ({"status": 409}, 1)],
)
async def test_what_acts_is_sent_again_only_when_nothing_was_done(fault: dict[str, Any], requests: int) -> None:
    """A POST that may have been received is sent once; one that was rejected before anything was done, again."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("POST", TRANSFER, **fault)
        with pytest.raises(PlatformError):
            await api.transfer(leg, Destination(BILLING))

        assert requests == len(sandbox.requests)


DIALLING = {"gatewayId": "gateway", "sipCallTo": BILLING}

ACTS: dict[str, Callable[[VideoSDKAPI], Awaitable[Any]]] = {
    "dial": lambda api: api.dial(DIALLING),
    "transfer": lambda api: api.transfer("call-1", Destination(BILLING)),
    "switch-room": lambda api: api.switch_room("call-1", room_id="room", participant_id="caller", token=None),
}
"""What must not be done twice."""

LOSSES: dict[str, tuple[bytes, bool]] = {
    "closed": (b"", False),
    "reset": (b"", True),
    "closed within the head": (b"HTTP/1.1 200 OK\r\nContent-", False),
    "reset within the head": (b"HTTP/1.1 200 OK\r\nContent-", True),
    "closed within the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", False),
    "reset within the body": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", True),
    "closed after a promise": (b"HTTP/1.1 100 Continue\r\n\r\n", False),
}
"""How an answer is lost: what comes of it, and whether the connection is reset then or closed."""


@asynccontextmanager
async def losing_answers(loss: str, *, kept_alive: bool) -> AsyncIterator[tuple[VideoSDKAPI, list[str]]]:
    """A client, and the methods that a server on a real socket has read whole; each loses its answer.

    Where the connection is kept alive, the first request on each is answered, and the second loses its answer.
    """
    came, reset = LOSSES[loss]
    received: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read(reader)
        if kept_alive:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"roomId": "one"}')
            await read(reader)
        writer.write(came)
        await writer.drain()
        if reset:
            linger = struct.pack("ii", 1, 0)  # for no time: what closes the socket then is a RST
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        writer.close()

    async def read(reader: asyncio.StreamReader) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next(
                (line for line in head.splitlines() if line.startswith("content-length:")), "content-length: 0"
            )
            await reader.readexactly(int(length.partition(":")[2]))
        except asyncio.IncompleteReadError:
            return  # the client has closed the connection
        received.append(head.partition(" ")[0].upper())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, VideoSDKAPI(base_url=base_url, token=lambda: "token") as api:
        yield api, received


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kept_alive", [False, True])
@pytest.mark.real_time
async def test_what_acts_is_not_sent_again_when_its_connection_breaks(kept_alive: bool, loss: str, act: str) -> None:
    """What acts, and was read before its connection broke, new or kept alive, is sent again neither by us nor by aiohttp."""
    async with losing_answers(loss, kept_alive=kept_alive) as (api, received):
        if kept_alive:
            assert "one" == await api.create_room({})
        with pytest.raises(AnswerLost) as caught:
            await ACTS[act](api)

    assert caught.value.may_have_acted
    assert ["POST"] * (1 + kept_alive) == received


@pytest.mark.parametrize("loss", ["closed", "reset"])
@pytest.mark.real_time
async def test_a_reading_is_sent_again_when_its_connection_breaks(loss: str) -> None:
    """A reading whose connection breaks is sent until it has been tried often enough: the server above counts them all."""
    async with losing_answers(loss, kept_alive=False) as (api, received):
        with pytest.raises(AnswerLost):
            await api.leg("call-1")

    assert 3 <= len(received)
    assert {"GET"} == set(received)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.real_time
async def test_what_acts_is_not_sent_again_when_the_kept_connection_was_just_closed(act: str) -> None:
    """A connection that the platform closes while a request is on its way costs that request, which is sent nowhere else."""
    heads: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n{"roomId": "one"}')
        writer.close()  # without saying so: the client takes the connection for one that it can use again

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, VideoSDKAPI(base_url=base_url, token=lambda: "token") as api:
        assert "one" == await api.create_room({})
        with pytest.raises(AnswerLost):
            await ACTS[act](api)

    assert 1 == len(heads)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 429}, {"reset": True}, {"body": "no JSON"}])
async def test_readings_are_repeated(fault: dict[str, Any]) -> None:
    """A reading that fails twice and then comes is a reading."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", times=2, **fault)

        assert "answered" == (await api.leg(leg)).status
        assert 3 == len(sandbox.requests)


async def test_bounded_reading() -> None:
    """A reading that hangs ends at its deadline, and says that it may have been received."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", hang=True)
        now = asyncio.get_running_loop().time
        began = now()
        with pytest.raises(AnswerLost, match="no answer within 5 s"):
            await api.leg(leg)

        assert now() - began == pytest.approx(READ_TIMEOUT)


async def test_unreachable() -> None:
    """Where nobody listens nothing was asked for, and the error says so."""
    async with VideoSDKAPI(base_url="http://127.0.0.1:9", token=lambda: "token") as api:
        with pytest.raises(PlatformUnreachable) as caught:
            await api.transfer("call-1", Destination(BILLING))

        assert not caught.value.may_have_acted


async def test_all_pages_are_read() -> None:
    """The legs of a room are read to the last page."""
    async with api_and_call(earlier_legs=25) as (sandbox, api, _):
        room = next(iter(sandbox._cloud.network.rooms))
        legs = [leg async for leg in api.legs(room_id=room)]

        assert 26 == len(legs)
        assert 3 == len(sandbox.requests)


async def test_one_connection() -> None:
    """Requests one after another, and a minute apart, go over one connection."""
    async with api_and_call() as (sandbox, api, leg):
        for _ in range(3):
            await api.leg(leg)
            await asyncio.sleep(60)

        assert 1 == len({request.connection for request in sandbox.requests})


async def test_the_token_is_asked_for_each_time() -> None:
    """A token source, async or not, is asked before each request, so that tokens can be renewed."""
    tokens = iter(["first", "second", "third"])

    async def fresh() -> str:
        return next(tokens)

    async with api_and_call() as (sandbox, _, leg):
        async with VideoSDKAPI(base_url=sandbox.base_url, token=fresh) as api:
            await api.leg(leg)
            await api.leg(leg)

        assert ["first", "second"] == [request.authorization for request in sandbox.requests]


@pytest.mark.parametrize("token", ["", "two\nlines", "tökén", None, 42])
async def test_a_token_that_is_none_is_refused(token: Any) -> None:
    """A token source that gives no token is a wrong configuration, and its value is not shown."""
    async with VideoSDKAPI(base_url="http://127.0.0.1:9", token=lambda: token) as api:
        with pytest.raises(NoToken, match=r"^token= must give a non-empty token, without line breaks$"):
            await api.leg("call-1")


async def test_a_redirect_is_not_followed() -> None:
    """The token goes to no other host than the platform's."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", status=307, headers={"Location": f"{sandbox.base_url}/v2/sip/call"})
        with pytest.raises(RequestRefused, match="HTTP 307"):
            await api.leg(leg)

        assert 1 == len(sandbox.requests)


async def test_an_answer_too_large_is_none() -> None:
    """An answer of many megabytes is not read to its end."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", body='{"data": "' + "x" * 5_000_000 + '"}')
        with pytest.raises(AnswerLost):
            await api.leg(leg)


@pytest.mark.parametrize(
    ("body", "error", "logged"),
    [
        ('{"message": "no such call"}', "HTTP 404; what it says is in the log, at DEBUG", "no such call"),
        ('{"error": "no such call"}', "HTTP 404; what it says is in the log, at DEBUG", "no such call"),
        (
            '{"msg": "call +14155550123 is gone"}',
            "HTTP 404; what it says is in the log, at DEBUG",
            "call +***0123 is gone",
        ),
        ('{"message": " Room not found."}', "HTTP 404, there is no such room", "Room not found."),
        ('{"statusMessage": 404}', "HTTP 404", None),
        ('{"message": " "}', "HTTP 404", None),
        ("gone", "HTTP 404", None),
        ("", "HTTP 404", None),
    ],
)
async def test_what_the_platform_says_is_logged_at_debug(
    caplog: pytest.LogCaptureFixture, body: str, error: str, logged: str | None
) -> None:
    """Its words are in no error, whatever key they stand under; one that is known is, in ours."""
    caplog.set_level(logging.DEBUG, logger="calltransfer.videosdk")
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("POST", TRANSFER, status=404, body=body)
        with pytest.raises(NotFound) as caught:
            await api.transfer(leg, Destination(BILLING))

    assert f"POST {TRANSFER}: {error}" == str(caught.value)
    assert (f"{caught.value!r}{vars(caught.value)}").count("gone") == 0
    said = [record for record in caplog.records if "the platform says" in record.getMessage()]
    assert ([] if logged is None else [logged]) == [each.getMessage().partition("says: ")[2].strip() for each in said]
    assert all(record.levelno == logging.DEBUG for record in said)


@pytest.mark.parametrize(
    ("document", "status", "log"),
    [
        ({"callId": "c", "status": "answered"}, "answered", ()),
        (
            {"id": "c", "status": "TRANSFER_RINGING", "timelog": [{"status": "INITIATED"}]},
            "transfer-ringing",
            ("initiated",),
        ),
        ({"id": "c", "status": None, "timelog": "nonsense", "sessionId": 7, "type": []}, "", ()),
        ({"id": "c", "timelog": [None, {"status": 3}, {"at": 1}]}, "", ("", "")),
    ],
)
def test_legs_are_read_in_either_style(document: dict[str, Any], status: str, log: tuple[str, ...]) -> None:
    """A call is read from a list's and from a single answer's style, and what is odd about it is left out."""
    leg = parsed_leg(document)
    assert leg is not None
    assert (leg.id, leg.status, leg.log) == ("c", status, log)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["id", "callId", "status", "timelog", "end", "type"]) | st.text(), inner)
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_a_leg_or_none(document: Any) -> None:
    """Nothing that the platform could answer makes the reader raise."""
    leg = parsed_leg(document)
    assert leg is None or leg.id


def listing(legs: list[dict[str, Any]]) -> str:
    return json.dumps({"data": legs, "pageInfo": {"lastPage": 1}})


async def test_an_unknown_status_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A status that is not in the table is taken for a live leg's, and warned of once a call; so are ten, at most."""
    caplog.set_level(logging.WARNING)
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", body=listing([{"id": f"c{n}", "status": "teleported"} for n in range(300)]))
        found = [each async for each in api.legs(room_id="r")]
        assert 300 == len(found)
        assert not any(each.is_over(here=False) for each in found)
        assert 1 == caplog.text.count("'teleported'")

        sandbox.no_more_faults()
        letters = "abcdefghijklmnopqrstuvwxyz"
        sandbox.fault("GET", "", body=listing([{"id": leg, "status": f"beamed-{letter}"} for letter in letters]))
        assert 26 == len([each async for each in api.legs(room_id="r")])
        assert 9 == caplog.text.count("'beamed-")


async def test_a_page_does_not_hold_the_loop() -> None:
    """While a long page of legs is read, others on the loop have their turns; a page beyond any is not read."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("GET", "", body=listing([{"id": leg, "status": "answered"}] * 1000))
        legs = api.legs(room_id="r")
        await anext(legs)
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(others())
            assert 999 == len([each async for each in legs])
            beside.cancel()
        sandbox.no_more_faults()
        assert turns >= 1000 // 50 - 1

        sandbox.fault("GET", "", body=listing([{"id": leg}] * 2001))
        with pytest.raises(AnswerLost, match="2001 entries"):
            await anext(api.legs(room_id="r"))


def test_a_log_longer_than_any_call_s_is_not_read_to_its_end() -> None:
    """Some hundred statuses are read, and no more."""
    leg = parsed_leg({"id": "c", "status": "answered", "timelog": [{"status": "ringing"}] * 5000})
    assert leg is not None
    assert 500 == len(leg.log)
