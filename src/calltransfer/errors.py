"""What calltransfer raises.

Foreseeable ends of a transfer are values (`Outcome`); these are for wrong configuration, which is
found when the agent is built, and for the platform's answers, which a strategy turns into outcomes. Those below
`PlatformError` are imported from here; the others, which an author may have to catch, are in `calltransfer` too.

    CallTransferError
    ├── ConfigurationError (also a ValueError)
    │   ├── DestinationError
    │   └── RoutesError
    ├── NoTextModel
    ├── NoConsultation
    ├── NoDictation
    ├── NotAllowed
    ├── NoLiveCall
    │   └── CallOver
    └── PlatformError
        ├── NoToken
        ├── PlatformUnreachable
        ├── AnswerLost
        └── RequestRefused
            ├── NotAuthorised
            ├── NotFound
            ├── RateLimited
            └── ServerFault
"""

from collections.abc import Iterable

__all__ = [
    "AnswerLost",
    "CallOver",
    "CallTransferError",
    "ConfigurationError",
    "ConfigurationWarning",
    "DestinationError",
    "NoConsultation",
    "NoDictation",
    "NoLiveCall",
    "NoTextModel",
    "NoToken",
    "NotAllowed",
    "NotAuthorised",
    "NotFound",
    "PlatformError",
    "PlatformUnreachable",
    "RateLimited",
    "RequestRefused",
    "RoutesError",
    "ServerFault",
]


class CallTransferError(Exception):
    """Everything that calltransfer raises on purpose."""


class ConfigurationError(CallTransferError, ValueError):
    """Something was set up wrong; the message names the field, the value and what would be right."""


class DestinationError(ConfigurationError):
    """An address is not one that can be dialled, or not one that may be."""


class RoutesError(ConfigurationError):
    """What is written in a plan is wrong.

    Attributes:
        mistakes: All of them, a line each: the file and the line in it where they are known, which key, what is wrong with
            it, and what would be right. Numbers are masked, and nothing from the environment is in them.
    """

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


class ConfigurationWarning(UserWarning):
    """Something that will keep a transfer from working, and may still be put right before it is used."""


class NoTextModel(CallTransferError):
    """There is no language model that could be asked: the agent has a realtime one, or none."""


class NoConsultation(CallTransferError):
    """Nobody can be consulted: the platform cannot do it, or is not set up for it; the message says what is missing."""


class NoDictation(CallTransferError):
    """What the caller says cannot be taken down: the platform cannot do it, or the agent has no ears or no voice."""


class NotAllowed(CallTransferError):
    """The agent's policy does not allow it; the message names the rule, and no part of an address."""


class NoLiveCall(CallTransferError):
    """There is no phone call to transfer: a web caller, the playground, or one that the platform does not list."""


class CallOver(NoLiveCall):
    """There was one, and the caller is no longer there."""


class PlatformError(CallTransferError):
    """The platform did not do, or is not known to have done, what it was asked for.

    Attributes:
        may_have_acted: True when the request may have been carried out all the same; whoever sent it
            has to find out what happened instead of sending it again.
    """

    may_have_acted = False


class NoToken(PlatformError):
    """There was no token to ask with: what was given as `token=` raised, or gave none."""


class PlatformUnreachable(PlatformError):
    """No connection could be made, so nothing was asked for."""


class AnswerLost(PlatformError):
    """The request went out, and no answer that could be understood came back in time."""

    may_have_acted = True


class RequestRefused(PlatformError):
    """The platform answered that it will not do it.

    Args:
        message: What was asked for, and why it was refused as far as that is known; none of the platform's own words.
        status: The HTTP status of its answer.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotAuthorised(RequestRefused):
    """401 or 403: the token is missing, wrong, expired, or not good for this."""


class NotFound(RequestRefused):
    """404, or 402, which the platform uses for the same."""


class RateLimited(RequestRefused):
    """429: rejected before anything was done."""


class ServerFault(RequestRefused):
    """5xx: the platform failed, before or after it acted."""

    may_have_acted = True
