"""A live call is forwarded, and everybody is told the truth."""

import asyncio
from typing import Any

import pytest

from calltransfer import DirectTransfer, Outcome, Phase
from calltransfer.sandbox import PIPELINE_KINDS, Sandbox, Unknowns
from tests.agents import BILLING, CONNECTING, SORRY, TRANSFERS, SupportAgent, asking_caller

FORWARD = ("POST", "/v2/sip/call/transfer")


@pytest.mark.parametrize("kind", PIPELINE_KINDS)
async def test_forwards_the_caller(kind: str) -> None:
    """A caller is forwarded to the target, whatever kind of pipeline the agent has."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=3)
        caller = await asking_caller(sandbox, kind=kind)

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert 1 == len(caller.script.answers)
        assert "transferring" == caller.script.answers[0]["status"]


@pytest.mark.parametrize("kind", PIPELINE_KINDS)
async def test_truth_after_a_refused_transfer(kind: str) -> None:
    """A caller whom the carrier does not forward stays with the agent, and the model is told so, once."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, kind=kind)

        assert "agent" == await caller.talking_to()
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert 1 == sum("did not happen" in asked for asked in caller.script.asked)
        assert 1 == len(caller.script.answers)


@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_own_ears", "realtime_own_voice"])
async def test_never_stranded(kind: str) -> None:
    """Within 2 s of a fault, the model's own time aside, the caller hears the agent again."""
    async with Sandbox() as sandbox:
        caller = await asking_caller(sandbox, kind=kind)
        failed_at = await caller.sees("transfer-failed")
        sorry = await caller.hears(SORRY)

        word, model_and_voice = 0.3, 0.3 + 0.1
        assert sorry.began - failed_at < 2 + word + model_and_voice


@pytest.mark.parametrize("kind", ["cascade", "realtime", "realtime_own_ears", "realtime_own_voice"])
async def test_the_sentence_is_heard_before_the_call_is_forwarded(kind: str) -> None:
    """The call is not forwarded before the agent's sentence has been heard to its end."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        model = [["One moment.", TRANSFERS[0]], CONNECTING]
        caller = await asking_caller(sandbox, kind=kind, model=model)
        forwarded_at = await caller.sees("transfer-initiated")

        sentence = await caller.hears(CONNECTING)
        assert sentence.ended <= forwarded_at <= sentence.ended + 1.0
        await caller.talking_to()


@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini", "realtime_own_ears"])
async def test_a_sentence_that_comes_in_one_piece_is_heard_too(kind: str) -> None:
    """A realtime model's answer that is said to be over before it has been heard is heard before the call is forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS, kind=kind)
        assert caller.script.realtime is not None
        caller.script.realtime.in_one_piece = True
        await caller.hears("Hello")
        await caller.say("I have a question about my invoice please")
        forwarded_at = await caller.sees("transfer-initiated")

        sentence = await caller.hears(CONNECTING)
        assert sentence.ended <= forwarded_at <= sentence.ended + 1.0
        await caller.talking_to()


async def test_a_voice_that_reads_to_the_end_is_heard_too() -> None:
    """With a TTS that wants the whole text before it speaks, the sentence is heard before the call is forwarded."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, voice_reads_to_end=True)
        forwarded_at = await caller.sees("transfer-initiated")

        assert (await caller.hears(CONNECTING)).ended <= forwarded_at
        await caller.talking_to()


@pytest.mark.parametrize("seconds_of_talk", [1, 300])
async def test_one_request_on_a_warm_connection(seconds_of_talk: float) -> None:
    """From the end of the sentence to the forward there is one request, on an open connection, however long they talk."""
    async with Sandbox(latency=0.15) as sandbox:
        sandbox.person(BILLING)
        caller = await sandbox.call(SupportAgent, model=TRANSFERS)
        await asyncio.sleep(seconds_of_talk)
        await caller.say("I have a question about my invoice please")
        sentence = await caller.hears(CONNECTING)
        await caller.sees("transfer-initiated")

        after = [request for request in sandbox.requests if request.at >= sentence.ended]
        before = [request for request in sandbox.requests if request.at < sentence.ended]
        assert FORWARD == (after[0].method, after[0].path)
        assert before[-1].connection == after[0].connection
        assert after[0].at - sentence.ended < 0.5
        await caller.talking_to()


async def test_asks_the_platform_for_what_it_documents() -> None:
    """The request names the leg and the number, the token is bare, and a ringing tone is asked for only when wanted."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, lambda: SupportAgent(DirectTransfer(BILLING, play_dialtone=True)))
        await caller.talking_to()

        forward = next(request for request in sandbox.requests if FORWARD == (request.method, request.path))
        assert caller.leg is not None
        assert {"callId": caller.leg.id, "transferTo": BILLING, "playDialtone": True} == forward.body
        assert "sandbox-token" == forward.authorization


@pytest.mark.parametrize(
    ("target", "outcome"),
    [
        ({"refuses_after": 1.0}, Outcome.FAILED),
        ({"answers_after": None}, Outcome.FAILED),
        ({"answers_after": 29.0}, Outcome.CONNECTED),
    ],
)
async def test_follows_the_transfer_to_its_end(target: dict[str, Any], outcome: Outcome) -> None:
    """However long it rings, the outcome is the one that the platform reports in the end."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, **target)
        caller = await asking_caller(sandbox)
        talks_to = await caller.talking_to(settled_for=35)

        assert [outcome] == caller.agent.outcomes
        assert (BILLING if outcome is Outcome.CONNECTED else "agent") == talks_to


async def test_bounded_when_it_rings_for_ever() -> None:
    """After 40 s without an end the agent takes the caller back, and says that nobody answered."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=None)
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY, timeout=120)

        assert [Outcome.NO_ANSWER] == caller.agent.outcomes
        assert 40 <= caller.agent.at(Phase.FINISHED) - caller.agent.at(Phase.FORWARDING) < 41
        assert "nobody answered" in caller.script.asked[-1]


async def test_a_late_answer_is_a_contradiction() -> None:
    """A target who picks up after the deadline still gets the caller, and this is reported as what it is."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1_000)) as sandbox:
        sandbox.person(BILLING, answers_after=60)
        caller = await asking_caller(sandbox)
        await caller.sees("transferred", timeout=120)
        await caller.talking_to()

        late = caller.agent.events[-1]
        assert (Phase.CONTRADICTED, Outcome.CONNECTED, "transferred") == (late.phase, late.outcome, late.status)
        assert [Outcome.NO_ANSWER] == caller.agent.outcomes


@pytest.mark.parametrize(
    "unknowns",
    [
        Unknowns(status_after_failed_transfer=None),
        Unknowns(status_after_failed_transfer=None, keeps_log=False),
        Unknowns(step=1.0, keeps_log=False),
    ],
)
async def test_a_failure_is_seen_however_the_platform_shows_it(unknowns: Unknowns) -> None:
    """A refused transfer is a failure whether or not the status stays, and whether or not a log is kept."""
    async with Sandbox(unknowns=unknowns) as sandbox:
        caller = await asking_caller(sandbox)
        await caller.hears(SORRY)

        assert [Outcome.FAILED] == caller.agent.outcomes


@pytest.mark.parametrize(
    "unknowns",
    [
        Unknowns(status_after_transfer="ended"),
        Unknowns(session_ends_with_transfer=True),
        Unknowns(keeps_log=False),
        Unknowns(newest_first=True),
    ],
)
async def test_a_success_is_seen_however_the_platform_shows_it(unknowns: Unknowns) -> None:
    """A transferred call is connected, whether or not its leg or the agent's session is ended with it."""
    async with Sandbox(unknowns=unknowns) as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox)

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


@pytest.mark.parametrize("direction", ["inbound", "outbound"])
async def test_inbound_and_outbound_calls_alike(direction: str) -> None:
    """A caller is forwarded whether they called the agent or the agent called them."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, direction=direction)

        assert BILLING == await caller.talking_to()


@pytest.mark.parametrize(
    "listed",
    [
        {"earlier_legs": 1},
        {"earlier_legs": 14},
        {"with_session_id": False},
        {"with_session_id": False, "earlier_legs": 25},
    ],
)
async def test_the_right_leg_is_forwarded(listed: dict[str, int]) -> None:
    """The caller's live leg is found behind ended ones, on the second page, and without a session id."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING)
        caller = await asking_caller(sandbox, **listed)

        assert BILLING == await caller.talking_to()
        assert [Outcome.CONNECTED] == caller.agent.outcomes


async def test_a_second_transfer_works() -> None:
    """After a transfer that failed, another one is possible, and a stale end is not taken for its own."""
    async with Sandbox(unknowns=Unknowns(status_after_failed_transfer=None)) as sandbox:
        caller = await asking_caller(sandbox, model=[*TRANSFERS, *TRANSFERS])
        await caller.hears(SORRY)
        sandbox.person(BILLING)
        await caller.say("please try it again now")

        assert BILLING == await caller.talking_to()
        assert [Outcome.FAILED, Outcome.CONNECTED] == caller.agent.outcomes
        assert [1, 2] == sorted({event.attempt for event in caller.agent.events})
