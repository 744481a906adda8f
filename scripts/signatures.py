"""Makes signatures readable in the reference: an extension of griffe, which mkdocstrings reads the code with.

An attrs class gets the signature of its constructor, and what its docstring lists as attributes is listed with types and
defaults. A default that is a constant is shown as its value, and what is too long for a signature as "...". A public name in
a docstring is a link.
"""

import re
from typing import Any

import griffe

_LONGEST_IN_SIGNATURE = 24
_LONGEST = 90
_DECORATORS = {"attrs.frozen", "attrs.define"}


class Signatures(griffe.Extension):
    """The extension; its name is in mkdocs.yml."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Looks at everything once it has all been read, so that constants of other modules are known."""
        self._public = {str(name): pkg[str(name)] for name in pkg.exports or () if str(name) in pkg.members}
        self._look(pkg)

    def _look(self, within: griffe.Module | griffe.Class) -> None:
        for member in list(within.members.values()):
            if isinstance(member, griffe.Alias):
                continue
            if member.docstring is not None:
                self._link(member.docstring, member.name)
            if isinstance(member, griffe.Class):
                if _is_attrs(member):
                    _construct(member)
                else:
                    _show(member.members.get("__init__"), member.docstring)
            if isinstance(member, griffe.Module | griffe.Class):
                self._look(member)
            elif member.is_function:
                _show(member, member.docstring)

    def _link(self, docstring: griffe.Docstring, own: str) -> None:
        def linked(found: re.Match[str]) -> str:
            name, _, rest = found[1].removesuffix("()").partition(".")
            if name not in self._public or name == own:
                return found[0]
            path = f"calltransfer.sandbox.{name}" if name == "Sandbox" else f"calltransfer.{name}"
            member = self._public[name].members.get(rest)
            # What a value holds stands in the list of its parameters, without an anchor of its own.
            return f"[{found[0]}][{path}{f'.{rest}' if member is not None and member.is_function else ''}]"

        docstring.value = re.sub(r"(?<!\[)`([A-Za-z][\w.]*(?:\(\))?)`", linked, docstring.value)


def _is_attrs(cls: griffe.Class) -> bool:
    return any(decorator.callable_path in _DECORATORS for decorator in cls.decorators)


def _construct(cls: griffe.Class) -> None:
    if "__init__" not in cls.members:
        keywords = next((d.value for d in cls.decorators if d.callable_path in _DECORATORS), None)
        all_keywords = _arguments(keywords).get("kw_only") == "True"
        fields = [_parameter(field, all_keywords=all_keywords) for field in _fields(cls)]
        own = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
        fields.sort(key=lambda field: field.kind is griffe.ParameterKind.keyword_only)
        init = griffe.Function("__init__", parameters=griffe.Parameters(own, *fields), parent=cls, returns="None")
        cls.set_member("__init__", init)
    if cls.docstring is not None:
        cls.docstring.value = cls.docstring.value.replace("\nAttributes:\n", "\nArgs:\n")
    constructor = cls.members["__init__"]
    _show(constructor, cls.docstring)
    if isinstance(constructor, griffe.Function):
        for parameter in constructor.parameters:
            parameter.annotation = None  # they are in the list below it


def _fields(cls: griffe.Class) -> list[griffe.Attribute]:
    return [
        each
        for each in cls.members.values()
        if isinstance(each, griffe.Attribute)
        and _arguments(each.value).get("init") != "False"
        and each.annotation is not None
        and "property" not in each.labels
        and each.name[0] != "_"
    ]


def _parameter(field: griffe.Attribute, *, all_keywords: bool) -> griffe.Parameter:
    given = _arguments(field.value)
    default: Any = field.value
    if given or str(field.value).startswith(("attrs.field", "_answer(")):
        default = given.get("default")
        if "factory" in given:
            default = {"dict": "{}", "list": "[]"}.get(str(given["factory"]), f"{given['factory']}()")
        elif "Factory(" in str(default) or str(field.value).startswith("_answer("):
            default = "..."
    by_keyword = all_keywords or given.get("kw_only") == "True"
    kinds = griffe.ParameterKind
    kind = kinds.keyword_only if by_keyword else kinds.positional_or_keyword
    return griffe.Parameter(field.name, annotation=field.annotation, kind=kind, default=default)


def _arguments(expression: Any) -> dict[str, Any]:
    if not isinstance(expression, griffe.ExprCall):
        return {}
    return {each.name: each.value for each in expression.arguments if isinstance(each, griffe.ExprKeyword)}


def _show(function: Any, docstring: griffe.Docstring | None) -> None:
    """Shortens the defaults of a signature; in the list of its parameters they are shown as far as they can be read."""
    if function is None or not function.is_function:
        return
    for parameter in function.parameters:
        parameter.default = _readable(function, parameter.default)
    if docstring is not None:
        docstring.parsed = docstring.parse("google", warnings=False)
    for parameter in function.parameters:
        if parameter.default is not None and len(str(parameter.default)) > _LONGEST_IN_SIGNATURE:
            parameter.default = "..."


def _readable(function: griffe.Function, default: Any) -> Any:
    if isinstance(default, griffe.ExprName):
        try:
            constant = function.modules_collection[default.canonical_path]
            default = constant.value if constant.is_attribute and constant.value is not None else default
        except (KeyError, griffe.AliasResolutionError):
            pass
    text = str(default) if default is not None else ""
    return default if len(text) <= _LONGEST and "lambda" not in text else "..."
