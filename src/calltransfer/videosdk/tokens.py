"""Tokens of the platform: whose they are, how long they are good, and narrower ones, signed with the account's secret."""

import os
import time
import warnings
from typing import Any, Final, Literal

import jwt

Role = Literal["rtc", "crawler"]
"""What a token is good for, in the platform's words: to join rooms, or to ask its API. One without a role is for both."""

_JOINING_FOR: Final = 60
"""Seconds for somebody who is moved to be in their new room: it takes a second or two."""

_ASKING_FOR: Final = 300
"""Seconds for one request, and for clocks that do not agree: the next request gets a token of its own."""


def account_of(token: str | None) -> str | None:
    """The API key of the account that a token belongs to; None where that cannot be seen."""
    account = _claims(token).get("apikey")
    return account if isinstance(account, str) and account else None


def seconds_left(token: str | None) -> float | None:
    """How long a token is good for; None where that cannot be seen."""
    expires = _claims(token).get("exp")
    return expires - time.time() if isinstance(expires, int | float) else None


def for_joining(room_id: str, participant_id: str, *, account: str | None) -> str | None:
    """A token with which one participant can join one room, and nothing else, for a minute.

    The agent's own token is never sent along instead: it opens every room.

    Args:
        room_id: The room.
        participant_id: The participant.
        account: The account that the room belongs to; None: it is not known.

    Returns:
        None without the secret of that account: another one's token would be of no use there, and show who that is.
    """
    if account is None or account != os.environ.get("VIDEOSDK_API_KEY"):
        return None
    return _signed("rtc", _JOINING_FOR, roomId=room_id, participantId=participant_id)


def for_asking() -> str | None:
    """A token with which the platform's API can be asked, and no room be joined; None without the account's secret."""
    return _signed("crawler", _ASKING_FOR)


def _signed(role: Role, seconds: int, **scope: str) -> str | None:
    api_key, secret = os.environ.get("VIDEOSDK_API_KEY"), os.environ.get("VIDEOSDK_SECRET_KEY")
    if not api_key or not secret:
        return None
    now = int(time.time())
    claims = {
        "apikey": api_key,
        "permissions": ["allow_join"],
        "version": 2,
        "roles": [role],
        **scope,
        "iat": now,
        "exp": now + seconds,
    }
    with warnings.catch_warnings():
        # How long the secret is has been the platform's choice; where warnings are errors, nobody could be moved.
        warnings.simplefilter("ignore")
        return jwt.encode(claims, secret, algorithm="HS256")


def _claims(token: str | None) -> dict[str, Any]:
    """What a token says of itself; it may say anything, and is not checked: that is for the platform to do."""
    try:
        return dict(jwt.decode(token or "", options={"verify_signature": False}))
    except jwt.InvalidTokenError:
        return {}
