"""Say which of the things we rely on a version of the SDK has changed, from what pytest wrote down.

    pytest tests/test_sdk_contract.py --junitxml contract.xml
    python scripts/report_contract.py contract.xml [more.xml ...]

Prints Markdown; the exit status is 1 if anything is broken, or if a file is missing. `tests/test_sdk_contract.py` names
what is gone; other tests show what behaves differently.
"""

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

GONE = re.compile(r"this SDK has no (\S+) any more; we need it because: (.*)")
CONTRACT = "test_sdk_contract"


def main(*files: str) -> int:
    """Prints the report; returns the exit status."""
    cases = [case for file in files for case in failed(file)]
    gone = [(found[1], found[2]) for _, said in cases if (found := GONE.search(said))]
    others = [(test, said) for test, said in cases if not GONE.search(said)]
    import_errors = [(test, said) for test, said in others if CONTRACT in test]
    behaviour = [(test, said) for test, said in others if CONTRACT not in test]
    sdk = f"videosdk-agents {importlib.metadata.version('videosdk-agents')}"
    if not cases:
        print(f"# {sdk}: nothing we rely on has changed")
        return 0
    print(
        f"# {sdk} breaks {counted(len(gone) + len(import_errors), 'contract')} and {counted(len(behaviour), 'test')}\n"
    )
    if gone:
        print("| gone from the SDK | what we need it for |\n|---|---|")
        for name, why in gone:
            print(f"| `{name}` | {why} |")
        print()
    for heading, tests in (("The contract itself", import_errors), ("What behaves differently", behaviour)):
        if tests:
            print(f"## {heading}\n")
            for test, said in tests:
                print(f"- `{test}`: {said}")
            print()
    print("Names and reasons are in `src/calltransfer/videosdk/_sdk.py`.")
    return 1


def failed(file: str) -> Iterator[tuple[str, str]]:
    """Each test that failed or could not be loaded, and what it said."""
    if not Path(file).is_file():
        yield file, "was not written: pytest did not get that far"
        return
    for case in ElementTree.parse(file).iter("testcase"):  # noqa: S314 # pytest wrote it
        test = "::".join(filter(None, (case.get("classname"), case.get("name"))))
        for bad in (*case.iter("failure"), *case.iter("error")):
            # A module that cannot be loaded has only "collection failure" for a message; pytest marks what was raised.
            raised = re.findall(r"^E +(.*\S)", bad.text or "", re.MULTILINE)
            message = (bad.get("message") or "").splitlines()
            yield test, next(iter([*(raised[-1:] if "collection" in "".join(message) else message), *raised]), "")


def counted(number: int, thing: str) -> str:
    """One thing, or several."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
