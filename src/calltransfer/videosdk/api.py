"""VideoSDK's REST API, as far as transfers need it.

Every request has a deadline, every answer is read with a limit and checked, every fault has a type. A request that may
have been received is never sent again unless sending it twice changes nothing: the platform knows no idempotency keys.
"""

import asyncio
import inspect
import ipaddress
import json
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import aiohttp

from calltransfer.destination import Destination
from calltransfer.errors import (
    AnswerLost,
    ConfigurationError,
    NotAuthorised,
    NotFound,
    NoToken,
    PlatformError,
    PlatformUnreachable,
    RateLimited,
    RequestRefused,
    ServerFault,
)
from calltransfer.hook import called, within
from calltransfer.masking import masked_text, one_line, without
from calltransfer.videosdk.following import STATUSES, Leg
from calltransfer.videosdk.tokens import account_of

logger = logging.getLogger("calltransfer.videosdk")

BASE_URL: Final = "https://api.videosdk.live"

READ_TIMEOUT = 5.0
"""Seconds for a reading, retries included."""

ACT_TIMEOUT = 10.0
"""Seconds for a request that acts; the readings go on beside it."""

_CONNECT_TIMEOUT = 3.0
"""Seconds for a connection to the platform."""

_KEEP_ALIVE = 75.0  # longer than aiohttp's 15 s: a caller who talks for a minute must not cost a handshake
_BACKOFF = (0.25, 0.75)
"""Seconds after which a request is tried again that does no harm twice: a reading, or one that was not carried out (429)."""

_LARGEST_ANSWER = 256 * 1024  # ten calls are a few kilobytes, and what is read is parsed on the agent's own loop
_LONGEST_ID = 128
_LONGEST_LINE = 255
_STATUS = re.compile(r"[a-z\-]{0,64}")
_PRIVATE = ("sipCallTo", "sipCallFrom", "transferTo", "token", "dtmf", "headers", "metadata", "participant")
_LONGEST_PRIVATE = 4096
_LONGEST_EXPLANATION = 1024
_KNOWN_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "token is expired": "the token has expired",
        "token expired": "the token has expired",
        "token is missing": "there is no token",
        "token is invalid": "the token is not valid",
        "invalid token": "the token is not valid",
        "invalid_token": "the token is not valid",
        "invalid api key": "the API key is not valid",
        "invalid_api_key": "the API key is not valid",
        "invalid permissions": "the token does not permit it",
        "invalid_permissions": "the token does not permit it",
        "room not found": "there is no such room",
        "roomid is invalid": "there is no such room",
        "no active session found": "nobody is in the room",
        "participant is not yet joined": "they are not in the room yet",
    }
)
"""What the platform is known to say, in our words: they cannot have anything of a call in them."""

IN_THE_LOG: Final = "; what it says is in the log, at DEBUG"
"""Stands at the end of an error in which the platform gave another reason."""

_MOST_PAGES = 50
_MOST_ON_PAGE = 2000  # the platform's own have ten
_READ_AT_ONCE = 50
"""Entries of a page that are read before others on the loop have their turn."""

_LONGEST_LOG = 500
"""Statuses of one call: it has some five, and some five more each time that it is forwarded."""

_MOST_UNKNOWN = 10
"""Statuses that are not known, of which one call warns."""


TokenSource = Callable[[], str | Awaitable[str]]


class VideoSDKAPI:
    """The client of one call: one pool of connections, on the loop it is used on.

    Args:
        base_url: Where the platform is.
        token: Asked for a token before each request, so that it can be a fresh one.
    """

    def __init__(self, *, base_url: str, token: TokenSource) -> None:
        self._base_url = base_url.rstrip("/")
        self._token = token
        self._session: aiohttp.ClientSession | None = None
        self._last_token: str | None = None
        self._private: set[str] = set()
        self._unknown: set[str] = set()

    @property
    def account(self) -> str | None:
        """The account whose token the last request was made with; None where that cannot be seen."""
        return account_of(self._last_token)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the pool. Safe to call twice."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def keep_private(self, *texts: str) -> None:
        """Has no part of these be shown where the platform repeats it: names, and whatever else is somebody's own."""
        self._private.update(text[:_LONGEST_PRIVATE] for text in texts)

    async def leg(self, leg_id: str, *, timeout: float = READ_TIMEOUT) -> Leg:
        """Reads one leg.

        Raises:
            PlatformError: the platform could not say; `NotFound` if there is no such leg.
        """
        answer = await self._get(f"/v2/sip/call/{quote(leg_id, safe='')}", {}, timeout)
        leg = self._leg(answer.get("data", answer))
        if leg is None or leg.id != leg_id:
            raise AnswerLost("the platform's answer does not hold the call that was asked for")
        return leg

    async def legs(self, *, room_id: str, session_id: str | None = None) -> AsyncIterator[Leg]:
        """Reads the legs of a room, of one session of it or of all, on however many pages they are.

        Raises:
            PlatformError: the platform could not say.
        """
        query = {"roomId": room_id}
        if session_id is not None:
            query["sessionId"] = session_id
        async for document in self.documents("/v2/sip/call", query):
            leg = self._leg(document)
            if leg is not None:
                yield leg

    async def documents(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> AsyncIterator[Any]:
        """Reads a list of the platform's, on however many pages it is; what is on them is not checked.

        Raises:
            PlatformError: the platform could not say.
        """
        for page in range(1, _MOST_PAGES + 1):
            answer = await self._get(path, {**query, "page": str(page)}, READ_TIMEOUT)
            found = answer.get("data")
            documents = found if isinstance(found, list) else []
            if len(documents) > _MOST_ON_PAGE:
                raise AnswerLost(f"{path}: a page of {len(documents)} entries; no more than {_MOST_ON_PAGE} are read")
            for number, document in enumerate(documents, 1):
                yield document
                if number % _READ_AT_ONCE == 0:
                    await asyncio.sleep(0)  # what is read is read on the agent's own loop
            if not documents or page >= _last_page(answer):
                return
        logger.warning("%s has more than %d pages; the rest was not read", path, _MOST_PAGES)

    async def document(self, path: str, query: Mapping[str, str] = MappingProxyType({})) -> dict[str, Any]:
        """Reads one document of the platform's; what is in it is not checked.

        Raises:
            PlatformError: the platform could not say; `NotFound` if there is no such thing.
        """
        return await self._get(path, query, READ_TIMEOUT)

    async def transfer(self, leg_id: str, destination: Destination, *, play_dialtone: bool = False) -> None:
        """Asks for a leg to be forwarded (SIP REFER). Returning means only that the platform said it will.

        Raises:
            PlatformError: it was refused, or (`may_have_acted`) it is not known whether it was.
        """
        body: dict[str, Any] = {"callId": leg_id, "transferTo": destination.address}
        if play_dialtone:
            body["playDialtone"] = True
        await self._request("POST", "/v2/sip/call/transfer", body=body, timeout=ACT_TIMEOUT, repeatable=False)

    async def create_room(self, room: Mapping[str, Any]) -> str:
        """Makes a room as `room` asks for it; returns its id.

        Raises:
            PlatformError: it was refused, or its answer was lost; a room nobody is in harms nobody.
        """
        answer = await self._request("POST", "/v2/rooms", body=room, timeout=ACT_TIMEOUT, repeatable=True)
        room_id = _identifier(answer.get("roomId"))
        if not room_id:
            raise AnswerLost("the platform's answer holds no room")
        return room_id

    async def dial(self, dialling: Mapping[str, Any]) -> str:
        """Calls somebody into a room; returns the id of their leg. It rings after this, not before.

        Raises:
            PlatformError: it was refused, or (`may_have_acted`) it is not known whether it was.
        """
        answer = await self._request("POST", "/v2/sip/call", body=dialling, timeout=ACT_TIMEOUT, repeatable=False)
        leg = self._leg(answer.get("data", answer))
        if leg is None:
            raise AnswerLost("the platform's answer to a dial holds no call")
        return leg.id

    async def switch_room(self, leg_id: str, *, room_id: str, participant_id: str, token: str | None) -> None:
        """Asks for a leg to be moved into another room. Returning means only that the platform said it will.

        Raises:
            PlatformError: it was refused, or (`may_have_acted`) it is not known whether it was.
        """
        body = {"callId": leg_id, "roomId": room_id, "participantId": participant_id}
        if token is not None:
            body["token"] = token
        await self._request("POST", "/v2/sip/call/switch-room", body=body, timeout=ACT_TIMEOUT, repeatable=False)

    async def end(self, leg_id: str, *, timeout: float = READ_TIMEOUT) -> bool:
        """Ends a leg, ringing or answered. Ending it twice changes nothing, so it is tried again.

        Returns:
            Whether the answer itself says that it is over; a 2xx alone does not.

        Raises:
            PlatformError: it was refused, or the platform could not be reached.
        """
        body = {"callId": leg_id}
        answer = await self._request("POST", "/v2/sip/call/end", body=body, timeout=timeout, repeatable=True)
        leg = self._leg(answer.get("data", answer))
        return leg is not None and leg.id == leg_id and leg.is_over(here=True)

    async def end_session(self, room_id: str) -> None:
        """Ends everything in a room.

        Raises:
            PlatformError: it was refused, or the platform could not be reached.
        """
        await self._request("POST", "/v2/sessions/end", body={"roomId": room_id}, timeout=READ_TIMEOUT, repeatable=True)

    def _leg(self, document: object) -> Leg | None:
        """Reads a leg; warns once of each status that is not known, and of no more than a few."""
        leg = parsed_leg(document)
        known = leg is None or leg.status in STATUSES or leg.status in self._unknown
        if leg is not None and not known and len(self._unknown) < _MOST_UNKNOWN:
            self._unknown.add(leg.status)
            logger.warning("the platform reports a status that is not known: %r", masked_text(leg.status))
        return leg

    async def _get(self, path: str, query: Mapping[str, str], timeout: float) -> dict[str, Any]:
        return await self._request("GET", path, query=query, timeout=timeout, repeatable=True)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        repeatable: bool,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        what = f"{method} {path.partition('/call/')[0] if method == 'GET' else path}"
        try:
            async with asyncio.timeout(timeout):
                for pause in _BACKOFF:
                    try:
                        return await self._once(method, path, query, body, what)
                    except PlatformError as error:
                        if not _may_be_repeated(error, repeatable):
                            raise
                        logger.debug("%s will be tried again: %s", what, error)
                    await asyncio.sleep(pause)
                return await self._once(method, path, query, body, what)
        except TimeoutError:
            raise AnswerLost(f"{what}: no answer within {timeout:g} s") from None

    async def _once(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        what: str,
    ) -> dict[str, Any]:
        token = self._last_token = await self._fresh_token()
        headers = {"Authorization": token}
        try:
            async with self._open().request(
                method,
                self._base_url + path,
                params=query,
                json=body,
                headers=headers,
                allow_redirects=False,  # the token goes nowhere else
            ) as response:
                text = await _limited_text(response)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL) as error:
            raise PlatformUnreachable(f"{what}: {type(error).__name__}") from None
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise AnswerLost(f"{what}: {type(error).__name__}") from None
        except ValueError:
            # A room's own address may have a password in it, which goes with no token; nothing was sent.
            raise PlatformUnreachable(f"{what}: the platform's address cannot be asked") from None
        # What is sent must not be shown when an answer repeats it, to this request or a later one.
        self.keep_private(*_private_in(body or {}))
        return _checked_answer(response.status, text, what, [token, *self._private])

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _fresh_token(self) -> str:
        try:
            token = called(self._token)
            if inspect.isawaitable(token):
                token = await within(None, token)  # the request has a deadline
        except Exception as error:
            # Only its type: what it says may quote the token.
            raise NoToken(f"token= raised {type(error).__name__}") from None
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise NoToken("token= must give a non-empty token, without line breaks")
        return token


def parsed_leg(document: object) -> Leg | None:
    """Reads a call of the platform's, in either of its styles; None if it is none.

    Of a log that is longer than any call's the rest is not read: it is parsed on the agent's own loop.
    """
    if not isinstance(document, dict):
        return None
    leg_id = _identifier(document.get("callId")) or _identifier(document.get("id"))
    if not leg_id:
        return None
    found = document.get("timelog")
    entries = found[:_LONGEST_LOG] if isinstance(found, list) else []
    return Leg(
        id=leg_id,
        status=_status(document.get("status")),
        log=tuple(_status(entry.get("status")) for entry in entries if isinstance(entry, dict)),
        session_id=_identifier(document.get("sessionId")) or None,
        direction=_string(document.get("type")).lower() or None,
        started=_string(document.get("start")),
        ended=bool(document.get("end")),
        room_id=_identifier(document.get("roomId")) or None,
        from_number=_line(document, "from", "sipCallFrom"),
        to_number=_line(document, "to", "sipCallTo"),
        metadata=_mapping(document.get("attributes")) | _mapping(document.get("metadata")),
    )


def _line(document: Mapping[str, Any], *names: str) -> str | None:
    """A number or SIP URI, under whichever of its names the platform has it; None if it is none to be shown or called."""
    found = (_string(document.get(name)).strip() for name in names)
    return next((line for line in found if line and line.isprintable() and len(line) <= _LONGEST_LINE), None)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _identifier(value: object) -> str:
    """An id of the platform's; empty if it is none that can be sent back as it is, in a path too."""
    found = _string(value)
    usable = found.isascii() and found.isprintable() and len(found) <= _LONGEST_ID and found.strip(" .")
    return found if usable else ""


def _status(value: object) -> str:
    """A status in the platform's words: a word or two, that can stand in a log, or none at all."""
    status = _string(value).lower().replace("_", "-").strip()
    return status if _STATUS.fullmatch(status) else "unreadable"


def _private_in(body: Mapping[str, Any]) -> Iterator[str]:
    """What was sent that must not be shown when the platform's answer repeats it."""
    for name in _PRIVATE:
        yield from _texts(body.get(name))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _texts(each) if name != "id" else ()
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif value is not None:
        yield str(value)


def _last_page(answer: Mapping[str, Any]) -> int:
    info = answer.get("pageInfo")
    last = info.get("lastPage") if isinstance(info, dict) else None
    return last if isinstance(last, int) else 1


def _may_be_repeated(error: PlatformError, repeatable: bool) -> bool:
    if isinstance(error, (RateLimited, PlatformUnreachable)):
        return True  # nothing was done
    return repeatable and isinstance(error, (AnswerLost, ServerFault))


async def _limited_text(response: aiohttp.ClientResponse) -> str:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > _LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("answer too large")
    return data.decode("utf-8")


def check_base_url(base_url: object) -> None:
    """Refuses what is no address; its value is not shown, as it may hold a password.

    Raises:
        ConfigurationError: it is none, or has a user or a password in it.
    """
    try:
        parts = urlsplit(base_url) if isinstance(base_url, str) and base_url.isprintable() else None
        usable = parts is not None and parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, None
    if not usable or parts is None or parts.query or parts.fragment or " " in parts.netloc:
        raise ConfigurationError(f"base_url= must be an address such as {BASE_URL!r}")
    if "@" in parts.netloc:
        raise ConfigurationError("base_url= must have no user and no password in it: the token is what is sent along")


def in_the_clear(base_url: str) -> bool:
    """Whether what is sent there, the token too, can be read on the way; on this machine there is no way."""
    parts = urlsplit(base_url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return True


def _checked_answer(status: int, text: str, what: str, private: Iterable[str]) -> dict[str, Any]:
    try:
        answer = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        answer = None
    if 200 <= status < 300:
        if not isinstance(answer, dict):
            raise AnswerLost(f"{what}: HTTP {status} with a body that is not a JSON object")
        return answer
    message = f"{what}: HTTP {status}{_reason(answer, what, private)}"
    if status in {401, 403}:
        raise NotAuthorised(message, status=status)
    if status in {402, 404}:
        raise NotFound(message, status=status)
    if status == 429:
        raise RateLimited(message, status=status)
    if status >= 500:
        raise ServerFault(message, status=status)
    raise RequestRefused(message, status=status)


def _reason(answer: object, what: str, private: Iterable[str]) -> str:
    """Why, as far as it is known what the platform means.

    Its own words are in no error, and so in no event and no result: they may name whoever is on the call, in any
    spelling. They are logged at DEBUG, as masked as can be.
    """
    said = _said(answer)
    if not said:
        return ""
    if logger.isEnabledFor(logging.DEBUG):
        # What is cut off may be the end of a name or number, by which it would have been known for one.
        whole = said if len(said) <= _LONGEST_EXPLANATION else said[:_LONGEST_EXPLANATION].rpartition(" ")[0]
        logger.debug("%s: the platform says: %s", what, one_line(without(masked_text(whole), private)))
    known = next((ours for theirs, ours in _KNOWN_REASONS.items() if theirs in said.lower()), None)
    return IN_THE_LOG if known is None else f", {known}"


def _said(answer: object) -> str:
    """Its explanation, under whichever of the names it has for that."""
    if isinstance(answer, dict):
        for key in ("message", "error", "msg", "statusMessage"):
            if isinstance(answer.get(key), str) and answer[key].strip():
                return str(answer[key])
    return ""
