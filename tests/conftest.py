"""Runs coroutine tests that do not use the fixture `sandbox`, and checks what they leave behind.

On fast-forwarded time, unless they are marked `real_time`.
"""

import asyncio
import gc
import inspect
import os
import random
import socket
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from calltransfer.testing import plugin
from calltransfer.testing.left import file_of, is_of_the_sdk
from calltransfer.testing.plugin import AFTERWARDS, runner
from tests import A_HANG

# The same examples every time, and however long the machine takes for each.
settings.register_profile("any machine", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

SOME = 20
"""Of how many cases of the conformance suite one is run, unless all are asked for: `make conformance`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance all` runs every case of the suite; `--shuffle 7` runs the tests in an order of their own."""
    parser.addoption("--conformance", choices=["some", "all"], default="some")
    parser.addoption("--shuffle", metavar="SEED", help="run the tests in a random order, the same for the same seed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Which tests run, and in which order."""
    if config.getoption("--conformance") == "some" and not any("::" in argument for argument in config.args):
        items[:] = _some(items)
    if config.getoption("--shuffle"):
        random.Random(config.getoption("--shuffle")).shuffle(items)  # noqa: S311


def _some(items: list[pytest.Item]) -> list[pytest.Item]:
    """Of each class in the conformance suite, every so many cases, beginning with another one in each; all else."""
    cases: dict[object, list[pytest.Item]] = {}
    for item in items:
        if item.path.name == "test_conformance.py" and isinstance(item, pytest.Function):
            cases.setdefault(item.cls, []).append(item)
    some = {id(item) for place, of_one in enumerate(cases.values()) for item in of_one[place % SOME :: SOME]}
    every = {id(item) for of_one in cases.values() for item in of_one}
    return [item for item in items if id(item) in some or id(item) not in every]


def pytest_configure(config: pytest.Config) -> None:
    """Loads the plugin where an environment was made before the package had it."""
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin, "calltransfer")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    function = pyfuncitem.obj
    if not inspect.iscoroutinefunction(function):
        return None
    real_time = pyfuncitem.get_closest_marker("real_time") is not None
    names = inspect.signature(function).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def test() -> None:
        await function(**arguments)
        if not real_time:
            await asyncio.sleep(AFTERWARDS)
        left = {task for task in asyncio.all_tasks() if task is not asyncio.current_task() and not _is_of_sdk(task)}
        if left:  # on the wall clock, a connection of aiohttp's may be in the middle of being closed
            _, left = await asyncio.wait(left, timeout=A_HANG)
        assert left == set(), "tasks were left behind"

    with runner(real_time=real_time) as loop:
        loop.run(test())
    return True


def _is_of_sdk(task: "asyncio.Task[Any]") -> bool:
    """Whether the SDK started it: with an STT of its own a realtime pipeline leaves its consumers behind."""
    return is_of_the_sdk(file_of(task))


@pytest.fixture(autouse=True)
def by_itself() -> Iterator[None]:
    """No test finds what an earlier one has left, and none leaves a socket open: whoever collects it is not to blame."""
    gc.freeze()  # and the SDK, which collects all garbage on every leave, has less to go through
    before = set(_sockets())
    yield
    left = [opened for opened in _sockets() if opened not in before]
    assert left == [], "sockets were left open"


def _sockets() -> list[socket.socket]:
    return [opened for opened in _OPENED if opened.fileno() != -1]


_OPENED: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


def _note_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.__new__":
        opened_by = sys._getframe(2).f_globals["__name__"]  # beyond the socket's own `__init__`
        if not opened_by.startswith("urllib3."):  # which closes its own with the last answer that anybody keeps
            _OPENED.add(arguments[0])


sys.addaudithook(_note_sockets)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees, or leaves, anything of VideoSDK's in the environment."""
    for name in list(os.environ):
        if name.startswith("VIDEOSDK_"):
            monkeypatch.delenv(name)
    yield
    for name in list(os.environ):
        if name.startswith("VIDEOSDK_"):
            del os.environ[name]
