"""Where a call can go: a phone number or a SIP URI, checked before anybody is on the phone."""

import functools
import ipaddress
import json
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

import attrs
import phonenumbers

from calltransfer.errors import DestinationError
from calltransfer.fields import yes_or_no
from calltransfer.masking import masked_address, masked_keys, masked_number
from calltransfer.sip_user import behind_a_line, dialled_numbers, in_international_form

_LONGEST_URI = 255

_NUMBER = re.compile(r"\+?[\d ().\-/]+", re.ASCII)
_SHORT_NUMBER = re.compile(r"\d{2,6}", re.ASCII)
_WITH_EXTENSION = re.compile(
    r"(?P<number>\+?[\d ().\-/]*\d)[ ().,\-]*(?:;ext=|;postd=|,|#|x|ext|extn|extension)[ .:#=]*[\d,#*pw]+",
    re.IGNORECASE | re.ASCII,
)
_SECOND_NUMBER = re.compile(r"(?P<number>.*\d.*)/(?P<second>[ ]*(?:\d[ .\-]*){1,4})", re.ASCII)
"""What comes last in "901820/12", which is another line of theirs; in "030/901820" it is the number itself."""
# RFC 3261 section 25.1: user, host, port, parameters; no password, and no headers ("?"), which would let an
# address add fields to the request it is put in.
_SIP = re.compile(
    r"(?P<scheme>sips?):"
    r"(?P<user>(?:[\w\-.!~*'()&=+$,;/]|%[0-9A-F]{2})+)@"
    r"(?P<host>\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9\-.]*[a-z0-9])?)"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?P<parameters>(?:;[\w\-.!~*'+%]+(?:=[\w\-.!~*'+%\[\]:/&$]+)?)*)",
    re.IGNORECASE | re.ASCII,
)
_EXTENSION = re.compile(r"[0-9*#wW,]{1,32}")
_HEADER = re.compile(r"(?:[Xx]-[\w-]{1,62}|[Uu]ser-[Tt]o-[Uu]ser)", re.ASCII)
_LONGEST_NAME = 64
_LONGEST_VALUE = 256
_LONGEST_METADATA = 4096
_DEEPEST_METADATA = 16
_MOST_HEADERS = 16
_PARAMETER = re.compile(r";([^;=]*)")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_A_DESTINATION = frozenset({"method", "maddr"})
"""Parameters of a SIP URI that would choose another request, or another host than the one that is written there."""

_EMERGENCY_IN_MANY_COUNTRIES = frozenset({"112", "911", "999"})
"""Looked for behind the digits for an outside line, too; with all there are, many an extension would be one."""


_NETWORKS_OF_NO_COUNTRY = frozenset({870, 878, 881, 882, 883, 888})
"""Codes that ITU-T E.164 gives to networks and not to countries: Inmarsat (870), the other satellite systems (881), networks
such as Thuraya's (882, 883), personal numbers (878) and relief (888).

Not among them are numbers that are free to call (800), or whose cost is shared (808), and 979, which is premium-rate."""


class _Allowed(NamedTuple):
    """What an author lets be dialled that mostly is not meant."""

    premium: bool
    emergency: bool
    satellite: bool


def _as_sent(data: Mapping[str, Any]) -> str:
    """Data as the platform is sent it: compared, and hashed, as that."""
    return json.dumps(data, sort_keys=True)


@attrs.frozen(repr=False)
class Destination:
    """The address of a target.

    Phone numbers are normalised to E.164 ("+1 (415) 555-0123" becomes "+14155550123"); SIP URIs keep their user
    part and get a lower-case scheme and host. What is doubtful is refused, when the destination is made and not
    when a caller waits for it.

    Attributes:
        address: The number in E.164 or the SIP URI. Private: `str()` and `repr()` show it masked.
        allow_premium: Whether a premium-rate number may be dialled.
        allow_emergency: Whether an emergency number ("112") may be dialled.
        allow_satellite: Whether a number of a satellite phone, or of another network that belongs to no country, may be
            dialled (+870, +878, +881, +882, +883, +888): they are among the most expensive to call.
        caller_id: The number the target sees, instead of the platform's; one the account may send.
        extension: Keys pressed for the target once they answer: digits, "*", "#", and "w" for half a second's pause.
        headers: SIP headers for the target's line: names that begin with "X-", and "User-To-User"; at most 16, of at
            most 256 characters each.
        metadata: Data that the platform keeps with the call: what JSON can hold, at most 4096 characters of it, 16 levels
            deep.
        display_name: What the target is called in the room.

    The last five are for targets that are dialled, not for callers who are forwarded; VideoSDK honours `extension` and
    `headers` only with a gateway, and refuses here what it would ignore there.

    Two destinations are equal when the same is dialled in the same way: address and all of those five. What may be
    dialled (`allow_premium`, `allow_emergency`, `allow_satellite`) makes no difference, as it changes nothing once it is.

    A SIP URI whose user a gateway may dial is held to the rules of numbers: with "+", an international prefix or none, a
    code such as "*67", one or two of the digits 0, 8 and 9 for an outside line, pauses, and two letters at most behind it.
    A user that begins with a letter, or has a word behind its digits, is taken for a name.

    Raises:
        DestinationError: `address` is not a valid international number or SIP URI, or not an allowed one; or one of
            the others is none that can be used.
    """

    address: str
    allow_premium: bool = attrs.field(default=False, kw_only=True, eq=False, validator=yes_or_no(DestinationError))
    allow_emergency: bool = attrs.field(default=False, kw_only=True, eq=False, validator=yes_or_no(DestinationError))
    allow_satellite: bool = attrs.field(default=False, kw_only=True, eq=False, validator=yes_or_no(DestinationError))
    caller_id: str | None = attrs.field(default=None, kw_only=True)
    extension: str | None = attrs.field(default=None, kw_only=True)
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True, eq=_as_sent)
    metadata: Mapping[str, Any] = attrs.field(factory=dict, kw_only=True, eq=_as_sent)
    display_name: str | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        allowed = _Allowed(self.allow_premium, self.allow_emergency, self.allow_satellite)
        normalised = _normalised(self.address, allowed)
        object.__setattr__(self, "address", normalised)
        if self.caller_id is not None:
            object.__setattr__(self, "caller_id", checked_caller_id(self.caller_id))
        _check_dialling(self)

    @property
    def only_dialled(self) -> tuple[str, ...]:
        """The names of what is set here and means something only for a target that is dialled."""
        names = ("caller_id", "extension", "headers", "metadata", "display_name")
        return tuple(name for name in names if getattr(self, name))

    @property
    def is_sip(self) -> bool:
        """Whether this is a SIP URI rather than a phone number."""
        return self.address.startswith(("sip:", "sips:"))

    def __str__(self) -> str:
        keys = f", extension {masked_keys(self.extension)}" if self.extension else ""
        return f"{masked_address(self.address)}{keys}"

    def __repr__(self) -> str:
        return f"Destination({str(self)!r})"


def phone_of(destination: Destination) -> Destination:
    """The phone that rings, as the destination that it is by itself.

    It is the same for two that differ in what it shows, or in what is kept with the call. An extension leads on from a
    number to another phone, and so may headers. One phone takes one call at a time.
    """
    headers = {name.lower(): value for name, value in destination.headers.items()}
    return attrs.evolve(destination, caller_id=None, headers=headers, metadata={}, display_name=None)


def checked_caller_id(number: object) -> str:
    """Returns the number that a target is to see, in E.164.

    Raises:
        DestinationError: it is none.
    """
    if not isinstance(number, str):
        raise DestinationError(f"caller_id= is a phone number in international form, not {type(number).__name__}")
    try:
        return _number(number.strip(" "), _Allowed(True, False, True), dialled=False)
    except DestinationError as error:
        raise DestinationError(f"caller_id=: {error}") from None


def _check_dialling(destination: Destination) -> None:
    extension, name = destination.extension, destination.display_name
    if extension is not None and not (isinstance(extension, str) and _EXTENSION.fullmatch(extension)):
        raise DestinationError("extension= is 1 to 32 keys: digits, '*', '#', and 'w' or ',' for a pause")
    # Copies: what has been checked must not change afterwards.
    object.__setattr__(destination, "headers", _checked_headers(destination.headers))
    object.__setattr__(destination, "metadata", _checked_metadata(destination.metadata))
    if name is not None and not (
        isinstance(name, str) and name.isprintable() and 0 < len(name.strip()) <= _LONGEST_NAME
    ):
        raise DestinationError(f"display_name= is a name of 1 to {_LONGEST_NAME} characters, without line breaks")


def _checked_headers(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping):
        raise DestinationError(f"headers= takes names and values, not {type(headers).__name__}")
    if len(headers) > _MOST_HEADERS:
        raise DestinationError(f"headers= takes at most {_MOST_HEADERS} headers, not {len(headers)}")
    for header, value in headers.items():
        if not isinstance(header, str) or not _HEADER.fullmatch(header):
            raise DestinationError(
                f"headers= takes names such as 'X-Ticket' or 'User-To-User', of at most 64 characters, not "
                f"{masked_address(str(header))!r}"
            )
        if not isinstance(value, str) or not value.isprintable() or len(value) > _LONGEST_VALUE:
            raise DestinationError(
                f"headers=: the value of {header} must be text of at most {_LONGEST_VALUE} characters, without line "
                "breaks"
            )
    return dict(headers)


def _checked_metadata(metadata: object) -> dict[str, Any]:
    if not isinstance(metadata, Mapping):
        raise DestinationError(f"metadata= takes names and values, not {type(metadata).__name__}")
    try:
        written = json.dumps(dict(metadata), allow_nan=False)
        copy: dict[str, Any] = json.loads(written)
    except (TypeError, ValueError, RecursionError):
        raise DestinationError("metadata= must be data that JSON can hold") from None
    if not _is_plain(dict(metadata), _DEEPEST_METADATA):
        raise DestinationError(
            f"metadata= must have names that are text, and be at most {_DEEPEST_METADATA} levels deep"
        )
    if len(written) > _LONGEST_METADATA:
        raise DestinationError(
            f"metadata= must have at most {_LONGEST_METADATA} characters of JSON, not {len(written)}"
        )
    return copy


def _is_plain(value: object, levels: int) -> bool:
    """Whether JSON holds `value` as it is: it would write names that are no text as text."""
    if isinstance(value, dict):
        return levels > 0 and all(isinstance(name, str) and _is_plain(each, levels - 1) for name, each in value.items())
    if isinstance(value, list | tuple):
        return levels > 0 and all(_is_plain(each, levels - 1) for each in value)
    return True


def _normalised(address: object, allowed: _Allowed) -> str:
    if not isinstance(address, str):
        raise DestinationError(
            f"a destination is a phone number in international form or a SIP URI, as a string, "
            f"not {type(address).__name__}"
        )
    if len(address) > _LONGEST_URI:
        raise DestinationError(
            f"a destination must not be longer than {_LONGEST_URI} characters; this one has {len(address)}"
        )
    if any(unicodedata.category(character)[0] == "C" for character in _decoded(address)):
        raise DestinationError("a destination must not contain control characters or line breaks")
    text = address.strip(" ")
    if not text:
        raise DestinationError("a destination must not be empty; write a number in international form or a SIP URI")
    if not text.isascii():
        raise DestinationError("a destination must be written in plain ASCII digits and letters")
    if text.lower().startswith(("sip:", "sips:")):
        return _sip_uri(text, allowed)
    return _number(text, allowed)


def user_of(uri: str) -> str:
    """The user that a SIP URI names, without escapes and parameters: what a gateway may dial."""
    return _decoded(uri.partition(":")[2].rpartition("@")[0]).partition(";")[0]


def _decoded(text: str) -> str:
    """`text` without escapes, and without escapes that are escaped: somebody on the way may decode it twice."""
    while (decoded := unquote(text)) != text:
        text = decoded
    return text


def names_two_numbers(text: str) -> bool:
    """Whether a number ends with a slash and a few digits: run together, they would be somebody else's number."""
    return _SECOND_NUMBER.fullmatch(text) is not None


def _number(text: str, allowed: _Allowed, *, dialled: bool = True) -> str:
    """The number in E.164. `dialled`: it is a target's, who may have an extension."""
    shown = masked_address(text)
    _refuse_what_is_more_than_a_number(text, shown, dialled)
    digits = text.removeprefix("+")
    if _SHORT_NUMBER.fullmatch(digits) and _is_emergency(digits):
        if allowed.emergency:
            return digits
        raise DestinationError(
            f"{text!r} is an emergency number; if transferring there is meant, "
            "say so with Destination(..., allow_emergency=True)"
        )
    if _SHORT_NUMBER.fullmatch(digits):
        begin = "have a country code" if text.startswith("+") else "begin with '+' and the country code"
        raise DestinationError(
            f"{shown!r} must {begin}, and more than {len(digits)} digits"
            + (f"; an extension goes with the number it belongs to, as {_EXTENSION_OF_TARGET}" if dialled else "")
        )
    if not text.startswith("+"):
        hint = ": write '+' instead of '00'" if text.startswith("00") else ""
        raise DestinationError(f"{shown!r} must begin with '+' and the country code{hint}")
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as error:
        no_country = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        why = "has a country code that does not exist" if no_country else "is not a phone number; check the digits"
        raise DestinationError(f"{shown!r} {why}") from None
    if not phonenumbers.is_valid_number(number):
        if number.country_code == 1 and str(number.national_number).startswith("555"):
            raise DestinationError(
                f"{shown!r} is not a valid number of its country: 555 is no area code; numbers for tests are 555-0100 to "
                "555-0199 behind one that exists, such as 415"
            )
        raise DestinationError(f"{shown!r} is not a valid number of its country; check the digits")
    if not allowed.premium and _is_premium(number):
        raise DestinationError(
            f"{shown!r} is a premium-rate number; if transferring there is meant, "
            "say so with Destination(..., allow_premium=True)"
        )
    if not allowed.satellite and _is_satellite(number):
        raise DestinationError(
            f"{shown!r} is a number of a satellite phone, or of a network of no country; if transferring there is meant, "
            "say so with Destination(..., allow_satellite=True)"
        )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


_EXTENSION_OF_TARGET = (
    "Destination(..., extension='...'), which targets can have who are dialled through VideoSDKPlatform(gateway=); a call "
    "that is forwarded goes to 'sip:user@host' instead"
)


def _refuse_what_is_more_than_a_number(text: str, shown: str, dialled: bool) -> None:
    if text.lower().startswith("tel:"):
        raise DestinationError(f"{shown!r} begins with 'tel:'; write the number alone, which begins with '+'")
    found = _WITH_EXTENSION.fullmatch(text)
    if found:
        where = f", and the extension as {_EXTENSION_OF_TARGET}" if dialled else ""
        raise DestinationError(
            f"'{masked_number(found['number'])}...' has an extension behind the number; write the number alone{where}"
        )
    if not _NUMBER.fullmatch(text):
        raise DestinationError(
            f"{shown!r} is neither a phone number in international form (digits only, no extension) nor a SIP URI "
            "(which begins with 'sip:')"
        )
    found = _SECOND_NUMBER.fullmatch(text)
    if found:
        second = re.sub(r"\d", "*", found["second"])
        raise DestinationError(
            f"'{masked_number(found['number'])}/{second}' names two lines, with a few digits behind a slash; write one of "
            "them in full"
        )


def _sip_uri(text: str, allowed: _Allowed) -> str:
    shown = masked_address(text)
    found = _SIP.fullmatch(text)
    if not found or _BROKEN_ESCAPE.search(text):
        raise DestinationError(
            f"{shown!r} is not a SIP URI that can be used; write 'sip:user@host', "
            "with no spaces, no password, no '?' headers"
        )
    host, port = found["host"].lower(), found["port"]
    _check_host(host, shown)
    if port is not None and not 0 < int(port) < 65536:
        raise DestinationError(f"{shown!r} has a port that does not exist; it must be 1 to 65535")
    for name in _PARAMETER.findall(_decoded(found["parameters"])):
        if name.strip().lower() in _NOT_IN_A_DESTINATION:
            raise DestinationError(f"{shown!r} must not choose a SIP method or another host: leave out {name!r}")
    _check_dialled_user(user_of(text), allowed)
    return f"{found['scheme'].lower()}:{found['user']}@{host}{f':{port}' if port else ''}{found['parameters']}"


def _check_host(host: str, shown: str) -> None:
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise DestinationError(f"{shown!r} has a host that is not an IPv6 address") from None
    elif len(host) > 253 or not all(0 < len(label) <= 63 for label in host.split(".")):
        raise DestinationError(f"{shown!r} has a host that is not a host name")


def _check_dialled_user(user: str, allowed: _Allowed) -> None:
    """Holds a gateway's `sip:+1900...@host` to the rules of the number it may dial."""
    numbers = dialled_numbers(user)
    emergency = next(filter(_reaches_emergency, sorted(numbers)), None)
    if not allowed.emergency and emergency is not None:
        raise DestinationError(
            f"a SIP URI for which a gateway may dial the emergency number {_reaches_emergency(emergency)!r} is refused; if "
            "transferring there is meant, or it is an extension of your own, say so with "
            "Destination(..., allow_emergency=True)"
        )
    full = {written for number in numbers for written in in_international_form(number)}
    if not allowed.premium and any(map(_is_premium_number, full)):
        elsewhere = "" if user.startswith("+") else ", and if it is another number, begin it with '+' and its country"
        raise DestinationError(
            f"a SIP URI for the premium-rate number {masked_address(user)!r} is refused; if transferring there "
            f"is meant, say so with Destination(..., allow_premium=True){elsewhere}"
        )
    if not allowed.satellite and any(map(_is_satellite_number, full)):
        raise DestinationError(
            f"a SIP URI for the number {masked_address(user)!r} of a satellite phone, or of a network of no country, is "
            "refused; if transferring there is meant, say so with Destination(..., allow_satellite=True)"
        )


def _reaches_emergency(number: str) -> str | None:
    """The emergency number that is dialled by `number`, behind an outside line or not; None: it is none."""
    digits = number.removeprefix("+")
    if _SHORT_NUMBER.fullmatch(digits) and _is_emergency(digits):
        return digits
    return next((each for each in behind_a_line(digits) if each in _EMERGENCY_IN_MANY_COUNTRIES), None)


def _is_satellite_number(written: str) -> bool:
    try:
        number = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return False
    return _is_satellite(number) and phonenumbers.is_valid_number(number)  # and no local one that begins alike


def _is_satellite(number: phonenumbers.PhoneNumber) -> bool:
    return number.country_code in _NETWORKS_OF_NO_COUNTRY


def _is_premium_number(written: str) -> bool:
    try:
        return _is_premium(phonenumbers.parse(written, None))
    except phonenumbers.NumberParseException:
        return False


def _is_premium(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.number_type(number) == phonenumbers.PhoneNumberType.PREMIUM_RATE


@functools.lru_cache(maxsize=256)
def _is_emergency(digits: str) -> bool:
    """Whether dialling `digits` reaches an emergency service in any region."""
    return any(
        phonenumbers.is_emergency_number(digits, region)
        for region in phonenumbers.shortnumberinfo.SUPPORTED_SHORT_REGIONS
    )
