"""What a customer has set up at the platform, as far as transfers depend on it; read, never changed.

What the platform's references leave open is taken as it comes: a setting that is not there is not known, not off.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import attrs
import phonenumbers

from calltransfer.errors import AnswerLost
from calltransfer.videosdk.api import VideoSDKAPI


@attrs.frozen(kw_only=True)
class Line:
    """What targets are dialled by: a routing rule or a gateway.

    Attributes:
        name: What its owner calls it.
        direction: "outbound" or "inbound"; None: it does not say.
        numbers: The numbers that it may show, in E.164; None: it does not say.
        dtmf: Whether keys are passed on; None: it does not say.
        headers: The names of the SIP headers that it adds, in lower case.
    """

    name: str = ""
    direction: str | None = None
    numbers: frozenset[str] | None = attrs.field(default=None, repr=False)
    dtmf: bool | None = None
    headers: frozenset[str] = frozenset()


async def routing_rule(api: VideoSDKAPI, rule_id: str) -> Line:
    """Reads a routing rule.

    Raises:
        PlatformError: the platform could not say; `NotFound` if there is no such rule.
    """
    return _line(await api.document(f"/v2/sip/routing-rule/{quote(rule_id, safe='')}"))


async def inbound_rules(api: VideoSDKAPI) -> AsyncIterator[Line]:
    """Reads the routing rules by which calls come in.

    Raises:
        PlatformError: the platform could not say.
    """
    async for document in api.documents("/v2/sip/routing-rule"):
        if isinstance(document, dict) and document.get("type") == "inbound":
            yield _line(document)


async def outbound_gateway(api: VideoSDKAPI, gateway_id: str) -> Line:
    """Reads a gateway through which calls go out.

    Raises:
        PlatformError: the platform could not say; `NotFound` if there is no such gateway.
    """
    line = _line(await api.document(f"/v2/sip/outbound-gateways/{quote(gateway_id, safe='')}"))
    return attrs.evolve(line, direction="outbound")


async def phone_numbers(api: VideoSDKAPI) -> frozenset[str]:
    """Reads the account's own numbers, in E.164.

    Raises:
        PlatformError: the platform could not say.
    """
    found: set[str] = set()
    async for document in api.documents("/v2/sip/phone-numbers"):
        found |= _numbers([document])
    return frozenset(found)


def _line(answer: Mapping[str, Any]) -> Line:
    document = answer.get("data", answer)
    if not isinstance(document, dict):
        raise AnswerLost("the platform's answer does not hold what was asked for")
    numbers = next((document[key] for key in ("phoneNumbers", "numbers") if isinstance(document.get(key), list)), None)
    dtmf = next((document[key] for key in ("dtmf", "enableDtmf") if isinstance(document.get(key), bool)), None)
    headers, direction = document.get("headers"), document.get("type")
    return Line(
        name=str(document.get("name") or ""),
        direction=direction if isinstance(direction, str) else None,
        numbers=_numbers(numbers) if numbers is not None else None,
        dtmf=dtmf,
        headers=frozenset(map(str.lower, headers)) if isinstance(headers, dict) else frozenset(),
    )


def _numbers(documents: Iterable[Any]) -> frozenset[str]:
    """The numbers in a list of numbers, or of documents that have them."""
    found: set[str] = set()
    for document in documents:
        if isinstance(document, dict):
            for key in ("phoneNumber", "number", "phoneNumbers", "numbers"):
                value = document.get(key)
                found |= _numbers(value if isinstance(value, list) else [value])
        elif isinstance(document, str):
            found.add(_e164(document))
    return frozenset(found)


def _e164(number: str) -> str:
    """A number as ours are written: providers leave the "+" out, and set spaces."""
    try:
        parsed = phonenumbers.parse(number if number.startswith("+") else f"+{number}", None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
