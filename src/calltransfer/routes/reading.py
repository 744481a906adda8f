"""Makes routes of a document: everything is looked at, whatever else is wrong, and every mistake is noted."""

import functools
import inspect
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

import attrs

from calltransfer.briefing import Briefing
from calltransfer.errors import ConfigurationError
from calltransfer.hold import HoldMusic, StayWithCaller
from calltransfer.masking import masked_text, shown
from calltransfer.policy import Policy
from calltransfer.route import Route
from calltransfer.routes.document import WRONG, Document
from calltransfer.routes.importing import REFERENCE, imported
from calltransfer.routes.kinds import EXAMPLES, KINDS, PLACEHOLDER, PLACEHOLDERS, Kind, kind_of
from calltransfer.routes.mistakes import meant, right
from calltransfer.routes.targets import Targets
from calltransfer.routes.toml_lines import Path
from calltransfer.schedule import Schedule, checked_exceptions, checked_time_zone, checked_week
from calltransfer.strategies.combining import checked_strategy, rung_at_once
from calltransfer.summary import ExtractiveSummary, LLMSummary

TABLES: Final = ("policy", "numbers", "hours", "strategies", "routes")

_NOT_AS_DATA: Final = {"llm", "otherwise"}
"""What only Python can say of a summary."""

_A_STRATEGY: Final = 'a name of [strategies], or a table such as { strategy = "warm", to = "+14155550199" }'


_IN_TOML: Final = {
    r"True or False": "true or false",
    r", or None,": ", or false,",
    r", or None for all": "; without it, all",
    r"\b(\w+)=True\b": r"\1 = true",
    r"\{Outcome\.DECLINED\}": '["declined"]',
    r"\{((?:'[^']*'(?:, )?)+)\}": r"[\1]",
    r"\(\) to say nothing": "[] to say nothing",
    r"\b(\w+)= or (\w+)=": r"\1 or \2",
    r"such as [A-Z]\w+\(\.\.\., (\w+)=(\w+)\)": r"such as \1 = \2",
}
"""How what a constructor says in Python's words is said in those of a plan."""


class Reader:
    """Reads one document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._mistakes = document.mistakes
        self._named: dict[str, Any] = {}
        self._being_read: list[str] = []
        self._hours: dict[str, Any] = {}
        self._targets = Targets(document)
        self._values: Mapping[str, Callable[[Any, Path], Any]] = {
            "briefing": self._briefing,
            "chooser": self._callable,
            "default": self._strategy,
            "deliver": self._callable,
            "done_key": self._key,
            "hold": self._hold,
            "inside": self._strategy,
            "outside": self._strategy,
            "return_key": self._key,
            "schedule": self._schedule,
            "strategies": self._strategies,
            "strategy": self._strategy,
            "summary": self._summary,
            "targets": self._several_targets,
            "to": self._targets.target,
        }
        """How the value of a parameter is read that is not taken as it stands."""

    def read(self) -> tuple[list[Route], Policy | None]:
        """The routes and the policy; what is wrong with them has been noted."""
        tables = self._document.tables
        for name in tables:
            if name not in TABLES:
                self._unknown((name,), name, TABLES)
        policy = self._policy()
        self._targets.hold_to(policy if isinstance(policy, Policy) else None)
        for name, table in self._tables("hours"):
            self._hours[name] = self._made_schedule(table, ("hours", name))
        for name, _ in self._tables("strategies"):
            self._of_name(name, ("strategies", name))
        routes = [self._route(name, table) for name, table in self._tables("routes")]
        if not routes and not len(self._mistakes):
            self._note((), f"has no route; write [routes.billing] with {EXAMPLES['when']} and a strategy")
        for route in routes:
            rung = 0 if route is None else rung_at_once(route.strategy)
            if route is not None and isinstance(policy, Policy) and rung > policy.dials_at_once:
                self._note(
                    ("routes", route.name),
                    f"rings {rung} phones at once, and dials_at_once in [policy] allows {policy.dials_at_once}; raise it, "
                    "or ring fewer",
                )
        return [route for route in routes if route is not None], policy if isinstance(policy, Policy) else None

    def _tables(self, section: str) -> Iterator[tuple[str, Any]]:
        tables = self._document.tables.get(section, {})
        if isinstance(tables, dict):
            yield from tables.items()
        elif tables is not WRONG:
            self._note(
                (section,), f"holds tables with names of your choice, such as [{section}.office], not {shown(tables)}"
            )

    def _policy(self) -> Any:
        if "policy" not in self._document.tables:
            return None
        return self._made(kind_of(Policy), self._document.tables["policy"], ("policy",))

    def _route(self, name: str, table: Any) -> Route | None:
        path = ("routes", name)
        if not isinstance(table, dict):
            if table is not WRONG:
                self._note(
                    path, f"is a table, such as [routes.billing] with a line {EXAMPLES['when']}, not {shown(table)}"
                )
            return None
        strategy = self._strategy({key: value for key, value in table.items() if key != "when"}, path, beside=("when",))
        if "when" not in table:
            self._missing(path, "when")
        if table.get("when", WRONG) is WRONG:
            return None
        try:
            return Route(name, PLACEHOLDER if strategy is WRONG else strategy, when=table["when"])
        except ConfigurationError as error:
            self._told((*path, "when") if "when=" in str(error) else path, error)
            return None

    def _strategy(self, value: Any, path: Path, *, beside: Collection[str] = ()) -> Any:
        """A strategy, wherever one stands; `beside`: keys of the same table that are not its own."""
        if value is WRONG:
            return WRONG
        if isinstance(value, str):
            return self._of_name(value, path)
        if not isinstance(value, dict):
            return self._note(path, f"is a strategy: {_A_STRATEGY}, not {shown(value)}")
        if "strategy" not in value:
            for key in value:
                if right(key, ("strategy",), ""):
                    return self._unknown((*path, key), key, ("strategy", *beside))
            return self._missing(path, "strategy")
        name, rest = value["strategy"], {key: each for key, each in value.items() if key != "strategy"}
        at = (*path, "strategy")
        if isinstance(name, str) and name in KINDS:
            return self._made(KINDS[name], rest, path, beside=beside)
        if isinstance(name, str) and REFERENCE.fullmatch(name):
            found = imported(name, self._noting(at))
            return WRONG if found is None else self._of_your_own(found, rest, path, beside, at)
        if isinstance(name, str) and not self._is_named(name):
            self._no_strategy(name, at)
            probably = meant(name, [*KINDS])
            if probably is not None:  # so that what else is wrong with it is said at once
                self._made(KINDS[probably], rest, path, beside=beside)
            return WRONG
        for key in rest:
            self._note((*path, key), "is of no use here: the strategy is one that is named, and has its own keys")
        return self._strategy(name, at)

    def _of_name(self, name: str, path: Path) -> Any:
        if REFERENCE.fullmatch(name):
            found = imported(name, self._noting(path))
            return WRONG if found is None else self._of_your_own(found, {}, path, (), path)
        if not self._is_named(name):
            return self._no_strategy(name, path)
        if name in self._being_read:
            circle = " -> ".join([*self._being_read[self._being_read.index(name) :], name])
            return self._note(
                path, f"goes round in a circle: {masked_text(circle)}; a strategy cannot be inside itself"
            )
        if name not in self._named:
            at = ("strategies", name)
            if name in KINDS:
                self._note(at, f"'{name}' is what a strategy of calltransfer is called; give yours another name")
            self._being_read.append(name)
            self._named[name] = self._strategy(self._document.tables["strategies"][name], at)
            self._being_read.pop()
        return self._named[name]

    def _is_named(self, name: str) -> bool:
        named = self._document.tables.get("strategies")
        return isinstance(named, dict) and name in named

    def _no_strategy(self, name: str, path: Path) -> Any:
        if name in KINDS:
            return self._note(path, f"says no more than its name; write {{ strategy = '{name}', ... }}")
        if re.search(r"\d{3}|@", name):
            return self._note(
                path, 'is an address, and a strategy stands here; write { strategy = "direct", to = ... }'
            )
        named = self._document.tables.get("strategies")
        known = [*KINDS, *(named if isinstance(named, dict) else ())]
        otherwise = f"there are {', '.join(sorted(KINDS))}, and what you name under [strategies]"
        return self._note(path, f"there is no strategy {shown(name)}; {right(name, known, otherwise)}")

    def _of_your_own(
        self, found: Any, table: dict[str, Any], path: Path, beside: Collection[str], named_at: Path
    ) -> Any:
        """A strategy of the author's: one that is ready, or a class or function that makes one."""
        if not inspect.isclass(found) and not inspect.isroutine(found):
            for key in table:
                self._note(
                    (*path, key), "is of no use beside a strategy that is ready; name its class to give it values"
                )
            return self._checked(lambda: checked_strategy(found, "it"), named_at)
        try:
            kind = kind_of(found)
        except ValueError:  # a built-in one may not say what it takes
            return self._note(named_at, "is neither a strategy, nor a class or function of yours that makes one")
        made = self._made(kind, table, path, beside=beside)
        return WRONG if made is WRONG else self._checked(lambda: checked_strategy(made, "it"), named_at)

    def _strategies(self, value: Any, path: Path) -> Any:
        if isinstance(value, str | dict):
            value = [value]
        if value == []:
            return self._note(path, f"is empty; name what is to be tried, such as {EXAMPLES['try']}")
        if not isinstance(value, list):
            return self._note(path, f"is a list of strategies, each {_A_STRATEGY}, not {shown(value)}")
        found = [self._strategy(each, (*path, position)) for position, each in enumerate(value)]
        return WRONG if any(each is WRONG for each in found) else found

    def _several_targets(self, value: Any, path: Path) -> Any:
        if not isinstance(value, list):
            return self._note(path, f"is a list of targets, such as {EXAMPLES['targets']}, not {shown(value)}")
        found = [self._targets.target(each, (*path, position)) for position, each in enumerate(value)]
        return WRONG if any(each is WRONG for each in found) else found

    def _callable(self, value: Any, path: Path) -> Any:
        if isinstance(value, str) and REFERENCE.fullmatch(value):
            found = imported(value, self._noting(path))
            return WRONG if found is None else found
        return self._note(path, f"is a function of yours, as 'package.module:name', not {shown(value)}")

    def _key(self, value: Any, _path: Path) -> Any:
        """A key of the phone; false where there is to be none, for which TOML has no other word."""
        return None if value is False else value

    def _hold(self, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._object(value, path, "{ every = 15.0 }")
        fields = dict(value)
        stay = fields.pop("stay_with_caller", False)
        if stay is not WRONG and not isinstance(stay, bool):
            self._note((*path, "stay_with_caller"), f"is true or false, not {shown(stay)}")
        if isinstance(fields.get("file"), str):
            fields["file"] = str(self._document.directory / fields["file"])
        music = self._made(kind_of(HoldMusic), fields, path, beside=("stay_with_caller",))
        return StayWithCaller(then=music) if stay is True and music is not WRONG else music

    def _summary(self, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._object(value, path, "{ words = 25 }")
        fields = dict(value)
        extractive = fields.pop("extractive", False)
        if extractive is not WRONG and not isinstance(extractive, bool):
            self._note((*path, "extractive"), f"is true or false, not {shown(extractive)}")
        kind = kind_of(ExtractiveSummary if extractive is True else LLMSummary)
        taken = tuple(name for name in kind.parameters if name not in _NOT_AS_DATA)
        return self._made(attrs.evolve(kind, parameters=taken), fields, path, beside=("extractive",))

    def _briefing(self, value: Any, path: Path) -> Any:
        if not isinstance(value, dict):
            return self._object(value, path, '{ gate = "keys_only" }')
        return self._made(kind_of(Briefing), value, path)

    def _object(self, value: Any, path: Path, example: str) -> Any:
        """Something of the author's own."""
        if value is WRONG:
            return WRONG
        if isinstance(value, str) and REFERENCE.fullmatch(value):
            found = imported(value, self._noting(path))
            return WRONG if found is None else found
        return self._note(
            path, f"is a table, such as {example}, or an object of yours, as 'package.module:name', not {shown(value)}"
        )

    def _schedule(self, value: Any, path: Path) -> Any:
        if isinstance(value, dict):
            return self._made_schedule(value, path)
        if not isinstance(value, str):
            return self._note(
                path, f"is a name of [hours], or a table with {EXAMPLES['time_zone']} and weekly, not {shown(value)}"
            )
        if value not in self._hours:
            otherwise = f"write a table [hours.{value}]" if value.isidentifier() else "write a name of [hours]"
            return self._note(path, f"there are no hours {shown(value)}; {right(value, self._hours, otherwise)}")
        return self._hours[value]

    def _made_schedule(self, table: Any, path: Path) -> Any:
        before = len(self._mistakes)
        if isinstance(table, dict):
            if isinstance(table.get("time_zone"), str):
                self._checked(lambda: checked_time_zone(table["time_zone"]), (*path, "time_zone"))
            for name, check in (("weekly", checked_week), ("exceptions", checked_exceptions)):
                days = table.get(name)
                for day, hours in days.items() if isinstance(days, dict) else ():
                    if hours is not WRONG:
                        self._checked(functools.partial(check, {day: hours}), (*path, name, day))
        if len(self._mistakes) == before:
            return self._made(kind_of(Schedule), table, path)
        self._check_keys(kind_of(Schedule), table, path)
        return WRONG

    def _made(self, kind: Kind, table: Any, path: Path, *, beside: Collection[str] = ()) -> Any:
        """What `kind` makes of a table; `beside`: keys that are somebody else's."""
        if table is WRONG:
            return WRONG
        if not isinstance(table, dict):
            return self._note(
                path, f"is a table with keys, such as {', '.join(list(kind.keys)[:3])}, not {shown(table)}"
            )
        before = len(self._mistakes)
        arguments: dict[str, Any] = {}
        self._check_keys(kind, table, path, beside)
        for key, parameter in kind.keys.items():
            if table.get(key, WRONG) is not WRONG:
                read = self._values.get(parameter)
                arguments[parameter] = read(table[key], (*path, key)) if read is not None else table[key]
        known = {name: value for name, value in arguments.items() if value is not WRONG}
        if not kind.required <= known.keys():
            self._each(kind, known, path, None)
            return WRONG
        try:
            made = kind.made(known)
        except Exception as error:
            self._each(kind, known, path, error)
            return WRONG
        return made if len(self._mistakes) == before and len(known) == len(table) else WRONG

    def _check_keys(self, kind: Kind, table: Mapping[str, Any], path: Path, beside: Collection[str] = ()) -> None:
        for key in table:
            if key not in kind.keys:
                self._unknown((*path, key), key, [*kind.keys, *beside])
        for key, parameter in kind.keys.items():
            if parameter in kind.required and key not in table:
                self._missing(path, key)

    def _each(self, kind: Kind, known: Mapping[str, Any], path: Path, whole: Exception | None) -> None:
        """Tries each value for itself, to learn which is wrong; `whole`: what all of them together have raised."""
        before = len(self._mistakes)
        needed = {name: known.get(name, PLACEHOLDERS.get(name)) for name in kind.required}
        without = _raised(kind, needed)
        if without is not None:
            needed = {name: PLACEHOLDERS.get(name) for name in kind.required}
        alone = _raised(kind, needed)
        others = {key: name for key, name in kind.keys.items() if name in known.keys() - needed.keys()}
        errors = {key: _raised(kind, {**needed, name: known[name]}) for key, name in others.items()}
        right_ones = {others[key]: known[others[key]] for key, error in errors.items() if error is None}
        for key, error in errors.items():
            if error is not None and str(error) != str(alone):  # and not one about what is missing here
                beside = _raised(kind, {**needed, **right_ones, others[key]: known[others[key]]})
                if beside is not None:  # it does not fit a default, which another key has replaced
                    self._told((*path, key), beside)
        if whole is not None and (len(self._mistakes) == before or str(whole) == str(without)):
            self._told(path, whole, kind.keys)

    def _checked(self, make: Callable[[], Any], path: Path) -> Any:
        try:
            return make()
        except Exception as error:
            self._told(path, error)
            return WRONG

    def _told(self, path: Path, error: Exception, keys: Collection[str] = ()) -> None:
        """Notes what a constructor has raised, in the words of a plan."""
        if not isinstance(error, ConfigurationError):
            self._note(path, f"raised {type(error).__name__}: {masked_text(str(error))}")
            return
        message = re.sub(r"^(?:Route (?:name )?'[^']*':? |[A-Z]\w*: |it: )|\b(?:Briefing|Policy)\.", "", str(error))
        message = re.sub(r"^[A-Z]\w* (?=needs )", "", message)
        begins = re.match(r"(\w+)(?:=:|=|:)? ", message)
        if begins and begins[1] in path[-2:-1]:  # the hours of one day
            message = message[begins.end() :].removeprefix(f"'{path[-1]}': ")
        elif begins and (begins[1] == path[-1] or begins[1] in keys):
            path = path if begins[1] == path[-1] else (*path, begins[1])
            message = message[begins.end() :]
        for python, toml in _IN_TOML.items():
            message = re.sub(python, toml, message)
        self._note(path, re.sub(r"\bGate\.([A-Z_]+)", lambda gate: f"'{gate[1].lower()}'", message))

    def _noting(self, path: Path) -> Callable[[str], Any]:
        return functools.partial(self._note, path)

    def _unknown(self, path: Path, key: str, known: Collection[str]) -> Any:
        otherwise = f"known here: {', '.join(sorted(known))}"
        return self._note(path, f"unknown key {shown(key)}; {right(key, known, otherwise)}")

    def _missing(self, path: Path, key: str) -> Any:
        return self._note(path, f"needs {key}" + (f", such as {EXAMPLES[key]}" if key in EXAMPLES else ""))

    def _note(self, path: Path, message: str) -> Any:
        self._mistakes.note(path, message)
        return WRONG


def _raised(kind: Kind, arguments: Mapping[str, Any]) -> Exception | None:
    try:
        kind.made(arguments)
    except Exception as error:
        return error
    return None
