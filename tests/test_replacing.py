"""What is changed of the agent's session for a while is as before once nobody needs it changed, in whatever order."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videosdk.agents import DTMFHandler

from calltransfer.sandbox import Caller, Sandbox
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.replacing import replace
from tests.agents import GREETING, SupportAgent

Undo = Callable[[], Any]
Changed = Callable[[Caller], Awaitable[Undo]]


class Follows:
    """Follows a model, and notes nothing."""

    def caller_began(self) -> None: ...

    def passed_on(self) -> None: ...

    def asked(self) -> int:
        return 0

    def said(self, turn: int | None, text: str) -> None: ...

    def answered(self, turn: int) -> None: ...

    def failed(self, turn: int | None) -> None: ...


async def held_back(caller: Caller) -> Undo:
    stack = ExitStack()
    stack.enter_context(_sdk.held_back(caller.session, caller.job.room, lambda _what: None))
    return stack.close


async def stays(caller: Caller) -> Undo:
    stack = ExitStack()
    stack.enter_context(_sdk.auto_end_held_back(caller.job.room))
    return stack.close


async def silenced(caller: Caller) -> Undo:
    return _sdk.silence(caller.session)


async def deaf(caller: Caller) -> Undo:
    return _sdk.deafen(caller.job.room)


async def mute(caller: Caller) -> Undo:
    return _sdk.mute(caller.job.room)


async def phones_forgotten(caller: Caller) -> Undo:
    return _sdk.forget_phones(caller.job.room)


async def keys_followed(caller: Caller) -> Undo:
    return await _sdk.follow_keys(caller.job.room, lambda _key, _sender: None)


async def model_followed(caller: Caller) -> Undo:
    return _sdk.follow_model(caller.session, Follows())


async def listened_to(caller: Caller) -> Undo:
    ears, _alone = _sdk.listen_alone(caller.session, lambda _text: None, lambda: None)
    return ears.give_back


async def background_silenced(caller: Caller) -> Undo:
    block = _sdk.background_audio_paused(caller.session)
    await block.__aenter__()
    return lambda: block.__aexit__(None, None, None)


CHANGES: Final[tuple[Changed, ...]] = (
    held_back,
    stays,
    silenced,
    deaf,
    mute,
    phones_forgotten,
    keys_followed,
    model_followed,
    listened_to,
    background_silenced,
)


def state(caller: Caller) -> dict[str, Any]:
    """Everything of the session that is changed by any of them."""
    session, room = caller.session, caller.job.room
    orchestrator, track, pubsub = session.pipeline.orchestrator, room.audio_track, room.meeting.pubsub
    return {
        "hang-up": vars(session).get("hangup"),
        "wake-up": session.on_wake_up,
        "keypad": session.dtmf_handler._callback,
        "ends by itself": (room.auto_end_session, room._transfer_in_progress),
        "ears": room.input_stream_manager.pipeline,
        "voice": {name: vars(track).get(name) for name in ("add_new_bytes", "add_background_bytes")},
        "phones": [entry["sipUser"] for entry in room.participants_data.values()],
        "keys": dict(pubsub._PubSub__topic_cb),
        "model": vars(orchestrator.content_generation).get("generate"),
        "recogniser": {event: list(told) for event, told in orchestrator.speech_understanding._handlers.items()},
        "thinking": vars(session).get("start_thinking_audio"),
        "left behind": [
            name
            for each in (session, room, room.input_stream_manager, track, pubsub, session.dtmf_handler)
            for name in vars(each)
            if name.startswith("_calltransfer_shared")
        ],
    }


async def called(sandbox: Sandbox, **options: Any) -> Caller:
    """A caller who has been greeted, with an agent whose author uses all that is held back."""
    caller = await sandbox.call(
        SupportAgent, session_options={"dtmf_handler": lambda: DTMFHandler(lambda _key: None)}, **options
    )
    caller.session.on_wake_up = lambda: None
    await caller.hears(GREETING)
    await asyncio.sleep(2.0)
    return caller


STEPS = st.lists(
    st.tuples(st.sampled_from(["begins", "ends"]), st.integers(0, len(CHANGES) - 1), st.integers(0, 30)), max_size=12
)


async def test_in_whatever_order() -> None:
    """Whatever begins and ends in whatever order: while one is left it holds, and after the last all is as before."""
    found: list[list[tuple[str, int, int]]] = []

    @settings(derandomize=True, deadline=None, max_examples=300, database=None)
    @given(STEPS)
    def collect(steps: list[tuple[str, int, int]]) -> None:
        found.append(steps)

    collect()
    async with Sandbox() as sandbox:
        caller = await called(sandbox)
        before = state(caller)
        for steps in found:
            under_way: list[tuple[Changed, Undo]] = []
            for does, which, place in [*steps, *[("ends", 0, place) for _, _, place in steps]]:
                if does == "begins":
                    under_way.append((CHANGES[which], await CHANGES[which](caller)))
                elif under_way:
                    undone = under_way.pop(place % len(under_way))[1]()
                    if undone is not None:
                        await undone
                kinds = {kind for kind, _ in under_way}
                now = state(caller)
                assert (held_back in kinds) is (now["hang-up"] is not before["hang-up"])
                assert (held_back in kinds) is (now["keypad"] is not before["keypad"])
                assert bool({held_back, silenced} & kinds) is (now["wake-up"] is not before["wake-up"])
                assert bool({held_back, stays} & kinds) is (not now["ends by itself"][0])
                assert (deaf in kinds) is (now["ears"] is not before["ears"])
                assert (mute in kinds) is (now["voice"] != before["voice"])
                assert (phones_forgotten in kinds) is (not any(now["phones"]))
                assert (listened_to in kinds) is (now["recogniser"] != before["recogniser"])
            while under_way:
                undone = under_way.pop()[1]()
                if undone is not None:
                    await undone
            assert before == state(caller)


@pytest.mark.parametrize("first_ends", [0, 1])
async def test_what_an_author_sets_meanwhile_stays(first_ends: int) -> None:
    """An author's hang-up, keypad handler and wake-up callback set meanwhile are theirs, whichever ends first."""

    async def hangup(_reason: str = "") -> None: ...

    def pressed(_key: Any) -> None: ...

    def woken() -> None: ...

    async with Sandbox() as sandbox:
        caller = await called(sandbox)
        session = caller.session
        for when in range(3):
            under_way = []
            for number in range(3):
                if number == when:
                    session.hangup = hangup
                    session.dtmf_handler.set_callback(pressed)
                    session.on_wake_up = woken
                if number < 2:
                    under_way.append(await held_back(caller))
            under_way.pop(first_ends)()
            under_way.pop()()

            assert session.hangup is hangup
            assert session.dtmf_handler._callback is pressed
            assert session.on_wake_up is woken
            del session.hangup


async def test_a_hang_up_that_an_author_has_wrapped() -> None:
    """Who wraps the hang-up while it is held back, and keeps that, hangs up afterwards."""
    async with Sandbox() as sandbox:
        caller = await called(sandbox)
        end = await held_back(caller)
        held = caller.session.hangup

        async def hangup(reason: str = "") -> None:
            await held(reason)

        caller.session.hangup = hangup
        await caller.session.hangup("while it is held back")
        assert not caller.over.is_set()
        end()
        await caller.session.hangup("the author's")
        async with asyncio.timeout(10):
            await caller.over.wait()


async def test_one_who_begins_to_listen_meanwhile_goes_on() -> None:
    """A listener of an author's that is added while a caller is listened to hears what comes after it."""

    def told(_data: Any) -> None: ...

    async with Sandbox() as sandbox:
        caller = await called(sandbox)
        understanding = caller.session.pipeline.orchestrator.speech_understanding
        first, second = await listened_to(caller), await listened_to(caller)
        understanding.on("transcript_final", told)
        second()
        first()
        assert told in understanding._handlers["transcript_final"]
        assert 2 == len(understanding._handlers["transcript_final"])


class Anything:
    """Has a method and an attribute, as an object of the SDK has."""

    attribute = None

    def __init__(self) -> None:
        self.own = "own"

    def method(self) -> str:
        return "of the class"


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(["begins", "ends", "author"]), st.integers(0, 30)), max_size=12),
    st.sampled_from(["own", "method"]),
)
def test_the_newest_is_there(steps: list[tuple[str, int]], name: str) -> None:
    """There is the newest of what is left of what was put there since the author has, or else what they have."""
    anything = Anything()
    there = getattr(anything, name)
    under_way: list[tuple[str, Undo]] = []
    since: list[tuple[str, Undo]] = []
    for number, (does, place) in enumerate(steps):
        if does == "begins":
            value = f"value {number}"
            since.append((value, replace(anything, name, value)))
            under_way.append(since[-1])
        elif does == "author":
            there, since = f"author {number}", []
            setattr(anything, name, there)
        elif under_way:
            ended = under_way.pop(place % len(under_way))
            ended[1]()
            ended[1]()  # which changes nothing
            since = [each for each in since if each is not ended]
        assert (since[-1][0] if since else there) == getattr(anything, name)
    for _, undo in under_way:
        undo()

    assert there == getattr(anything, name)
    assert {name, "own"} >= set(vars(anything))


@pytest.mark.parametrize("first_ends", [0, 1])
async def test_background_audio_is_begun_again_once(first_ends: int) -> None:
    """An author's music and the sound of thinking are silent while one of two blocks is left, and go on after both."""
    async with Sandbox() as sandbox:
        caller = await called(sandbox, room_options={"background_audio": True})
        session = caller.session
        caller.agent.set_thinking_audio()
        await session.start_thinking_audio()
        await caller.agent.play_background_audio(looping=True, override_thinking=True)

        def heard() -> list[bool]:
            players = (session._background_audio_player, session._thinking_audio_player)
            return [player is not None and player.is_playing for player in players]

        found = [heard()]
        under_way = [await background_silenced(caller), await background_silenced(caller)]
        found.append(heard())
        await under_way.pop(first_ends)()
        found.append(heard())
        await under_way.pop()()
        found.append(heard())
        await session.stop_background_audio()
        await session.stop_thinking_audio()

        assert [[True, True], [False, False], [False, False], [True, True]] == found
