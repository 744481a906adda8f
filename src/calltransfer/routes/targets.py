"""Who is called: destinations as they are written in a plan."""

import re
from collections.abc import Iterator
from typing import Any, Final

import attrs
import phonenumbers

from calltransfer.destination import Destination, names_two_numbers
from calltransfer.errors import DestinationError
from calltransfer.masking import MASK, masked_address, shown
from calltransfer.policy import Policy
from calltransfer.routes.document import WRONG, Document
from calltransfer.routes.importing import REFERENCE, imported
from calltransfer.routes.mistakes import right
from calltransfer.routes.toml_lines import Path

_KEYS: Final = ("to", *(field.name for field in attrs.fields(Destination) if field.name != "address"))
_EXAMPLE: Final = '"+14155550199", or { to = "+14155550199", caller_id = "+14155550100" }'
_DIGITS: Final = re.compile(r"[\d ().\-/]{7,}", re.ASCII)
_A_NUMBER: Final = re.compile(r"\+\d[\d ().\-/]{6,}", re.ASCII)


class Targets:
    """Reads destinations, and holds them to the policy of the plan.

    A number without its country is read as one of `[numbers] region`, where the plan has that.
    """

    def __init__(self, document: Document) -> None:
        self._document = document
        self._mistakes = document.mistakes
        self._policy: Policy | None = None
        self._region = self._read_region()

    def hold_to(self, policy: Policy | None) -> None:
        """Has what `policy` does not allow be a mistake."""
        self._policy = policy

    def target(self, value: Any, path: Path) -> Any:
        """A destination, or the function of the author's that finds one; `WRONG` if it is neither."""
        if value is WRONG:
            return WRONG
        if isinstance(value, str) and REFERENCE.fullmatch(value) and value not in self._document.from_environment:
            found = imported(value, lambda message: self._mistakes.note(path, message))
            return WRONG if found is None else found
        if isinstance(value, str):
            return self._destination({"to": value}, path, whole=True)
        if isinstance(value, dict):
            return self._destination(value, path, whole=False)
        self._mistakes.note(path, f"is somebody to call, such as {_EXAMPLE}, not {shown(value)}")
        return WRONG

    def _destination(self, fields: dict[str, Any], path: Path, *, whole: bool) -> Any:
        """`whole`: the address stands for itself, without a table around it."""
        before = len(self._mistakes)
        for key in fields:
            if key not in _KEYS:
                otherwise = f"a destination has {', '.join(_KEYS)}"
                self._mistakes.note((*path, key), f"unknown key {shown(key)}; {right(key, _KEYS, otherwise)}")
        at = path if whole else (*path, "to")
        if "to" not in fields:
            self._mistakes.note(path, 'needs to, such as to = "+14155550199"')
        known = {key: value for key, value in fields.items() if key in _KEYS and value is not WRONG}
        options = {key: self._with_country(value) for key, value in known.items()}
        address = options.pop("to", None)
        allowing = {key: value for key, value in options.items() if key.startswith("allow_") and value is True}
        destination = None
        if address is not None:
            destination = self._made(address, allowing, at, known["to"])
        for key in [key for key in options if key not in allowing]:
            # Each for itself, beside an address that is right, so that all that is wrong is said at once.
            self._made("+14155550123", {key: options[key]}, (*path, key), known[key])
        problem = self._policy.problem(destination) if destination is not None and self._policy is not None else None
        if problem is not None:
            self._mistakes.note(
                at, f"'{destination}' is not allowed: {problem}; allow it in [policy], or call somebody else"
            )
        right_so_far = len(self._mistakes) == before and len(known) == len(fields)
        return Destination(address, **options) if right_so_far and address is not None else WRONG

    def _made(self, address: Any, options: dict[str, Any], path: Path, written: Any) -> Destination | None:
        try:
            return Destination(address, **options)
        except DestinationError as error:
            key = path[-1]
            message = re.sub(rf"^{key}=:? ", "", str(error))
            message = re.sub(r"Destination\(\.\.\., (\w+)=True\)", r"{ to = ..., \1 = true }", message)
            message = message.replace("Destination(..., extension='...')", '{ to = ..., extension = "..." }')
            message = message.replace("True or False", "true or false")
            self._mistakes.note(path, message + self._suggestion(written))
            return None

    def _with_country(self, value: Any) -> Any:
        """A number of the plan's region in international form; anything else as it is."""
        if self._region is None or not isinstance(value, str) or not _DIGITS.fullmatch(value.strip()):
            return value
        if names_two_numbers(value.strip()):
            return value
        return _in_region(value, self._region) or value

    def _suggestion(self, written: Any) -> str:
        """What a number would be that was written without its country."""
        if not isinstance(written, str) or not _DIGITS.fullmatch(written.strip()) or written.startswith("00"):
            return ""
        if names_two_numbers(written.strip()):
            return ""
        for region in ("ZZ", *([self._region] if self._region else self._likely_regions())):
            full = f"+{written}" if region == "ZZ" else written
            number = _in_region(full, region)
            if number is None:
                continue
            country = str(phonenumbers.parse(number).country_code)
            hidden = written in self._document.from_environment
            form = f"'+{country}{MASK}{'' if hidden else masked_address(number).removeprefix(MASK)}'"
            if region == "ZZ":
                return f"; put '+' in front of it: {form}"
            set_region = "" if self._region else f', or set region = "{region}" under [numbers]'
            what = _what_to_write(written, number, country, hidden=hidden)
            return f"; as a number of {region} it is {form}: {what}{set_region}"
        return "" if self._region else '; or set region, such as region = "US", under [numbers]'

    def _likely_regions(self) -> list[str]:
        """Those of the policy, and those of the other numbers in the plan."""
        named = sorted(self._policy.countries or ()) if self._policy is not None else []
        others = (phonenumbers.parse(number) for number in _numbers(self._document.tables))
        found = (phonenumbers.region_code_for_number(number) for number in others)
        return list(dict.fromkeys([*named, *(region for region in found if region)]))

    def _read_region(self) -> str | None:
        numbers = self._document.tables.get("numbers", {})
        if numbers is WRONG or numbers == {}:
            return None
        if not isinstance(numbers, dict):
            self._mistakes.note(("numbers",), f'is a table, such as [numbers] with region = "US", not {shown(numbers)}')
            return None
        for key in numbers:
            if key != "region":
                self._mistakes.note(
                    ("numbers", key), f"unknown key {shown(key)}; {right(key, ['region'], 'there is region')}"
                )
        region = numbers.get("region", WRONG)
        if region is WRONG or (isinstance(region, str) and region in phonenumbers.SUPPORTED_REGIONS):
            return None if region is WRONG else str(region)
        right_one = (
            f"did you mean '{region.upper()}'?" if _is_region(region) else "write two capital letters, such as 'US'"
        )
        self._mistakes.note(
            ("numbers", "region"), f"{shown(region)} is no region of ISO 3166 that has phone numbers; {right_one}"
        )
        return None


def _is_region(region: Any) -> bool:
    return isinstance(region, str) and region.upper() in phonenumbers.SUPPORTED_REGIONS


def _what_to_write(written: str, number: str, country: str, *, hidden: bool) -> str:
    """How to make `number` of what is written; of the number no more is in it than where it begins."""
    digits, national = re.sub(r"\D", "", written), number.removeprefix(f"+{country}")
    before = digits.removesuffix(national)
    if digits == national:
        return f"put '+{country}' in front of it"
    if len(before) < len(digits) and len(before) < 3 and not hidden:
        return f"put '+{country}' in the place of the '{before}' that it begins with"
    return f"begin it with '+{country}'"


def _in_region(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _numbers(value: Any) -> Iterator[str]:
    """Every number in international form that is somewhere in a document."""
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _numbers(each)
    elif isinstance(value, str) and _A_NUMBER.fullmatch(value) and _in_region(value, "ZZ"):
        yield value
