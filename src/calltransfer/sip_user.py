"""What a gateway may dial for the user of a SIP URI.

A user is a name or a number, and which one it is, is for the gateway to say. This reads it as the gateways do that dial
most: with or without the digit for an outside line, codes, pauses, and what stands behind the number.
"""

import re
from collections.abc import Iterator
from typing import Final

_LEFT_OUT: Final = re.compile(r"[^0-9A-Za-z+*#,;]", re.ASCII)
"""Marks between digits, which are not dialled."""

_UNUSUAL: Final = re.compile(r"[^0-9A-Za-z+*#,().\-]", re.ASCII)
"""Marks that nobody writes a number with."""

_KEYS: Final = re.compile(r"[+*#\d](?:[+*#\d,]|[wptx](?=[\d+*#,wptx]))*", re.ASCII | re.IGNORECASE)
_PAUSE: Final = re.compile(r"[,wptx]+", re.IGNORECASE)
_DIGITS: Final = re.compile(r"\+?\d+", re.ASCII)
_CODES: Final = (
    re.compile(r"[*#]+\d{2}[*#]*", re.ASCII),
    re.compile(r"[*#]+\d{3}[*#]*", re.ASCII),
    re.compile(r"[*#]+"),
)
"""What is dialled before a number: to hide the caller's, say ("*67", "#31#")."""

_MOST_LETTERS: Final = 2
"""Letters behind a number that leave it one: some gateways dial up to the first, and four keys of a phone are A to D."""

_LONGEST_OUTSIDE: Final = 2
_OUTSIDE: Final = re.compile(r"[089]{1,2}", re.ASCII)
"""For an outside line."""

_INTERNATIONAL: Final = re.compile(r"00|011", re.ASCII)
_SHORTEST_INTERNATIONAL: Final = 7
_LENGTH_IN_NORTH_AMERICA: Final = 10


def keys_of(user: str) -> str:
    """The part of a user that a phone could dial, from its beginning; empty: it is a name.

    A name begins with a letter, or has three letters or more behind the digits that it begins with.
    """
    text = _LEFT_OUT.sub("", user).lstrip(",;")
    keys = _KEYS.match(text)
    return keys.group() if keys is not None and len(text) - keys.end() <= _MOST_LETTERS else ""


def dialled_numbers(user: str) -> set[str]:
    """What may be dialled first for a user: digits, with their "+" where they have one."""
    if not keys_of(user):
        return set()
    found = set()
    # Some leave out what they do not know, and some dial what is before it.
    for end in (*(mark.start() for mark in _UNUSUAL.finditer(user)), len(user)):
        keys = keys_of(user[:end])
        found |= {number for each in _without_codes(keys) for number in _first_numbers(each)}
        digits = re.sub(r"\D", "", keys, flags=re.ASCII)
        found |= {f"{'+' * keys.startswith('+')}{digits}"} if digits else set()
    return found


def _without_codes(keys: str) -> set[str]:
    """`keys` without codes before them; a code has two digits or three, so there is more than one way to read them."""
    found, new = {keys}, {keys}
    while new:
        new = {each[code.end() :] for each in new for pattern in _CODES if (code := pattern.match(each))} - found
        found |= new
    return found


def _first_numbers(keys: str) -> Iterator[str]:
    """The number that is dialled before the first pause, or before the second where the first only gets a line."""
    parts = [part for part in _PAUSE.split(keys) if part]
    while len(parts) > 1 and len(parts[0]) <= _LONGEST_OUTSIDE:
        parts.pop(0)
    for part in _without_codes(parts[0]) if parts else ():
        for beginning in {part, part[max(part.rfind("+"), 0) :]}:  # a "+" may stand behind what gets a line
            digits = _DIGITS.match(beginning)
            if digits is not None:
                yield digits.group()


def behind_a_line(number: str) -> Iterator[str]:
    """`number` without what it may begin with to get an outside line."""
    outside = _OUTSIDE.match(number)
    for length in range(1, (outside.end() if outside is not None else 0) + 1):
        yield number[length:]


def in_international_form(number: str) -> Iterator[str]:
    """What `number` may be taken for, with its country: a gateway may do without the "+"."""
    if number.startswith("+"):
        yield number
        return
    for each in (number, *behind_a_line(number)):
        prefix = _INTERNATIONAL.match(each)
        without = each[prefix.end() :] if prefix is not None else each
        if len(without) >= _SHORTEST_INTERNATIONAL:
            yield f"+{without}"
        if len(each) == _LENGTH_IN_NORTH_AMERICA:
            yield f"+1{each}"
