"""Taking a message: asked for, listened to by nobody but who takes it, delivered once, and only then confirmed."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from calltransfer import (
    Call,
    CallWrapper,
    ConfigurationError,
    Fallback,
    HoldMusic,
    Message,
    NoDictation,
    Outcome,
    Phase,
    StayWithCaller,
    TakeMessage,
    TransferRequest,
    TransferResult,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
)
from calltransfer.sandbox import Caller, Ears, Hangs, Sandbox
from tests.agents import CONNECTING, REASON, SORRY, TO_BILLING, SupportAgent, asking_caller
from tests.warm import SUPERVISOR

ASKED = "Please leave me a message"
AGAIN = "Please leave your message now."
THANKS = "Thank you, I will pass it on."
NOT_DELIVERED = "could not be passed on"
TEXT = "this is Anna please call me back about my invoice"
NEXT = "by the way when do you open tomorrow"
GOES_ON = "What else can I do for you?"
ANSWER = "We open at nine."

HEARING = ("cascade", "realtime", "realtime_gemini", "realtime_own_ears", "realtime_own_voice")


class Post:
    """Takes messages in; `does` is what happens before it has them."""

    def __init__(self, does: Callable[[Message], Awaitable[None]] | None = None) -> None:
        self.messages: list[Message] = []
        self.begun = asyncio.Event()
        self.cancelled = False
        self._does = does

    async def deliver(self, message: Message) -> None:
        self.begun.set()
        try:
            if self._does is not None:
                await self._does(message)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        self.messages.append(message)

    @property
    def texts(self) -> list[str]:
        return [message.text for message in self.messages]


async def hangs(_message: Message) -> None:
    await asyncio.get_running_loop().create_future()


async def holds_on(_message: Message) -> None:
    until = asyncio.get_running_loop().time() + 30.0
    while asyncio.get_running_loop().time() < until:
        try:
            await asyncio.sleep(30.0)
        except asyncio.CancelledError:
            continue
    raise LookupError


async def raises(message: Message) -> None:
    raise LookupError(message.text)


async def is_slow(_message: Message) -> None:
    await asyncio.sleep(1.5)


class OnHold:
    """Has the caller on hold around a strategy, as a plan does."""

    def __init__(self, strategy: Any, hold: Any = None, *, before: float = 2.0, after: float = 0.0) -> None:
        self.strategy = strategy
        self.hold = hold or HoldMusic()
        self.before, self.after = before, after

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await call.sentence_heard()
        async with call.on_hold(self.hold):
            await asyncio.sleep(self.before)
            result: TransferResult = await self.strategy.transfer(call, request)
            await asyncio.sleep(self.after)
            return result


@asynccontextmanager
async def called(post: Post, *, around: Any = None, take: dict[str, Any] | None = None, **how: Any) -> Any:
    """Somebody has called, has asked, and has been asked for a message."""
    strategy = TakeMessage(post.deliver, **(take or {}))
    how.setdefault("model", [TO_BILLING, CONNECTING, GOES_ON, ANSWER])
    platform, wording = how.pop("platform", None), how.pop("wording", None)
    async with Sandbox() as sandbox:
        caller = await asking_caller(
            sandbox,
            lambda: SupportAgent(
                around(strategy) if around is not None else strategy, platform=platform, wording=wording
            ),
            **how,
        )
        yield caller


async def dictates(caller: Caller, *texts: str) -> None:
    await caller.hears("stop speaking")
    await asyncio.sleep(0.4)  # nobody answers sooner
    for text in texts:
        await caller.say(text)


async def test_who_has_left_a_message_is_not_told_once_more_that_nothing_came_of_it() -> None:
    """Where a given-up move comes between afterwards, the agent goes on with them, as it did before."""
    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, GOES_ON, "I am here again."]) as caller:
        await dictates(caller, TEXT)
        await caller.hears(GOES_ON)
        hears_again = caller.agent._call().hears_again
        assert hears_again is not None
        hears_again()
        await caller.hears("I am here again.")

        assert all("do not repeat it" in asked for asked in caller.script.asked[2:4])
        assert 2 == caller.agent.phases.count(Phase.TOLD)
        assert [TEXT] == post.texts


async def finished(caller: Caller) -> Outcome:
    async with asyncio.timeout(300):
        await caller.agent.finished.wait()
    outcome: Outcome = caller.agent.outcomes[-1]
    return outcome


def goes_on_or(answer: Any) -> Callable[[str], Any]:
    """A model that goes on when it is told to, and else answers with `answer`."""
    return lambda last: GOES_ON if last.startswith("[Call system") else answer


def history(caller: Caller) -> list[tuple[str, str]]:
    return [
        (item["role"], " ".join(item["content"]))
        for item in caller.session.get_context_history()
        if item.get("role") in {"user", "assistant"}
    ]


# All well


@pytest.mark.parametrize("kind", HEARING)
async def test_a_message(kind: str) -> None:
    """What the caller says is delivered as they said it, with who they are, and only then do they hear so."""
    post = Post(is_slow)
    async with called(post, kind=kind, metadata={"language": "en"}) as caller:
        await dictates(caller, TEXT)
        outcome = await finished(caller)
        thanks = await caller.hears(THANKS)

        assert Outcome.MESSAGE_TAKEN is outcome
        assert [TEXT] == post.texts
        message = post.messages[0]
        assert ("billing", REASON, "+14155550111", "en") == (
            message.route,
            message.reason,
            message.details.number,
            message.details.language,
        )
        assert abs((datetime.now(UTC) - message.taken_at).total_seconds()) < 60
        assert post.begun.is_set()
        assert thanks.began > caller.agent.at(Phase.DICTATING)
        assert "agent" == await caller.talking_to()
        assert [Phase.DICTATING] == [phase for phase in caller.agent.phases if phase is Phase.DICTATING]


@pytest.mark.parametrize("kind", HEARING)
async def test_nobody_answers_the_dictation(kind: str) -> None:
    """While a message is dictated the caller hears nothing, whatever pauses they make; nor any of it afterwards."""
    post = Post()
    model = [TO_BILLING, CONNECTING, *[goes_on_or("I can help with that.")] * 9]
    async with called(post, kind=kind, model=model) as caller:
        await dictates(caller, "this is Anna")
        heard = len(caller.heard)
        await asyncio.sleep(2.0)
        await caller.say("please call me back about my invoice")
        await finished(caller)
        await asyncio.sleep(10)

        assert [THANKS, GOES_ON] == caller.texts_heard[heard:]
        assert ["this is Anna please call me back about my invoice"] == post.texts


@pytest.mark.parametrize("kind", HEARING)
@pytest.mark.parametrize("late", [Hangs(115.0), [Hangs(4.0), ANSWER]], ids=["hangs", "late"])
async def test_a_question_that_is_not_answered_before_a_message_is_taken(late: Any, kind: str) -> None:
    """A turn whose model gives no words is over when a message is asked for, and nothing is said into the message."""
    post = Post()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR, answers_after=None)
        caller = await asking_caller(
            sandbox,
            lambda: SupportAgent(
                Fallback(WarmTransfer(SUPERVISOR, hold=StayWithCaller(), ring_timeout=8), TakeMessage(post.deliver)),
                platform=VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1"),
            ),
            kind=kind,
            model=[TO_BILLING, CONNECTING, late, *[goes_on_or(ANSWER)] * 4],
        )
        await caller.hears(CONNECTING)
        await asyncio.sleep(3.0)
        await caller.say("how long will it take")
        asked = asyncio.get_running_loop().time()
        prompt = await caller.hears(ASKED, timeout=30.0)
        assert caller.longest_silence(asked, prompt.began) < 4.0
        heard = len(caller.heard)
        await dictates(caller, TEXT)
        thanks = await caller.hears(THANKS)

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert [TEXT] == post.texts
        assert [thanks] == caller.heard[heard : heard + 1]


@pytest.mark.parametrize("kind", ["realtime", "realtime_gemini", "realtime_own_voice"])
@pytest.mark.parametrize("gives", [Hangs(115.0), ""], ids=["hangs", "silent"])
async def test_thanks_do_not_wait_for_a_model_that_nobody_hears(gives: Any, kind: str) -> None:
    """What a realtime model would answer to the message is given up where it does not come, and they are thanked."""
    post = Post()
    model = [TO_BILLING, CONNECTING, gives, *[goes_on_or(ANSWER)] * 4]
    async with called(post, kind=kind, model=model, take={"silence": 2.0}) as caller:
        await dictates(caller, TEXT)
        said = asyncio.get_running_loop().time()
        thanks = await caller.hears(THANKS)
        await finished(caller)

        assert [TEXT] == post.texts
        assert thanks.began - said < 2.0 + 3.0


@pytest.mark.parametrize("kind", HEARING)
async def test_the_agent_goes_on(kind: str) -> None:
    """After a message the caller need not speak first: the agent knows that they know, and asks what else it can do."""
    post = Post()
    async with called(post, kind=kind, model=[TO_BILLING, CONNECTING, *[goes_on_or(ANSWER)] * 9]) as caller:
        await dictates(caller, TEXT)
        thanks = await caller.hears(THANKS)
        goes_on = await caller.hears(GOES_ON)
        await finished(caller)
        await asyncio.sleep(20.0)

        assert goes_on.began - thanks.ended < 4.0
        assert [THANKS, GOES_ON] == caller.texts_heard[-2:]
        (news,) = [asked for asked in caller.script.asked if asked.startswith("[Call system")]
        assert "message has been passed on" in news
        assert "do not repeat it" in news
        assert 1 == caller.agent.phases.count(Phase.TOLD)


@pytest.mark.parametrize("kind", HEARING)
async def test_what_is_added_over_the_thanks(kind: str) -> None:
    """What a caller adds over the thanks is in the agent's history in full, and the agent goes on after it."""
    post = Post()
    added = "and please do call before noon tomorrow"
    async with called(post, kind=kind, model=[TO_BILLING, CONNECTING, *[goes_on_or(ANSWER)] * 9]) as caller:
        await dictates(caller, TEXT)
        await post.begun.wait()
        while caller.agent.session.agent_state.value != "speaking":
            await caller.something_happens_within(0.1)
        await caller.say(added)
        finished_at = asyncio.get_running_loop().time()
        goes_on = await caller.hears(GOES_ON)
        await finished(caller)
        await asyncio.sleep(5.0)

        assert [TEXT] == post.texts
        assert added in [text for role, text in history(caller) if role == "user"]
        assert goes_on.began > finished_at


@pytest.mark.parametrize("kind", ["cascade", "realtime_own_ears"])
async def test_what_is_added_during_the_delivery(kind: str) -> None:
    """What a caller adds while their message is being delivered is in the agent's history, and no part of the message."""
    post = Post(is_slow)
    async with called(post, kind=kind) as caller:
        await dictates(caller, TEXT)
        await post.begun.wait()
        await caller.say(NEXT)
        await caller.hears(GOES_ON)

        assert [TEXT] == post.texts
        assert [("user", TEXT), ("user", NEXT)] == [each for each in history(caller) if each[1] in {TEXT, NEXT}]


async def test_the_agent_goes_on_without_its_model() -> None:
    """Where the model cannot be reached, or the author has one, the agent goes on with a fixed sentence."""

    def broken(_last: str) -> str:
        raise ConnectionError("the model's provider is down")

    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, broken]) as caller:
        await dictates(caller, TEXT)
        await caller.hears("Is there anything else I can do for you?")

    own = Wording(sentences={Outcome.MESSAGE_TAKEN: "Anything else?"})
    async with called(post, wording=own) as caller:
        await dictates(caller, TEXT)
        await caller.hears("Anything else?")

        assert 2 == len(caller.script.asked)


async def test_nobody_goes_on_with_a_caller_who_has_gone() -> None:
    """A caller who hangs up over the thanks is asked nothing more, nor one with whom the author's own code goes on."""
    post = Post()
    async with called(post) as caller:
        await dictates(caller, TEXT)
        await caller.hears("Thank you")
        await caller.hang_up()
        await caller.over.wait()

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert 2 == len(caller.script.asked)

    async with Sandbox() as sandbox:
        caller = await sandbox.call(lambda: SupportAgent(TakeMessage(post.deliver)), model=[])
        transfer = asyncio.create_task(caller.agent.transfer("billing", tell_model=False))
        await dictates(caller, TEXT)
        await caller.hears(THANKS)
        await transfer
        await asyncio.sleep(10.0)

        assert THANKS == caller.texts_heard[-1]


@pytest.mark.parametrize("kind", HEARING)
async def test_the_agent_afterwards(kind: str) -> None:
    """Afterwards the agent hears and answers as before; what was dictated is the caller's in its history, and answered."""
    post = Post()
    unheard = ["Unheard one."] * (1 if kind in {"realtime", "realtime_gemini", "realtime_own_voice"} else 0)
    async with called(post, kind=kind, model=[TO_BILLING, CONNECTING, *unheard, GOES_ON, ANSWER]) as caller:
        await dictates(caller, TEXT)
        await caller.hears(GOES_ON)
        await finished(caller)
        await asyncio.sleep(1.0)
        await caller.say(NEXT)
        await caller.hears(ANSWER)

        assert NEXT in caller.script.asked[-1]
        said = history(caller)
        if kind != "realtime_own_ears":  # of which the SDK keeps no history of what the caller says
            at = said.index(("user", TEXT))
            assert ASKED in said[at - 1][1]
            assert ("assistant", THANKS) == said[at + 1]
        assert not any("Unheard" in text for _, text in said)
        assert "Unheard one." not in caller.texts_heard


async def test_the_transcript_afterwards() -> None:
    """A later transfer sees what was dictated as the caller's words, and nothing that was told to the model."""
    post = Post()
    seen: list[Any] = []

    class Then:
        def __init__(self, strategy: Any) -> None:
            self.strategy = strategy

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            result: TransferResult = await self.strategy.transfer(call, request)
            seen.extend((utterance.speaker, utterance.text) for utterance in call.transcript())
            return result

    async with called(post, around=Then) as caller:
        await dictates(caller, TEXT)
        await finished(caller)

    at = seen.index(("caller", TEXT))
    assert ASKED in seen[at - 1][1]
    assert ("agent", THANKS) == seen[at + 1]


# When it is over


async def test_silence_ends_it() -> None:
    """Three seconds of silence end it, and a pause of two does not."""
    post = Post()
    async with called(post) as caller:
        await dictates(caller, TEXT)
        now = asyncio.get_running_loop().time
        since = now()
        await post.begun.wait()

        assert 2.5 < now() - since < 4.5


@pytest.mark.parametrize("kind", HEARING)
async def test_the_key_ends_it(kind: str) -> None:
    """Who presses the key need not wait, and their last words are in it although they are only being recognised."""
    post = Post()
    async with called(post, kind=kind) as caller:
        await dictates(caller, TEXT)
        now = asyncio.get_running_loop().time
        since = now()
        await caller.press("#")
        await post.begun.wait()

        assert now() - since < 1.2
        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert [TEXT] == post.texts
        await caller.hears(THANKS)
        assert 1 == sum(text == THANKS for _, text in history(caller))


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_who_never_stops_talking(kind: str) -> None:
    """Somebody who never stops is interrupted after the longest time, and what they have said by then is delivered."""
    post = Post()
    async with called(
        post, kind=kind, take={"longest": 20.0}, model=[TO_BILLING, CONNECTING, *[goes_on_or("Yes?")] * 99]
    ) as caller:
        await caller.hears("stop speaking")
        talking = asyncio.create_task(caller.say(" ".join(f"word{number}" for number in range(200))))
        now = asyncio.get_running_loop().time
        since = now()
        if kind == "cascade":
            await post.begun.wait()
            assert 19.0 < now() - since < 22.0
            assert post.texts[0].startswith("word0 word1 word2")
            await caller.hears(THANKS)
            assert Outcome.MESSAGE_TAKEN is await finished(caller)
        await talking
        await asyncio.sleep(5.0)

        # The rest of what they were saying is no question to the model.
        if kind == "cascade":
            assert not any("word" in asked for asked in caller.script.asked)
            await caller.say(NEXT)
            await caller.hears("Yes?")
            assert caller.script.asked[-1] == NEXT
        assert await finished(caller) in {Outcome.MESSAGE_TAKEN, Outcome.FAILED}


@pytest.mark.parametrize("kind", HEARING)
async def test_who_says_nothing(kind: str) -> None:
    """Somebody who says nothing is asked once more, and then the agent is back, and nothing is delivered."""
    post = Post()
    model = [TO_BILLING, CONNECTING, SORRY]
    async with called(post, kind=kind, model=model) as caller:
        assert Outcome.FAILED is await finished(caller)
        await caller.hears(SORRY)

        asked = [text for text in caller.texts_heard if ASKED in text or AGAIN in text]
        assert 2 == len(asked)
        assert [] == post.messages


async def test_who_begins_late() -> None:
    """Somebody who speaks when they are asked once more has left a message."""
    post = Post()
    async with called(post) as caller:
        await caller.hears(AGAIN)
        await caller.say(TEXT)

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert [TEXT] == post.texts


async def test_a_cough() -> None:
    """A noise without words is no message."""
    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, SORRY]) as caller:
        await caller.hears("stop speaking")
        await caller.cough()

        assert Outcome.FAILED is await finished(caller)
        assert [] == post.messages
        (told,) = [event for event in caller.agent.events if event.phase is Phase.FINISHED]
        assert "the caller has left no message" in told.detail


async def test_over_the_prompt() -> None:
    """What is said over the prompt breaks it off and is part of the message; its echo is not."""
    post = Post()
    async with called(post) as caller:
        await caller.hears("nobody can take")
        await caller.say("yes hello this is Anna")
        await caller.say("call me please")

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert ["yes hello this is Anna call me please"] == post.texts
        assert not any("stop speaking" in text for text in caller.texts_heard)

    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, SORRY]) as caller:
        await caller.hears("take your call")
        await caller.say("nobody can take your call")  # it comes back through their phone

        assert Outcome.FAILED is await finished(caller)
        assert [] == post.messages


# Delivery


@pytest.mark.parametrize("does", [hangs, raises, holds_on])
@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_it_is_not_delivered(does: Any, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """A hook that raises, or is late: FAILED, the caller hears so once, and the log nothing of what they said."""
    post = Post(does)
    with caplog.at_level(logging.INFO, logger="calltransfer"):
        async with called(post, kind=kind, model=[TO_BILLING, CONNECTING, *[goes_on_or(SORRY)] * 5]) as caller:
            await dictates(caller, TEXT)
            assert Outcome.FAILED is await finished(caller)
            await asyncio.sleep(15)

            assert 1 == sum(NOT_DELIVERED in text for text in caller.texts_heard)
            assert GOES_ON == caller.texts_heard[-1]
            assert THANKS not in caller.texts_heard
            assert SORRY not in caller.texts_heard
            assert Phase.TOLD in caller.agent.phases
            assert post.cancelled == (does is hangs)
            assert "agent" == await caller.talking_to()
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("calltransfer")]
    assert not any("Anna" in line for line in ours)
    assert any("a message was not delivered" in line for line in ours)


async def test_a_hook_that_is_cancelled_by_something_else() -> None:
    """A hook in which something else is cancelled has failed, and has cancelled nobody."""

    async def lost(_message: Message) -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    post = Post(lost)
    async with called(post) as caller:
        await dictates(caller, TEXT)

        assert Outcome.FAILED is await finished(caller)
        await caller.hears(NOT_DELIVERED)


# The caller hangs up


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("when", ["in the middle", "at the end", "in the delivery", "in the thanks"])
async def test_who_hangs_up(kind: str, when: str) -> None:
    """Who hangs up has left what they have said: it is delivered, once, and the outcome says so."""
    post = Post(is_slow if when == "in the delivery" else None)
    async with called(post, kind=kind) as caller:
        if when == "in the middle":
            await caller.hears("stop speaking")
            speaking = asyncio.create_task(caller.say(TEXT))
            await asyncio.sleep(1.5)
            await caller.hang_up()
            await speaking
        else:
            await dictates(caller, TEXT)
            if when == "in the delivery":
                await post.begun.wait()
            elif when == "in the thanks":
                await caller.hears("Thank")
            await caller.hang_up()
        outcome = await finished(caller)
        await caller.over.wait()

        if when == "in the middle" and kind == "realtime":
            assert Outcome.CALLER_LEFT is outcome  # it had told nothing of what it has heard
            assert [] == post.texts
        else:
            assert Outcome.MESSAGE_TAKEN is outcome
            assert 1 == len(post.texts)
            assert TEXT.startswith(post.texts[0])
        assert not any("could not" in text for text in caller.texts_heard)


async def test_who_hangs_up_without_a_word() -> None:
    """Who hangs up in the prompt, or after it without a word, has left nothing."""
    for heard in ("nobody can take", "stop speaking"):
        post = Post()
        async with called(post) as caller:
            await caller.hears(heard)
            await caller.hang_up()

            assert Outcome.CALLER_LEFT is await finished(caller)
            assert [] == post.messages
            await caller.over.wait()


async def test_who_hangs_up_and_it_is_not_delivered() -> None:
    """A message that could not be delivered when the caller had gone is none that was taken."""
    post = Post(hangs)
    async with called(post) as caller:
        await dictates(caller, TEXT)
        await caller.hang_up()

        assert Outcome.CALLER_LEFT is await finished(caller)
        assert post.cancelled
        await caller.over.wait()


# The caller changes their mind


@pytest.mark.parametrize("words", ["no wait", "never mind", "I don't want to leave a message"])
async def test_who_would_rather_speak_with_the_agent(words: str) -> None:
    """Who says so instead of a message is back with the agent at once, and nothing is delivered."""
    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, SORRY]) as caller:
        now = asyncio.get_running_loop().time
        await dictates(caller, words)
        since = now()

        assert Outcome.CALLER_RETURNED is await finished(caller)
        assert now() - since < 2.0
        assert [] == post.messages
        await caller.hears(SORRY)


async def test_words_that_only_begin_like_it() -> None:
    """A message that begins with "no" is a message."""
    post = Post()
    async with called(post) as caller:
        await dictates(caller, "no wait my number has changed please tell them")

        assert Outcome.MESSAGE_TAKEN is await finished(caller)


@pytest.mark.parametrize("does", [None, hangs])
async def test_withdrawn_from_code(does: Any) -> None:
    """A transfer that is withdrawn delivers nothing, and ends a delivery that is under way."""
    post = Post(does)
    async with called(post, take={"deliver_timeout": 60.0}) as caller:
        await dictates(caller, TEXT)
        if does is not None:
            await post.begun.wait()
        answer = await caller.agent.transfer_call("none")

        assert "withdrawn" == answer["status"]
        assert Outcome.CALLER_RETURNED is await finished(caller)
        assert [] == post.messages
        assert post.cancelled == (does is not None)


# On hold in a plan


@pytest.mark.parametrize("kind", HEARING)
async def test_off_hold_while_they_speak(kind: str) -> None:
    """A hold that a plan has them on makes room: no music, they are heard, and it goes on afterwards."""
    post = Post()
    async with called(post, kind=kind, around=lambda s: OnHold(s, after=4.0)) as caller:
        await caller.hears("stop speaking")
        began = asyncio.get_running_loop().time()
        await caller.say(TEXT)
        await post.begun.wait()
        until = asyncio.get_running_loop().time()
        await caller.hears(THANKS)
        outcome = await finished(caller)

        assert Outcome.MESSAGE_TAKEN is outcome
        assert [TEXT] == post.texts
        assert 0.0 == caller.music_heard(began, until)
        assert caller.music_heard(began - 12, began) > 1.0
        ended = asyncio.get_running_loop().time()
        assert caller.music_heard(ended - 3.5, ended) > 2.0


async def test_the_key_of_the_hold() -> None:
    """The key that brings them back from the hold does so while they speak, and nothing is delivered."""
    post = Post()
    async with called(post, around=OnHold, model=[TO_BILLING, CONNECTING, SORRY]) as caller:
        await dictates(caller, "this is")
        await caller.press("*")

        assert Outcome.CALLER_RETURNED is await finished(caller)
        assert [] == post.messages
        await caller.hears(SORRY)
        await asyncio.sleep(1)
        now = asyncio.get_running_loop().time()
        await asyncio.sleep(2)
        assert 0.0 == caller.music_heard(now, now + 2)


async def test_nothing_is_heard_of_a_hold_that_ends() -> None:
    """A plan that ends with the message plays no further note."""
    post = Post()
    async with called(post, around=OnHold) as caller:
        await dictates(caller, TEXT)
        thanks = await caller.hears(THANKS)
        await finished(caller)
        await asyncio.sleep(3)

        assert 0.0 == caller.music_heard(thanks.ended + 0.1, thanks.ended + 3)


def a_plan(strategy: Any) -> Fallback:
    """A human first, who does not answer, and then a message."""
    return Fallback(WarmTransfer(SUPERVISOR, ring_timeout=3.0), strategy)


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
async def test_in_a_plan(kind: str) -> None:
    """When nobody answers the caller leaves a message, hears one thing at a time, and the plan has ended well."""
    post = Post()
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
    async with called(post, kind=kind, around=a_plan, platform=platform) as caller:
        await caller.hears("stop speaking")
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(0.4)
        await caller.say(TEXT)
        await caller.hears(THANKS)

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert [TEXT] == post.texts
        attempts = [event.outcome for event in caller.agent.events if event.phase is Phase.ATTEMPTED]
        assert [Outcome.FAILED, Outcome.MESSAGE_TAKEN] == attempts
        now = asyncio.get_running_loop().time()
        assert 0.0 == caller.music_heard(began, now)
        assert "agent" == await caller.talking_to()


@pytest.mark.parametrize("does", [None, hangs, raises, holds_on])
async def test_who_hangs_up_in_a_plan(does: Any) -> None:
    """In a plan, too, who hangs up has left what they have said, if it could be delivered."""
    post = Post(does)
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule="rr_1")
    async with called(post, around=a_plan, platform=platform) as caller:
        await dictates(caller, TEXT)
        await caller.hang_up()

        assert (Outcome.MESSAGE_TAKEN if does is None else Outcome.CALLER_LEFT) is await finished(caller)
        await caller.over.wait()


# What else speaks, ends calls, or closes


async def test_what_is_held_back() -> None:
    """Wake-up messages, hang-up tools and the author's keypad handler wait until the message has been taken."""
    from videosdk.agents import DTMFHandler

    post = Post()
    pressed: list[Any] = []
    woken: list[bool] = []

    async def key(digit: Any) -> None:
        pressed.append(digit)

    async with called(post, session_options={"dtmf_handler": lambda: DTMFHandler(key), "wake_up": 2}) as caller:
        caller.session.on_wake_up = lambda: woken.append(True)
        await dictates(caller, "this is Anna")
        await caller.press("5")
        await caller.session.hangup()
        await asyncio.sleep(2.5)
        assert ([], []) == (pressed, woken)
        await caller.say("call me")
        await finished(caller)
        await caller.hears(THANKS)
        assert "agent" == caller.connected_to
        await caller.press("6")
        await asyncio.sleep(5)

        assert [6] == pressed
        assert woken
        assert Phase.HELD_BACK in caller.agent.phases


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("when", ["dictating", "thanked"])
async def test_the_session_closes(kind: str, when: str) -> None:
    """What was said until the session closes is delivered, and the caller hears what is true: never to call again."""
    post = Post()
    async with called(post, kind=kind) as caller:
        await dictates(caller, TEXT)
        if when == "thanked":
            await caller.hears(THANKS)
        else:
            await asyncio.sleep(1.0)
        await caller.job.shutdown()

        assert [Outcome.MESSAGE_TAKEN] == caller.agent.outcomes
        assert [TEXT] == post.texts
        assert Wording().closing not in caller.texts_heard
        assert when != "dictating" or Wording().closing_message in caller.texts_heard


async def test_the_session_closes_before_a_word() -> None:
    """A caller who has said nothing yet hears that the agent has to leave."""
    post = Post()
    async with called(post) as caller:
        await caller.hears("stop speaking")
        await caller.job.shutdown()

        assert [Outcome.CANCELLED] == caller.agent.outcomes
        assert Wording().closing in caller.texts_heard
        assert [] == post.messages


async def test_a_plan_that_has_no_more_time() -> None:
    """What a plan's deadline cuts short is delivered, and the caller thanked: it is not theirs to know of deadlines."""

    class Deadline:
        def __init__(self, strategy: Any) -> None:
            self.strategy = strategy

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            async with asyncio.timeout(14.0):
                result: TransferResult = await self.strategy.transfer(call, request)
            return result

    post = Post()
    async with called(post, around=Deadline) as caller:
        await caller.hears("stop speaking")
        for _ in range(6):
            if not post.begun.is_set():
                await caller.say("and another thing")

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert 1 == len(post.texts)
        await caller.hears(THANKS)


async def test_two_on_one_call() -> None:
    """A second message on the same call is another one, with nothing of the first in it."""
    post = Post()
    async with called(post, model=[TO_BILLING, CONNECTING, TO_BILLING, CONNECTING, ANSWER]) as caller:
        await dictates(caller, TEXT)
        await caller.hears(THANKS)
        await finished(caller)
        caller.agent.finished.clear()
        await asyncio.sleep(1)
        before = len(caller.heard)
        await caller.say("I want to leave another message")
        while not any("stop speaking" in text for text in caller.texts_heard[before:]):
            await caller.something_happens_within(0.5)
        await caller.say("something else entirely")

        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        assert [TEXT, "something else entirely"] == post.texts


@pytest.mark.parametrize("resumes", [True, False])
async def test_preemptive_generation(resumes: bool) -> None:
    """An agent that answers before the caller has finished does not answer a message, nor anything of it later."""
    post = Post()
    ears = Ears(preemptive=True, preflight_words=3, resumes=resumes)

    def model(last: str) -> Any:
        answer = TO_BILLING if "invoice please" in last else CONNECTING if "transferring" in last else ANSWER
        return goes_on_or(answer)(last)

    async with called(post, ears=ears, model=[model] * 20) as caller:
        await dictates(caller, TEXT)
        assert Outcome.MESSAGE_TAKEN is await finished(caller)
        await caller.hears(GOES_ON)
        await asyncio.sleep(1)
        await caller.say(NEXT)
        await caller.hears(ANSWER)

        assert [TEXT] == post.texts
        assert not any("Anna" in asked for asked in caller.script.asked)
        assert ("user", TEXT) in history(caller)
        assert ("user", NEXT) in history(caller)


@pytest.mark.parametrize("kind", ["cascade_without_voice", "realtime_llm_only"])
async def test_an_agent_without_a_voice(kind: str) -> None:
    """An agent that cannot ask for a message fails before the caller notices anything."""
    post = Post()
    async with called(post, kind=kind) as caller:
        result = await caller.agent.transfer("billing") if not caller.agent.finished.is_set() else None
        await finished(caller)

        assert Outcome.FAILED in caller.agent.outcomes
        assert not any(ASKED in text for text in caller.texts_heard)
        assert Phase.DICTATING not in caller.agent.phases
        assert result is None or result.outcome in {Outcome.FAILED, Outcome.REFUSED}


async def test_an_agent_without_ears() -> None:
    """An agent that nobody can speak to fails before the caller notices anything, too."""
    post = Post()
    async with called(post) as caller:
        await caller.hears(CONNECTING[:4])
        caller.session.pipeline.stt = None

        assert Outcome.FAILED is await finished(caller)
        assert not any(ASKED in text for text in caller.texts_heard)


async def test_a_voice_that_fails() -> None:
    """Where the caller cannot be asked, the transfer fails and nothing is listened for."""

    class Mute(CallWrapper):
        def dictation(self, *, done_key: str | None = None) -> Any:
            inner = super().dictation(done_key=done_key)

            @asynccontextmanager
            async def silent() -> Any:
                async with inner as dictation:

                    async def say(_text: str) -> bool:
                        return False

                    vars(dictation)["say"] = say
                    yield dictation

            return silent()

    class Around:
        def __init__(self, strategy: Any) -> None:
            self.strategy = strategy

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            result: TransferResult = await self.strategy.transfer(Mute(call), request)
            return result

    post = Post()
    async with called(post, around=Around) as caller:
        assert Outcome.FAILED is await finished(caller)
        assert [] == post.messages


async def test_one_at_a_time() -> None:
    """What a caller says is taken down by one strategy at a time, and one that leaves it open is closed."""
    seen: list[Any] = []

    class Greedy:
        def __init__(self, strategy: Any) -> None:
            self.strategy = strategy

        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            await call.dictation().__aenter__()
            result: TransferResult = await self.strategy.transfer(call, request)
            seen.append(result)
            return result

    post = Post()
    async with called(post, around=Greedy, model=[TO_BILLING, CONNECTING, SORRY, ANSWER]) as caller:
        assert Outcome.FAILED is await finished(caller)
        assert "being taken down already" in seen[0].detail
        await caller.hears(SORRY)
        await caller.say(NEXT)
        await caller.hears(ANSWER)


async def test_a_platform_that_cannot() -> None:
    """A call of somebody else's that takes nothing down says so."""
    with pytest.raises(NoDictation):
        Call.dictation(object())  # type: ignore[arg-type]
    assert Call.ending.fget(object()) is None  # type: ignore[attr-defined]


# At any moment


MOMENTS = [round(0.23 + 1.37 * number, 2) for number in range(13)]


@pytest.mark.parametrize("kind", ["cascade", "realtime"])
@pytest.mark.parametrize("does", ["hangs up", "closes", "presses the key", "withdraws"])
@pytest.mark.parametrize("delivery", [is_slow, raises, None])
async def test_at_any_moment(kind: str, does: str, delivery: Any) -> None:
    """Whenever it is ended from outside, the outcome says exactly whether the message has been delivered."""
    for moment in MOMENTS:
        post = Post(delivery)
        async with called(post, kind=kind, around=OnHold, model=[TO_BILLING, CONNECTING, *[ANSWER] * 20]) as caller:
            speaking = asyncio.create_task(dictates(caller, "this is Anna", "please call me back"))
            await caller.hears(CONNECTING[:4])
            await asyncio.sleep(moment)
            if does == "hangs up":
                await caller.hang_up()
            elif does == "closes":
                await caller.job.shutdown()
            elif does == "presses the key":
                await caller.press("*")
            else:
                await caller.agent.transfer_call("none")
            outcome = await finished(caller)
            await asyncio.wait([speaking], timeout=8.0)
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
            if does in {"presses the key", "withdraws"}:
                await asyncio.sleep(2.0)
                assert "agent" == caller.connected_to
                before = len(caller.heard)
                await caller.say(NEXT)
                await asyncio.sleep(4.0)
                assert ANSWER in caller.texts_heard[before:], (moment, caller.texts_heard)

            told = sum(NOT_DELIVERED in text for text in caller.texts_heard)
            assert (outcome is Outcome.MESSAGE_TAKEN) == bool(post.messages), (moment, outcome)
            assert len(post.messages) <= 1, moment
            assert told <= 1, moment
            assert not (told and THANKS in caller.texts_heard), moment


# Construction


async def good(message: Message) -> None: ...


anything: Any = TakeMessage


class CallableObject:
    """A hook that is an object."""

    async def __call__(self, message: Message) -> None: ...


def test_the_words() -> None:
    """The prompt names the key that is there."""
    assert "press pound or just stop speaking." in TakeMessage(good).prompt
    assert "press star or" in TakeMessage(good, done_key="*").prompt
    assert TakeMessage(good, done_key=None).prompt.endswith("When you are done, just stop speaking.")
    assert "Was?" == TakeMessage(CallableObject(), prompt="Was?", changed_mind="nein").prompt


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: anything("crm"), "takes a function 'async def deliver(message)', not str"),
        (lambda: anything(CallableObject), "not type"),
        (lambda: anything(lambda _message: None), "must be an 'async def'"),
        (lambda: anything(Post.deliver), "takes one argument, the message"),
        (lambda: anything(good, prompt=" "), "prompt= is a sentence"),
        (lambda: anything(good, done_key="12"), "done_key= is one key"),
        (lambda: anything(good, changed_mind=["", "x"]), "changed_mind= takes phrases"),
        (lambda: anything(good, changed_mind=7), "changed_mind= takes phrases"),
        (lambda: anything(good, silence=0), "silence= is in seconds"),
        (lambda: anything(good, longest=1e9), "longest= is in seconds"),
    ],
)
def test_what_is_wrong_at_construction(make: Any, says: str) -> None:
    """A mistake is found when the agent is built, and named."""
    with pytest.raises(ConfigurationError, match=r"TakeMessage|seconds") as caught:
        make()

    assert says in str(caught.value)


def test_a_message_is_private() -> None:
    """Nothing that somebody has said, and nothing of who they are, shows in a log."""
    shown = repr(Message(text=TEXT, route="billing", reason=REASON))

    assert "Anna" not in shown
    assert REASON not in shown
