"""The strategies that a plan can be made of, by their names, and the keys that each takes."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from calltransfer.call import TransferStrategy
from calltransfer.destination import Destination
from calltransfer.schedule import Schedule
from calltransfer.strategies.bridge import direct_or_bridge
from calltransfer.strategies.choose import Choose
from calltransfer.strategies.direct import DirectTransfer
from calltransfer.strategies.fallback import Fallback
from calltransfer.strategies.limit import Limit
from calltransfer.strategies.open_hours import OpenHours
from calltransfer.strategies.ring_group import RingGroup
from calltransfer.strategies.take_message import TakeMessage
from calltransfer.strategies.warm import WarmTransfer

KEY_OF: Final = {"strategies": "try", "strategy": "try", "schedule": "hours"}
"""Parameters whose keys are called otherwise: "strategy" says which one it is, and schedules have a table of their own."""

EXAMPLES: Final = {
    "chooser": 'chooser = "my_agent.plans:choose"',
    "deliver": 'deliver = "my_agent.messages:deliver"',
    "hours": 'hours = "office"',
    "inside": 'inside = { strategy = "warm", to = "+14155550199" }',
    "strategy": 'strategy = "warm"',
    "targets": 'targets = ["+14155550199", "+14155550188"]',
    "time_zone": 'time_zone = "Europe/Berlin"',
    "to": 'to = "+14155550199"',
    "try": 'try = ["supervisors", { strategy = "direct", to = "+14155550123" }]',
    "weekly": 'weekly = { mon-fri = "09:00-17:00" }',
    "when": 'when = "the caller asks about an invoice"',
}
"""How a key is written that must not be missing."""


@attrs.frozen
class Kind:
    """A strategy, or whatever else is made of keys and values.

    Attributes:
        make: What makes it.
        parameters: What `make` takes by name.
        required: Those that must be given.
        several: The one that is taken as separate arguments, where there is one.
    """

    make: Callable[..., Any]
    parameters: tuple[str, ...]
    required: frozenset[str] = frozenset()
    several: str | None = None

    @property
    def keys(self) -> dict[str, str]:
        """The keys, each with its parameter."""
        return {KEY_OF.get(parameter, parameter): parameter for parameter in self.parameters}

    def made(self, arguments: Mapping[str, Any]) -> Any:
        """What is made of these values.

        Raises:
            Exception: whatever the constructor raises; for ours a `ConfigurationError`.
        """
        if self.several is None:
            return self.make(**arguments)
        rest = {name: value for name, value in arguments.items() if name != self.several}
        return self.make(*arguments.get(self.several, ()), **rest)


def kind_of(make: Callable[..., Any], *, required: frozenset[str] = frozenset()) -> Kind:
    """What `make` takes, from its signature; `required` must be given although it has a default."""
    parameters = inspect.signature(make).parameters.values()
    taken = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    needed = {each.name for each in taken if each.default is each.empty}
    several = [each.name for each in taken if each.kind is each.VAR_POSITIONAL]
    return Kind(make, tuple(each.name for each in taken), required | needed, several[0] if several else None)


def _ring_group(**values: Any) -> RingGroup:
    """A ring group: how its targets are consulted is written beside them."""
    own = {name: values.pop(name) for name in _GROUP if name in values}
    return RingGroup(WarmTransfer(**values), **own)


_WARM: Final = kind_of(WarmTransfer, required=frozenset({"to"}))
_GROUP: Final = tuple(name for name in kind_of(RingGroup).parameters if name != "warm")
_OF_EACH: Final = tuple(name for name in _WARM.parameters if name != "to")

KINDS: Final[Mapping[str, Kind]] = {
    "choose": kind_of(Choose),
    "direct": kind_of(DirectTransfer),
    "direct_or_bridge": kind_of(direct_or_bridge),
    "fallback": kind_of(Fallback, required=frozenset({"strategies"})),
    "limit": kind_of(Limit),
    "open_hours": kind_of(OpenHours),
    "ring_group": Kind(_ring_group, (*_GROUP, *_OF_EACH), frozenset({"targets"})),
    "take_message": kind_of(TakeMessage),
    "warm": _WARM,
}
"""The strategies of calltransfer, by the names they have in a plan."""

PLACEHOLDER: Final[TransferStrategy] = DirectTransfer()
_A_TARGET: Final = Destination("+14155550199")


async def _nobody(_message: Any) -> None:
    """Delivers nothing."""


PLACEHOLDERS: Final[Mapping[str, Any]] = {
    "chooser": lambda _call, _request: None,
    "deliver": _nobody,
    "inside": PLACEHOLDER,
    "schedule": Schedule("UTC", {}),
    "strategies": [PLACEHOLDER],
    "strategy": PLACEHOLDER,
    "targets": [_A_TARGET],
    "to": _A_TARGET,
}
"""Stand in for what is wrong, or missing, so that what is around it can be checked all the same."""
