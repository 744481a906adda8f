"""VideoSDK as a platform: account, address, and how to find a session's call."""

import logging
import math
import os
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import attrs
from typing_extensions import override

from calltransfer.destination import Destination, checked_caller_id
from calltransfer.errors import ConfigurationError, ConfigurationWarning, NoLiveCall
from calltransfer.fields import is_seconds
from calltransfer.hook import answer_of
from calltransfer.platform import Platform, PlatformCall
from calltransfer.videosdk import _sdk, tokens
from calltransfer.videosdk.api import BASE_URL, READ_TIMEOUT, VideoSDKAPI, check_base_url, in_the_clear
from calltransfer.videosdk.call import VideoSDKCall
from calltransfer.videosdk.environment import checked_id
from calltransfer.videosdk.setup import LONGEST_CALL, ConsultationSetup

logger = logging.getLogger("calltransfer.videosdk")

_SPARE: Final = 60
_DAY: Final = 24 * 3600

TOKEN_TIMEOUT = READ_TIMEOUT
"""Seconds for a token that `calltransfer check` asks for: as long as a request may take, which asks for one on a call."""


class VideoSDKPlatform(Platform):
    """Transfers calls on VideoSDK. One object may serve many agents, calls and event loops.

    Args:
        base_url: The platform's address; by default that of the room the agent joined. With "http://" and another machine
            it is a `ConfigurationWarning`: the token can be read on the way.
        token: A token, or a callable (async too) that returns a fresh one for each request. By default the one the
            agent joined its room with; when that has expired, one signed with VIDEOSDK_API_KEY and
            VIDEOSDK_SECRET_KEY.
        caller_id: The number that targets see who are dialled; one that the account may send. By default
            VIDEOSDK_CALLER_ID. A `Destination` may have its own.
        routing_rule: The outbound routing rule by which targets are dialled ("rr_..."); by default
            VIDEOSDK_ROUTING_RULE.
        gateway: The outbound gateway through which they are dialled instead ("gw_..."); by default VIDEOSDK_GATEWAY.
            Only a gateway carries a destination's extension and headers.
        pipeline: Makes the pipeline of a consultation, called there and nowhere else; by default the components of the
            agent's own are made anew, from their classes and without arguments, as the SDK does: without the voice and
            the language they were given, which is warned of when a call begins.
        longest_call: Seconds, from 60 to 86 400, after which the platform ends the leg of a target who was dialled
            (`maxCallDuration`), however well they talk; and, five minutes later, the session of the room they were
            dialled into (`autoCloseConfig`). It is what bounds a leg whose worker was killed, so as short as the
            longest conversation allows; by default four hours.

    Raises:
        ConfigurationError: a value is wrong.
    """

    def __init__(
        self,
        *,
        base_url: str | None = None,
        token: str | Callable[[], str | Awaitable[str]] | None = None,
        caller_id: str | None = None,
        routing_rule: str | None = None,
        gateway: str | None = None,
        pipeline: Callable[[], Any] | None = None,
        longest_call: float = LONGEST_CALL,
    ) -> None:
        if base_url is not None:
            check_base_url(base_url)
            if in_the_clear(base_url):
                message = "base_url= begins with http://: whoever is on the way can read the token; write https://"
                warnings.warn(ConfigurationWarning(message), stacklevel=2)
        if token is not None and not callable(token) and not (isinstance(token, str) and token):
            raise ConfigurationError("token= must be a non-empty string or a callable that returns one")
        if routing_rule is not None and gateway is not None:
            raise ConfigurationError("routing_rule= and gateway=: a target is dialled by one or the other")
        if pipeline is not None and not callable(pipeline):
            raise ConfigurationError(
                "pipeline= takes a function that makes a Pipeline, such as pipeline=make_pipeline: each consultation "
                f"needs one of its own; not {type(pipeline).__name__}"
            )
        if not is_seconds(longest_call, at_most=_DAY) or longest_call < 60:
            raise ConfigurationError(f"longest_call= is in seconds, from 60 to {_DAY}, not {longest_call!r}")
        self._base_url = base_url
        self._token = token
        self._setup = ConsultationSetup(
            caller_id=checked_caller_id(caller_id) if caller_id is not None else None,
            routing_rule=checked_id("routing_rule=", routing_rule, "routing rule")
            if routing_rule is not None
            else None,
            gateway=checked_id("gateway=", gateway, "gateway") if gateway is not None else None,
            pipeline=pipeline,
            longest_call=math.ceil(longest_call),
        )

    def __repr__(self) -> str:
        return f"VideoSDKPlatform(base_url={self._base_url!r})"

    def __eq__(self, other: object) -> bool:
        """Two that are set up alike are the same platform, so that agents that share a call share what is known of it."""
        if not isinstance(other, VideoSDKPlatform):
            return NotImplemented
        return (self._base_url, self._token, self._setup) == (other._base_url, other._token, other._setup)

    def __hash__(self) -> int:
        return hash((self._base_url, self._token, self._setup))

    @override
    def call_of(self, session: Any) -> PlatformCall:
        room = _sdk.room_of(session)
        if room is None or _sdk.closed(session):
            raise NoLiveCall("the agent is in no VideoSDK room")
        api = VideoSDKAPI(base_url=self._address(session), token=self._token_source(session))
        return VideoSDKCall(session, room, api, self._setup)

    @override
    def dialling_problems(self, destination: Destination | None) -> Sequence[str]:
        return self._setup.problems(destination)

    async def _settings(self) -> "Settings":
        token: str | None
        token = await answer_of(self._token, timeout=TOKEN_TIMEOUT) if callable(self._token) else self._token
        return Settings(
            base_url=self._base_url,
            token=token,
            caller_id=self._setup.caller_id,
            routing_rule=self._setup.routing_rule,
            gateway=self._setup.gateway,
        )

    def _address(self, session: Any) -> str:
        host = self._base_url or _sdk.host_of(session) or BASE_URL
        return host if host.startswith(("http://", "https://")) else f"https://{host}"

    def _token_source(self, session: Any) -> Callable[[], str | Awaitable[str]]:
        token = self._token
        if callable(token):
            return token
        if token is not None:
            return lambda: token
        joined_with = _sdk.token_of(session)
        return _JoinedWith(joined_with)


@attrs.frozen(kw_only=True)
class Settings:
    """What a `VideoSDKPlatform` was given, each None where nothing was; see there."""

    base_url: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    caller_id: str | None = attrs.field(default=None, repr=False)
    routing_rule: str | None = None
    gateway: str | None = None


async def settings_of(platform: VideoSDKPlatform) -> Settings:
    """What it was given, with a token that is good now, for `calltransfer check`.

    Raises:
        HookFailed: `token=` raised, or did not return in time; one that is not async cannot be bounded.
    """
    return await platform._settings()  # noqa: SLF001 - in this file


class _JoinedWith:
    """The token the agent joined with, and fresh ones when that has expired: calls outlive tokens."""

    def __init__(self, token: str | None) -> None:
        self._token = token or ""
        self._warned = False

    def __call__(self) -> str:
        left = tokens.seconds_left(self._token)
        if self._token and (left is None or left >= _SPARE):
            return self._token
        ours = not self._token or tokens.account_of(self._token) == os.environ.get("VIDEOSDK_API_KEY")
        fresh = tokens.for_asking() if ours else None
        if fresh is None and left is not None and left < 0 and not self._warned:
            self._warned = True
            logger.warning(
                "the token that the agent joined with has expired, and VIDEOSDK_API_KEY and VIDEOSDK_SECRET_KEY of its "
                "account, with which fresh ones are signed, are not set"
            )
        return fresh or self._token  # whether it has expired is for the platform to say, by its own clock
