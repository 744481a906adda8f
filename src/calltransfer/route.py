"""A route: a name the model may choose, when to choose it, and the strategy behind it."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import attrs
import phonenumbers

from calltransfer.call import TransferStrategy
from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError
from calltransfer.masking import masked_number, masked_text
from calltransfer.strategies.combining import checked_strategy, destinations_of

WITHDRAW: Final = "none"
"""What the model chooses to withdraw a transfer."""

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_RUN = re.compile(r"(?<![\w#])(?<![a-z]-)\+?\(?\d(?:[\s().\-/]{0,3}\d){6,}(?!\w)", re.IGNORECASE | re.ASCII)
"""Digits that may be a phone number: not behind letters, as in "ORD-2026-001234", nor part of a word."""

_YEAR = r"(?:19|20)\d\d"
_DAY_OR_MONTH = r"(?:[12]\d|3[01]|0?[1-9])"
_NO_NUMBERS = re.compile(
    rf"(?:(?:{_YEAR}([-./ ]){_DAY_OR_MONTH}\1{_DAY_OR_MONTH}"
    rf"|{_DAY_OR_MONTH}([-./ ]){_DAY_OR_MONTH}\2(?:{_YEAR}|\d\d)?"
    rf"|{_YEAR}"
    r"|(?:[01]?\d|2[0-4])\.[0-5]\d"  # a time of day, as in "09.00-17.00"
    r")(?:[\s./\-]{1,3}|$))+"
    rf"|{_YEAR}[-/]\d+"  # a file of a year
    r"|\d{1,3}(?:\.000)+"  # an amount
    r"|\d{5}(?:-\d{4}|-\d{5})",  # postal codes
    re.ASCII,
)
_GROUPS = re.compile(r"\d+", re.ASCII)
_SHORTEST_NUMBER, _LONGEST_NUMBER = 7, 15  # digits; the second by E.164
_LOCAL_NUMBER = re.compile(r"\d{3}[ .\-]\d{4}", re.ASCII)


@attrs.frozen
class Route:
    """A name the model may choose, when to choose it, and the strategy behind it.

    Attributes:
        name: What the model sees: lower-case letters, digits, "_" and "-", and not "none".
        strategy: How the caller is moved; shared between calls.
        when: Completes "choose this when ...", for the model. No phone numbers: it would repeat them. Dates, times and
            order numbers are none.

    Raises:
        ConfigurationError: a value is wrong.
    """

    name: str
    strategy: TransferStrategy
    when: str = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ConfigurationError(
                f"Route name {masked_text(str(self.name))!r} must be at most 64 lower-case letters, "
                "digits, '_' or '-', starting with a letter, such as 'billing'"
            )
        if self.name == WITHDRAW:
            raise ConfigurationError(f"Route name {WITHDRAW!r} is taken: the model uses it to withdraw a transfer")
        if not isinstance(self.when, str) or not self.when.strip():
            raise ConfigurationError(f"Route {self.name!r} needs when=, such as 'the caller asks about an invoice'")
        checked_strategy(self.strategy, f"Route {self.name!r}")
        number = _phone_number_in(self.when, destinations_of(self.strategy))
        if number is not None:
            raise ConfigurationError(
                f"Route {self.name!r}: when= contains what looks like a phone number, {masked_number(number)!r}; the model "
                "must not see any. Say what the caller wants in words"
            )


def _phone_number_in(text: str, destinations: Sequence[Destination]) -> str | None:
    """What in a text a person, or a model, would dial; None if there is nothing of the kind."""
    countries = {"US"} | set(_countries_of(destinations))
    return next((run for run in _RUN.findall(text) if _is_dialled(run, countries)), None)


def _countries_of(destinations: Sequence[Destination]) -> Iterator[str]:
    for destination in destinations:
        if destination.address.startswith("+"):
            yield phonenumbers.region_code_for_number(phonenumbers.parse(destination.address, "ZZ")) or "ZZ"


def _is_dialled(run: str, countries: Iterable[str]) -> bool:
    groups = _GROUPS.findall(run)
    digits = "".join(groups)
    if len(digits) > _LONGEST_NUMBER:  # several, or a reference
        pieces = re.split(r"[\s/]+", run)
        return len(pieces) > 1 and any(_is_dialled(piece, countries) for piece in pieces)
    if len(digits) < _SHORTEST_NUMBER or _NO_NUMBERS.fullmatch(run):
        return False
    if run.startswith(("+", "(")) or _LOCAL_NUMBER.fullmatch(run):
        return True
    grouped = len(groups) > 2 and len(digits) >= 9
    with_trunk_prefix = len(groups) == 2 and len(digits) >= 8 and re.match(r"0[1-9]", digits) is not None
    return (
        grouped
        or with_trunk_prefix
        or _is_valid(f"+{digits.removeprefix('00')}", "ZZ")
        or any(_is_valid(digits, country) for country in countries)
    )


def _is_valid(written: str, country: str) -> bool:
    """Whether it is a number of a country as it is dialled there: with the prefix that is needed, and none to spare."""
    try:
        number = phonenumbers.parse(written, country)
    except phonenumbers.NumberParseException:
        return False
    if not phonenumbers.is_valid_number(number):
        return False
    prefix = phonenumbers.ndd_prefix_for_region(country, True) if country != "ZZ" else None
    return prefix != "0" or written.startswith("0")
