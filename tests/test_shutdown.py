"""A worker that shuts down in the middle of a transfer, in each of its phases, as `JobContext.shutdown()` does it."""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from calltransfer import (
    Briefing,
    Call,
    Outcome,
    Phase,
    TransferEvent,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
)
from calltransfer.sandbox import Caller, Calls, HangsUp, Sandbox, Says, Target, Unknowns
from tests import agents, warm

DEADLINE = 15.0
"""Seconds that the SDK gives each callback of a job that shuts down, before it goes on to the session's own close."""

CLOSING, CLOSING_FORWARDED = Wording().closing, Wording().closing_forwarded


@attrs.frozen
class Closing:
    """What was so when the session's own close had begun.

    Attributes:
        at: When that was.
        heard: What the caller had heard.
        connected_to: Whom the caller was talking to.
        orphans: The legs that were dialled, and neither over nor with the caller.
        deserted: The other rooms that the agent was still in, without the caller.
    """

    at: float
    heard: list[str]
    connected_to: str
    orphans: list[Target]
    deserted: list[str]


class Watching:
    """An agent whose worker shuts down when a transfer of its gets somewhere, and that looks around as it leaves."""

    when: Phase | None = None
    begins: Callable[[], None]
    looks_around: Callable[[], Closing]
    closing: Closing | None = None

    def on_transfer_event(self, event: TransferEvent) -> None:
        super().on_transfer_event(event)  # type: ignore[misc]
        if event.phase is self.when:
            self.when = None
            self.begins()

    async def on_exit(self) -> None:
        self.closing = self.looks_around()


class WarmAgent(Watching, warm.SupervisedAgent):
    """One that passes its caller to a supervisor."""


class DirectAgent(Watching, agents.SupportAgent):
    """One that forwards its caller to billing."""


class Scene:
    """A call whose worker shuts down."""

    def __init__(self, sandbox: Sandbox, caller: Caller) -> None:
        self.caller = caller
        self.began = 0.0
        self._sandbox = sandbox
        self._shutting_down: asyncio.Task[None] | None = None
        self.begun = asyncio.Event()
        caller.agent.begins = self.begin
        caller.agent.looks_around = self._look_around

    def begin(self) -> None:
        """The worker shuts the job down, in the job's own context."""
        self.began = asyncio.get_running_loop().time()
        _, context = self._sandbox._hosts[self.caller]
        self._shutting_down = asyncio.get_running_loop().create_task(self.caller.job.shutdown(), context=context)
        self.begun.set()

    async def closed(self) -> Closing:
        """Waits until it has shut down; returns what was so when the session's own close began."""
        await self.begun.wait()
        assert self._shutting_down is not None
        await self._shutting_down
        await self.caller.over.wait()
        closing = self.caller.agent.closing
        assert isinstance(closing, Closing)
        assert closing.at - self.began < DEADLINE
        return closing

    def _look_around(self) -> Closing:
        network, caller = self._sandbox._cloud.network, self.caller
        return Closing(
            at=asyncio.get_running_loop().time(),
            heard=list(caller.texts_heard),
            connected_to=caller.connected_to,
            orphans=[
                target
                for target in self._sandbox.targets
                if not target.leg.over and target.connected_to != caller.number
            ],
            deserted=[
                room.id
                for room in network.rooms.values()
                if room.live and room.id not in {caller.room_id, warm.leg_of(caller).room_id}
            ],
        )


async def warm_scene(sandbox: Sandbox, strategy: Any = None, *, when: Phase | None = None, **how: Any) -> Scene:
    """A caller who asks for a supervisor, from a worker that shuts down `when` the transfer gets there."""
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
    how.setdefault("model", warm.script())
    caller = await sandbox.call(lambda: WarmAgent(strategy, platform=platform), consultation_model=[warm.ANSWER], **how)
    caller.agent.when = when
    return Scene(sandbox, caller)


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize(
    "phase",
    [
        Phase.STARTED,
        Phase.SUMMARY_STARTED,
        Phase.SUMMARY_READY,
        Phase.CONSULTATION_OPENED,
        Phase.DIALLED,
        Phase.RINGING,
        Phase.SENTENCE_HEARD,
        Phase.ON_HOLD,
        Phase.ANSWERED,
        Phase.BRIEFING,
    ],
)
async def test_warm_transfer_not_yet_connecting(phase: Phase, move: Any) -> None:
    """Whatever was dialled is ended and its room empty, and the caller has been told, before the session closes."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(warm.SUPERVISOR, answers_after=4.0, says="yes please")
        scene = await warm_scene(sandbox, WarmTransfer(warm.SUPERVISOR, move=move), when=phase)
        saying = asyncio.create_task(scene.caller.say(warm.ASKS))
        closing = await scene.closed()
        await saying

        assert CLOSING == closing.heard[-1]
        assert ([], [], "agent") == (closing.orphans, closing.deserted, closing.connected_to)
        assert [Outcome.CANCELLED] == scene.caller.agent.outcomes
        assert all("ended" == target.leg.status for target in sandbox.targets)


@pytest.mark.parametrize("move", ["caller", "target"])
@pytest.mark.parametrize("phase", [Phase.CONNECTING, Phase.FINISHED])
async def test_warm_transfer_connecting_or_connected(phase: Phase, move: Any) -> None:
    """Who is being connected, or is, stays connected, and the agent leaves every room it was in."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(warm.SUPERVISOR, says="yes please")
        scene = await warm_scene(sandbox, WarmTransfer(warm.SUPERVISOR, move=move), when=phase)
        await scene.caller.say(warm.ASKS)
        closing = await scene.closed()
        (target,) = sandbox.targets

        assert ([], [], warm.SUPERVISOR) == (closing.orphans, closing.deserted, closing.connected_to)
        assert not any(said in closing.heard for said in (CLOSING, CLOSING_FORWARDED))
        assert [Outcome.CONNECTED] == scene.caller.agent.outcomes
        assert warm.SUPERVISOR == await scene.caller.talking_to()
        assert not any(room.members for room in sandbox._cloud.network.rooms.values())
        assert "answered" == target.leg.status


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_warm_transfer_at_the_yes(move: Any) -> None:
    """A yes and the close in one instant are a connection or none, as asyncio has it: true either way, for both."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(warm.SUPERVISOR, says="yes please")
        scene = await warm_scene(sandbox, WarmTransfer(warm.SUPERVISOR, move=move), when=Phase.DECIDED)
        await scene.caller.say(warm.ASKS)
        closing = await scene.closed()
        (target,) = sandbox.targets

        assert ([], []) == (closing.orphans, closing.deserted)
        if scene.caller.agent.outcomes == [Outcome.CONNECTED]:  # Python 3.11
            assert warm.SUPERVISOR == closing.connected_to == await scene.caller.talking_to()
            assert CLOSING not in closing.heard
        else:  # Python 3.13
            assert [Outcome.CANCELLED] == scene.caller.agent.outcomes
            assert ("agent", CLOSING) == (closing.connected_to, closing.heard[-1])
            assert "ended" == target.leg.status
            assert Briefing().failed in target.texts_heard


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.RELEASED, Phase.OFF_HOLD, Phase.FINISHED])
async def test_warm_transfer_that_has_failed(phase: Phase) -> None:
    """A caller who has not been told yet of a failed transfer is told that the agent leaves; who has been, has been."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.trouble.switch_fails = 2  # a move that fails once is not the end of it
        sandbox.person(warm.SUPERVISOR, says="yes please")
        scene = await warm_scene(sandbox, when=phase)
        await scene.caller.say(warm.ASKS)
        closing = await scene.closed()

        told = Phase.TOLD in scene.caller.agent.phases[: scene.caller.agent.phases.index(phase)]
        assert (warm.SORRY if told else CLOSING) == closing.heard[-1]
        assert ([], [], "agent") == (closing.orphans, closing.deserted, closing.connected_to)


@pytest.mark.parametrize("phase", [Phase.STARTED, Phase.PREPARED])
async def test_direct_transfer_not_yet_forwarded(phase: Phase) -> None:
    """A call that has not been forwarded is not any more, and the caller is told that the agent leaves."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(agents.BILLING)
        caller = await sandbox.call(DirectAgent, model=agents.TRANSFERS)
        caller.agent.when = phase
        scene = Scene(sandbox, caller)
        saying = asyncio.create_task(caller.say(agents.ASKS))
        closing = await scene.closed()
        await saying

        assert (CLOSING, "agent") == (closing.heard[-1], closing.connected_to)
        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert not any(request.path.endswith("/transfer") for request in sandbox.requests)


@pytest.mark.parametrize("phase", [Phase.SENTENCE_HEARD, Phase.FORWARDING, Phase.RINGING])
@pytest.mark.parametrize(
    ("person", "last_words", "outcome"),
    [
        ({"answers_after": 1.0}, "", Outcome.CONNECTED),
        ({"refuses_after": 1.0}, CLOSING, Outcome.FAILED),
        ({"answers_after": 20.0}, CLOSING_FORWARDED, Outcome.CANCELLED),
    ],
    ids=["answers", "refuses", "rings on"],
)
async def test_direct_transfer_that_has_been_forwarded(
    phase: Phase, person: dict[str, Any], last_words: str, outcome: Outcome
) -> None:
    """Its end is waited for; who is not connected by then is told so, and what the platform does then still counts."""
    async with Sandbox(latency=0.1) as sandbox:
        sandbox.person(agents.BILLING, **person)
        caller = await sandbox.call(DirectAgent, model=agents.TRANSFERS)
        caller.agent.when = phase
        scene = Scene(sandbox, caller)
        await caller.say(agents.ASKS)
        closing = await scene.closed()

        assert outcome == caller.agent.outcomes[0]
        assert not last_words or last_words == closing.heard[-1]
        settled = await caller.talking_to(settled_for=20.0)
        assert (agents.BILLING if "answers_after" in person else "nobody") == settled


async def test_an_empty_sentence_is_none() -> None:
    """An author whose `on_exit` says it all has nothing else said, and the session closes at once."""
    async with Sandbox() as sandbox:
        sandbox.person(agents.BILLING)
        caller = await sandbox.call(lambda: DirectAgent(wording=Wording(closing="")), model=agents.TRANSFERS)
        caller.agent.when = Phase.PREPARED
        scene = Scene(sandbox, caller)
        saying = asyncio.create_task(caller.say(agents.ASKS))
        closing = await scene.closed()
        await saying

        assert closing.at - scene.began < 0.1


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_last_words_break_off_what_the_agent_says(kind: str) -> None:
    """An agent in the middle of a long sentence breaks it off, and the caller cannot break into the last one."""
    long = " ".join(["I am connecting you and meanwhile I tell you all about it"] * 5)
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, answers_after=None)
        scene = await warm_scene(sandbox, kind=kind, model=[warm.TO_SUPERVISOR, long], when=Phase.RINGING)
        saying = asyncio.create_task(scene.caller.say(warm.ASKS))
        await scene.begun.wait()
        talking = asyncio.create_task(scene.caller.say("what do you mean please do not go away now"))
        closing = await scene.closed()
        await asyncio.gather(saying, talking)

        assert CLOSING in closing.heard[-1]


async def test_a_tool_that_closes_the_session_does_not_wait_for_itself() -> None:
    """A tool of the author's that awaits the closing is not broken off by the last words, nor kept waiting for them."""
    from videosdk.agents import function_tool

    class Closes(DirectAgent):
        @function_tool
        async def end_call(self) -> dict[str, str]:
            """Ends the call."""
            await self.session.close()
            self.returned = True
            return {"status": "ended"}

    async with Sandbox() as sandbox:
        sandbox.person(agents.BILLING)
        caller = await sandbox.call(Closes, model=[agents.TO_BILLING, Calls("end_call"), ""])
        scene = Scene(sandbox, caller)
        scene.began = asyncio.get_running_loop().time()
        await caller.say(agents.ASKS)
        async with asyncio.timeout(10):
            while caller.agent.closing is None:
                await caller.something_happens_within(1)

        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert caller.agent.closing.at - scene.began < 6.0


class Stubborn:
    """A strategy that says that it cannot be called back, and does not end when it is cancelled."""

    def __init__(self) -> None:
        self.gives_in = asyncio.Event()

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        call.report(Phase.CONNECTING)
        while not self.gives_in.is_set():
            try:
                await self.gives_in.wait()
            except asyncio.CancelledError:
                continue
        return TransferResult(outcome=Outcome.FAILED)


async def test_a_closing_has_one_deadline() -> None:
    """Waiting for a connection, and then for what does not end, together take less than the SDK's deadline."""
    async with Sandbox() as sandbox:
        strategy = Stubborn()
        scene = await warm_scene(sandbox, strategy, when=Phase.CONNECTING)
        saying = asyncio.create_task(scene.caller.say(warm.ASKS))
        await scene.closed()
        await saying
        strategy.gives_in.set()

        assert [Outcome.CANCELLED] == scene.caller.agent.outcomes


@pytest.mark.parametrize("move", ["caller", "target"])
async def test_a_connection_that_hangs_is_given_up_in_time(move: Any) -> None:
    """A platform that does not move the call leaves no leg behind when the worker shuts down meanwhile."""
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, says="yes please")
        sandbox.fault("POST", "/switch-room", hang=True)
        strategy = WarmTransfer(warm.SUPERVISOR, move=move, connect_timeout=60.0)
        scene = await warm_scene(sandbox, strategy, when=Phase.CONNECTING)
        await scene.caller.say(warm.ASKS)
        closing = await scene.closed()

        assert ([], [], "agent") == (closing.orphans, closing.deserted, closing.connected_to)
        assert CLOSING == closing.heard[-1]


async def test_who_is_left_on_a_line_is_released_although_the_worker_shuts_down() -> None:
    """The caller has hung up on the target; the end of the target's leg is not cut short by the worker's shutdown."""
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, says="yes please")
        scene = await warm_scene(sandbox)
        await scene.caller.say(warm.ASKS)
        await scene.caller.agent.finished.wait()
        sandbox.fault("POST", "/call/end", delay=1.5)
        (target,) = sandbox.targets
        await scene.caller.hang_up()
        await asyncio.sleep(0.5)
        scene.begin()
        closing = await scene.closed()

        assert [] == closing.orphans
        assert "ended" == target.leg.status


async def test_a_caller_who_is_being_brought_back_is_told() -> None:
    """The target left within seconds and the caller is on their way back: nobody is there for them, and they hear so."""
    async with Sandbox(unknowns=Unknowns(switch_after=1.0)) as sandbox:
        sandbox.person(warm.SUPERVISOR, says=["yes please", HangsUp(when="together", after=0.1)])
        briefing = Briefing(introduction="You are together now.")
        scene = await warm_scene(sandbox, WarmTransfer(warm.SUPERVISOR, briefing=briefing))
        await scene.caller.say(warm.ASKS)
        await scene.caller.sees("switch-room-completed")
        while [status for status, _ in scene.caller.statuses].count("switch-room-initiated") < 2:
            await scene.caller.something_happens_within(1)
        scene.begin()
        closing = await scene.closed()

        assert [] == closing.orphans
        assert CLOSING == closing.heard[-1]


async def test_a_message_on_a_machine_is_cut_and_its_leg_ended() -> None:
    """A closing that has no time for what is being said to a machine ends its leg all the same, and tells how it was."""
    briefing = Briefing(voicemail_message="Please call the assistant back about this as soon as you can. " * 3)
    async with Sandbox() as sandbox:
        sandbox.person(warm.SUPERVISOR, says=[Says("Hi, please leave a message after the tone", after=0.2)])
        scene = await warm_scene(sandbox, WarmTransfer(warm.SUPERVISOR, briefing=briefing))
        await scene.caller.say(warm.ASKS)
        await (await sandbox.target(warm.SUPERVISOR)).hears("as soon as")
        scene.begin()
        closing = await scene.closed()

        assert ([], []) == (closing.orphans, closing.deserted)
        assert [Outcome.VOICEMAIL] == scene.caller.agent.outcomes


async def test_a_caller_between_two_rooms_is_not_hung_up_on() -> None:
    """A closing that hurries a move waits for a caller who has left the one room and is not in the other yet."""
    async with Sandbox(unknowns=Unknowns(switch_after=7.0, switch_gap=6.9)) as sandbox:
        sandbox.person(warm.SUPERVISOR, says="yes please")
        scene = await warm_scene(sandbox, when=Phase.CONNECTING)
        await scene.caller.say(warm.ASKS)
        await scene.closed()

        assert [Outcome.CONNECTED] == scene.caller.agent.outcomes
        assert warm.SUPERVISOR == await scene.caller.talking_to()
