"""What a plan takes from an author's own code, written as "package.module:name"."""

import contextlib
import contextvars
import importlib
import os
import pathlib
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Final

from calltransfer.masking import masked_text
from calltransfer.routes.mistakes import right

REFERENCE: Final = re.compile(
    r"(?!(?:sips?|tel):)([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)", re.ASCII
)
"""How it is written."""

_FOLDERS: Final = contextvars.ContextVar[tuple[pathlib.Path, ...]]("folders", default=())


@contextlib.contextmanager
def looking_also_in(*folders: str | os.PathLike[str]) -> Iterator[None]:
    """Has modules that are named meanwhile be looked for in these folders, too; nothing else ever is."""
    before = _FOLDERS.set(tuple(pathlib.Path(folder).resolve() for folder in folders))
    try:
        yield
    finally:
        _FOLDERS.reset(before)


def look_also_in(*folders: str | os.PathLike[str]) -> None:
    """Has modules be looked for in these folders, after everywhere else.

    Code of an author's was named, so what lies beside it may be run. It still stands in for no module of Python's or of
    an installed package, which other code imports by that name: asyncio begins to need `queue` when it is running.
    """
    for folder in (str(pathlib.Path(folder).resolve()) for folder in folders):
        if folder not in sys.path:
            sys.path.append(folder)


def imported(reference: str, note: Callable[[str], Any]) -> Any | None:
    """What `reference` names; None, and `note` is told why, if there is no such thing.

    Whoever may write a plan may run code: it is imported, as any module of the program is.
    """
    look_also_in(*_FOLDERS.get())
    module_name, _, names = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is not None and f"{module_name}.".startswith(f"{missing.name}."):
            note(f"there is no module {missing.name!r} here; it is looked for where Python looks for modules")
        else:
            note(f"{module_name!r} cannot be imported: it needs {missing.name!r}, which is not installed")
        return None
    except (Exception, SystemExit) as error:
        note(f"{module_name!r} cannot be imported: {raised(error)}")
        return None
    module = found
    for name in names.split("."):
        if name not in dir(found):
            others = [each for each in dir(found) if not each.startswith("_")]
            hidden = _hidden_by(module)
            note(f"{module_name!r} has no {name!r}; {hidden or right(name, others, 'name something it defines')}")
            return None
        found = getattr(found, name)
    return found


def raised(error: Exception | SystemExit) -> str:
    """What code of an author's has raised, in words; `sys.exit()` raises, too."""
    text = masked_text(str(error))
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"it ends the program ({said})" if isinstance(error, SystemExit) else said


def _hidden_by(module: ModuleType) -> str:
    """What to do about a module of the author's that cannot be had, as another one has its name."""
    name = module.__name__.partition(".")[0]
    file = pathlib.Path(getattr(module, "__file__", None) or "/")
    for folder in _FOLDERS.get():
        if folder not in file.parents and ((folder / f"{name}.py").is_file() or (folder / name).is_dir()):
            return (
                f"there is another module of that name, which Python finds first: give yours another name than {name!r}"
            )
    return ""
