"""The matrix of warm transfers: every cell is run to its end and held to the invariants, as seen from outside."""

import asyncio
import gc
import logging
import math
from collections.abc import Iterator, Sequence

import attrs

from calltransfer import Briefing, Call, Outcome, Phase, TransferRequest, TransferResult, WarmTransfer
from calltransfer.sandbox import FastForwardLoop, Phone, Says
from calltransfer.testing.left import tasks_left
from calltransfer.testing.overheard import FADES, longest_music
from calltransfer.testing.scenes import PLATFORMS, TARGETS
from tests.agents import below
from tests.warm import ANSWER, CALLERS, CONNECTING, SORRY, SUMMARY, SUPERVISOR, Seen, seen

STRANDED = 2.5
"""Seconds that a caller may be alone: two, and what looking four times a second and moving a leg once add."""

SILENCE = 1.0
"""Seconds without sound that a caller on hold may hear."""

BOUND = 300.0
"""Seconds within which a transfer has an end."""

SESSION_ENDS_AFTER = 6.0
"""Seconds after the caller and the transfer have gone within which the agent's session has closed: the SDK waits five."""


@attrs.frozen(order=True)
class Cell:
    """One cell of the matrix."""

    target: str = "accepts"
    caller: str = "stays"
    platform: str = "healthy"


USUAL = Cell()
AXES = {
    "target": [attrs.evolve(USUAL, target=name) for name in TARGETS],
    "caller": [attrs.evolve(USUAL, caller=name) for name in CALLERS],
    "platform": [attrs.evolve(USUAL, platform=name) for name in PLATFORMS],
}


@attrs.frozen(kw_only=True)
class Row:
    """What came of one cell.

    Attributes:
        cell: The cell.
        reported: The outcome, or what the SDK returned or raised.
        caller: Whom the caller was with in the end.
        silence: The longest time without sound for the caller, in seconds, from the model's tool call on.
        orphan: Whether a leg that was dialled was neither over nor with the caller in the end.
        took: Seconds from the tool call to the end.
        broken: The invariants that broke, each with what was seen.
    """

    cell: Cell
    reported: str
    caller: str
    silence: float = 0.0
    orphan: bool = False
    took: float = 0.0
    broken: Sequence[str] = ()


class Watched:
    """A warm transfer of which is known when the session closed."""

    def __init__(self) -> None:
        self.closed_at: float | None = None

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Transfers the caller."""
        below(call).before_close(self._closing)
        return await WarmTransfer(SUPERVISOR).transfer(call, request)

    async def _closing(self) -> None:
        self.closed_at = asyncio.get_running_loop().time()


def broken(cell: Cell, what: Seen, closed_at: float | None) -> list[str]:
    """The invariants that do not hold of what was seen, each with why.

    Args:
        cell: What happened.
        what: What was seen of it.
        closed_at: When the session closed.
    """
    agent, caller = what.caller.agent, what.caller
    started, finished = agent.time_of(Phase.STARTED), agent.time_of(Phase.FINISHED)
    connected = what.outcome is Outcome.CONNECTED
    # The target is, where the caller could not be.
    moved_at = min(time_of(who, "switch-room-completed") for who in (caller, *what.targets))
    left_at = time_of(caller, "ended")
    hung_up = "hangs up" in cell.caller and left_at < math.inf
    found: list[str] = []

    def holds(invariant: str, condition: bool, why: object) -> None:
        if not condition:
            found.append(f"{invariant}: {why}")

    holds("never stranded", what.connected_to in {"agent", SUPERVISOR, "hung up"}, f"ends with {what.connected_to}")
    holds("never stranded", what.connected_to != "hung up" or hung_up, "was hung up on")
    holds("never stranded", what.stranded <= STRANDED, f"alone for {what.stranded:.2f} s")

    # What the platform refuses to end is reported, and left to the limits that it was dialled with.
    holds("no orphan leg", not what.orphans or Phase.NOT_RELEASED in agent.phases, ", ".join(what.orphans))

    if connected:
        with_target = what.connected_to == SUPERVISOR
        one_hung_up = what.connected_to == "hung up" and (hung_up or "hangs up" in cell.target)
        came_back = what.connected_to == "agent" and Phase.RETURNED in agent.phases
        holds("truth", with_target or one_hung_up or came_back, f"connected, but with {what.connected_to}")
    else:
        holds("truth", what.connected_to != SUPERVISOR, f"{what.outcome}, but with the target")

    people = [target.person for target in what.targets if target.person is not None]
    agreed = any(isinstance(act, Says) and "yes" in act.text for person in people for act in person.acts)
    holds("consent", agreed or not (connected or moved_at < math.inf), "connected to who did not say yes")

    for leak in _leaks(what, moved_at):
        holds("leg isolation", False, leak)

    if hung_up:
        off_hold = agent.time_of(Phase.OFF_HOLD)
        known_before = min(finished, off_hold or math.inf) <= left_at
        holds("caller first", known_before or what.outcome is Outcome.CALLER_LEFT, f"{what.outcome} when they had left")
        closed_in_time = closed_at is not None and closed_at <= max(left_at, finished) + SESSION_ENDS_AFTER
        holds("caller first", closed_in_time, "the session goes on")

    holds("bounded", finished - started <= BOUND, f"ended after {finished - started:.0f} s")

    if not hung_up:
        holds("never silent on hold", what.silence <= SILENCE, f"nothing to be heard for {what.silence:.2f} s")
    return found


def time_of(who: Phone, status: str) -> float:
    return next((at for name, at in who.statuses if name == status), math.inf)


def _leaks(what: Seen, moved_at: float) -> Iterator[str]:
    """What somebody heard that was not meant for them."""
    briefing = Briefing()
    consultation = (briefing.greeting, briefing.opening(SUMMARY), ANSWER)
    for heard in what.caller.heard:
        if heard.speaker != "agent" and heard.began < moved_at:
            yield f"the caller heard the target say {heard.text!r}"
        if heard.speaker == "agent" and any(is_part_of(heard.text, text) for text in consultation):
            yield f"the caller heard {heard.text!r}"
    for target in what.targets:
        for heard in target.heard:
            if heard.speaker == what.caller.number and heard.began < moved_at:
                yield f"the target heard the caller say {heard.text!r}"
            if heard.speaker == "agent" and any(is_part_of(heard.text, text) for text in (CONNECTING, SORRY)):
                yield f"the target heard {heard.text!r}"
        music = longest_music(target)
        if music > FADES:
            yield f"the target heard music for {music:.1f} s"


def is_part_of(heard: str, text: str) -> bool:
    """Whether what was heard has `text` in it, or is more than a word of it."""
    return text in heard or (" " in heard and heard in text)


def ours(cell: Cell) -> Row:
    """Our warm transfer in one cell, on fast-forwarded time."""
    gc.freeze()  # the SDK collects all garbage on every leave, and keeps more with every session
    errors: list[str] = []
    watched = Watched()

    async def run() -> tuple[Seen, list[str]]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: errors.append(str(context.get("exception", context["message"]))))
        what = await seen(cell.target, cell.caller, cell.platform, watched)
        await asyncio.sleep(30.0)
        return what, [task.get_name() for task in tasks_left()]

    logging.disable(logging.CRITICAL)
    try:
        with asyncio.Runner(loop_factory=FastForwardLoop) as runner:
            what, left = runner.run(run())
    except Exception as error:
        return Row(cell=cell, reported="", caller="", broken=[f"bounded: {type(error).__name__}: {error}"])
    finally:
        logging.disable(logging.NOTSET)
    agent = what.caller.agent
    started, finished = agent.time_of(Phase.STARTED), agent.time_of(Phase.FINISHED)
    until = min(agent.time_of(Phase.TOLD) or finished, time_of(what.caller, "ended"))
    not_clean = [f"clean: {found} was left behind" for found in left] + [f"clean: {error}" for error in errors]
    return Row(
        cell=cell,
        reported=str(what.outcome),
        caller=what.connected_to,
        silence=what.caller.longest_silence(started, until) if until > started else 0.0,
        orphan=bool(what.orphans),
        took=finished - started,
        broken=[*broken(cell, what, watched.closed_at), *not_clean],
    )
