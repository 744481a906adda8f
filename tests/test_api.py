"""The REST client: deadlines, typed errors, all pages, and nothing sent twice that could act twice."""

import asyncio
import logging
from collections.abc import AsyncIterator
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
    ("body", "explanation"),
    [
        ('{"message": "no such call"}', "HTTP 404, 'no such call'"),
        ('{"error": "no such call"}', "HTTP 404, 'no such call'"),
        ('{"msg": "call +14155550123 is gone"}', "'call +***0123 is gone'"),
        ('{"statusMessage": 404}', "HTTP 404$"),
        ("gone", "HTTP 404$"),
        ("", "HTTP 404$"),
    ],
)
async def test_the_platform_s_explanation_is_kept_and_masked(body: str, explanation: str) -> None:
    """Whatever key the platform puts its message under, it is in the error, masked."""
    async with api_and_call() as (sandbox, api, leg):
        sandbox.fault("POST", TRANSFER, status=404, body=body)
        with pytest.raises(NotFound, match=explanation.replace("+", r"\+").replace("***", r"\*\*\*")):
            await api.transfer(leg, Destination(BILLING))


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


def test_an_unknown_status_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A status that is not in the table is taken for a live leg's, and logged."""
    caplog.set_level(logging.WARNING)
    leg = parsed_leg({"id": "c", "status": "teleported"})
    assert leg is not None
    assert not leg.over
    assert "'teleported'" in caplog.text
