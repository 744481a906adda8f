"""An agent that is named on the command line, "agent.py:SupportAgent": imported, and made, to see what it declares."""

import importlib.machinery
import importlib.util
import inspect
import pathlib
import re
import sys
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

import attrs

from calltransfer.errors import ConfigurationError, ConfigurationWarning, RoutesError
from calltransfer.platform import Platform
from calltransfer.routes import Routes
from calltransfer.routes.importing import look_also_in, raised
from calltransfer.routes.mistakes import right

if TYPE_CHECKING:
    from calltransfer.agent import TransferMixin

_NAMED: Final = re.compile(r"(?P<file>.+\.py)(?::(?P<name>[A-Za-z_][\w.]*)?)?", re.ASCII)


@attrs.frozen
class NamedAgent:
    """An agent on the command line.

    Attributes:
        file: The file it is in.
        name: The class, or a function that makes one; "": none is named.
    """

    file: pathlib.Path
    name: str

    def declared(self) -> tuple[Routes, Platform]:
        """Its routes and its platform.

        Raises:
            ConfigurationError: there is no such agent, or it cannot be made.
        """
        from calltransfer.agent import TransferMixin, declared_by

        module = self._imported()
        agents = [
            name
            for name, member in vars(module).items()
            if isinstance(member, type) and issubclass(member, TransferMixin) and member is not TransferMixin
        ]
        if not self.name:
            names = " or ".join(f"'{self.file}:{name}'" for name in agents) or "there is none in it"
            raise ConfigurationError(f"{self.file}: name the agent in it: {names}")
        found: Any = module
        for part in self.name.split("."):
            if part not in dir(found):
                raise ConfigurationError(f"{self}: there is no {part!r}; {right(part, agents, 'name an agent in it')}")
            found = getattr(found, part)
        made = self._made(found)
        try:
            declared = declared_by(made)
        except ConfigurationError as error:
            raise ConfigurationError(f"{self}: {error}") from None
        return declared.routes, declared.platform

    def __str__(self) -> str:
        return f"{self.file}:{self.name}"

    def _made(self, found: Any) -> "TransferMixin":
        from calltransfer.agent import TransferMixin

        if callable(found):
            try:
                inspect.signature(found).bind()
            except (TypeError, ValueError) as missing:
                raise ConfigurationError(
                    f"{self}: cannot be made without arguments ({missing}); name a function in the file that makes one, and "
                    "takes none"
                ) from None
            with warnings.catch_warnings():
                # What is not set up is said with what it is about, and what was given on the command line counts.
                warnings.simplefilter("ignore", ConfigurationWarning)
                try:
                    found = found()
                except RoutesError:
                    raise  # which names the lines of the plan
                except ConfigurationError as error:
                    raise ConfigurationError(f"{self}: {error}") from None
                except (Exception, SystemExit) as error:
                    raise ConfigurationError(f"{self}: cannot be made: {raised(error)}") from None
        if inspect.iscoroutine(found):
            found.close()  # or Python warns, beside what is said here, that nobody has awaited it
        if not isinstance(found, TransferMixin):
            raise ConfigurationError(
                f"{self}: is no agent with TransferMixin, nor a function that makes one, but {type(found).__name__}"
            )
        return found

    def _imported(self) -> ModuleType:
        file = self.file.resolve()
        if not file.is_file():
            raise ConfigurationError(f"{self.file}: cannot be read: there is no such file")
        # What it imports from beside it is found, as when it is run; it stands in for no other module.
        look_also_in(file.parent)
        taken = file.stem in sys.modules or _is_elsewhere(file)
        name = f"calltransfer_checked_{file.stem}" if taken else file.stem
        loader = importlib.machinery.SourceFileLoader(name, str(file))
        spec = importlib.util.spec_from_loader(name, loader)
        assert spec is not None  # noqa: S101 # a file has one
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConfigurationWarning)
                loader.exec_module(module)
        except RoutesError:
            raise
        except ConfigurationError as error:
            raise ConfigurationError(f"{self.file}: {error}") from None
        except (Exception, SystemExit) as error:  # an exit would be this command's, and its 0 says that all is well
            raise ConfigurationError(f"{self.file}: cannot be imported: {raised(error)}") from None
        return module


def named_agent(argument: str) -> NamedAgent | None:
    """The agent that an argument of the command line names; None: it names a plan."""
    found = _NAMED.fullmatch(argument)
    return None if found is None else NamedAgent(pathlib.Path(found["file"]), found["name"] or "")


def _is_elsewhere(file: pathlib.Path) -> bool:
    """Whether Python would find another module by the name of this file."""
    try:
        spec = importlib.util.find_spec(file.stem)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None and pathlib.Path(spec.origin).resolve() != file
