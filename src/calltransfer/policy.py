"""What a call may be transferred to, and how often, whichever strategy does it and however a destination was found."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import attrs
import phonenumbers

from calltransfer.destination import Destination, user_of
from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown
from calltransfer.sip_user import keys_of

MINUTE = 60.0
"""Seconds that `attempts_per_minute` looks back."""

_ISLANDS = "AC AS CC CK CX FJ FK FM IO KI MH MP NC NF NR NU PF PG PW SB SH TK TL TO TV VU WF WS"
"""Small islands and territories, where a call costs more than to a premium-rate number at home."""

_BLOCKED_BY_CARRIERS = "AZ CF GM GN MC MV SC SL SO ST"
"""What one carrier blocked until a customer asked for it, as fraud was most of what it saw there (TransNexus, "Carriers
Block International Calls to Stop Traffic Pumping Fraud", 2014)."""

_FAR = "CU ER GW KM KP TD"
"""At the upper end of carriers' tariffs from nearly everywhere."""

EXPENSIVE = frozenset(f"{_ISLANDS} {_BLOCKED_BY_CARRIERS} {_FAR}".split())
"""Countries that are called only where a policy names them. No such list is complete, nor true of every carrier."""

_HOST = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9\-.]*[a-z0-9])?", re.ASCII)
_NUMBER_AS_USER = re.compile(r"\+?[\d\-.()]+", re.ASCII)
_SHORTEST_NUMBER = 7
"""Digits: what is shorter is an extension of whatever is at that host."""


def _distinct(value: Any) -> Any:
    # A single string is left for the validator: as a collection it would be one entry per letter.
    return value if value is None or isinstance(value, str) or not isinstance(value, Iterable) else frozenset(value)


def _lower(value: Any) -> Any:
    found = _distinct(value)
    return frozenset(map(str.lower, found)) if _of_strings(found) else found


def _of_strings(value: Any) -> bool:
    return isinstance(value, frozenset) and bool(value) and all(isinstance(entry, str) for entry in value)


def _check_countries(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is None:
        return
    if not _of_strings(value):
        raise ConfigurationError(
            f"Policy.{attribute.name} takes regions of ISO 3166, such as {{'US', 'DE'}}, or None for all, not {shown(value)}"
        )
    for region in sorted(value):
        if region not in phonenumbers.SUPPORTED_REGIONS:
            raise ConfigurationError(
                f"Policy.{attribute.name}: {shown(region)} is no region of ISO 3166 that has phone numbers; "
                "write two capital letters, such as 'US' or 'DE'"
            )


def _check_hosts(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is None:
        return
    if not _of_strings(value) or not all(_HOST.fullmatch(host) for host in value):
        raise ConfigurationError(
            f"Policy.{attribute.name} takes hosts, such as {{'pbx.example.com'}}, or None for all, not {shown(value)}"
        )


def _check_count(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"Policy.{attribute.name} is a whole number, 1 or more, not {shown(value)}")


@attrs.frozen(kw_only=True)
class Policy:
    """What an agent's calls may be transferred to, and how often.

    It is held below every strategy: an author's own is held to it too, and so is a destination that is found while the
    caller waits. What it does not allow is neither dialled nor forwarded, and ends as `REFUSED`. A route whose
    destination is fixed and not allowed is refused when the agent is built.

    Premium-rate, satellite and emergency numbers are refused without a policy, by `Destination`, unless its author says
    otherwise.

    Attributes:
        countries: The regions of ISO 3166 whose numbers may be called, such as `{"US", "DE"}`; None: all but those that are
            expensive to call, such as Cuba and the Maldives.
            The user of a SIP URI that is a number of seven digits or more is held to it too, and where countries are named
            has to begin with "+" and be nothing else. One that begins with a letter, or has three letters or more behind
            its digits, is a name, which `sip_hosts` is for.
            International numbers that belong to no country ("+800 ...") are in none. An emergency number that a
            `Destination` allows is allowed.
        sip_hosts: The hosts that SIP URIs may name; None: all.
        attempts: How many transfers of one call may dial or forward.
        attempts_per_minute: How many of them may within one minute.
        dials: How many phones one call may make ring in all, whichever transfers and targets they are for: dialled,
            forwarded to, or called by other means. 40 are two rounds of the largest ring group, or ten attempts of four
            targets.
            One that ends before the platform is asked for it is none.
        dials_at_once: How many of them at a time, from the dial to the end of their call, a last sentence included; 20 are
            the largest ring group. Each is a line, a room and an agent. Who would be one too many waits for those that are
            being released, up to 30 s, and for no others.

    A target who is not rung for one of the last two is `REFUSED`, and the others of its strategy are called.

    An attempt is a transfer that has begun to dial or to forward, however many targets its strategy tries. One that was
    withdrawn or replaced before that is none: a caller may change their mind.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    countries: frozenset[str] | None = attrs.field(default=None, converter=_distinct, validator=_check_countries)
    sip_hosts: frozenset[str] | None = attrs.field(default=None, converter=_lower, validator=_check_hosts)
    attempts: int = attrs.field(default=10, validator=_check_count)
    attempts_per_minute: int = attrs.field(default=4, validator=_check_count)
    dials: int = attrs.field(default=40, validator=_check_count)
    dials_at_once: int = attrs.field(default=20, validator=_check_count)

    def problem(self, destination: Destination) -> str | None:
        """Which rule keeps `destination` from being called, without any part of its address; None: it may be."""
        if destination.is_sip and self.sip_hosts is not None and _host(destination.address) not in self.sip_hosts:
            return f"its host is none of the policy's sip_hosts ({', '.join(sorted(self.sip_hosts))})"
        number = _number(destination)
        if number is None:
            return None
        if self.countries is None:
            return _expensive(number)
        allowed = ", ".join(sorted(self.countries))
        if not number.startswith("+"):
            return f"its user is a number without '+', or has more in it, and the policy allows the countries {allowed} only"
        parsed = _parsed(number)
        if parsed is not None and any(phonenumbers.is_valid_number_for_region(parsed, each) for each in self.countries):
            return None
        region = phonenumbers.region_code_for_number(parsed) if parsed is not None else None
        where = f"a number of {region}" if region in phonenumbers.SUPPORTED_REGIONS else "a number of no country"
        return f"it is {where}, and the policy allows the countries {allowed} only"

    def used_up(self, attempts: Sequence[float], now: float) -> str | None:
        """Which limit another attempt would break; None: it may be made.

        Args:
            attempts: When the attempts of the call were made, in seconds.
            now: The time on the same clock, in seconds.
        """
        return used_up(attempts, now, on_one_call=self.attempts, within_a_minute=self.attempts_per_minute)

    def dials_used_up(self, dialled: int, under_way: int = 0) -> str | None:
        """Which limit another dial would break; None: it may be made.

        Args:
            dialled: How many phones the call has made ring.
            under_way: How many of their calls are not over.
        """
        if dialled >= self.dials:
            return _limit(self.dials, "on one call", "dial")
        return _limit(self.dials_at_once, "at once", "dial") if under_way >= self.dials_at_once else None


def used_up(
    attempts: Sequence[float], now: float, *, on_one_call: int | None, within_a_minute: int | None
) -> str | None:
    """Which of two limits another attempt would break, in words; None: it may be made. See `Policy.used_up`."""
    if on_one_call is not None and len(attempts) >= on_one_call:
        return _limit(on_one_call, "on one call")
    if within_a_minute is not None and sum(now - at < MINUTE for at in attempts) >= within_a_minute:
        return _limit(within_a_minute, "within a minute")
    return None


def _limit(times: int, when: str, what: str = "attempt") -> str:
    return f"{times} {what}{'' if times == 1 else 's'} {when}"


def _host(address: str) -> str:
    host = address.rpartition("@")[2].partition(";")[0]
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _number(destination: Destination) -> str | None:
    """The number that is dialled, with its "+" where it has one; None where none is, or a short one."""
    if not destination.is_sip:
        # An emergency number is the only one without a "+", and its author has allowed it.
        return destination.address if destination.address.startswith("+") else None
    user = user_of(destination.address)
    digits = re.sub(r"\D", "", keys_of(user), flags=re.ASCII)
    if len(digits) < _SHORTEST_NUMBER:
        return None
    return user if _NUMBER_AS_USER.fullmatch(user) else digits  # with keys in it, what is dialled is anybody's guess


def _expensive(number: str) -> str | None:
    """Why a number is not called although no country is named; None: it may be, as far as its country can be told."""
    parsed = _parsed(number) if number.startswith("+") else None
    region = phonenumbers.region_code_for_number(parsed) if parsed is not None else None
    if region not in EXPENSIVE:
        return None
    return f"it is a number of {region}, which is expensive to call, and the policy's countries do not name it"


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
