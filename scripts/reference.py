"""Writes the tables of the reference from the code: a hook of mkdocs, that fills in `<!-- table: NAME -->` in a page."""

import functools
import importlib
import math
import pathlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import griffe
import yaml

_HERE = pathlib.Path(__file__).parent
_PAGES = _HERE.parent / "docs" / "reference"
_TABLE = re.compile(r"^<!-- table: (\w+)\s*([^<>]*?)\s*-->$", re.MULTILINE)
_DIRECTIVE = re.compile(r"^::: (calltransfer[\w.]*)\n((?:    .*\n)*)", re.MULTILINE)

PUBLIC = (
    "calltransfer",
    "calltransfer.platform",
    "calltransfer.hold",
    "calltransfer.errors",
    "calltransfer.sandbox",
    "calltransfer.testing",
)
"""The modules whose names are public."""


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fills in the tables of a page; mkdocs calls it for each."""
    return _TABLE.sub(lambda asked: TABLES[asked[1]](*filter(None, [asked[2]])), markdown)


@functools.cache
def code() -> Any:
    """The package as mkdocstrings reads it."""
    if str(_HERE.parent) not in sys.path:
        sys.path.insert(0, str(_HERE.parent))
    from scripts.signatures import Signatures

    loader = griffe.GriffeLoader(
        extensions=griffe.load_extensions(Signatures),
        search_paths=[_HERE.parent / "src"],
        docstring_parser=griffe.Parser("google"),
        docstring_options={"warnings": False},
    )
    package = loader.load("calltransfer")
    loader.resolve_aliases(implicit=True)
    return package


def found(path: str) -> Any:
    """What `path` names, as it is in the code."""
    within = code()
    named: Any = within[path.removeprefix("calltransfer.")] if path != "calltransfer" else within
    return named.final_target if named.is_alias else named


def pages() -> Iterator[tuple[pathlib.Path, list[str]]]:
    """The pages that document names, each with those that it does."""
    navigation = (_HERE.parent / "mkdocs.yml").read_text()
    listed = sorted(_PAGES.glob("*.md"), key=lambda page: navigation.find(f"reference/{page.name}"))
    for page in listed:
        names = [path for path, _ in _DIRECTIVE.findall(page.read_text())]
        if names:
            yield page, names


def shown() -> Iterator[tuple[str, list[str] | None, bool]]:
    """What each directive documents, which of its members (None: all that are public), and whether how it is made."""
    for page, _ in pages():
        for path, written in _DIRECTIVE.findall(page.read_text()):
            options = (yaml.safe_load(written) or {}).get("options", {})
            members = options.get("members")
            yield path, [] if members is False else members, options.get("merge_init_into_class", True)


def _row(*cells: object) -> str:
    """A row of a table. A bar is escaped where it stands outside code; in code it separates nothing."""
    texts = (" ".join(str(cell).split()) for cell in cells)
    escaped = ("`".join(_outside(part, place) for place, part in enumerate(text.split("`"))) for text in texts)
    return f"| {' | '.join(escaped)} |"


def _outside(part: str, place: int) -> str:
    return part if place % 2 else part.replace("|", r"\|")


def _table(heads: str, rows: Iterator[str]) -> str:
    columns = heads.split("|")
    return "\n".join([_row(*columns), _row(*["---"] * len(columns)), *rows])


def _says(named: Any) -> str:
    """The first sentence of a docstring."""
    text = named.docstring.value.partition("\n\n")[0] if named.docstring is not None else ""
    return re.split(r"(?<=[.!?])\s", text)[0].rstrip(".")


def names() -> str:
    """Every public name, with what it is, by the pages on which they are documented."""
    written = []
    for page, paths in pages():
        title = page.read_text().partition("\n")[0].removeprefix("# ")
        rows = (_row(f"[`{path.rpartition('.')[2]}`][{path}]", _says(found(path))) for path in paths)
        written.append(f"## [{title}]({page.name})\n\n{_table('name|what it is', rows)}")
    return "\n\n".join(written)


def members(of: str) -> str:
    """The members of an enumeration, with what its docstrings say of them."""
    named = found(f"calltransfer.{of}")
    rows = (
        _row(f"`{each.name}`", each.docstring.value)
        for each in named.members.values()
        if each.is_attribute and each.name.isupper()
    )
    return _table("name|what it means", rows)


def statuses() -> str:
    """What each of the platform's statuses is taken for."""
    following = imported("calltransfer.videosdk.following")
    meaning, outcome = following.Meaning, imported("calltransfer").Outcome
    forwarded = {
        meaning.FORWARDED: outcome.CONNECTED,
        meaning.NOT_FORWARDED: outcome.FAILED,
        meaning.OVER: outcome.UNCONFIRMED,
    }
    rows = []
    for status, means in following.STATUSES.items():
        dialled = following.UNANSWERED.get(status, outcome.FAILED) if means is meaning.OVER else None
        ends = (f"`{end.name}`" if end is not None else "" for end in (forwarded.get(means), dialled))
        rows.append(_row(f"`{status}`", means.value, *ends))
    return _table("status|what it says|of a caller who was forwarded|of a target who never answered", iter(rows))


def contradicted() -> str:
    """For how long a caller who is in the agent's room contradicts a `transferred`."""
    following = imported("calltransfer.videosdk.following")
    says: dict[float, list[str]] = {}
    for status, means in following.STATUSES.items():
        says.setdefault(following.CONTRADICTED_FOR[means], []).append(f"`{status}`")
    rows = (
        _row(", ".join(statuses), "until the deadline" if seconds == math.inf else f"{seconds:g} s")
        for seconds, statuses in sorted(says.items())
    )
    return _table("the platform says now|then they are taken to be with the agent after", rows)


def fields(of: str) -> str:
    """The attributes of a value, in a table."""
    rows = (
        _row(f"`{name}`", f"{_cell(each.annotation)}: {each.description}")
        for name, each in _parameters(f"calltransfer.{of}").items()
    )
    return _table("name|what it is", rows)


def _cell(annotation: Any) -> str:
    return f"`{annotation}`".replace(chr(34), "").replace("'", "")


_IN_TOML = {
    "briefing": "table, or reference",
    "chooser": "reference",
    "countries": "list of texts",
    "decline_key": "key",
    "accept_key": "key",
    "default": "strategy",
    "deliver": "reference",
    "done_key": "key, or `false`",
    "exceptions": "table of hours",
    "hold": "table, or reference",
    "inside": "strategy",
    "outside": "strategy",
    "return_key": "key, or `false`",
    "schedule": "name of `[hours]`, or table",
    "sip_hosts": "list of texts",
    "stop_on": "list of outcomes",
    "strategies": "list of strategies",
    "strategy": "strategy",
    "summary": "table, or reference",
    "targets": "list of targets",
    "to": "target",
    "weekly": "table of hours",
}
"""The types of parameters that a plan writes otherwise than Python."""

_TYPES = {
    "bool": "true or false",
    "float": "seconds",
    "int": "whole number",
    "str": "text",
    "Gate": "text",
    "Move": "text",
}


def _type(name: str, annotation: str) -> str:
    if name in _IN_TOML:
        return _IN_TOML[name]
    plain = annotation.replace(" | None", "").replace("str | ", "")
    return "list of texts" if "tuple[" in plain or "Iterable" in plain else _TYPES.get(plain, "text")


def _default(parameter: Any, *, required: bool) -> str:
    if required:
        return "required"
    text = str(parameter.default) if parameter is not None and parameter.default is not None else ""
    if text in {"None", "{}", "()", "frozenset()", "..."}:
        return "optional"  # the text says what holds without it
    text = text.replace("Gate.VOICE_OR_KEY", "'voice_or_key'").replace("True", "true").replace("False", "false")
    return f"by default `{text}`".replace("'", '"')


def _parameters(path: str) -> dict[str, Any]:
    named = found(path)
    docstring = named.docstring
    # As parsed for the reference: with the defaults that it shows.
    sections = docstring.parsed
    kinds = {griffe.DocstringSectionKind.parameters, griffe.DocstringSectionKind.attributes}
    return {each.name.lstrip("*"): each for section in sections if section.kind in kinds for each in section.value}


def _keys(kind: Any, *paths: str, without: frozenset[str] = frozenset()) -> str:
    described: dict[str, Any] = {}
    for path in reversed(paths):
        described |= _parameters(path)
    rows = (
        _row(
            f"`{key}`",
            f"*{_type(name, str(described[name].annotation))}, "
            f"{_default(described[name], required=name in kind.required)}.* {described[name].description}",
        )
        for key, name in kind.keys.items()
        if name not in without
    )
    return _table("key|what it is", rows)


def strategies() -> str:
    """The strategies that a plan can name, each with its keys."""
    kinds = imported("calltransfer.routes.kinds").KINDS
    special = {"ring_group": ("calltransfer.RingGroup", "calltransfer.WarmTransfer")}
    written = []
    for name, kind in kinds.items():
        paths = special.get(name, (f"calltransfer.{kind.make.__name__}",))
        of = f"[`{paths[0].rpartition('.')[2]}`][{paths[0]}]"
        written.append(f'### `strategy = "{name}"`\n\nIs a {of}.\n\n{_keys(kind, *paths)}')
    return "\n\n".join(written)


def keys(of: str) -> str:
    """The keys of a table that is no strategy."""
    kinds = imported("calltransfer.routes.kinds")
    reading = imported("calltransfer.routes.reading")
    path = f"calltransfer.{of}"
    return _keys(kinds.kind_of(run_time(path)), path, without=frozenset(reading._NOT_AS_DATA))  # noqa: SLF001


def target() -> str:
    """The keys of a target that is written as a table."""
    targets = imported("calltransfer.routes.targets")
    described = _parameters("calltransfer.Destination")
    types = {"headers": "table of texts", "metadata": "table"}
    rows = []
    for key in targets._KEYS:  # noqa: SLF001
        field = described["address" if key == "to" else key]
        kind = "text" if key == "to" else types.get(key) or _type(key, str(field.annotation))
        rows.append(_row(f"`{key}`", f"*{kind}, {_default(field, required=key == 'to')}.* {field.description}"))
    return _table("key|what it is", iter(rows))


def run_time(path: str) -> Any:
    """What `path` names, imported."""
    module, _, name = path.rpartition(".")
    return getattr(imported(module), name)


def imported(module: str) -> Any:
    """A module; what the SDK says meanwhile of what it uses is not about the reference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(module)


def listed(text: str) -> Iterator[tuple[str, str]]:
    """The constants of a table of deadlines, one a line, each with what sets it."""
    for line in text.splitlines():
        name, _, rest = line.strip().partition(" ")
        yield name, rest.strip()


def value_of(name: str) -> Any:
    """The value of a constant that is named without the package."""
    return run_time(f"calltransfer.{name}")


def deadlines(text: str) -> str:
    """What the constants bound, in the words of the code, with their values, and what sets them."""
    known = [*listed(text)]
    heads = "s|what for|set with" if any(set_with for _, set_with in known) else "s|what for"
    rows = []
    for name, set_with in known:
        value = value_of(name)
        shown = ", ".join(f"{each:g}" for each in (value if isinstance(value, tuple) else (value,)))
        what = f"{found(f'calltransfer.{name}').docstring.value}<br><small>`{name}`</small>"
        rows.append(_row(*(f"**{shown}**", what, set_with)[: heads.count("|") + 1]))
    return _table(heads, iter(rows))


def added_up(text: str) -> str:
    """Deadlines that come one after the other, and what they come to; a line is "what is waited for: a, b x 4"."""
    rows, total = [], 0.0
    for line in text.splitlines():
        what, _, names = line.strip().rpartition(": ")
        seconds = 0.0
        for each in names.split(","):
            name, _, times = each.strip().partition(" x ")
            value = value_of(name)
            seconds += (sum(value) if isinstance(value, tuple) else value) * int(times or 1)
        total += seconds
        rows.append(_row(what, f"{seconds:g}"))
    rows.append(_row("**all of it**", f"**{total:g}**"))
    return _table("what is waited for|s, at most", iter(rows))


TABLES: dict[str, Callable[..., str]] = {
    "added_up": added_up,
    "contradicted": contradicted,
    "deadlines": deadlines,
    "fields": fields,
    "keys": keys,
    "members": members,
    "names": names,
    "statuses": statuses,
    "strategies": strategies,
    "target": target,
}
