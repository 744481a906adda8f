"""What people do and what goes wrong in a transfer, by name: the tables from which its tests are made."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs

from calltransfer.events import Phase
from calltransfer.sandbox import Caller, HangsUp, Sandbox, Says, Trouble

CHANGES_THEIR_MIND = "no wait I changed my mind"
"""What a caller says who wants to stay with the agent after all."""

RETURN_KEY = "*"
"""The key that brings a caller on hold back to the agent, unless its author has chosen another."""

_FOR_EVER = 600.0

TARGETS: Mapping[str, Mapping[str, Any]] = {
    "accepts": {"says": "yes please"},
    "declines": {"says": "no thanks"},
    "busy": {"refuses_after": 0.2},
    "no answer": {"answers_after": None},
    "answers at the edge": {"answers_after": 24.9, "says": "yes please"},
    "voicemail": {"says": [Says("Hi, please leave a message after the tone", after=0.2)]},
    "IVR": {"says": [Says("For sales, press one. For support, press two.", after=0.2)]},
    "silent": {},
    "hangs up while ringing": {"refuses_after": 3.0},
    "hangs up in the greeting": {"says": [HangsUp(when="Hello", after=0.1)]},
    "hangs up in the briefing": {"says": [HangsUp(when="refund", after=0.2)]},
    "hangs up after yes": {"says": ["yes please", HangsUp(after=0.01)]},
    "hangs up during the switch": {"says": "yes please"},
    "asks first": {"says": ["who is it", Says("yes please", when="paid twice")]},
}
"""What somebody who is dialled does: arguments for `Sandbox.person`. See also `target_acts`."""


def hangs_up(phase: Phase, *, after: float = 0.0) -> Callable[[Caller], Awaitable[None]]:
    """A caller who hangs up so many seconds after a transfer has come to `phase`."""

    async def act(caller: Caller) -> None:
        await caller.until(phase, timeout=_FOR_EVER)
        await asyncio.sleep(after)
        await caller.hang_up()

    return act


async def _stays(_: Caller) -> None:
    return


async def _hangs_up_during_the_switch(caller: Caller) -> None:
    await caller.sees("switch-room-initiated", timeout=_FOR_EVER)
    await caller.hang_up()


async def _speaks_over_everything(caller: Caller) -> None:
    await caller.until(Phase.ON_HOLD, timeout=_FOR_EVER)
    while caller.connected_to == "agent" and not caller.outcomes:
        await caller.say("is anybody there at all")


async def _presses_the_key(caller: Caller) -> None:
    await caller.until(Phase.ON_HOLD, timeout=_FOR_EVER)
    await asyncio.sleep(3.0)
    await caller.press(RETURN_KEY)


def _says(text: str, phase: Phase, *, after: float = 0.0) -> Callable[[Caller], Awaitable[None]]:
    async def act(caller: Caller) -> None:
        await caller.until(phase, timeout=_FOR_EVER)
        await asyncio.sleep(after)
        await caller.say(text)

    return act


CALLERS: Mapping[str, Callable[[Caller], Awaitable[None]]] = {
    "stays": _stays,
    "hangs up before dial": hangs_up(Phase.STARTED),
    "hangs up when dialled": hangs_up(Phase.DIALLED),
    "hangs up ringing": hangs_up(Phase.RINGING),
    "hangs up when answered": hangs_up(Phase.ANSWERED),
    "hangs up in the briefing": hangs_up(Phase.BRIEFING, after=1.0),
    "hangs up after yes": hangs_up(Phase.DECIDED),
    "hangs up during the switch": _hangs_up_during_the_switch,
    "hangs up when forwarded": hangs_up(Phase.FORWARDING, after=0.15),
    "hangs up between attempts": hangs_up(Phase.ATTEMPTED),
    "hangs up at the end": hangs_up(Phase.FINISHED),
    "hangs up after 5 s": hangs_up(Phase.STARTED, after=5.0),
    "hangs up after 12 s": hangs_up(Phase.STARTED, after=12.0),
    "hangs up after 40 s": hangs_up(Phase.STARTED, after=40.0),
    "changes their mind at once": _says(CHANGES_THEIR_MIND, Phase.STARTED),
    "changes their mind later": _says(CHANGES_THEIR_MIND, Phase.STARTED, after=4.0),
    "speaks over everything": _speaks_over_everything,
    "presses the key": _presses_the_key,
}
"""What the caller does, beside the transfer."""

_REQUESTS: Mapping[str, tuple[str, str]] = {
    "room": ("POST", "/v2/rooms"),
    "dial": ("POST", "/v2/sip/call"),
    "readings": ("GET", ""),
    "switch": ("POST", "/switch-room"),
    "end": ("POST", "/call/end"),
}

_FAULTS: Mapping[str, Mapping[str, Any]] = {
    "slow": {"delay": 1.5},
    "hanging": {"hang": True},
    "refused": {"status": 400},
    "answered with an error after acting": {"status": 500, "acted": True, "times": 1},
    "lost after acting": {"reset": True, "acted": True, "times": 1},
}

PLATFORMS: Mapping[str, Mapping[str, Any]] = {
    "healthy": {},
    **{
        f"{request} {fault}": {"method": method, "path": path, **how}
        for request, (method, path) in _REQUESTS.items()
        for fault, how in _FAULTS.items()
    },
    "switch accepted, then fails": {"switch_fails": 1},
    "moved caller never appears": {"switched_leg_vanishes": 1},
    "answered target never appears": {"answered_leg_never_appears": True},
    "room cannot be joined": {"join_fails": True},
}
"""What fails on the platform: a request, or something that it does."""

FORWARDS: Mapping[str, Mapping[str, Any]] = {
    f"transfer {fault}": {"method": "POST", "path": "/transfer", **how} for fault, how in _FAULTS.items()
}
"""The same for a call that is forwarded."""


def breaks(sandbox: Sandbox, platform: str) -> None:
    """Has the platform fail from now on, as the table says."""
    how = dict({**PLATFORMS, **FORWARDS}[platform])
    if "method" in how:
        sandbox.fault(how.pop("method"), how.pop("path"), **how)
        return
    for trouble, times in how.items():
        setattr(sandbox.trouble, trouble, times)


def heals(sandbox: Sandbox) -> None:
    """Has everything work again."""
    sandbox.no_more_faults()
    for trouble, usual in attrs.asdict(Trouble()).items():
        setattr(sandbox.trouble, trouble, usual)


async def target_acts(sandbox: Sandbox, caller: Caller, does: str) -> None:
    """Has the target do what hangs on more than what they hear."""
    if does == "hangs up during the switch":
        await caller.sees("switch-room-initiated", timeout=_FOR_EVER)
        await sandbox.targets[-1].hang_up()
