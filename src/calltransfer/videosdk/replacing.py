"""What is changed of an object of the SDK for a while, by several at a time: it is undone in whatever order they end.

Two blocks that change the same thing do not always end the other way round as they began: the one that holds back an
author's hang-up while the caller is forwarded goes on when the hold around it is over. If each put back what it had found,
the last one would put back the other's.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import attrs

_SHARED: Final = "_calltransfer_shared"


class Shared:
    """A change that is made once, for as long as anybody needs it."""

    sharers = 0

    def undo(self) -> None:
        """Nobody needs it any more."""


T = TypeVar("T", bound=Shared)


def share(owner: object, key: object, make: Callable[[], T]) -> tuple[T, Callable[[], bool]]:
    """Makes the change of `owner` that is known by `key`, or shares the one that somebody has made.

    Returns:
        The change, and what ends that it is needed here; that can be called again, and returns whether it has been undone.
    """
    changes: dict[object, Any] = vars(owner).setdefault(_SHARED, {})
    if key not in changes:
        changes[key] = make()
    shared: T = changes[key]
    shared.sharers += 1
    needed = True

    def end() -> bool:
        nonlocal needed
        if not needed:
            return False
        needed = False
        shared.sharers -= 1
        if shared.sharers:
            return False
        del changes[key]
        if not changes:
            del vars(owner)[_SHARED]
        shared.undo()
        return True

    return shared, end


def replace(owner: object, name: str, value: Any, *, among: dict[Any, Any] | None = None) -> Callable[[], None]:
    """Puts `value` in the place of what `owner` has by `name`, until what is returned is called; that can be called again.

    The newest value is there; once all have been taken away, what was there before. What somebody else has put there
    meanwhile is theirs, and stays.

    Args:
        owner: An object of the SDK.
        name: The name of an attribute; one that its class gives it is hidden.
        value: What is to be there.
        among: Where the names are: by default the attributes, else a dictionary of the object's.
    """
    names = vars(owner) if among is None else among
    place, end = share(owner, (id(names), name), lambda: _Place(names, name))
    put = place.put(value)

    def take_away() -> None:
        place.take_away(put)
        end()

    return take_away


@attrs.frozen(eq=False)
class _Put:
    value: Any


_NOTHING: Final = _Put(object())


class _Place(Shared):
    """One name, what was there first of all, and what has been put there since."""

    def __init__(self, names: dict[Any, Any], name: str) -> None:
        self._names = names
        self._name = name
        self._put = [self._found]

    @property
    def _found(self) -> _Put:
        return _Put(self._names[self._name]) if self._name in self._names else _NOTHING

    @property
    def _is_ours(self) -> bool:
        return self._found.value is self._put[-1].value

    def put(self, value: Any) -> _Put:
        if not self._is_ours:
            self._put = [self._found]  # somebody else's: what was under it does not come back
        put = _Put(value)
        self._put.append(put)
        self._names[self._name] = value
        return put

    def take_away(self, put: _Put) -> None:
        if put not in self._put:
            return
        ours = self._is_ours
        self._put.remove(put)
        if not ours:
            return
        if self._put[-1] is _NOTHING:
            self._names.pop(self._name, None)
        else:
            self._names[self._name] = self._put[-1].value
