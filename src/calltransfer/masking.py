"""Hides what is private, for logs, events, errors and reprs."""

import re
import unicodedata
from collections.abc import Iterable

MASK = "***"

_LONGEST_SHOWN = 80
_LONGEST_SHAPE = 40
_LONGEST_LINE = 3000
_NOT_SHOWN = 1000
"""Characters at the end of a long line: what they say together may begin some hundred before it is known for private."""

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

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_QUAD = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}(?::[0-9]{{2,5}})?")
_PAIRS_LAST = re.compile(r"\.[0-9]{2}\.[0-9]{2}\Z")
_OF_A_NETWORK = re.compile(r"127\.|10\.[0-9]{1,3}\.[0-9]{1,3}\.|192\.168\.|172\.(?:1[6-9]|2[0-9]|3[01])\.|169\.254\.")
_COUNT = re.compile(r"[1-9][0-9]{0,2}")
_FEWEST_OF_A_PHONE = 7

# A JSON Web Token begins with "eyJ", at a word's beginning or not; then it is one if there is a second part.
_TOKEN = re.compile(r"\beyJ[\w-]+(?:(?:\.|%2E)[\w-]*)*|eyJ[\w-]{3,512}(?:\.|%2E)(?:[\w.-]|%2E)+")
# No word of prose: a digit or a capital within, or a character that words do not have, be it a full stop behind them.
_OPAQUE = r"(?=[a-z]*(?:[\d_~+/=%]|[.-]\w|(?-i:(?<=[a-z])[A-Z])))[\w.~+/=%-]{4,}|\w{16,}"
_OPAQUE_BASIC = r"(?=[a-z]*(?:[\d+/=]|(?-i:(?<=[a-z])[A-Z])))[a-z\d+/=]{4,}|\w{16,}"
_PROSE = (
    r"(?:it|its|the|this|that|they|these|those|there|an?|is|are|was|were|has|have|had|no|not|none|we|you|your|please|must|"
    r"cannot|could|does|did|to|in|at|on|for|from|when|where|if|what|which)(?:['’]\w{1,4})?[ \t]+[a-z]"
)
_CREDENTIAL = re.compile(
    r"\b(?:(?P<header>authorization[\"']?[ \t]*[:=])[ \t]*(?:(?:bearer|basic)(?:[ \t]+|%20))?[\"']?"
    rf"(?:{_OPAQUE})"
    rf"|(?P<scheme>(?:bearer(?:[ \t]+|%20)[\"']?(?={_OPAQUE})|basic(?:[ \t]+|%20)[\"']?(?={_OPAQUE_BASIC})))[\w.~+/=%-]+)"
    r"|(?P<name>token|secret|passw(?:or)?d|pwd|api[_ -]?key)(?:"
    r"(?P<is>\w{0,20}(?:=(?!=)|[\"']?[ \t]*[:=][ \t]*(?=[\"'])))"
    # "password: swordfish" too, but not "tokens: 120", and nothing that goes on as a sentence does: "the token: it is old".
    rf"|(?P<colon>(?:_\w{{0,20}}|(?-i:[A-Z])\w{{0,20}}|[ -]key)?[\"']?[ \t]*:[ \t]*(?!{_PROSE})))"
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
_LAST_WORD = re.compile(r"(?<!\S)\S*\Z")
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
    """Returns `text` masked, and on one line: what it says must not look like another line of a log.

    Of a long one the beginning: masking takes time, in which every call of the process waits.
    """
    return "".join(character if character.isprintable() else " " for character in _beginning_masked(text))


def _beginning_masked(text: str) -> str:
    """Returns `text` masked, or the beginning of it where it is long, with nothing cut that could then be read in part.

    A word is seen as a whole, and what is near the end is looked at and not shown: it may be a number, or a name, that
    would have been known for one by what follows.
    """
    if len(text) <= _LONGEST_LINE:
        return masked_text(text)
    seen = _LAST_WORD.sub("", text[:_LONGEST_LINE])
    return f"{masked_text(seen)[:-_NOT_SHOWN]}..."


def masked_text(text: str) -> str:
    """Returns `text` with what can be recognised as private masked, whoever's it is.

    That is phone numbers, in digits and in English words; tokens, and what is called a token, a secret, a password or an
    API key ("password: x", "api_key=x"), of which one word where it is not quoted; SIP URIs but for their host, names beside
    them, e-mail addresses, and the user of a URL. A name that stands for itself is not known for one; see `without`.
    """
    text = _TOKEN.sub(MASK, text)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _CREDENTIAL.sub(_masked_credential, text)
    text = _NAMED.sub(rf"{MASK} \1", text)
    text = _SIP.sub(rf"\1:{MASK}@", text)
    text = _SIP_ALONE.sub(rf"\1:{MASK}", text)
    text = _MAIL.sub(_masked_mail, text)
    return _NUMBERS.sub(_masked_digits, text)


def _masked_credential(found: re.Match[str]) -> str:
    if found["name"]:
        return f"{found['name']}{found['is'] or found['colon']}{MASK}"
    scheme = found["header"] or found["scheme"].rstrip("\"' \t")
    return f"{scheme} {MASK}"


def _masked_mail(found: re.Match[str]) -> str:
    return found.group() if found.group().endswith(f"{MASK}@") else f"{MASK}@"


def _masked_digits(found: re.Match[str]) -> str:
    if found["readable"] or (not found["extension"] and _is_ours(found)):
        return found.group()
    number = re.sub(_ESCAPE, "", found["number"], flags=re.IGNORECASE)
    return masked_number(number) + (f" x{MASK}" if found["extension"] else "")


def _is_ours(found: re.Match[str]) -> bool:
    """Whether digits are an address of a machine, or a list of counts, and could not be the number of a phone."""
    before, digits = found.string[max(0, found.start() - 3) : found.start()], found["number"]
    if before.endswith("+"):
        return False
    if _QUAD.fullmatch(digits):
        # The last two groups of a phone's number have two digits each where it is written in pairs.
        return before == "://" or not _PAIRS_LAST.search(digits) or _OF_A_NETWORK.match(digits) is not None
    return _is_list(digits)


def _is_list(digits: str) -> bool:
    """Whether `digits` are counts, as in "1, 2, 3, 4, 5" or "40; 20; 10; 5; 3", and not a number one digit after another.

    They only rise or only fall, and are too few for a phone; or they fall from longer ones to shorter ones, behind ";".
    """
    apart = "; " if ";" in digits else ", "
    counts = digits.split(apart)
    if not all(_COUNT.fullmatch(count) for count in counts):
        return False
    values = [int(count) for count in counts]
    rises, falls = values == sorted(set(values)), values == sorted(set(values), reverse=True)
    too_few = sum(map(len, counts)) < _FEWEST_OF_A_PHONE
    return ((rises or falls) and too_few) or (falls and apart == "; " and len(counts[0]) > len(counts[-1]))


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
