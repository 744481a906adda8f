"""The pytest plugin: the fixture `sandbox`, and the timeline of every call in the report of a test that fails.

Loaded by installing the package, into every run of pytest there is: so it imports nothing that takes time until a test
uses its fixture, and leaves every other test alone.

A test that uses `sandbox` is run by this plugin, on fast-forwarded time, and so are the `async def` fixtures that it
uses and that are set up after `sandbox`: they belong on the loop that the sandbox is on. That holds beside
pytest-asyncio and anyio, in every mode of theirs.
"""

import asyncio
import functools
import gc
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from calltransfer.sandbox import Sandbox

AFTERWARDS = 30.0
"""Seconds, of fast-forwarded time, for the SDK's own timers to run out before tasks are counted."""

_RUNNER = pytest.StashKey[asyncio.Runner]()
_SANDBOX = pytest.StashKey["Sandbox"]()

_MARKERS = (
    "sandbox(latency=0.0, unknowns=None): how the fixture `sandbox` is made; see calltransfer.sandbox.Sandbox",
    "real_time: runs on the wall clock instead of fast-forwarded time",
)


def pytest_configure(config: pytest.Config) -> None:
    """Makes the markers known."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest) -> Iterator["Sandbox"]:
    """An open `Sandbox` on fast-forwarded time.

    `@pytest.mark.sandbox(latency=0.2)` says how it is made, `@pytest.mark.real_time` has it run on the wall clock. It
    is an error if a task of calltransfer's is left when everything is over.
    """
    from calltransfer.sandbox import Sandbox

    marker = request.node.get_closest_marker("sandbox")
    real_time = request.node.get_closest_marker("real_time") is not None
    opened = Sandbox(**(marker.kwargs if marker is not None else {}))
    frozen = gc.get_freeze_count()
    gc.freeze()  # the SDK collects all garbage each time that an agent leaves a room
    with runner(real_time=real_time) as loop:
        loop.run(opened.__aenter__())
        request.node.stash[_RUNNER] = loop
        request.node.stash[_SANDBOX] = opened
        # What a test that pytest-asyncio has made its own does when it is run is to take a loop of its own.
        request.node.runtest = functools.partial(pytest.Function.runtest, request.node)
        yield opened
        left = loop.run(_closed(opened, afterwards=0.0 if real_time else AFTERWARDS))
    del request.node.stash[_RUNNER]
    if not frozen:
        gc.unfreeze()
    if left:
        pytest.fail(f"calltransfer left tasks behind: {', '.join(left)}", pytrace=False)


def runner(*, real_time: bool) -> asyncio.Runner:
    """What a test is run by: on a loop on which time passes at once, or on the wall clock."""
    from calltransfer.sandbox import FastForwardLoop

    return asyncio.Runner(loop_factory=asyncio.new_event_loop if real_time else FastForwardLoop)


async def _closed(sandbox: "Sandbox", *, afterwards: float) -> list[str]:
    """Closes the sandbox; returns the names of the tasks of ours that are left."""
    from calltransfer.testing.left import tasks_left

    await sandbox.__aexit__(None, None, None)
    await asyncio.sleep(afterwards)
    return [task.get_name() for task in tasks_left()]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, Any, Any]:
    """Has an `async def` fixture of a test with a sandbox run where the sandbox is."""
    loop = request.node.stash.get(_RUNNER, None)
    function = fixturedef.func
    if loop is None or not _is_async(function):
        return (yield)
    fixturedef.func = _in_loop(function, loop)  # type: ignore[misc]
    try:
        return (yield)
    finally:
        fixturedef.func = function  # type: ignore[misc]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    """Runs an `async def` test with a sandbox where the sandbox is."""
    loop = pyfuncitem.stash.get(_RUNNER, None)
    function = pyfuncitem.obj
    if loop is None or not _is_async(function):
        return (yield)
    pyfuncitem.obj = _in_loop(function, loop)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = function


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the timeline of every call to the report of a test that failed."""
    report = yield
    sandbox = item.stash.get(_SANDBOX, None)
    if report.failed and sandbox is not None:
        for number, caller in enumerate(sandbox.callers, start=1):
            report.sections.append((f"Timeline of call {number}", str(caller.timeline)))
    return report


def _is_async(function: Any) -> bool:
    return inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)


def _in_loop(function: Any, loop: asyncio.Runner) -> Callable[..., Any]:
    """The same as a plain function, or generator, that runs in the loop that the sandbox is on."""
    if inspect.isasyncgenfunction(function):

        @functools.wraps(function)
        def generator(*arguments: Any, **named: Any) -> Iterator[Any]:
            steps = function(*arguments, **named)
            yield loop.run(_next(steps))
            if loop.run(_next(steps, default=_OVER)) is not _OVER:
                pytest.fail(f"the fixture {function.__name__} yields more than once", pytrace=False)

        return generator

    @functools.wraps(function)
    def plain(*arguments: Any, **named: Any) -> Any:
        return loop.run(function(*arguments, **named))

    return plain


_OVER = object()


async def _next(steps: Any, **default: Any) -> Any:
    return await anext(steps, *default.values())
