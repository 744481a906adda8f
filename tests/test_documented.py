"""Everything that is public is documented: in the code, and on one page of the reference."""

import ast
import importlib
import pathlib
import re
import sys
import textwrap
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs
import griffe

from calltransfer.briefing import Briefing
from calltransfer.destination import Destination
from calltransfer.events import Phase
from calltransfer.hold import HoldMusic
from calltransfer.outcome import Outcome
from calltransfer.policy import Policy
from calltransfer.routes.kinds import KINDS, kind_of
from calltransfer.routes.reading import _NOT_AS_DATA, TABLES
from calltransfer.schedule import Schedule
from calltransfer.summary import ExtractiveSummary, LLMSummary
from calltransfer.testing.witness import BOUND
from calltransfer.timeline import _UNWANTED_PHASES

ROOT: Final = pathlib.Path(__file__).parent.parent
PAGES: Final = ROOT / "docs" / "reference"

sys.path.insert(0, str(ROOT / "scripts"))
reference: Final[Any] = importlib.import_module("reference")

NAMES: Final = [f"{module}.{name}" for module in reference.PUBLIC for name in importlib.import_module(module).__all__]


def _public() -> Iterator[Any]:
    """Every public name once, and what is public of the classes."""
    for path in sorted({reference.found(name).path for name in NAMES}):
        named = reference.found(path)
        yield named
        if named.is_class:
            yield from (each for each in named.members.values() if not each.is_alias and each.name[0] != "_")


PUBLIC: Final = list(_public())


def _on_pages() -> Iterator[Any]:
    """What the pages show: classes that users make, functions and methods."""
    for path, members, made in reference.shown():
        named = reference.found(path)
        if named.is_function or (named.is_class and made):
            yield named
        for each in named.members.values():
            chosen = each.name in members if members is not None else each.name[0] != "_"
            if each.is_function and chosen:
                yield each


ON_PAGES: Final = list(_on_pages())


def _bases(named: Any) -> list[Any]:
    """What `named` overrides in the bases of its class."""
    owner = named.parent
    found = [base.members.get(named.name) for base in owner.mro()] if owner is not None and owner.is_class else []
    return [each for each in found if each is not None]


def _docstring(named: Any) -> str:
    """Its own, or that of what it overrides."""
    return next((each.docstring.value for each in (named, *_bases(named)) if each.docstring is not None), "")


def _listed(named: Any, *kinds: griffe.DocstringSectionKind) -> dict[str, str]:
    sections = griffe.Docstring(_docstring(named)).parse("google", warnings=False)
    return {
        (each.annotation if section.kind is griffe.DocstringSectionKind.raises else each.name).lstrip("*"): (
            each.description
        )
        for section in sections
        if section.kind in kinds
        for each in section.value
    }


def _described(named: Any) -> dict[str, str]:
    """What is said of each parameter."""
    return _listed(named, griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes)


def _parameters(named: Any) -> list[griffe.Parameter]:
    made_by = named if named.is_function else named.members.get("__init__")
    return [each for each in made_by.parameters if each.name not in {"self", "cls"}] if made_by is not None else []


def test_every_public_name_is_on_exactly_one_page() -> None:
    """A name that is exported is documented by one directive, wherever it can be imported from."""
    on_pages = Counter(reference.found(path).path for path, _, _ in reference.shown())
    assert set(on_pages) == {reference.found(name).path for name in NAMES}
    assert [path for path, times in on_pages.items() if times > 1] == []


def test_the_pages_show_what_there_is() -> None:
    """A member that a page is to show exists: mkdocstrings leaves out silently what does not."""
    shown = ((reference.found(path), path, members or []) for path, members, _ in reference.shown())
    assert [f"{path}.{name}" for named, path, names in shown for name in names if name not in named.all_members] == []


def test_names_are_documented_in_the_reference_only() -> None:
    """No other page documents a name, which would then be linked to on either."""
    elsewhere = [page for page in (ROOT / "docs").rglob("*.md") if page.parent != PAGES]
    assert [page.name for page in elsewhere if re.search("^::: ", page.read_text(), re.MULTILINE)] == []


def test_every_page_is_in_the_navigation() -> None:
    """Every page of the reference can be found."""
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert [page.name for page in PAGES.glob("*.md") if f"reference/{page.name}" not in navigation] == []


def test_what_is_public_says_what_it_is() -> None:
    """Every public name, and every public method and attribute of a class, has a docstring, its own or inherited."""

    def said(named: Any) -> bool:
        owners = named.parent.mro() if named.parent is not None and named.parent.is_class else []
        return bool(_docstring(named)) or any(named.name in _described(each) for each in (named.parent, *owners))

    assert [each.path for each in PUBLIC if not said(each)] == []


def test_parameters_are_described() -> None:
    """Every parameter of what the pages show is described: in a list, or by name in the text."""
    unsaid = {
        each.path: [
            parameter.name
            for parameter in _parameters(each)
            if parameter.name.lstrip("*")[0] != "_"
            and parameter.name.lstrip("*") not in _described(each)
            and not re.search(rf"`{parameter.name}\b", _docstring(each))
        ]
        for each in ON_PAGES
    }
    assert {path: names for path, names in unsaid.items() if names} == {}


def test_seconds_are_called_seconds() -> None:
    """A parameter or attribute that is a float says that it is in seconds: there is no other unit."""
    unsaid = []
    for each in ON_PAGES:
        described = _described(each)
        floats = {parameter.name for parameter in _parameters(each) if "float" in str(parameter.annotation)}
        if each.is_class:
            floats |= {own.name for own in each.members.values() if own.is_attribute and "float" in str(own.annotation)}
        text = _docstring(each)
        unsaid += [f"{each.path}: {name}" for name in floats if "econds" not in described.get(name, text)]
    assert [name for name in unsaid if not re.search(r": _|\w+\._", name)] == []


def _raised(function: Any) -> set[str]:
    """The classes of errors that a function's own code raises by name, and does not catch."""
    tree = ast.parse(textwrap.dedent(function.source))
    tries = [node for node in ast.walk(tree) if isinstance(node, ast.Try) and node.handlers]
    caught = {id(each) for node in tries for own in node.body for each in ast.walk(own)}
    raises = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and id(node) not in caught)
    calls = (each.func if isinstance(each, ast.Call) else each for each in raises)
    return {each.id for each in calls if isinstance(each, ast.Name) and each.id[0].isupper()}


def test_what_is_raised_is_listed() -> None:
    """An error that the code of a function, or of a class's construction, raises stands under "Raises"."""
    unsaid = {}
    for each in ON_PAGES:
        made_by = (
            [each] if each.is_function else [each.members.get(name) for name in ("__init__", "__attrs_post_init__")]
        )
        raised = set().union(*(_raised(one) for one in made_by if one is not None and one.lineno))
        if each.is_class and any("validator=" in str(own.value) for own in each.members.values() if own.is_attribute):
            raised.add("DestinationError" if each.name == "Destination" else "ConfigurationError")
        unsaid[each.path] = raised - set(_listed(each, griffe.DocstringSectionKind.raises))
    assert {path: names for path, names in unsaid.items() if names} == {}


def test_every_deadline_is_in_the_tables() -> None:
    """Every constant of the library that is a deadline is in one table of the page of deadlines, and only in one."""
    page = (PAGES / "deadlines.md").read_text()
    tables = re.findall(r"<!-- table: deadlines\n(.*?)-->", page, re.DOTALL)
    shown = [name for table in tables for name, _ in reference.listed(table.strip())]
    assert set(_deadlines()) - set(shown) == set()
    assert [name for name, times in Counter(shown).items() if times > 1] == []


def test_the_bound_of_a_transfer_is_what_its_deadlines_come_to() -> None:
    """The pages, and the witness that every call of the tests is held to, have the same number of seconds."""
    section = (PAGES / "deadlines.md").read_text().partition("## Any strategy")[2].partition("\n## ")[0]
    (table,) = re.findall(r"<!-- table: added_up\n(.*?)-->", section, re.DOTALL)
    assert f"**{BOUND:g}**" in reference.added_up(table.strip())
    assert f"[within {BOUND:g} s]" in (PAGES.parent / "explanation" / "invariants.md").read_text()


def _deadlines() -> Iterator[str]:
    """The constants whose name says that they are one, but for those of the sandbox and the testing kit."""
    source = ROOT / "src" / "calltransfer"
    for path in source.rglob("*.py"):
        if {"sandbox", "testing"} & set(path.parts):
            continue
        module = ".".join(path.relative_to(source).with_suffix("").parts)
        found = re.findall(r"^(_?[A-Z_]*(?:TIMEOUT|DEADLINE))(?:: \S+)? = ", path.read_text(), re.MULTILINE)
        yield from (f"{module}.{name}" for name in found)


def test_every_end_says_who_speaks() -> None:
    """The table of who speaks at the end has every outcome."""
    page = (PAGES / "outcomes.md").read_text()
    section = page.partition("## Who speaks at the end")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == {outcome.name for outcome in Outcome}


def test_values_are_names_in_small_letters() -> None:
    """An outcome's, or a phase's, value is what the page says it is."""
    assert [each for kind in (Outcome, Phase) for each in kind if each.value != each.name.lower()] == []


def test_the_levels_of_the_log_are_those_of_the_code() -> None:
    """The page names every event that is logged as a warning."""
    (row,) = re.findall(r"^\| `WARNING` \|.*$", (PAGES / "outcomes.md").read_text(), re.MULTILINE)
    unwanted = {phase.name for phase in _UNWANTED_PHASES}
    assert set(re.findall(r"`([A-Z_]+)`", row)) - {"WARNING"} == unwanted | {"FAILED", "REFUSED"}


def test_the_example_of_a_plan_uses_every_key() -> None:
    """The plan on the page of configuration has every table there is, and every key of each."""
    page = (PAGES / "configuration.md").read_text()
    plan = tomllib.loads(re.findall(r'```toml title="routes.toml"\n(.*?)```', page, re.DOTALL)[0])
    assert set(plan) == set(TABLES)
    used: dict[str, set[str]] = {}
    _collect(plan, used)
    missing = {name: set(kind.keys) - used.get(name, set()) for name, kind in KINDS.items()}
    targets = {"to", *(field.name for field in attrs.fields(Destination) if field.name != "address")}
    missing |= {
        "policy": set(kind_of(Policy).keys) - set(plan["policy"]),
        "hours": set(kind_of(Schedule).keys) - set(plan["hours"]["office"]),
        "target": targets - used["target"],
        "hold": {*kind_of(HoldMusic).keys, "stay_with_caller"} - used["hold"],
        "summary": {*kind_of(LLMSummary).keys, *kind_of(ExtractiveSummary).keys, "extractive"}
        - _NOT_AS_DATA
        - used["summary"],
        "briefing": set(kind_of(Briefing).keys) - used["briefing"],
    }
    assert {name: keys for name, keys in missing.items() if keys} == {}


def _collect(value: Any, used: dict[str, set[str]]) -> None:
    """Gathers the keys of each strategy, and of each table inside one, wherever it stands."""
    if isinstance(value, Mapping):
        if "strategy" in value:
            used.setdefault(value["strategy"], set()).update(value)
        for name, each in value.items():
            if name in {"hold", "summary", "briefing"} and isinstance(each, Mapping):
                used.setdefault(name, set()).update(each)
            if "to" in value and "strategy" not in value:
                used.setdefault("target", set()).update(value)
            _collect(each, used)
    elif isinstance(value, list):
        for each in value:
            _collect(each, used)
