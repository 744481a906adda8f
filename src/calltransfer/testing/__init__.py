"""What users test their strategies and their agents with; ours are tested with it, too.

Installing the package gives pytest the fixture `sandbox`. For a strategy of one's own there is a suite to subclass:

    from calltransfer.testing import StrategyConformance

    class TestQueue(StrategyConformance):
        def strategy(self):
            return Queue(...)
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calltransfer.testing.conformance import StrategyConformance
    from calltransfer.testing.consent import pressed_yes, said_yes
    from calltransfer.testing.witness import INVARIANTS, Witness

__all__ = [
    "INVARIANTS",
    "StrategyConformance",
    "Witness",
    "pressed_yes",
    "said_yes",
]


_WHERE = {
    "INVARIANTS": "witness",
    "StrategyConformance": "conformance",
    "Witness": "witness",
    "pressed_yes": "consent",
    "said_yes": "consent",
}


if not TYPE_CHECKING:  # a checker would take any name for one of these

    def __getattr__(name: str) -> Any:
        """Imports what needs the SDK only when it is used: pytest loads the plugin in here into every run."""
        if name not in _WHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
