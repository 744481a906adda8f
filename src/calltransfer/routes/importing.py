"""What a plan takes from an author's own code, written as "package.module:name"."""

import importlib
import re
from collections.abc import Callable
from typing import Any, Final

from calltransfer.masking import masked_text
from calltransfer.routes.mistakes import right

REFERENCE: Final = re.compile(
    r"(?!(?:sips?|tel):)([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII
)
"""How it is written."""


def imported(reference: str, note: Callable[[str], Any]) -> Any | None:
    """What `reference` names; None, and `note` is told why, if there is no such thing.

    Whoever may write a plan may run code: it is imported, as any module of the program is.
    """
    module_name, _, names = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is not None and f"{module_name}.".startswith(f"{missing.name}."):
            note(f"there is no module {missing.name!r} here; it is looked for where Python looks for modules")
        else:
            note(f"{module_name!r} cannot be imported: it needs {missing.name!r}, which is not installed")
        return None
    except Exception as error:
        note(f"{module_name!r} cannot be imported: {type(error).__name__}: {masked_text(str(error))}")
        return None
    for name in names.split("."):
        if name not in dir(found):
            others = [each for each in dir(found) if not each.startswith("_")]
            note(f"{module_name!r} has no {name!r}; {right(name, others, 'name something it defines')}")
            return None
        found = getattr(found, name)
    return found
