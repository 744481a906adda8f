"""Hides what is private, for logs, events, errors and reprs."""

import re

MASK = "***"

_LONGEST_SHOWN = 80
_LONGEST_SHAPE = 40

# Whatever stands between digits: data brings slashes, dashes of every kind and characters that cannot be seen.
_DIGITS = re.compile(r"\d(?:[^\w\n]{0,3}_?\d){4,}")
_TOKEN = re.compile(r"\beyJ[\w-]+(?:\.[\w-]*)*")
_SIP = re.compile(r"\b(sips?):[^@\s]{1,255}@", re.IGNORECASE)
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9.\-]+)(?::\d{1,5})?(?:;.*)?", re.IGNORECASE | re.ASCII)


def masked_number(number: str) -> str:
    """Returns a number of which at most the last four digits can be read, and never all of it."""
    digits = [character for character in number if character.isdigit()]
    shown = min(4, len(digits) // 2)
    return MASK + "".join(digits[len(digits) - shown :])


def masked_keys(keys: str) -> str:
    """Returns the keys of an extension with at most the last two digits to be read: those of neighbours differ there.

    A single digit chooses from a menu and names nobody: it is shown. Of several, never all are.
    """
    digits = [key for key in keys if key.isdigit()]
    shown = min(2, len(digits) - 1) if len(digits) > 1 else len(digits)
    return MASK + "".join(digits[len(digits) - shown :])


def masked_address(address: str) -> str:
    """Returns a phone number or SIP URI fit for a log: the host of a URI stays, who it names does not."""
    scheme, separator, rest = address.partition(":")
    if not separator or scheme.lower() not in {"sip", "sips"}:
        # With letters in it, it is no number that could be dialled, and may be a name: what shows is its shape.
        return _shape(address) if any(map(str.isalpha, address)) else masked_number(address)
    user, at, host = rest.rpartition("@")
    shown = masked_number(user) if user.lstrip("+").isdigit() else MASK
    return f"{scheme}:{shown}@{masked_text(host) if _HOST.fullmatch(host) else MASK}" if at else f"{scheme}:{MASK}"


def _shape(text: str) -> str:
    shape = re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "*", text[:_LONGEST_SHAPE]))
    return "".join(character if character.isascii() and character.isprintable() else "?" for character in shape)


def shown(value: object) -> str:
    """Returns a value of an author's as an error about it shows it: masked, and not at full length."""
    text = masked_text(repr(value))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def one_line(text: str) -> str:
    """Returns `text` masked, and on one line: what it says must not look like another line of a log."""
    return "".join(character if character.isprintable() else " " for character in masked_text(text))


def masked_text(text: str) -> str:
    """Returns `text` with every phone number, SIP user and token in it masked."""
    text = _TOKEN.sub(MASK, text)
    text = _SIP.sub(rf"\1:{MASK}@", text)
    return _DIGITS.sub(lambda found: masked_number(found.group()), text)
