"""Routes as data: a plan that is written in TOML, or in a mapping of the same form."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self, overload

import attrs
from typing_extensions import override

from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown
from calltransfer.policy import Policy
from calltransfer.route import Route
from calltransfer.routes.document import Document, read_mapping, read_toml, too_deep
from calltransfer.routes.reading import Reader


def _routes(value: Any) -> tuple[Route, ...]:
    routes = tuple(value) if isinstance(value, Sequence) else (value,)
    for route in routes:
        if not isinstance(route, Route):
            raise ConfigurationError(f"Routes takes Route objects, not {shown(route)}")
    return routes


def _a_policy(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not isinstance(value, Policy):
        raise ConfigurationError(f"{attribute.name}= takes a Policy, not {type(value).__name__}")


@attrs.frozen
class Routes(Sequence[Route]):
    """The routes of an agent, and what they may call: a value, for `TransferMixin(transfers=...)`.

        Routes.from_toml("routes.toml")

    with a file such as

        [policy]
        countries = ["US"]

        [hours.office]
        time_zone = "America/New_York"
        weekly = { mon-fri = "09:00-17:00" }

        [routes.supervisor]
        when = "the caller is upset or asks for a human"
        strategy = "open_hours"
        hours = "office"
        inside = { strategy = "warm", to = "${SUPERVISOR}" }

    Attributes:
        routes: The routes, in order.
        policy: What may be called, and how often; None: nothing is said about it.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    routes: tuple[Route, ...] = attrs.field(converter=_routes)
    policy: Policy | None = attrs.field(default=None, kw_only=True, validator=_a_policy)

    @classmethod
    def from_toml(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a plan from a TOML file. Paths in it are relative to it, "${NAME}" is a variable of the environment.

        What it names as "package.module:name" is imported: whoever may write it may run code.

        Args:
            path: The file, in UTF-8.

        Raises:
            RoutesError: something in it is wrong; it names every mistake, with its line and what would be right.
        """
        try:
            return cls._read(read_toml(path))
        except RecursionError:
            raise too_deep(os.fspath(path)) from None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], *, directory: str | os.PathLike[str] = ".") -> Self:
        """Reads a plan from a mapping of the form that the TOML file has.

        Args:
            mapping: The tables: "routes", "strategies", "hours", "numbers" and "policy".
            directory: What paths in it are relative to.

        Raises:
            RoutesError: something in it is wrong; it names every mistake, and what would be right.
        """
        try:
            return cls._read(read_mapping(mapping, directory))
        except RecursionError:
            raise too_deep() from None

    @classmethod
    def _read(cls, document: Document) -> Self:
        routes, policy = Reader(document).read()
        document.mistakes.raise_if_any()
        return cls(routes, policy=policy)

    @overload
    def __getitem__(self, index: int) -> Route: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Route]: ...
    @override
    def __getitem__(self, index: int | slice) -> Route | Sequence[Route]:
        return self.routes[index]

    @override
    def __len__(self) -> int:
        return len(self.routes)

    @override
    def __iter__(self) -> Iterator[Route]:
        return iter(self.routes)
