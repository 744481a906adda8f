"""Deliberate bugs, each of which the tests must catch.

    python benchmarks/mutants.py [NAME ...]

Each is put into a copy of the library, and the tests run on that: first those that are expected to fail, and if they do
not, all of them. Prints which test caught it. Whatever counts as a catch has been seen to pass without the mutant. A mutant
that no test catches, or that cannot be made any more because the code has changed, fails the run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 900.0
"""Seconds for the tests of one mutant: one that hangs is caught, too."""


@attrs.frozen
class Mutant:
    """One deliberate bug.

    Attributes:
        name: What it does wrong.
        file: Where, below `src/calltransfer`.
        before: What is replaced; occurs once.
        after: What it is replaced with.
        tests: The tests that are expected to catch it, as pytest takes them.
    """

    name: str
    file: str
    before: str
    after: str
    tests: Sequence[str] = ("tests/test_warm_transfer.py",)


DIRECT = ("tests/test_direct_transfer.py", "tests/test_invariants.py")
FIRE = ("tests/test_fire.py",)
MATRIX = ("tests/test_matrix.py",)
WARM = ("tests/test_warm_transfer.py",)
MISBEHAVING = ("tests/test_misbehaving.py",)
PLANS = ("tests/test_fallback.py", "tests/test_ring_group.py")

MUTANTS = (
    # The runner
    Mutant(
        "does not notice that the caller hangs up",
        "strategy_run.py",
        '        self._transfer.end(Outcome.CALLER_LEFT, "the caller hung up")\n',
        "",
    ),
    Mutant(
        "does not notice the key that brings the caller back",
        "strategy_run.py",
        '        self._transfer.end(Outcome.CALLER_RETURNED, "the caller pressed the key that brings them back")\n',
        "",
    ),
    Mutant(
        "takes a transfer back that has been forwarded",
        "transfers.py",
        "if transfer is None or transfer.forwarded:",
        "if transfer is None:",
        ("tests/test_tool.py", "tests/test_turns.py"),
    ),
    Mutant(
        "reports the end before what was dialled has ended",
        "transfers.py",
        "            await call.released()\n            transfer.finish(result)",
        "            transfer.finish(result)\n            await call.released()",
    ),
    Mutant(
        "tells nobody that the target has declined",
        "transfers.py",
        "        Outcome.UNCONFIRMED,\n        Outcome.CANCELLED,\n",
        "        Outcome.UNCONFIRMED,\n        Outcome.CANCELLED,\n        Outcome.DECLINED,\n",
    ),
    Mutant(
        "starts a second transfer beside the first",
        "transfers.py",
        "            if self._current.turn.confirmed:\n                return None\n",
        "",
        ("tests/test_tool.py",),
    ),
    Mutant(
        "believes a strategy that says that the caller is connected",
        "claims.py",
        "elif outcome is Outcome.CONNECTED and not await self.seen_connected():",
        "elif False:",
        MISBEHAVING,
    ),
    Mutant(
        "believes a strategy that says that the caller has gone",
        "claims.py",
        "elif outcome in _GONE and not await self._has_left():",
        "elif False:",
        MISBEHAVING,
    ),
    Mutant(
        "believes a strategy that says that a message was left",
        "claims.py",
        "if outcome is Outcome.MESSAGE_TAKEN and not self.message_left:",
        "if False:",
        MISBEHAVING,
    ),
    Mutant(
        "leaves behind what a strategy has left open",
        "strategy_run.py",
        "                left = await self._opened.close()\n",
        "                left: list[str] = []\n",
        MISBEHAVING,
    ),
    Mutant(
        "waits for a strategy that does not end",
        "strategy_run.py",
        "            if not self._transfer.is_moving:  # that comes",
        "            if False:  # that comes",
        MISBEHAVING,
    ),
    Mutant(
        "does not wait for the agent's sentence",
        "transfer_call.py",
        "        await self._transfer.turn.sentence_heard(timeout=timeout)\n",
        "",
        ("tests/test_direct_transfer.py", "tests/test_turns.py"),
    ),
    Mutant(
        "lets the session close before its transfers",
        "transfers.py",
        "            call.before_close(self.close)\n",
        "            pass\n",
        DIRECT,
    ),
    Mutant(
        "says that a transfer is over while it is still being watched",
        "transfers.py",
        "        self._handed_over = self._handed_over or result.connected\n",
        "",
        ("tests/test_tool.py",),
    ),
    # Plans
    Mutant(
        "connects a caller twice in a group",
        "strategies/ring_group.py",
        "            if result.connected:\n                return result\n",
        "",
        PLANS,
    ),
    Mutant(
        "releases the winner of a group with the others",
        "videosdk/call.py",
        "if self._handover is None or not self._handover.has_connected(consultation):",
        "if True:",
        PLANS,
    ),
    Mutant(
        "leaves the others of a group on the line",
        "videosdk/call.py",
        "if self._handover is None or not self._handover.has_connected(consultation):",
        "if self._keeper() is None:",
        PLANS,
    ),
    Mutant(
        "says to nobody that somebody else has taken the call",
        "strategies/ring_group.py",
        "                consultation.set_goodbye(self._warm.briefing.taken)\n",
        "                pass\n",
        PLANS,
    ),
    Mutant(
        "takes the caller off hold between two attempts",
        "strategies/fallback.py",
        "await self._stack.enter_async_context(super().on_hold(hold))",
        "pass",
        PLANS,
    ),
    Mutant(
        "goes on after a caller who is back with the agent",
        "strategies/fallback.py",
        "        Outcome.FAILED,\n    }\n)",
        "        Outcome.FAILED,\n        Outcome.CALLER_RETURNED,\n    }\n)",
        PLANS,
    ),
    Mutant(
        "thanks for a message that was not delivered",
        "strategies/take_message.py",
        "told = _listens(call) and await dictation.say(self.not_delivered)",
        "told = _listens(call) and await dictation.say(self.thanks)",
        ("tests/test_take_message.py",),
    ),
    Mutant(
        "asks the model for a summary for each target",
        "transfer_call.py",
        "        making = self._made_of.get(said)\n",
        "        making = None\n",
        PLANS,
    ),
    # The strategies
    Mutant(
        "takes silence for a yes",
        "strategies/warm.py",
        "if decision.outcome is not None:",
        "if decision.outcome not in {None, Outcome.UNDECIDED}:",
    ),
    Mutant(
        "does not put the caller on hold",
        "strategies/warm.py",
        "async with call.on_hold(self.hold) if self.hold.at_once else nullcontext():",
        "async with nullcontext():",
    ),
    Mutant(
        "stays although it was told to leave",
        "strategies/warm.py",
        "leave_unwatched=self.leave_unwatched",
        "leave_unwatched=False",
    ),
    Mutant(
        "puts the caller on hold in the middle of the agent's sentence",
        "strategies/warm.py",
        "            await call.sentence_heard(timeout=self.sentence_timeout)\n",
        "",
    ),
    Mutant(
        "forwards in the middle of the agent's sentence",
        "strategies/direct.py",
        "        await call.sentence_heard(timeout=self.sentence_timeout)\n",
        "",
        DIRECT,
    ),
    Mutant(
        "forwards to nowhere when there is no destination",
        "strategies/target.py",
        "return destination or TransferResult(outcome=Outcome.REFUSED, detail=NOWHERE)",
        "return destination or Destination('+14155550123')",
        ("tests/test_direct_transfer.py", "tests/test_call.py", "tests/test_values.py"),
    ),
    # The adapter: legs
    Mutant(
        "calls a phone that still has our last call",
        "videosdk/consultation.py",
        "        await self.plan.phone_is_free()\n",
        "",
        ("tests/test_fallback.py",),
    ),
    Mutant(
        "drops the end of a target's leg",
        "videosdk/dialled.py",
        "        if not await self._known():\n            return not self._may_exist\n",
        "        return True\n",
    ),
    Mutant(
        "does not look for a leg whose dial was answered by nothing",
        "videosdk/dialled.py",
        "            if not error.may_have_acted:\n                raise\n",
        "            raise\n",
        WARM,
    ),
    Mutant(
        "believes an end that is answered with nonsense",
        "videosdk/ending.py",
        "return bool(says_so)  # nothing else is to be had",
        "return True",
        FIRE,
    ),
    Mutant(
        "takes a phone that rings for one that was answered",
        "videosdk/dialled.py",
        "if STATUSES.get(leg.status) is Meaning.LIVE and not leg.ended:",
        "if STATUSES.get(leg.status) in {Meaning.LIVE, Meaning.NOT_YET} and not leg.ended:",
    ),
    Mutant(
        "swallows the status of a transfer that failed",
        "videosdk/following.py",
        '"transfer-failed": Meaning.NOT_FORWARDED,',
        '"transfer-failed": Meaning.LIVE,',
        ("tests/test_following.py",),
    ),
    Mutant(
        "takes a caller who has left for one who was forwarded",
        "videosdk/following.py",
        '            return self._left("the caller\'s leg ended")',
        '            return self._verdict(Outcome.CONNECTED, "the caller\'s leg ended")',
        ("tests/test_following.py",),
    ),
    Mutant(
        "believes a transfer although the caller is still in the agent's room",
        "videosdk/following.py",
        "        if not self._here:\n            return None if self._may_be_the_other else self._forwarded",
        "        if True:\n            return None if self._may_be_the_other else self._forwarded",
        ("tests/test_following.py",),
    ),
    Mutant(
        "forgets a forward that was given up as soon as another one is asked for",
        "videosdk/following.py",
        "        self._asked = [following for following in self._asked if following.may_come_true]\n",
        "        self._asked = []\n",
        ("tests/test_following.py", "tests/test_forwards.py"),
    ),
    Mutant(
        "leaves the room while a forward that was reported as done may be taken back",
        "videosdk/call.py",
        "                    if not forward.final:",
        "                    if False:",
        ("tests/test_forwards.py",),
    ),
    Mutant(
        "dials again when the answer to a dial is lost",
        "videosdk/api.py",
        '"/v2/sip/call", body=dialling, timeout=ACT_TIMEOUT, repeatable=False)',
        '"/v2/sip/call", body=dialling, timeout=ACT_TIMEOUT, repeatable=True)',
        MATRIX,
    ),
    Mutant(
        "sends the token wherever it is redirected to",
        "videosdk/api.py",
        "allow_redirects=False,",
        "allow_redirects=True,",
        ("tests/test_api.py",),
    ),
    Mutant(
        "lets a phone ring for as long as the platform does",
        "videosdk/setup.py",
        '"ringingTimeout": math.ceil(ring_timeout) + _SPARE_RING,',
        "",
        ("tests/test_warm_values.py", "tests/test_warm_transfer.py", "tests/test_killed_worker.py"),
    ),
    # The adapter: rooms
    Mutant(
        "takes a switch that was answered for one that has happened",
        "videosdk/switching.py",
        "        return other if self._room.attendance.can_be_heard(self.participant_id) else None\n",
        "        return other\n",
        MATRIX,
    ),
    Mutant(
        "skips the rollback",
        "videosdk/handover.py",
        "                response = await self._undo(switch, there, response)\n",
        "                pass\n",
    ),
    Mutant(
        "leaves the other on the line when one of the two has left",
        "videosdk/handover.py",
        "        there = self._consultation.room_id if self._move",
        "        return\n        there = self._consultation.room_id if self._move",
    ),
    Mutant(
        "forgets to give the agent its voice back",
        "videosdk/handover.py",
        "            self._unmute()\n            self._unmute = None\n",
        "            self._unmute = None\n",
    ),
    Mutant(
        "takes a caller who is being moved for one who has hung up",
        "videosdk/caller.py",
        "if is_caller and not self._moves:",
        "if is_caller:",
    ),
    Mutant(
        "leaves the consultation's agent in its room",
        "videosdk/consultation.py",
        "        await self.consultant.close()\n        if not ended",
        "        if not ended",
    ),
    # The adapter: who hears whom, and when
    Mutant(
        "forgets to let the agent hear the caller again",
        "videosdk/holding.py",
        "        stack.callback(under_way.hear)\n",
        "",
    ),
    Mutant(
        "leaves the author's wake-up call off",
        "videosdk/_sdk.py",
        "        stack.callback(_let_nobody_be_woken(session))\n",
        "        _let_nobody_be_woken(session)\n",
        DIRECT,
    ),
    Mutant(
        "lets the author's code hang up on a caller on hold",
        "videosdk/_sdk.py",
        '        stack.callback(replace(session, "hangup", hangup))\n',
        "",
        DIRECT,
    ),
    Mutant(
        "takes a yes for an answer that was said before there was a question",
        "videosdk/consultation.py",
        "if not self._greeted or asyncio.get_running_loop().time() < self._listens_from:",
        "if False:",
    ),
    Mutant(
        "lets the model accept where only a key does",
        "videosdk/consultation.py",
        "if not self._greeted or (accepts and self.plan.briefing.gate is not Gate.VOICE_OR_KEY):",
        "if not self._greeted:",
    ),
    Mutant(
        "says nothing to a target whose caller has hung up",
        "videosdk/call.py",
        "consultation.release(farewell)",
        'consultation.release("")',
    ),
    Mutant(
        "shows whole numbers",
        "masking.py",
        "shown = min(4, len(digits) // 2)",
        "shown = len(digits)",
        ("tests/test_values.py",),
    ),
)


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of everything that the tests look at."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder)
        for name in ("src", "tests", "examples", "benchmarks", "docs", "scripts"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "Makefile", "mkdocs.yml", "LICENSE"):
            shutil.copy(ROOT / name, copy / name)
        yield copy


def caught(mutant: Mutant) -> tuple[str | None, float]:
    """Which test catches it, if any, or None when it cannot be made; and how many seconds that took."""
    began = time.monotonic()
    with copied() as copy:
        file = copy / "src" / "calltransfer" / mutant.file
        text = file.read_text()
        if text.count(mutant.before) != 1:
            return None, time.monotonic() - began
        file.write_text(text.replace(mutant.before, mutant.after))
        found = failing(copy, mutant.tests)
        if found is None:
            found = failing(copy, ())
            if found is not None and fails_anyway(found):
                found = None
    return found or "", time.monotonic() - began


def fails_anyway(test: str) -> bool:
    """Whether a test that was not expected to catch anything fails without the mutant, too."""
    with copied() as copy:
        return failing(copy, (test,)) is not None


def failing(copy: Path, tests: Sequence[str]) -> str | None:
    """The first of `tests` that fails there."""
    environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", *tests]
    try:
        result = subprocess.run(  # noqa: S603
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
        )
    except subprocess.TimeoutExpired:
        return "it hangs"
    if result.returncode == 0:
        return None
    named = [line for line in result.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return named[0].split(" ", 1)[1].split(" - ")[0] if named else result.stdout[-200:]


def main() -> int:
    """Makes them all; returns 1 if one is not caught."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="only those whose name holds one of these")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.names or any(name in m.name for name in options.names)]
    expected = sorted({name for mutant in chosen for name in mutant.tests})
    with copied() as copy:
        found = failing(copy, [*expected, f"--numprocesses={options.jobs}"])
    if found is not None:
        print(f"without any mutant, {found} fails")
        return 1
    survived = 0
    with ThreadPoolExecutor(options.jobs) as threads:
        for mutant, (by, seconds) in zip(chosen, threads.map(caught, chosen), strict=True):
            verdict = f"caught by {by}" if by else "CANNOT BE MADE ANY MORE" if by is None else "NOT CAUGHT"
            survived += not by
            print(f"{mutant.name} ({mutant.file}): {verdict}, {seconds:.0f} s", flush=True)
    print(f"{len(chosen)} mutants, {len(chosen) - survived} caught")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
