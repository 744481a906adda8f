"""What becomes of calls that were forwarded: what may still come true is followed, and what was not true is taken back."""

import asyncio
from typing import Any

import pytest
from videosdk.agents import DTMFHandler

from calltransfer import (
    Destination,
    DirectTransfer,
    Fallback,
    Outcome,
    Phase,
    TransferResult,
    TransferStrategy,
    VideoSDKPlatform,
    WarmTransfer,
)
from calltransfer.sandbox import Caller, Sandbox, Unknowns
from calltransfer.testing.witness import Witness
from tests.agents import ASKS, BILLING, CONNECTING, SORRY, SUPPORT, TO_BILLING, TO_SUPPORT, SupportAgent
from tests.warm import leg_of

AGAIN = "please try once more"
BACK = "You are with me again."
GIVES_UP = DirectTransfer(BILLING, timeout=10.0)


class DiallingAgent(SupportAgent):
    """One that can dial, too, and keeps what its transfers came to."""

    def __init__(self, billing: TransferStrategy) -> None:
        super().__init__(billing, platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"))
        self.results: list[TransferResult] = []

    def on_transfer_finished(self, result: TransferResult) -> None:
        self.results.append(result)


async def asking(sandbox: Sandbox, billing: TransferStrategy = GIVES_UP, *turns: Any, kind: str = "cascade") -> Caller:
    """A caller who asks for billing."""
    model = [TO_BILLING, CONNECTING, SORRY, *turns]
    caller = await sandbox.call(lambda: DiallingAgent(billing), model=model, kind=kind)
    await caller.say(ASKS)
    await caller.until(Phase.FINISHED, timeout=90)
    return caller


def contradictions(caller: Caller) -> list[tuple[str, int, Outcome | None, Destination | None]]:
    """Every contradiction: of which route, at which attempt, how it ended after all, and where."""
    return [
        (event.route, event.attempt, event.outcome, event.destination)
        for event in caller.agent.events
        if event.phase is Phase.CONTRADICTED
    ]


# Several requests for one leg


@pytest.mark.parametrize("asks_for", [TO_BILLING, TO_SUPPORT])
async def test_a_forward_given_up_is_not_forgotten_because_a_second_is_refused(asks_for: Any) -> None:
    """The first comes true: that is told of the first, and an author who hangs up then ends nobody's talk."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=25.0)
        caller = await asking(sandbox, GIVES_UP, asks_for, CONNECTING, SORRY)
        await caller.say(AGAIN)
        await caller.sees("transferred", timeout=90)
        await asyncio.sleep(0.2)  # an author's timer, a moment after they have left
        await caller.session.hangup("nobody is there any more")

        assert BILLING == await caller.talking_to()
        assert [Outcome.NO_ANSWER, Outcome.FAILED] == caller.agent.outcomes
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)


async def test_of_three_the_one_that_comes_true_is_told() -> None:
    """However many are refused after it."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=1000.0)) as sandbox:
        sandbox.person(BILLING, answers_after=60.0)
        turns = (TO_SUPPORT, CONNECTING, SORRY) * 2
        caller = await asking(sandbox, GIVES_UP, *turns)
        for transfers in (2, 3):
            await caller.say(AGAIN)
            while len(caller.agent.outcomes) < transfers:
                assert await caller.something_happens_within(20.0)
        assert BILLING == await caller.talking_to()
        assert [Outcome.NO_ANSWER, Outcome.FAILED, Outcome.FAILED] == caller.agent.outcomes
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)


async def test_a_plan_whose_first_forward_comes_true_says_so() -> None:
    """Inside a plan, too: the event says which of its targets has the caller."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=20.0)
        caller = await asking(sandbox, Fallback(GIVES_UP, DirectTransfer(SUPPORT)))
        assert BILLING == await caller.talking_to()
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)


@pytest.mark.parametrize("answers_after", [11.0, 18.0, 21.4])
async def test_a_plan_whose_first_forward_comes_true_while_it_goes_on_has_connected_them(answers_after: float) -> None:
    """While the next phone rings, its target is told, or is brought in: they are with the first, says the result."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=answers_after)
        sandbox.person(SUPPORT, answers_after=3.0, says="yes please")
        caller = await asking(sandbox, Fallback(GIVES_UP, WarmTransfer(SUPPORT)))
        (result,) = caller.agent.results
        assert (Outcome.CONNECTED, Destination(BILLING)) == (result.outcome, result.destination)
        assert [(Destination(BILLING), Outcome.CONNECTED)] == [
            (attempt.destination, attempt.outcome) for attempt in result.attempts
        ]
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)
        assert BILLING == await caller.talking_to()
        heard = sandbox.targets[0].texts_heard
        assert (["I am sorry, the call could not be connected. Goodbye."] if heard else []) == heard[-1:]
        assert bool(heard) is (answers_after > 11.0)
        said = [*heard, *(event.detail for event in caller.agent.events)]
        assert not any("hung up" in line for line in said)


async def test_a_caller_who_was_connected_late_by_a_plan_and_comes_back_has_the_agent_again() -> None:
    """The plan's transfer tells them, and once: it was reported as connected."""
    async with Sandbox(unknowns=slow()) as sandbox:
        sandbox.person(BILLING, refuses_after=8.0)
        sandbox.person(SUPPORT, answers_after=None)
        caller = await asking(sandbox, Fallback(GIVES_UP, WarmTransfer(SUPPORT)))
        await caller.hears(SORRY, timeout=60)
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert [Outcome.CONNECTED, Outcome.FAILED] == [outcome for _, _, outcome, _ in contradictions(caller)]
        await asyncio.sleep(5.0)
        assert 1 == caller.texts_heard.count(SORRY)
        assert "agent" == await caller.talking_to()


async def test_the_end_of_a_talk_whose_caller_was_forwarded_is_no_hang_up() -> None:
    """An earlier target gets a caller who talks to the next one: neither of the two has ended their talk."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=26.0)
        sandbox.person(SUPPORT, answers_after=3.0, says="yes please")
        caller = await asking(sandbox, Fallback(GIVES_UP, WarmTransfer(SUPPORT)))
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        ended = await caller.until(Phase.TALK_ENDED, timeout=60)
        assert (Destination(SUPPORT), None) == (ended.destination, ended.ended_by)
        assert ended.detail.endswith("; an earlier target, whose forward had been given up, got the caller after all")
        assert BILLING == await caller.talking_to()


async def test_a_forward_that_fails_after_it_was_given_up_is_told_to_nobody() -> None:
    """The caller has been told already; when they hang up later nothing has come true."""
    async with Sandbox(unknowns=Unknowns(carrier_gives_up_after=20.0)) as sandbox:
        sandbox.person(BILLING, answers_after=None)
        caller = await asking(sandbox)
        await caller.sees("transfer-failed", timeout=60)
        await caller.hang_up()
        await caller.over.wait()
        assert [] == contradictions(caller)
        assert [Outcome.NO_ANSWER] == caller.agent.outcomes


# A platform that says "transferred" before it is so

LOGS = pytest.mark.parametrize("keeps_log", [True, False])


def early(**others: Any) -> Unknowns:
    """A platform that says `transferred` as soon as the carrier has taken the request."""
    return Unknowns(transferred_at="acceptance", **others)


async def forwarded(sandbox: Sandbox, *turns: Any) -> tuple[Caller, Witness]:
    """A caller who has asked for billing, and somebody who watches over them."""
    sandbox.person(SUPPORT, answers_after=1.0)
    caller = await sandbox.call(SupportAgent, model=[TO_BILLING, CONNECTING, SORRY, *turns])
    witness = Witness(sandbox, caller)
    async with witness.watching():
        await caller.say(ASKS)
        await caller.until(Phase.FINISHED, timeout=90)
        await witness.settled()
    return caller, witness


async def is_transferred_again(caller: Caller, witness: Witness) -> None:
    """The agent hears the caller, and transfers them."""
    await witness.is_transferred_again(AGAIN, to=SUPPORT)
    assert SUPPORT == await caller.talking_to()
    witness.look_back()
    assert [] == witness.broken
    assert Outcome.CONNECTED is caller.agent.outcomes[-1]


@LOGS
async def test_a_transferred_whose_caller_is_still_there_proves_nothing(keeps_log: bool) -> None:
    """`CONNECTED` is given when the caller leaves the agent's room, and not while the target's phone still rings."""
    async with Sandbox(unknowns=early(keeps_log=keeps_log)) as sandbox:
        sandbox.person(BILLING, answers_after=6.0)
        caller, witness = await forwarded(sandbox)
        witness.look_back()
        assert [] == witness.broken
        assert BILLING == caller.connected_to
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert caller.agent.at(Phase.FINISHED) - caller.agent.at(Phase.FORWARDING) > 6.0
        assert [] == contradictions(caller)


@LOGS
@pytest.mark.parametrize("person", [{"answers_after": None}, {"refuses_after": 8.0}])
@pytest.mark.parametrize("then", ["answered", None])
async def test_a_transferred_that_is_taken_back_is_told(
    keeps_log: bool, person: dict[str, Any], then: str | None
) -> None:
    """Who has never left the agent's room is told that it did not work, and can be transferred again."""
    unknowns = early(keeps_log=keeps_log, status_after_failed_transfer=then)
    async with Sandbox(unknowns=unknowns) as sandbox:
        sandbox.person(BILLING, **person)
        caller, witness = await forwarded(sandbox, TO_SUPPORT, CONNECTING)
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert SORRY in caller.texts_heard
        assert [] == contradictions(caller)
        await is_transferred_again(caller, witness)


async def test_a_transferred_that_stays_with_a_caller_who_stays() -> None:
    """At the deadline a caller who is in the agent's room has the agent; if they leave after all, that is told."""
    async with Sandbox(unknowns=early(carrier_gives_up_after=1000.0)) as sandbox:
        sandbox.person(BILLING, answers_after=60.0)
        caller, witness = await forwarded(sandbox)
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert 40 <= caller.agent.at(Phase.FINISHED) - caller.agent.at(Phase.FORWARDING) < 41
        assert SORRY in caller.texts_heard
        assert BILLING == await caller.talking_to()
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)
        witness.look_back()
        assert [] == witness.broken


@LOGS
@pytest.mark.parametrize("person", [{"answers_after": None}, {"refuses_after": 8.0}])
async def test_a_caller_who_was_connected_and_comes_back_has_the_agent_again(
    keeps_log: bool, person: dict[str, Any]
) -> None:
    """After `CONNECTED` was given it is contradicted, the agent says so to the caller, and the tool works again."""
    unknowns = early(after_acceptance="leaves", keeps_log=keeps_log)
    async with Sandbox(unknowns=unknowns) as sandbox:
        sandbox.person(BILLING, **person)
        caller, witness = await forwarded(sandbox, TO_SUPPORT, CONNECTING)
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert [("billing", 1, Outcome.FAILED, Destination(BILLING))] == contradictions(caller)
        assert SORRY in caller.texts_heard
        assert "did not happen" in caller.script.asked[-1]
        await is_transferred_again(caller, witness)


def slow(**others: Any) -> Unknowns:
    """A carrier that takes the request after it was given up, and then says `transferred`, and takes the caller away."""
    return early(after_acceptance="leaves", step=11.0, **others)


@LOGS
@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("person", [{"answers_after": None}, {"refuses_after": 8.0}])
async def test_a_caller_who_was_connected_late_and_comes_back_has_the_agent_again(
    keeps_log: bool, kind: str, person: dict[str, Any]
) -> None:
    """The agent has waited for them, is told once that they are there, tells them, and the tool works again."""
    async with Sandbox(unknowns=slow(keeps_log=keeps_log, carrier_gives_up_after=12.0)) as sandbox:
        sandbox.person(BILLING, **person)
        sandbox.person(SUPPORT, answers_after=1.0)
        caller = await asking(sandbox, GIVES_UP, BACK, TO_SUPPORT, CONNECTING, kind=kind)
        await caller.hears(BACK, timeout=60)
        await asyncio.sleep(5.0)

        assert [
            ("billing", 1, Outcome.CONNECTED, Destination(BILLING)),
            ("billing", 1, Outcome.FAILED, Destination(BILLING)),
        ] == contradictions(caller)
        assert 2 == sum("did not happen" in asked for asked in caller.script.asked)
        assert 1 == caller.texts_heard.count(BACK)
        phases = [event.phase for event in caller.agent.events]
        assert [Phase.CONTRADICTED, Phase.TOLD] == phases[-2:]
        assert 2 == phases.count(Phase.TOLD)

        await caller.say(AGAIN)
        assert SUPPORT == await caller.talking_to()
        assert [Outcome.FAILED, Outcome.CONNECTED] == caller.agent.outcomes


async def test_who_was_connected_late_and_comes_back_is_told_of_the_transfer_that_came_true() -> None:
    """However many were asked for after it, what is told is told of the one that was taken back."""
    async with Sandbox(unknowns=slow()) as sandbox:
        sandbox.person(BILLING, refuses_after=8.0)
        caller = await asking(sandbox, DirectTransfer(BILLING, timeout=5.0), BACK)
        second = await caller.agent.transfer("support", tell_model=False)
        await caller.hears(BACK, timeout=60)
        told = [asked for asked in caller.script.asked if "did not happen" in asked]

        assert Outcome.FAILED is second.outcome
        assert 2 == len(told)
        assert all("billing" in asked for asked in told)


async def test_a_caller_who_was_connected_late_and_stays_away_is_let_go_of() -> None:
    """The agent's session ends once a forward is taken back no more, and nothing is contradicted twice."""
    async with Sandbox(unknowns=slow()) as sandbox:
        sandbox.person(BILLING, answers_after=3.0)
        caller = await asking(sandbox)
        async with asyncio.timeout(90):
            await caller.over.wait()

        assert BILLING == caller.connected_to
        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)


async def test_closing_while_a_caller_who_was_connected_late_may_come_back() -> None:
    """Nothing is left behind by an author who closes the session meanwhile."""
    async with Sandbox(unknowns=slow()) as sandbox:
        sandbox.person(BILLING, answers_after=3.0)
        caller = await asking(sandbox)
        await caller.until(Phase.CONTRADICTED, timeout=60)
        await caller.session.close()

        assert [("billing", 1, Outcome.CONNECTED, Destination(BILLING))] == contradictions(caller)


async def test_a_caller_who_was_connected_early_and_stays_away_is_let_go_of() -> None:
    """Once the target has answered the agent's session ends as after any forward, and nothing is contradicted."""
    async with Sandbox(unknowns=early(after_acceptance="leaves")) as sandbox:
        sandbox.person(BILLING, answers_after=12.0)
        caller, witness = await forwarded(sandbox)
        async with asyncio.timeout(30):
            await caller.over.wait()
        witness.look_back()
        assert [] == witness.broken
        assert BILLING == caller.connected_to
        assert [Outcome.CONNECTED] == caller.agent.outcomes
        assert [] == contradictions(caller)


async def test_a_caller_who_is_away_while_it_rings_and_comes_back_has_not_hung_up() -> None:
    """A caller who leaves the room when their carrier accepts, and comes back when nobody answers, is told so."""
    async with Sandbox(unknowns=Unknowns(after_acceptance="leaves")) as sandbox:
        sandbox.person(BILLING, refuses_after=8.0)
        caller, witness = await forwarded(sandbox, TO_SUPPORT, CONNECTING)
        assert [Outcome.FAILED] == caller.agent.outcomes
        assert SORRY in caller.texts_heard
        await is_transferred_again(caller, witness)


async def test_a_caller_who_is_taken_back_from_a_plan_that_held_can_be_hung_up_on() -> None:
    """The forward's block goes on when the hold's around it is over: with both over, all is the author's again."""
    keys: list[Any] = []
    woken: list[bool] = []
    async with Sandbox(unknowns=Unknowns(transferred_at="acceptance", after_acceptance="leaves")) as sandbox:
        sandbox.person(SUPPORT, says="no, thanks")
        sandbox.person(BILLING, answers_after=None)
        plan = Fallback(WarmTransfer(SUPPORT), DirectTransfer(BILLING))
        platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
        caller = await sandbox.call(
            lambda: SupportAgent(plan, platform=platform),
            model=[TO_BILLING, CONNECTING, BACK, BACK],
            session_options={"wake_up": 5, "dtmf_handler": lambda: DTMFHandler(keys.append)},
        )
        session = caller.session
        session.on_wake_up = lambda: woken.append(leg_of(caller).status == "answered")
        await caller.say(ASKS)
        await caller.until(Phase.FINISHED, timeout=60)
        assert "hangup" in vars(session)
        await caller.until(Phase.CONTRADICTED, timeout=90)
        await caller.hears(BACK)
        await asyncio.sleep(6.0)
        await caller.press("5")
        await session.hangup("the author's")
        async with asyncio.timeout(10):
            await caller.over.wait()

        assert [5] == keys
        assert woken
        assert all(woken)
        assert Phase.HELD_BACK not in caller.agent.phases
        assert "ended" == leg_of(caller).status


# A platform that reports no result


@pytest.mark.parametrize("person", [{"answers_after": 5.0}, {"answers_after": None}, {"refuses_after": 3.0}])
async def test_a_leg_that_ends_without_a_result_is_not_called_a_hang_up(person: dict[str, Any]) -> None:
    """Whether they talk to the target is not known: it is said that they left while they were being forwarded."""
    async with Sandbox(unknowns=Unknowns(after_acceptance="ends")) as sandbox:
        sandbox.person(BILLING, **person)
        caller, witness = await forwarded(sandbox)
        witness.look_back()
        assert [] == witness.broken
        assert [Outcome.UNCONFIRMED] == caller.agent.outcomes
        finished = next(event for event in caller.agent.events if event.phase is Phase.FINISHED)
        assert "while they were being forwarded, and the platform reports no result" in finished.detail
        assert SORRY not in caller.texts_heard


async def test_who_hangs_up_where_nothing_was_forwarded_has_hung_up() -> None:
    """Before it is asked for, and after the platform has refused it, a leave is a hang-up."""
    async with Sandbox() as sandbox:
        sandbox.person(BILLING, answers_after=5.0)
        caller = await sandbox.call(SupportAgent, model=[TO_BILLING, CONNECTING])
        await caller.say(ASKS)
        await caller.until(Phase.STARTED)
        await caller.hang_up()
        await caller.over.wait()
        assert [Outcome.CALLER_LEFT] == caller.agent.outcomes
