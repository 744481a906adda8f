"""Where things stand in a TOML file: of every document that tomllib reads, the same keys, each on its own line."""

import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calltransfer.routes.toml_lines import Path, lines_of

WRITTEN = '''\
title = "a # no comment [nor a table]"   # a comment with "quotes" and [brackets]

[a.b]          # the line of a, of a.b
'quoted "key"' = 1
"es\\u0063aped" = 2
x.y . z = 3
text = """
[not.a.table]
key = "\\""" no end
"two quotes at the end"""""
literal = \'\'\'
# no comment
it''s'\'\'\'
empty = [""\x20, '', """""", \'\'\'\'\'\', {}, []]
many = [
  1, # one
  [ 2,
    3 ],
  { deep = { deeper = [
    4,
  ] }, other.key = 5 },
]
when = 1979-05-27 07:32:00 # a space in it
[[list]]
n = 6
[[ list . "in\x20it" ]]
n = 7
[list."in it".table]
n = 8
[[list]]
[[list]]
n = 9
'''

EXPECTED: dict[Path, int] = {
    (): 1,
    ("title",): 1,
    ("a",): 3,
    ("a", "b"): 3,
    ("a", "b", 'quoted "key"'): 4,
    ("a", "b", "escaped"): 5,
    ("a", "b", "x"): 6,
    ("a", "b", "x", "y"): 6,
    ("a", "b", "x", "y", "z"): 6,
    ("a", "b", "text"): 7,
    ("a", "b", "literal"): 11,
    ("a", "b", "empty"): 14,
    **{("a", "b", "empty", n): 14 for n in range(6)},
    ("a", "b", "many"): 15,
    ("a", "b", "many", 0): 16,
    ("a", "b", "many", 1): 17,
    ("a", "b", "many", 1, 0): 17,
    ("a", "b", "many", 1, 1): 18,
    ("a", "b", "many", 2): 19,
    ("a", "b", "many", 2, "deep"): 19,
    ("a", "b", "many", 2, "deep", "deeper"): 19,
    ("a", "b", "many", 2, "deep", "deeper", 0): 20,
    ("a", "b", "many", 2, "other"): 21,
    ("a", "b", "many", 2, "other", "key"): 21,
    ("a", "b", "when"): 23,
    ("list",): 24,
    ("list", 0): 24,
    ("list", 0, "n"): 25,
    ("list", 0, "in it"): 26,
    ("list", 0, "in it", 0): 26,
    ("list", 0, "in it", 0, "n"): 27,
    ("list", 0, "in it", 0, "table"): 28,
    ("list", 0, "in it", 0, "table", "n"): 29,
    ("list", 1): 30,
    ("list", 2): 31,
    ("list", 2, "n"): 32,
}


def paths_of(value: Any, path: Path = ()) -> Iterator[Path]:
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield from paths_of(member, (*path, name))


def at(document: Any, path: Path) -> Any:
    for name in path:
        document = document[name]
    return document


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_every_way_to_write_it(ends: str) -> None:
    """Comments, dotted and quoted keys, strings over lines, tables within tables: each has the line it stands on."""
    text = WRITTEN.replace("\n", ends)

    assert set(paths_of(tomllib.loads(text))) == set(EXPECTED)
    assert EXPECTED == lines_of(text)


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "   # nothing", "\t\n#"])
def test_nothing_in_it(text: str) -> None:
    """An empty file has nothing but itself."""
    assert {(): 1} == lines_of(text)


def test_what_is_no_toml() -> None:
    """It is for what tomllib has accepted; anything else is refused, not misread for ever."""
    with pytest.raises(ValueError, match="not valid TOML"):
        lines_of("= 1")


TEXT = st.text(st.sampled_from("ab \"'\\#[]{},=.\n\t-1é"), max_size=6)
KEYS = st.one_of(st.sampled_from(["a", "b-1", "2026-12-25", "_"]), TEXT)
LEAVES = st.one_of(st.just("number"), st.just("text"), st.just("date"))
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=12,
)


class Writer:
    """Writes a document in one of the many ways TOML has for it; every leaf has a number that is nowhere else."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.numbers = itertools.count(300_001)

    def blank(self) -> str:
        return self.draw(st.sampled_from(["", " ", "\t", "\n", ' # ], } " = [x]\n', "\n\n  "]))

    def space(self) -> str:
        return self.draw(st.sampled_from(["", " ", "\t "]))

    def key(self, name: str) -> str:
        bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        if bare and self.draw(st.booleans()):
            return name
        if "'" not in name and "\n" not in name and "\t" not in name and self.draw(st.booleans()):
            return f"'{name}'"
        return json.dumps(name)

    def value(self, value: Any) -> str:
        if isinstance(value, list):
            members = [f"{self.blank()}{self.value(each)}{self.blank()}" for each in value]
            comma = "," if bool(members) and self.draw(st.booleans()) else ""
            return f"[{','.join(members)}{comma}{self.blank()}]"
        if isinstance(value, dict):
            pairs = [
                f"{self.space()}{self.key(name)}{self.space()}={self.space()}{self.value(each)}{self.space()}"
                for name, each in value.items()
            ]
            return f"{{{self.space()}{','.join(pairs)}}}"
        number = next(self.numbers)
        return {
            "number": f"{number}",
            "date": f"1987-07-05 17:45:00.{number}",
            "text": self.draw(
                st.sampled_from(
                    [
                        f'"{number} \\" # ]"',
                        f"'{number} \" # }}'",
                        f'"""{number}\n"" # \\""" ]\n"""""',
                        f"'''{number}\n'' # ]'''",
                    ]
                )
            ),
        }[value]

    def table(self, table: dict[str, Any], header: tuple[str, ...] = ()) -> str:
        pairs, tables = [], []
        for name, each in table.items():
            path = (*header, name)
            written = f"{self.space()}.{self.space()}".join(map(self.key, path))
            if isinstance(each, dict) and self.draw(st.booleans()):
                tables.append(f"{self.blank()}[{self.space()}{written}{self.space()}]\n{self.table(each, path)}")
            elif (
                isinstance(each, list) and each and all(isinstance(e, dict) for e in each) and self.draw(st.booleans())
            ):
                tables += [f"{self.blank()}[[{written}]] # x\n{self.table(member, path)}" for member in each]
            else:
                pairs.append(f"{self.blank()}{self.key(name)}{self.space()}={self.space()}{self.value(each)}\n")
        return "".join([*pairs, *tables])


@st.composite
def documents(draw: st.DrawFn) -> str:
    return Writer(draw).table(draw(st.dictionaries(KEYS, VALUES, max_size=4)))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(documents())
@example('a = """"300001" # """\nb = 300002\n')
def test_the_same_as_tomllib(text: str) -> None:
    """Whatever the document and however it is written: what tomllib finds is found, each leaf on its own line."""
    document = tomllib.loads(text)
    lines = lines_of(text)

    assert set(paths_of(document)) == set(lines)
    for path, line in lines.items():
        leaf = at(document, path)
        if isinstance(leaf, dict | list):
            continue
        number = re.findall(r"3000\d\d", str(leaf))[0]
        assert number in text.splitlines()[line - 1]
