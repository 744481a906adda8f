"""The SDK's own warm transfer, unpatched, and ours in the same scenarios: each defect is there in the one only.

The defects are numbered as in the project's notes on the platform.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import attrs
import pytest
from videosdk.agents import Agent, ChatContext, function_tool
from videosdk.agents.llm.format_converters import to_anthropic_messages, to_google_contents, to_openai_messages
from videosdk.agents.warm_transfer import SIPDestination, WarmTransferConfig, WarmTransferError

from calltransfer import VideoSDKPlatform, WarmTransfer
from calltransfer.sandbox import Caller, Calls, Sandbox, Says, Script, Target
from calltransfer.sandbox.pipelines import make_pipeline
from calltransfer.transfers import Transfers
from tests.warm import ANSWER, ASKS, SUMMARY, call, script

CALLER_ID = "+14155550100"
ASKED = "Are you ready?"
YES = "yes put them through"
NO = "no not now"
GREETING_BEGINS = "hi"
"""Heard in "Hi, I'm ..." of the SDK's greeting, and in "Hello, this ..." of ours."""

RULES = "Call a tool ONLY", "Call decline_call"
SESSION_ENDS_AFTER = 1
"""Seconds after which the SDK ends a session that everybody has left."""


@attrs.frozen(kw_only=True)
class Ended:
    """How a transfer ended, as seen from outside.

    Attributes:
        reported: "success" or the error, or the outcome.
        caller: Whom the caller is with: "target", "agent", "nobody" or "hung up".
        target: Whom the target is with: "caller", "agent", "nobody" or "hung up"; "ringing" before that.
        briefed: Whether the target was told what it is about.
        session_over: Whether the agent's session has ended.
        noted: What the scenario noted while it ran.
    """

    reported: str
    caller: str
    target: str
    briefed: bool
    session_over: bool
    noted: Any

    def as_far_as(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """What is expected, and what of it was seen instead."""
        return {name: getattr(self, name) for name in expected}


@attrs.frozen
class Scene:
    """A caller who is being transferred, and the target."""

    sandbox: Sandbox
    caller: Caller
    target: Target
    pipelines: list[Any]

    async def ended(self, reported: str, session_over: bool, noted: Any) -> Ended:
        """What is to be seen now."""
        roles = {self.caller.number: "caller", self.target.number: "target"}
        leg = self.target.leg
        target = "hung up" if leg.over else roles.get(self.target.connected_to, self.target.connected_to)
        return Ended(
            reported=reported,
            caller=roles.get(self.caller.connected_to, self.caller.connected_to),
            target=target if leg.answered or leg.over else leg.status,
            briefed=any(SUMMARY[:20] in text for text in self.target.texts_heard),
            session_over=session_over,
            noted=noted,
        )


async def nothing(_scene: Scene) -> None:
    """Nothing else happens."""


async def caller_hangs_up(scene: Scene) -> None:
    await scene.target.sees("ringing")
    await scene.caller.hang_up()


async def target_hangs_up_during_the_switch(scene: Scene) -> None:
    await scene.caller.sees("switch-room-initiated")
    await scene.target.hang_up()


async def the_transfer_is_cancelled(scene: Scene) -> None:
    await scene.target.sees("ringing")
    running = scene.caller.session._warm_transfer_task
    if running is None:
        ours = Transfers.of(scene.caller.session).current
        assert ours is not None
        running = ours.attempt
    running.cancel()
    await scene.caller.something_happens_within(0.1)
    await scene.sandbox._switchboard.until(lambda: scene.target.leg.answered or scene.target.leg.over, 5.0)


async def the_consultation_s_session_closes(scene: Scene) -> None:
    await scene.target.hears(GREETING_BEGINS)
    await scene.pipelines[0].agent.session.close()


async def what_models_are_given(scene: Scene) -> dict[str, set[str]]:
    """What reaches the consultation's model in the format of each provider."""
    await scene.target.hears("?")
    context: ChatContext = scene.pipelines[0].agent.chat_context
    systems = {
        "OpenAI": " ".join(str(m["content"]) for m in to_openai_messages(context) if m["role"] == "system"),
        "Anthropic": str(to_anthropic_messages(context)[1]),
        "Gemini": str((await to_google_contents(context))[1]),
    }
    return {
        provider: {
            *(["summary"] if SUMMARY in system else []),
            *(["rules"] if any(rule in system for rule in RULES) else []),
        }
        for provider, system in systems.items()
    }


def answered_late(sandbox: Sandbox) -> None:
    """The request to dial is answered when the target's audio is live."""
    sandbox.fault("POST", "/v2/sip/call", acted=True, delay=1.2, times=1)


def moved_caller_never_appears(sandbox: Sandbox) -> None:
    sandbox.trouble.switched_leg_vanishes = 1


@attrs.frozen
class Defect:
    """A defect of the SDK's warm transfer.

    Attributes:
        number: Its number.
        name: What it is.
        sdk: How the SDK's transfer ends.
        ours: How ours ends.
        person: The target.
        happens: What happens meanwhile; what it returns is noted.
        trouble: What goes wrong on the platform.
        briefing_timeout: Seconds that the SDK waits for a decision.
    """

    number: int
    name: str
    sdk: Mapping[str, Any]
    ours: Mapping[str, Any]
    person: Mapping[str, Any] = attrs.field(factory=dict)
    happens: Callable[[Scene], Awaitable[Any]] = nothing
    trouble: Callable[[Sandbox], None] | None = None
    briefing_timeout: float = 20.0

    @property
    def target(self) -> str:
        """The target's number: each has one of its own."""
        return f"+141555502{self.number:02}"

    def at(self, sandbox: Sandbox) -> None:
        """Puts the target at their number, and lets go wrong what goes wrong."""
        sandbox.person(self.target, **{"answers_after": 0.2, **self.person})
        if self.trouble is not None:
            self.trouble(sandbox)

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


def says(answer: str) -> dict[str, Any]:
    """Somebody who breaks into the greeting with their answer, and says it again to who did not take it for one."""
    return {"says": [Says(answer, when=GREETING_BEGINS, after=0.0), Says(answer, when="?")]}


EVERYTHING = {"summary", "rules"}

DEFECTS = [
    Defect(
        9,
        "connects without consent",
        briefing_timeout=1.0,
        sdk={"reported": "success", "caller": "target"},
        ours={"reported": "undecided", "caller": "agent", "target": "hung up"},
    ),
    Defect(
        10,
        "success although the caller never appears",
        person=says(YES),
        trouble=moved_caller_never_appears,
        sdk={"reported": "success", "caller": "nobody", "target": "nobody", "session_over": True},
        ours={"reported": "connected", "caller": "target"},
    ),
    Defect(
        12,
        "busy is reported as a join timeout",
        person={"refuses_after": 0.2},
        sdk={"reported": "supervisor_join_timeout", "caller": "agent"},
        ours={"reported": "busy", "caller": "agent"},
    ),
    Defect(
        19,
        "the target's leg is never ended",
        person=says(NO),
        sdk={"reported": "declined", "target": "nobody"},
        ours={"reported": "declined", "target": "hung up"},
    ),
    Defect(
        20,
        "a caller who hangs up is not noticed",
        person={"answers_after": 0.5, **says(YES)},
        happens=caller_hangs_up,
        sdk={"reported": "switch_failed", "caller": "hung up", "target": "nobody"},
        ours={"reported": "caller_left", "caller": "hung up", "target": "hung up", "briefed": False},
    ),
    Defect(
        21,
        "the session never ends afterwards",
        person={"answers_after": 0.5, **says(YES)},
        happens=caller_hangs_up,
        sdk={"caller": "hung up", "session_over": False},
        ours={"caller": "hung up", "session_over": True},
    ),
    Defect(
        22,
        "cancellation leaks the leg and the session",
        person={"answers_after": 0.5},
        happens=the_transfer_is_cancelled,
        sdk={"reported": "cancelled", "target": "agent"},
        ours={"reported": "failed", "caller": "agent", "target": "hung up"},
    ),
    Defect(
        31,
        "a target named Support Agent is never detected",
        person={"name": "Support Agent", **says(YES)},
        sdk={"reported": "supervisor_join_timeout", "caller": "agent", "target": "nobody"},
        ours={"reported": "connected", "caller": "target"},
    ),
    Defect(
        37,
        "the summary or the rules are lost in a provider's format",
        person={"says": [Says(YES, when="?", after=0.5)]},
        happens=what_models_are_given,
        sdk={"noted": {"OpenAI": {"rules"}, "Anthropic": {"summary"}, "Gemini": {"summary"}}},
        ours={"noted": {"OpenAI": EVERYTHING, "Anthropic": EVERYTHING, "Gemini": EVERYTHING}},
    ),
    Defect(
        59,
        "a hang-up after yes is reported as success",
        person=says(YES),
        happens=target_hangs_up_during_the_switch,
        sdk={"reported": "success", "caller": "nobody", "target": "hung up", "session_over": True},
        ours={"reported": "target_left", "caller": "agent"},
    ),
    Defect(
        60,
        "a consultation that closes itself reads as ready",
        happens=the_consultation_s_session_closes,
        sdk={"reported": "success", "caller": "target"},
        ours={"caller": "agent", "target": "hung up"},
    ),
    Defect(
        61,
        "an answer before the dial request returns is missed",
        person=says(YES),
        trouble=answered_late,
        sdk={"reported": "supervisor_join_timeout", "caller": "agent", "target": "nobody"},
        ours={"reported": "connected", "caller": "target"},
    ),
]


def briefs(last: str) -> str | Calls:
    """A model that does what the SDK's briefing asks of it."""
    if "Narrate the call summary" in last:
        return f"{SUMMARY} {ASKED}"
    if last.startswith("yes"):
        return Calls("done_briefing")
    if last.startswith("no"):
        return Calls("decline_transfer", {"reason": last})
    return ""


class EscalatingAgent(Agent):
    """Transfers with the SDK's own warm transfer, from a tool, as its documentation shows."""

    def __init__(self, defect: Defect, pipeline: Callable[[], Any]) -> None:
        super().__init__(instructions="You are the customer-care agent of ConnectTel.")
        self.reported: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._config = WarmTransferConfig(
            destination=SIPDestination("rr_1", defect.target, CALLER_ID),
            briefing_pipeline_factory=pipeline,
            supervisor_join_timeout=2.0,
            briefing_timeout=defect.briefing_timeout,
        )

    async def on_enter(self) -> None: ...

    async def on_exit(self) -> None: ...

    @function_tool
    async def escalate(self) -> str:
        """Passes the caller on to a supervisor."""
        try:
            result = await self.session.warm_transfer(self._config)
        except asyncio.CancelledError:
            self.reported.set_result("cancelled")
            raise
        except WarmTransferError as error:
            self.reported.set_result(str(error))
        else:
            self.reported.set_result("success" if result.success else str(result.error))
        return "Done."


async def transferred_by_the_sdk(sandbox: Sandbox, defect: Defect) -> Ended:
    pipelines: list[Any] = []

    def pipeline() -> Any:
        pipelines.append(make_pipeline("cascade", Script(itertools.repeat(briefs), summary="no")))
        return pipelines[-1]

    caller = await sandbox.call(
        lambda: EscalatingAgent(defect, pipeline),
        model=Script([Calls("escalate")], summary=SUMMARY),
        number=f"+141555503{defect.number:02}",
        room_options={"session_timeout_seconds": SESSION_ENDS_AFTER},
    )
    await caller.say("a human please")
    scene = Scene(sandbox, caller, await _dialled(sandbox, defect), pipelines)
    noted = await defect.happens(scene)
    reported = await caller.agent.reported
    over = asyncio.ensure_future(caller.over.wait())
    await asyncio.wait([over], timeout=10.0 if reported == "success" else SESSION_ENDS_AFTER + 1.5)
    over.cancel()
    if reported == "success":  # both agents are leaving
        await sandbox._switchboard.until(
            lambda: "agent" not in {caller.connected_to, scene.target.connected_to}, timeout=5.0
        )
    return await scene.ended(reported, caller.over.is_set(), noted)


async def transferred_by_ours(sandbox: Sandbox, defect: Defect) -> Ended:
    pipelines: list[Any] = []

    def pipeline() -> Any:
        pipelines.append(make_pipeline("cascade", Script([ANSWER])))
        return pipelines[-1]

    caller = await call(
        sandbox,
        WarmTransfer(defect.target),
        model=script(),
        platform=VideoSDKPlatform(caller_id=CALLER_ID, routing_rule="rr_1", pipeline=pipeline),
        consultation_model=None,  # its pipeline comes from the platform, so that it can be looked into
        room_options={"session_timeout_seconds": SESSION_ENDS_AFTER},
    )
    await caller.say(ASKS)
    scene = Scene(sandbox, caller, await _dialled(sandbox, defect), pipelines)
    noted = await defect.happens(scene)
    await caller.agent.finished.wait()
    await caller.talking_to(settled_for=12.0)
    return await scene.ended(caller.agent.outcomes[0].value, caller.over.is_set(), noted)


async def _dialled(sandbox: Sandbox, defect: Defect) -> Target:
    """Whom the platform has dialled, whether or not they are still there."""

    def dialled() -> list[Target]:
        return [target for target in sandbox.targets if target.number == defect.target]

    await sandbox._switchboard.until(lambda: bool(dialled()), 10.0)
    return dialled()[0]


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
async def test_a_defect_of_the_sdk_s_own(defect: Defect) -> None:
    """`session.warm_transfer`, as shipped, has the defect."""
    async with Sandbox() as sandbox:
        defect.at(sandbox)
        ended = await transferred_by_the_sdk(sandbox, defect)
    assert defect.sdk == ended.as_far_as(defect.sdk)


@pytest.mark.parametrize("defect", DEFECTS, ids=str)
async def test_the_defect_is_not_in_ours(defect: Defect) -> None:
    """`WarmTransfer` in the same scenario does not."""
    async with Sandbox() as sandbox:
        defect.at(sandbox)
        ended = await transferred_by_ours(sandbox, defect)
    assert defect.ours == ended.as_far_as(defect.ours)
