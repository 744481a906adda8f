"""A whole call under fire: caller, targets, models, platform and worker do what they like, in any order.

A hypothesis state machine drives one call on the sandbox, on fast-forwarded time. After every step, and whenever
something happens in between, a `Witness` looks at the network and holds it to the invariants.
"""

import asyncio
import functools
import gc
import logging
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from videosdk.agents import Agent, DTMFHandler, function_tool

from calltransfer import (
    Briefing,
    DirectTransfer,
    Gate,
    HoldMusic,
    Phase,
    Policy,
    Route,
    StayWithCaller,
    TransferEvent,
    TransferMixin,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.call import Move
from calltransfer.sandbox import (
    Caller,
    Calls,
    Ears,
    Fails,
    FastForwardLoop,
    Hangs,
    Presses,
    PutsThrough,
    Sandbox,
    Says,
    Script,
    Target,
    Unknowns,
    WebUser,
)
from calltransfer.sandbox._patches import TOKEN
from calltransfer.sandbox.models import ProviderError
from calltransfer.testing.consent import AGREES, ANNOUNCED, pressed_yes, said_yes
from calltransfer.testing.left import is_of_the_library
from calltransfer.testing.scenes import TARGETS, heals
from calltransfer.testing.witness import Witness
from tests.plans import LINE as BILLING
from tests.plans import PEOPLE, Plan, built, plans

MANAGER = "+14155550188"

GREETING = "Hello, how can I help?"
CONNECTING = "Putting you through now."
SORRY = "Unfortunately that did not work."
SUMMARY = "They want a refund and have waited for three weeks."
ANSWER = "They paid twice."
ASKS_FOR_MANAGER = "let me speak to the manager at once"

SOUNDS_RIGHT = "sounds all right to me"
"""What a target says of which a model understands that they agree."""

CALLER = "+14155550111"
ASKS = {
    "supervisor": "I want to talk to a human about my refund",
    "billing": "I have a question about my invoice please",
    "manager": ASKS_FOR_MANAGER,
    "none": "no wait I changed my mind",
}
SAYS = (*ASKS.values(), "is anybody there at all", "thank you")
TARGET_SAYS = (
    *AGREES,
    "no thanks",
    "not now",
    "who is it",
    "hello",
    "Hi, please leave a message after the tone",
    SOUNDS_RIGHT,
)
STILL_HERE = "Yes, I am still here."
PRIVATE = (*(number[1:] for number in PEOPLE), MANAGER[1:], BILLING[1:], CALLER[1:], TOKEN, SUMMARY)

REQUESTS: Mapping[str, tuple[str, str]] = {
    "room": ("POST", "/v2/rooms"),
    "dial": ("POST", "/v2/sip/call"),
    "readings": ("GET", ""),
    "switch": ("POST", "/switch-room"),
    "transfer": ("POST", "/transfer"),
    "end": ("POST", "/call/end"),
    "end of a session": ("POST", "/sessions/end"),
    "everything": ("*", ""),
}

FAULTS: Mapping[str, dict[str, Any]] = {
    "slow": {"delay": 1.5},
    "very slow": {"delay": 7.0},
    "hanging": {"hang": True},
    "hanging after acting": {"hang": True, "acted": True},
    "refused": {"status": 400},
    "unauthorised": {"status": 401},
    "unknown": {"status": 404},
    "too many": {"status": 429},
    "broken": {"status": 500},
    "broken after acting": {"status": 500, "acted": True},
    "lost": {"reset": True},
    "lost after acting": {"reset": True, "acted": True},
    "empty": {"body": ""},
    "no object": {"body": "[]"},
    "no JSON": {"body": "<html>"},
    "wrong types": {
        "body": '{"data": {"callId": 5, "id": [], "status": {}, "timelog": 7}, "pageInfo": [], "roomId": 1}'
    },
    "another call": {"body": '{"data": {"callId": "call-9999", "status": "answered"}}'},
    "redirect": {"status": 302, "headers": {"Location": "http://elsewhere.example/"}},
}

TROUBLES: Mapping[str, dict[str, Any]] = {
    "a switch fails": {"switch_fails": 1},
    "a leg that is switched vanishes": {"switched_leg_vanishes": 1},
    "whoever answers does not appear": {"answered_leg_never_appears": True},
    "a room cannot be joined": {"join_fails": True},
    "joining a room is slow": {"join_seconds": 3.0},
}

SAID_BY_MACHINE = "Please hold for the next free colleague"

DIALLED: Mapping[str, Mapping[str, Any]] = {
    **TARGETS,
    "a queue, then who accepts": {
        "says": [
            Says(SAID_BY_MACHINE, after=0.2),
            PutsThrough(after=9.0),
            Says("hello", after=0.2),
            Says("yes please", when=ANNOUNCED, after=4.0),
        ]
    },
    "a machine that asks, then who declines": {
        "says": [Says("who is it", when="?"), PutsThrough(after=5.0), Says("no thanks", after=0.5)]
    },
}
"""What somebody who is dialled does: `TARGETS`, and machines that put the call through to a human."""

TELLS: Mapping[str, tuple[Any, ...]] = {
    "says so": (),
    "hangs": (Hangs(40.0),),
    "is late": ((Hangs(6.0), SORRY),),
    "fails": (Fails(500), Fails(500)),
    "says nothing": ("", ""),
}
"""What the agent's model does that is told how a transfer ended."""

MODEL_STEPS = (
    "",
    STILL_HERE,
    Hangs(30.0),
    (Hangs(4.0), STILL_HERE),
    Fails(429),
    Calls("transfer_call", {"destination": "supervisor", "reason": "again"}),
    Calls("transfer_call", {"destination": "billing"}),
    Calls("transfer_call", {"destination": "none"}),
    Calls("transfer_call", {"destination": "+19005550100", "reason": "they insist"}),
    Calls("transfer_call", {}),
    Calls("another_agent"),
    (
        Calls("transfer_call", {"destination": "supervisor", "reason": "one"}),
        Calls("transfer_call", {"destination": "billing", "reason": "two"}),
    ),
)

CONSULTATION_STEPS = (
    "",
    "What is it about?",
    Calls("decline_call"),
    Calls("machine_answered"),
    Hangs(30.0),
    (Hangs(4.0), ANSWER),
    Fails(500),
)

PHASES = sorted(phase.value for phase in Phase)
WHICH = st.sampled_from([-1, -1, -2, -3])
"""Which of those who are on a line, from the last."""

PAUSES = st.sampled_from([0.0, 0.0, 0.02, 0.1, 0.5, 1.0, 3.0, 8.0])


class BrokenInvariant(AssertionError):
    """Something that must always hold did not."""


@attrs.frozen(kw_only=True)
class Setting:
    """How a call is set up.

    The plan is how the route "supervisor" transfers; `target` is what the first of those does whom it may consult, and
    `others` what all others of them do.
    """

    kind: str = "cascade"
    preemptive: bool = False
    preflight_words: int = 1_000
    direction: Literal["inbound", "outbound"] = "inbound"
    background_audio: bool = False
    summary_seconds: float = 0.3
    move: Move = "caller"
    stay: bool = True
    stays_with_caller: bool = False
    gate: str = "voice_or_key"
    plan: Plan = "warm"
    target: str = "accepts"
    others: str = "accepts"
    answers_after: float = 4.0
    early_media: bool = False
    bills: str = "answers"
    name: str = "Support"
    latency: float = 0.0
    unknowns: Mapping[str, Any] = attrs.field(factory=dict)
    tells: str = "says so"
    recorded: bool = False
    wakes_up: bool = False
    keypad: bool = False
    listener_raises: bool = False
    asks: str = "supervisor"
    again: bool = True


SETTINGS = st.builds(
    Setting,
    kind=st.sampled_from(["cascade", "cascade", "cascade", "realtime"]),
    preemptive=st.sampled_from([False, False, True]),
    preflight_words=st.sampled_from([1_000, 3]),
    direction=st.sampled_from(["inbound", "inbound", "outbound"]),
    background_audio=st.booleans(),
    summary_seconds=st.sampled_from([0.3, 0.3, 8.0]),
    move=st.sampled_from(["caller", "target"]),
    stay=st.sampled_from([True, True, True, False]),
    stays_with_caller=st.sampled_from([False, False, False, True]),
    gate=st.sampled_from(["voice_or_key", "voice_or_key", "keys_only"]),
    target=st.sampled_from(["accepts", "accepts", *sorted(DIALLED)]),
    plan=st.just("warm") | plans(3),
    others=st.sampled_from(["accepts", "accepts", *sorted(DIALLED)]),
    answers_after=st.sampled_from([0.2, 4.0, 12.0]),
    early_media=st.booleans(),
    bills=st.sampled_from(["answers", "refuses", "does not answer", "answers and hangs up"]),
    name=st.sampled_from(["Support", "Agent Smith"]),
    latency=st.sampled_from([0.0, 0.05, 0.4]),
    unknowns=st.fixed_dictionaries(
        {},
        optional={
            "status_after_failed_transfer": st.sampled_from(["answered", None]),
            "status_after_transfer": st.sampled_from(["ended", None]),
            "status_after_switch": st.sampled_from(["answered", None]),
            "transferred_at": st.sampled_from(["answer", "acceptance"]),
            "after_acceptance": st.sampled_from(["stays", "leaves", "ends"]),
            "keeps_log": st.booleans(),
            "session_ends_with_transfer": st.booleans(),
            "newest_first": st.booleans(),
            "honours_participant_id": st.booleans(),
            "switch_after": st.sampled_from([0.1, 1.0, 4.0]),
            "switch_gap": st.sampled_from([0.0, 0.1]),
        },
    ),
    tells=st.sampled_from(["says so", "says so", *sorted(TELLS)]),
    recorded=st.booleans(),
    wakes_up=st.booleans(),
    keypad=st.booleans(),
    listener_raises=st.booleans(),
    asks=st.sampled_from(["supervisor", "supervisor", "supervisor", "billing", ""]),
    again=st.booleans(),
)


def _agrees(setting: Setting, target: Target) -> bool:
    """Whether somebody who was dialled has agreed to be connected."""
    if target.number == BILLING:
        return True  # who is dialled into the call is told, and not asked
    if _of_a_machine(target):
        return True
    if target.number in PEOPLE and setting.gate == "keys_only":
        return pressed_yes(target)
    understood = any(did.act == Says(SOUNDS_RIGHT) and ANNOUNCED in did.heard for did in target.did)
    return understood or said_yes(target)


def _of_a_machine(target: Target) -> bool:
    """Whether a human answers for the machine before them: told what it was told, they are not told again as yet.

    Without this, a human who says yes having heard nothing is found to be connected without consent.
    """
    told = any(isinstance(did.act, PutsThrough) and ANNOUNCED in did.heard for did in target.did)
    return told and any(did.act in (*map(Says, AGREES), Says(SOUNDS_RIGHT), Presses("1")) for did in target.did)


class AgentUnderFire(TransferMixin, Agent):
    """An agent with every kind of transfer."""

    def __init__(self, call: "PhoneCall", *, greeting: str) -> None:
        self._call_under_fire = call
        self._greeting = greeting
        setting = call.setting
        warm = WarmTransfer(
            move=setting.move,
            leave_unwatched=not setting.stay,
            hold=StayWithCaller() if setting.stays_with_caller else HoldMusic(),
            briefing=Briefing(gate=Gate(setting.gate)),
        )
        super().__init__(
            instructions="You are the customer-care agent of ConnectTel.",
            transfers=[
                Route("supervisor", built(setting.plan, warm), when="the caller asks for a human"),
                Route("billing", DirectTransfer(BILLING), when="the caller asks about an invoice"),
                Route("manager", WarmTransfer(MANAGER), when="the caller asks for the manager"),
            ],
            platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
            policy=Policy(attempts=50, attempts_per_minute=50, dials=1000),
        )

    async def on_enter(self) -> None:
        if self._greeting:
            await self.session.say(self._greeting)

    async def on_exit(self) -> None: ...

    def on_transfer_event(self, event: TransferEvent) -> None:
        if self._call_under_fire.setting.listener_raises:
            raise RuntimeError("an author's listener breaks")

    @function_tool
    async def another_agent(self) -> Agent:
        """Passes the conversation on to another agent of the same kind."""
        return AgentUnderFire(self._call_under_fire, greeting="")


class Log(logging.Handler):
    """Everything that our loggers say."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self.lines.append(record.getMessage())


@contextmanager
def under_fire(setting: Setting) -> Iterator["PhoneCall"]:
    """A call whose steps are written down, from its beginning to its end."""
    call = PhoneCall()
    try:
        call.begins(setting=setting)
        yield call
    finally:
        call.teardown()


def step(**arguments: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule whose uses are noted, so that a call can be told, and run again, line by line."""

    def noted(act: Callable[..., None]) -> Any:
        @functools.wraps(act)
        def wrapped(self: "PhoneCall", **given: Any) -> None:
            line = f"{act.__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
            self.program.append(line)
            self.counts["steps"] += 1
            self.run(self.noted(f">>> {line}"))
            act(self, **given)

        as_rule: Any = rule(**arguments)
        return as_rule(wrapped)

    return noted


class PhoneCall(RuleBasedStateMachine):
    """One call, from its first word until everybody has gone.

    Attributes:
        counts: What happened in all calls together.
        broken: How many calls broke each invariant.
        program: The steps of this call, as they would be written to have it again.
        setting: How it is set up.
        witness: Who looks at it.
    """

    counts: ClassVar[Counter[str]] = Counter()
    broken: ClassVar[Counter[str]] = Counter()

    setting: Setting
    witness: Witness
    caller: Caller
    sandbox: Sandbox

    def __init__(self) -> None:
        super().__init__()
        gc.freeze()  # the SDK collects all garbage on every leave, and keeps more with every session
        self.program: list[str] = []
        self._runner = asyncio.Runner(loop_factory=FastForwardLoop)
        self._beside: list[asyncio.Task[Any]] = []
        self._errors: list[str] = []
        self._model: list[Any] = []
        self._consultation_model: list[Any] = []
        self._tells: list[Any] = []
        self._web_users: list[WebUser] = []
        self._log = Log()
        self._ending = False

    def failed(self) -> None:
        """Something did not hold. Raises, so that hypothesis looks for the shortest call in which it does not."""
        raise BrokenInvariant("\n".join(self.told()))

    def told(self) -> Iterator[str]:
        """What did not hold, the call as a program that has it again, and its timeline."""
        yield from ["", *self.witness.broken, "", f"with under_fire({self.setting}) as call:"]
        yield from (f"    call.{line}" for line in self.program)
        yield from ["", str(self.caller.timeline)]

    # The call

    @initialize(setting=SETTINGS)
    def begins(self, setting: Setting) -> None:
        """Somebody calls."""
        self.setting = setting
        self._tells = [*TELLS[setting.tells]]
        logger = logging.getLogger("calltransfer")
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self._log)
        self.counts["calls"] += 1
        self.run(self._begin())
        if setting.asks:
            self.caller_says(text=ASKS[setting.asks], then=1.0)

    async def _begin(self) -> None:
        setting = self.setting
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self._raised(context.get("exception")))
        self.sandbox = sandbox = Sandbox(latency=setting.latency, unknowns=Unknowns(**setting.unknowns))
        await sandbox.__aenter__()
        for place, number in enumerate(PEOPLE):
            sandbox.person(
                number,
                **{
                    "answers_after": setting.answers_after + place * 0.4,
                    "early_media": setting.early_media,
                    "name": setting.name,
                    **DIALLED[setting.others if place else setting.target],
                },
            )
        sandbox.person(MANAGER, answers_after=1.0, says="yes please")
        sandbox.person(
            BILLING,
            answers_after=None if setting.bills == "does not answer" else setting.answers_after,
            refuses_after=1.0 if setting.bills == "refuses" else None,
            hangs_up_after=2.0 if setting.bills == "answers and hangs up" else None,
        )
        hides = setting.unknowns.get("keeps_log") is False and setting.unknowns.get("status_after_transfer") == "ended"
        preemptive = setting.preemptive and setting.kind == "cascade"
        self.caller = await sandbox.call(
            functools.partial(AgentUnderFire, self, greeting=GREETING),
            kind=setting.kind,
            number=CALLER,
            direction=setting.direction,
            model=Script(iter(lambda: self._answers, None), summary=SUMMARY, summary_seconds=setting.summary_seconds),
            consultation_model=Script(iter(lambda: self._consults, None)),
            ears=Ears(preemptive=True, preflight_words=setting.preflight_words) if preemptive else Ears(),
            room_options={"recording": setting.recorded, "background_audio": setting.background_audio},
            session_options={
                **({"wake_up": 10} if setting.wakes_up else {}),
                **({"dtmf_handler": lambda: DTMFHandler(self._key_pressed)} if setting.keypad else {}),
            },
        )
        self.witness = Witness(
            sandbox,
            self.caller,
            agrees=functools.partial(_agrees, setting),
            stays=setting.stay,
            hides_transfers=hides,
            own_time=2 * setting.latency + setting.unknowns.get("switch_after", 0.1),
            for_targets=(Briefing().opening(SUMMARY), ANSWER),
            for_caller=(CONNECTING, SORRY, GREETING),
        )
        if setting.wakes_up:
            self.caller.session.on_wake_up = self._wakes_up
        self._in_background(self.witness.watch())

    def _answers(self, last: str) -> Any:
        """What the agent's model does."""
        if last.startswith("[Call system"):
            return self._tells.pop(0) if self._tells else SORRY
        if self._model:
            return self._model.pop(0)
        if last.startswith("{"):
            return CONNECTING
        asked = next((route for route, text in ASKS.items() if last in text and len(last) > 10), None)
        return Calls("transfer_call", {"destination": asked, "reason": "as they said"}) if asked else STILL_HERE

    def _consults(self, last: str) -> Any:
        """What the consultation's model does."""
        if last == SOUNDS_RIGHT:
            return Calls("accept_call")
        return self._consultation_model.pop(0) if self._consultation_model else ANSWER

    def _wakes_up(self) -> Any:
        return None if self._ending else asyncio.ensure_future(self.caller.session.say("Are you still with me?"))

    async def _key_pressed(self, digit: Any) -> None:
        self.caller.note(f"the author's keypad handler gets {digit}")

    # What people do

    @step(text=st.sampled_from(SAYS), then=PAUSES)
    def caller_says(self, text: str, then: float) -> None:
        """The caller says something."""
        self._act(self.caller.say(text), then)

    @step(key=st.sampled_from("*19"), then=PAUSES)
    def caller_presses(self, key: str, then: float) -> None:
        """The caller presses a key."""
        self._act(self.caller.press(key), then)

    @step(then=PAUSES)
    def caller_hangs_up(self, then: float) -> None:
        """The caller hangs up."""
        self._act(self.caller.hang_up(), then)

    @step(text=st.sampled_from(TARGET_SAYS), then=PAUSES, which=WHICH)
    def target_says(self, text: str, then: float, which: int = -1) -> None:
        """One of those who were dialled says something; the last, if it is not said which."""
        target = self._target(which)
        if target is not None:
            self._act(target.say(text), then)

    @step(key=st.sampled_from("1279"), then=PAUSES, which=WHICH)
    def target_presses(self, key: str, then: float, which: int = -1) -> None:
        """One of those who were dialled presses a key."""
        target = self._target(which)
        if target is not None:
            self._act(target.press(key), then)

    @step(then=PAUSES, which=WHICH)
    def target_hangs_up(self, then: float, which: int = -1) -> None:
        """One of those who were dialled hangs up."""
        target = self._target(which)
        if target is not None:
            self._act(target.hang_up(), then)

    @step(then=PAUSES)
    def web_user_joins(self, then: float) -> None:
        """Somebody in the browser comes into the room of caller and agent."""

        async def join() -> None:
            if not self.caller.over.is_set():
                self._web_users.append(await self.sandbox.web_user(self.caller))

        self._act(join(), then)

    @step(text=st.sampled_from(["hello from the browser", "no wait I changed my mind"]), then=PAUSES)
    def web_user_says(self, text: str, then: float) -> None:
        """Who came last of those in the browser says something."""
        if self._web_users:
            self._act(self._web_users[-1].say(text), then)

    @step(then=PAUSES)
    def web_user_leaves(self, then: float) -> None:
        """Who came last of those in the browser leaves."""
        if self._web_users:
            self._act(self._web_users.pop().hang_up(), then)

    def _target(self, which: int) -> Target | None:
        live = [target for target in self.sandbox.targets if target.leg.answered]
        return live[max(which, -len(live))] if live else None

    # What the models and the author's code do

    @step(does=st.sampled_from(MODEL_STEPS))
    def model_will(self, does: Any) -> None:
        """The agent's model does this the next time it is asked."""
        if does != Calls("another_agent") or self.setting.kind == "cascade":  # the only one that takes an agent
            self._model.append(does)

    @step(does=st.sampled_from(CONSULTATION_STEPS))
    def consultation_model_will(self, does: Any) -> None:
        """The consultation's model does this the next time it is asked."""
        self._consultation_model.append(does)

    @step(route=st.sampled_from(["supervisor", "billing", "manager"]), then=PAUSES)
    def author_transfers(self, route: str, then: float) -> None:
        """The author's code transfers the caller."""

        async def transfer() -> None:
            if self.caller.session.agent is not None:
                result = await self.caller.session.agent.transfer(route)
                self.caller.note(f"transfer() returned {result.outcome}")

        self._act(transfer(), then)

    @step(then=PAUSES)
    def author_speaks(self, then: float) -> None:
        """The author's code says something to the caller."""

        async def say() -> None:
            if self.caller.session.agent is not None:
                await self.caller.session.say("Just a note from the author.")

        self._act(say(), then)

    @step(then=PAUSES)
    def author_interrupts(self, then: float) -> None:
        """The author's code has the agent stop speaking, and whatever tool it runs."""

        async def interrupt() -> None:
            if self.caller.session.agent is not None:
                self.caller.session.interrupt(force=True)

        self._act(interrupt(), then, in_job=True)

    @step(how=st.sampled_from(["hangs up", "closes the session", "shuts the worker down"]), then=PAUSES)
    def author_ends(self, how: str, then: float) -> None:
        """The call is ended from the agent's side."""

        async def end() -> None:
            if self.caller.over.is_set() or self.caller.session.agent is None:
                return
            self.witness.closed_at = min(self.witness.closed_at, asyncio.get_running_loop().time())
            if how == "hangs up":
                await self.caller.session.hangup()
            elif how == "closes the session":
                await self.caller.session.close()
            else:
                await self.caller.job.shutdown()

        self._act(end(), then, in_job=True)

    # What the platform does

    @step(
        request=st.sampled_from(sorted(REQUESTS)),
        fault=st.sampled_from(sorted(FAULTS)),
        times=st.sampled_from([1, 1, 2, None]),
        then=PAUSES,
    )
    def platform_fails(self, request: str, fault: str, times: int | None, then: float) -> None:
        """A request goes wrong from now on."""
        method, path = REQUESTS[request]
        self.counts["faults"] += 1
        self.sandbox.fault(method, path, times=times, **FAULTS[fault])
        self._act(None, then)

    @step(trouble=st.sampled_from(sorted(TROUBLES)), then=PAUSES)
    def room_fails(self, trouble: str, then: float) -> None:
        """Something goes wrong in the rooms from now on."""
        self.counts["faults"] += 1
        for name, value in TROUBLES[trouble].items():
            setattr(self.sandbox.trouble, name, value)
        self._act(None, then)

    @step(then=PAUSES)
    def platform_heals(self, then: float) -> None:
        """Everything works again."""
        heals(self.sandbox)
        self._act(None, then)

    # Time

    @step(seconds=st.sampled_from([0.3, 1.0, 4.0, 15.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        """Nothing happens from outside for a while."""
        self._act(None, seconds)

    @step(phase=st.sampled_from(PHASES))
    def until(self, phase: str) -> None:
        """Nothing happens from outside until a transfer has come to a certain point."""
        self.run(self.witness.until(Phase(phase)))

    @step(rounds=st.integers(1, 30))
    def loop_goes_round(self, rounds: int) -> None:
        """Nothing happens from outside for so many rounds of the event loop, in which no time passes."""

        async def go_round() -> None:
            for _ in range(rounds):
                await asyncio.sleep(0)

        self.run(go_round())

    # Running it

    async def noted(self, line: str) -> None:
        """Adds to the timeline."""
        self.caller.note(line)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Lets the call go on until `work` is done, and then looks at it."""
        self._runner.run(work)
        if self.witness.broken:
            self.failed()

    def _act(self, act: Coroutine[Any, Any, Any] | None, then: float, *, in_job: bool = False) -> None:
        async def go_on() -> None:
            if act is not None:
                self._in_background(act, in_job=in_job)
            await asyncio.sleep(then)
            self.witness.look()

        self.run(go_on())

    def _in_background(self, work: Coroutine[Any, Any, Any], *, in_job: bool = False) -> None:
        context = self.caller.context if in_job else None
        self._beside.append(asyncio.get_running_loop().create_task(work, context=context))

    def _raised(self, error: BaseException | None) -> None:
        """An error that nobody has taken; one that the SDK has raised by itself is not ours.

        Nor is that of a model which fails in a turn of the SDK's, one begun before the caller had ended among them: it
        passes through what follows the model's words, and the SDK leaves it in its own task, as it does without us.
        """
        frames = traceback.extract_tb(error.__traceback__) if error is not None else []
        ours = [frame for frame in frames if is_of_the_library(frame.filename)]
        of_the_sdk = (
            isinstance(error, ProviderError)
            and frames[0] not in ours
            and any(frame.name == "_generate_and_synthesize" for frame in frames)
        )
        if ours and not of_the_sdk:
            self._errors.append(f"{type(error).__name__} in {ours[-1].name}: {error}")

    def teardown(self) -> None:
        """Everything heals and settles; then what is left must be as the invariants say, and nothing may be left."""
        logger = logging.getLogger("calltransfer")
        try:
            if hasattr(self, "caller"):
                self._runner.run(self._end())
        finally:
            try:
                if hasattr(self, "sandbox"):
                    self._runner.run(self.sandbox.__aexit__(None, None, None))
            finally:
                self._runner.close()
                logger.removeHandler(self._log)
                logger.setLevel(self._level)
        witness = self.witness
        witness.broken += [f"clean: {error}" for error in self._errors]
        witness.broken += [
            f"private: a log line shows {secret!r}: {line}"
            for line in self._log.lines
            for secret in PRIVATE
            if secret in line
        ]
        self.counts["transfers"] += len(witness.transfers)
        self.counts.update(f"ended {transfer.outcome}" for transfer in witness.transfers.values())
        self.broken.update({broken.partition(":")[0] for broken in witness.broken})
        if witness.broken:
            self.failed()

    async def _end(self) -> None:
        witness = self.witness
        heals(self.sandbox)
        self._ending = True
        self._model.clear()
        self._tells.clear()
        await witness.settled()
        await witness.talks()
        if self.setting.again:
            await witness.is_transferred_again(ASKS_FOR_MANAGER, MANAGER)
        self.caller.note(">>> everybody hangs up in the end")
        for user in self._web_users:
            await user.hang_up()
        await self.caller.hang_up()
        try:
            async with asyncio.timeout(120.0):
                await self.caller.over.wait()
        except TimeoutError:
            # Whoever is left of two whom nobody watches over keeps the room open.
            witness.holds("caller first", witness.unwatched, "the agent's session goes on after everybody has left")
        await asyncio.sleep(90.0)
        witness.look()
        witness.look_back()
        for task in self._beside:
            task.cancel()
        for result in await asyncio.gather(*self._beside, return_exceptions=True):
            if isinstance(result, Exception):
                self._raised(result)
        witness.look_for_what_is_left()
