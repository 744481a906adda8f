"""The pictures in the documentation: each is what the library does today."""

import itertools
import runpy
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"
COMMITTED = sorted((ROOT / "docs" / "assets").glob("transfer-*.svg"))


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "draw_transfers.py"))


@pytest.fixture(scope="module")
def drawn(script: dict[str, Any]) -> dict[Path, str]:
    pictures: dict[Path, str] = script["pictures"]()
    return pictures


def test_the_pictures_are_what_the_sandbox_shows_today(drawn: dict[Path, str]) -> None:
    """Whoever changes what is said or done runs scripts/draw_transfers.py, and looks at the pictures."""
    assert {path: path.read_text(encoding="utf-8") for path in COMMITTED} == drawn


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_a_picture_is_told_in_words_too(path: Path) -> None:
    """With a title and a description, to which it refers, for those who do not see it."""
    picture = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314  # our own file

    named = {
        found.get("id"): found.text or ""
        for found in (picture.find(f"{SVG}title"), picture.find(f"{SVG}desc"))
        if found is not None
    }

    assert list(named) == (picture.get("aria-labelledby") or "").split()
    assert all(sentence.strip() for sentence in named.values())


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_nothing_in_a_picture_is_drawn_over_something_else(path: Path, script: dict[str, Any]) -> None:
    """No line of a lane comes closer to the one above it than a line is high."""
    picture = ElementTree.fromstring(path.read_text(encoding="utf-8"))  # noqa: S314
    lines: dict[str, list[float]] = {}
    for text in picture.iter(f"{SVG}text"):
        if text.get("class") != "axis":
            lines.setdefault(str(text.get("x")), []).append(float(str(text.get("y"))))

    closest = min(below - above for lane in lines.values() for above, below in itertools.pairwise(sorted(lane)))

    assert closest > script["LINE"] - 0.5  # places are rounded


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.stem)
def test_no_number_is_in_a_picture(path: Path) -> None:
    """Who is called stands there as a word."""
    assert "+1415" not in path.read_text(encoding="utf-8")
