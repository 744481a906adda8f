"""Whatever the documentation shows is true: every block of code on every page is executed, and every link leads there."""

import re
from pathlib import Path

import markdown  # type: ignore[import-untyped]
import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort
from mkdocs.utils.meta import get_data

from tests.pages import executed

ROOT = Path(__file__).parent.parent
PAGES = [path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]
SITE = load_config(str(ROOT / "mkdocs.yml"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_is_true(page: str, tmp_path: Path) -> None:
    """Each block of code runs, or prints what it is said to, and none is shown that is not executed."""
    text, _ = get_data((ROOT / page).read_text(encoding="utf-8"))
    shown = markdown.markdown(text, extensions=SITE.markdown_extensions, extension_configs=SITE.mdx_configs)
    invisible = text.count("<!-- invisible-code-block:")

    assert 1 == shown.count("<h1"), "a page has one title"
    assert executed(ROOT / page, tmp_path) == shown.count("<pre") + invisible


BROKEN = {
    "code that raises": ('```python\nraise LookupError("here")\n```', "LookupError: here"),
    "code that is no code": ("```python\nit is\n```", "SyntaxError"),
    "a block that relies on the one below": ("```python\nlater\n```\n\n```python\nlater = 1\n```", "NameError"),
    "a block in an admonition": ("!!! note\n\n    ```python\n    missing\n    ```", "NameError"),
    "an invisible block": ("<!-- invisible-code-block: python\nmissing\n-->", "NameError"),
    "a test that fails": ("```python\nasync def test_it(sandbox):\n    assert sandbox is None\n```", "TESTS_FAILED"),
    "a test of its own loop that fails": ("```python\nasync def test_it():\n    raise KeyError\n```", "TESTS_FAILED"),
    "a warning of a configuration": (
        "```python\nfrom videosdk.agents import Agent\nfrom calltransfer import *\n\n\nclass A(TransferMixin, Agent):\n"
        '    async def on_enter(self): ...\n    async def on_exit(self): ...\n\n\nA("", transfers=DirectTransfer())\n```',
        "ConfigurationWarning",
    ),
    "an agent that needs what the page does not set": (
        "```python\nfrom videosdk.agents import Agent\nfrom calltransfer import *\n\n\nclass A(TransferMixin, Agent):\n"
        "    async def on_enter(self): ...\n    async def on_exit(self): ...\n\n\n"
        'A("", transfers=WarmTransfer(to="+14155550199"))\n```',
        "VIDEOSDK_CALLER_ID",
    ),
    "a strategy that does not conform": (
        "```python\nfrom calltransfer.testing import StrategyConformance\n\n\nclass TestIt(StrategyConformance):\n"
        "    def strategy(self):\n        return Nothing()\n\n    def targets(self):\n        return ['+14155550123']\n\n\n"
        "class Nothing:\n    async def transfer(self, call, request): ...\n```",
        "TESTS_FAILED",
    ),
    "a file that cannot be imported": ('```python title="agent.py"\nimport missing\n```', "ModuleNotFoundError"),
    "a file of tests that fail": (
        '```python title="test_it.py"\ndef test_it():\n    assert 1 == 2\n```',
        "TESTS_FAILED",
    ),
    "a file without tests": ('```python title="test_it.py"\n```', "NO_TESTS_COLLECTED"),
    "a plan with a mistake": (
        '```toml title="routes.toml"\n[routes.a]\nstrategy = "wram"\nwhen = "x"\n```',
        "did you mean 'warm'",
    ),
    "a plan that is not toml": ('```toml title="routes.toml"\n[routes\n```', "RoutesError"),
    "a plan without a name": ("```toml\n[routes]\n```", "needs a title"),
    "a plan that is checked to another end": (
        '```toml title="r.toml"\n[routes.a]\nstrategy = "wram"\nwhen = "x"\n```\n\n'
        "```console\n$ calltransfer check r.toml\n```",
        "did you mean 'warm'",
    ),
    "output that is another": ("```console\n$ echo one\ntwo\n```", "$ echo one\nprints\none\n"),
    "output that goes on": ("```console\n$ printf '1\\n2\\n'\n1\n```", "prints\n1\n2\n"),
    "a command that fails": ("```console\n$ python -c 'raise SystemExit(3)'\n```", "ends with 3"),
    "a command that is none": ("```console\n$ calltransfr demo\n```", "ends with 127"),
    "a command that reaches for the network": (
        "```console\n$ python -c 'import urllib.request as r; r.urlopen(\"http://192.0.2.1\")'\n```",
        "reaches for the network: 192.0.2.1",
    ),
    "code that reaches for the network": (
        '```python\nimport urllib.request\n\nurllib.request.urlopen("http://videosdk.live")\n```',
        "reaches for the network: videosdk.live",
    ),
    "a console without a prompt": ("```console\npip install calltransfer\n```", "begins with a command after '$ '"),
    "an extra that is none": ("```console\n$ pip install 'calltransfer[all]'\n```", "has no extra all"),
    "a package that is another's": ("```console\n$ pip install call-transfer\n```", "call-transfer is neither ours"),
    "a target that make has not": ("```console\n$ make tea\n```", "there is no make tea"),
    "a worker that the page has not": ("```console\n$ python agent.py\n```", "the page has no agent.py"),
    "an example that is gone": ("```console\n$ python examples/gone.py\n```", "there is no examples/gone.py"),
    "a language without a rule": ("```yaml\na: 1\n```", "there is no rule for a block of 'yaml'"),
    "a block without a language": ("```\na\n```", "there is no rule for a block of ''"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_a_page_shows_cannot_be_wrong(name: str, tmp_path: Path) -> None:
    """Whatever is wrong with a block, the page fails, and says what it is."""
    text, problem = BROKEN[name]
    page = tmp_path / "page.md"
    page.write_text(f"# A page\n\n{text}\n")
    folder = tmp_path / "folder"
    folder.mkdir()

    with pytest.raises((Exception, SystemExit)) as raised:
        executed(page, folder)
    assert problem in f"{raised.type.__name__}: {raised.value}"


def test_a_page_that_is_right(tmp_path: Path) -> None:
    """Files, later blocks, output with what is left out, and commands that continue on the next line."""
    page = tmp_path / "page.md"
    page.write_text(RIGHT)
    folder = tmp_path / "folder"
    folder.mkdir()

    assert 9 == executed(page, folder)


RIGHT = """# A page

<!-- invisible-code-block: python
import os
os.environ["SUPERVISOR"] = "+14155550199"
-->

```python title="numbers_of_ours.py"
FIRST = 1
```

```python
from numbers_of_ours import FIRST
```

1. in a list

    ```python title="numbers_of_ours.py" hl_lines="1"
    FIRST = 2
    ```

```python title="test_numbers.py"
from numbers_of_ours import FIRST


def test_it():
    assert 1 == FIRST
```

```console
$ pytest -q
F                   [100%]
...
E ... assert 1 == 2
...
1 failed in ...s
$ echo one \\
>   two   # three
one two
$ pip install -U 'calltransfer[cli]' videosdk-plugins-openai   # not executed
```

```toml title="routes.toml"
[routes.supervisor]
when = "the caller asks for a human"
strategy = "warm"
to = "${SUPERVISOR}"
```

```console
$ export VIDEOSDK_AUTH_TOKEN=... VIDEOSDK_CALLER_ID=+14155550100 VIDEOSDK_ROUTING_RULE=rr_support   # not executed
$ calltransfer check routes.toml
...
ok       routing rule rr_support: it is there, for outbound calls
...
```

```text
No code.
```
"""


LINKS = {
    "[there](other.md#a-section)": True,
    "[here](#a-page)": True,
    "[a page that is none](gone.md)": False,
    "[a section that is none](other.md#gone)": False,
    "[a section of the page that is none](#gone)": False,
    "![a picture that is none](gone.svg)": False,
    "[not relative](/other/)": False,
}


@pytest.mark.parametrize("link", LINKS)
def test_a_dead_link_breaks_the_site(link: str, tmp_path: Path) -> None:
    """`mkdocs build`, a part of `make test`, fails where a page or a section is not there."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "index.md").write_text(f"# A page\n\n{link}\n")
    (pages / "other.md").write_text("# Another page\n\n## A section\n")
    site = load_config(
        str(ROOT / "mkdocs.yml"),
        docs_dir=str(pages),
        site_dir=str(tmp_path / "site"),
        nav=["index.md", "other.md"],
        plugins=[],
        hooks=[],
    )

    if LINKS[link]:
        build(site)
    else:
        with pytest.raises(Abort, match="1 warnings in strict mode"):
            build(site)


def test_what_the_readme_links_to_is_there() -> None:
    """Files of the project, that is; what is elsewhere is not asked for."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    files = [link for link in links if not link.startswith("https://")]
    assert [] == [file for file in files if not (ROOT / file).is_file()]
