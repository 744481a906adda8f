"""Runs coroutine tests that do not use the fixture `sandbox`, and checks what they leave behind.

On fast-forwarded time, unless they are marked `real_time`.
"""

import asyncio
import gc
import inspect
import os
from collections.abc import Iterator
from typing import Any

import pytest

from calltransfer.testing import plugin
from calltransfer.testing.plugin import AFTERWARDS, runner

SOME = 20
"""Of how many cases of the conformance suite one is run, unless all are asked for: `make conformance`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--conformance all` runs every case of the suite."""
    parser.addoption("--conformance", choices=["some", "all"], default="some")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of each class in the conformance suite, every so many cases, beginning with another one in each."""
    if config.getoption("--conformance") == "all" or any("::" in argument for argument in config.args):
        return
    cases: dict[object, list[pytest.Item]] = {}
    for item in items:
        if item.path.name == "test_conformance.py" and isinstance(item, pytest.Function):
            cases.setdefault(item.cls, []).append(item)
    some = {id(item) for place, of_one in enumerate(cases.values()) for item in of_one[place % SOME :: SOME]}
    every = {id(item) for of_one in cases.values() for item in of_one}
    items[:] = [item for item in items if id(item) in some or id(item) not in every]


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
            _, left = await asyncio.wait(left, timeout=1.0)
        assert left == set(), "tasks were left behind"

    gc.freeze()  # the SDK collects all garbage on every leave, and keeps more with every session
    with runner(real_time=real_time) as loop:
        loop.run(test())
    return True


def _is_of_sdk(task: "asyncio.Task[Any]") -> bool:
    """Whether the SDK started it: with an STT of its own a realtime pipeline leaves its consumers behind."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/videosdk/agents/" in code.co_filename


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
