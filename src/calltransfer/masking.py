"""Hides what is private, for logs, events, errors and reprs."""

import re
import unicodedata
from collections.abc import Iterable

MASK = "***"

_LONGEST_SHOWN = 80
_LONGEST_SHAPE = 40

# The digits of every script; those of Chinese, which are letters to Unicode; raised, lowered and encircled ones.
_DIGIT = r"[\d〇零一二三四五六七八九幺⁰¹²³⁴-⁹₀-₉①-⑨⓪]"
_ALONE = r"(?<![^\W\d_])(?:{})(?![^\W\d_])"
_SAID = _ALONE.format(
    "zero|oh|o|nought|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|double|triple"
)
_BETWEEN_SAID = _ALONE.format("dash|hyphen|minus|dot|point|space|slash|stroke|plus|then|pause")
# Whatever stands between digits: data brings brackets, dashes of every kind, line breaks and characters that cannot be seen,
# as they are or as Python, JSON and HTML write them.
_ESCAPE = r"\\x[0-9a-f]{2}|\\u[0-9a-f]{4}|\\[nrt]|&[a-z]{2,8};|<br ?/?>"
_APART = rf"(?:{_ESCAPE}|[\W_]){{0,12}}"
_ONE_DIGIT = rf"(?:{_DIGIT}|{_SAID})"
_NUMBER = rf"{_ONE_DIGIT}(?:{_APART}(?:{_BETWEEN_SAID}[\W_]{{1,12}})?{_ONE_DIGIT}){{4,}}"
_EXTENSION = r"(?:[\s,;.(]{0,3}(?<![^\W\d_])(?P<extension>x|ext\.?|extn\.?|extension)[\s:=.#]{0,3}\d{1,8})?"
_TIME = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d{1,6})?)?"
_DATE = r"20[2-9]\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_AMOUNT = r"(?<![\w.+\-])\d{1,4}\.\d{1,3} m?s\b|(?<![\w.+\-])[$€£]\d{1,6}\.\d\d(?![\d.\-])"
# A day or the time of a day, as we write them, is no number, and has as many digits.
_OF_THE_CLOCK = (
    rf"(?<![\w+:.\-/])(?:{_DATE}(?:[T ]{_TIME})?|{_TIME}(?: ?[-\u2013] ?{_TIME})?)"
    rf"(?![\w:/-]|\.\d|[ ,]{{0,2}}{_DIGIT}{{3}})"
)
_NUMBERS = re.compile(rf"(?P<readable>{_OF_THE_CLOCK}|{_AMOUNT})|(?P<number>{_NUMBER}){_EXTENSION}", re.IGNORECASE)

# A JSON Web Token begins with "eyJ", at a word's beginning or not; then it is one if there is a second part.
_TOKEN = re.compile(r"\beyJ[\w-]+(?:(?:\.|%2E)[\w-]*)*|eyJ[\w-]{3,512}(?:\.|%2E)(?:[\w.-]|%2E)+")
_CREDENTIAL = re.compile(
    r"\b(?P<scheme>authorization[\"']?[ \t]*[:=]|bearer|basic)[ \t]*(?:(?:bearer|basic)[ \t]+)?[\"']?"
    r"(?:(?=[a-z]*[\d._~+/=-])[\w.~+/=%-]{4,}|\w{16,})"
    r"|(?P<name>token|secret|passw(?:or)?d|pwd|api_?key)(?P<is>\w{0,20}(?:=(?!=)|[\"']?[ \t]*[:=][ \t]*(?=[\"'])))"
    r"(?:\"[^\"\n]*\"?|'[^'\n]*'?|[^\s\"',;&]+)",
    re.IGNORECASE,
)
_USERINFO = re.compile(r"\b([a-z][a-z0-9+.\-]{1,20}://)[^/?#\s]+@", re.IGNORECASE)
# As in "Anna Ruiz" <sip:...>: what stands before the address may be who it is.
_NAMED = re.compile(
    r"(?:\"(?:[^\"\\\n]|\\.){1,120}\"|'[^'\n]{1,120}'"
    r"|(?<![\w.'’\-])(?:[^\W\d_][\w.'’\-]{0,40}[ \t]{1,3}){0,4}[^\W\d_][\w.'’\-]{0,40})"
    r"[ \t]{0,3}(<(?:sips?:|tel:|mailto:|[^<>\s@]{1,80}@))",
    re.IGNORECASE,
)
# Up to the last "@": there may be a space in a user, and an "@" in a password.
_SIP = re.compile(r"\b(sips?):(?=\S)[^@\"<>]{1,255}@(?:[^\s@\"<>]{0,255}@){0,8}", re.IGNORECASE)
_SIP_ALONE = re.compile(r"\b(sips?):(?=[\w+%])[^\s@,;<>\"')\]]{1,255}(?![^\s@]{0,255}@)", re.IGNORECASE)
_MAIL = re.compile(r"(?<![^\s@＠<>()\[\]\"',;:=])[^\s@＠<>()\[\]\"',;:=]++[@＠](?=\w)")
_HOST = re.compile(r"(?:\[[0-9a-f:.]+\]|[a-z0-9.\-]+)(?::\d{1,5})?(?:;.*)?", re.IGNORECASE | re.ASCII)
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PART = 2
_SHORTEST_WITHIN = 4
"""Letters: a part of a name that is shorter is hidden as a word only, since many other words have it in them."""


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
    """Returns `text` with what can be recognised as private masked, whoever's it is.

    That is phone numbers, in digits and in English words; tokens and what is called a secret or a password; SIP URIs but
    for their host, names beside them, e-mail addresses, and the user of a URL. A name that stands for itself is not known
    for one; see `without`.
    """
    text = _TOKEN.sub(MASK, text)
    text = _CREDENTIAL.sub(_masked_credential, text)
    text = _NAMED.sub(rf"{MASK} \1", text)
    text = _SIP.sub(rf"\1:{MASK}@", text)
    text = _SIP_ALONE.sub(rf"\1:{MASK}", text)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _MAIL.sub(_masked_mail, text)
    return _NUMBERS.sub(_masked_digits, text)


def _masked_credential(found: re.Match[str]) -> str:
    return f"{found['scheme']} {MASK}" if found["scheme"] else f"{found['name']}{found['is']}{MASK}"


def _masked_mail(found: re.Match[str]) -> str:
    return found.group() if found.group().endswith(f"{MASK}@") else f"{MASK}@"


def _masked_digits(found: re.Match[str]) -> str:
    if found["readable"]:
        return found.group()
    number = re.sub(_ESCAPE, "", found["number"], flags=re.IGNORECASE)
    return masked_number(number) + (f" x{MASK}" if found["extension"] else "")


def without(text: str, private: Iterable[str]) -> str:
    """Returns `text` without any word that is part of what is private, as of a name: in any case, with accents or not."""
    parts = {word for value in private for word in map(_plain, _WORD.findall(value)) if len(word) >= _SHORTEST_PART}
    within = [part for part in parts if len(part) >= _SHORTEST_WITHIN]

    def masked(found: re.Match[str]) -> str:
        word = _plain(found.group())
        return MASK if word in parts or any(part in word for part in within) else found.group()

    return _WORD.sub(masked, text)


def _plain(word: str) -> str:
    spelt = unicodedata.normalize("NFKD", word)
    return "".join(character for character in spelt if not unicodedata.combining(character)).casefold()
