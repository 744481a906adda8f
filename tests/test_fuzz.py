"""Whatever comes in: what parses raises what is documented and nothing else, and takes no longer than its length."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyee import EventEmitter
from videosdk import Participant
from videosdk._events import Events

from calltransfer import (
    Briefing,
    ConfigurationError,
    Destination,
    DestinationError,
    DirectTransfer,
    ExtractiveSummary,
    HoldMusic,
    LLMSummary,
    Phase,
    PlatformError,
    Policy,
    Route,
    ToolAnswer,
    TransferRequest,
    Utterance,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
    summary,
)
from calltransfer.briefing import as_data, normalised
from calltransfer.masking import masked_address, masked_number, masked_text, shown
from calltransfer.sandbox import Sandbox
from calltransfer.summary import cut, shortened, spoken
from calltransfer.videosdk.api import VideoSDKAPI, _last_page, parsed_leg
from calltransfer.videosdk.attendance import metadata
from calltransfer.videosdk.caller import direction_of
from calltransfer.videosdk.following import STATUSES, Following, Leg
from tests.agents import BILLING, SupportAgent
from tests.warm import SUPERVISOR, call, script

profile = settings(derandomize=True, deadline=None, max_examples=40)
few = settings(derandomize=True, deadline=None, max_examples=25)

TEXT = st.text(alphabet=st.characters(), max_size=40)
"""Any text, lone surrogates included, which JSON can bring."""

NAMES = [
    "id",
    "callId",
    "status",
    "timelog",
    "end",
    "type",
    "start",
    "sessionId",
    "pageInfo",
    "lastPage",
    "data",
    "number",
]
WORDS = [*STATUSES, "inbound", "outbound", "1", "2", "..", "", BILLING, "\r\n"]

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | TEXT, inner, max_size=6),
    max_leaves=20,
)
"""Anything that `json.loads` can return."""

ANYTHING = JSON | st.binary(max_size=8) | st.builds(object) | st.complex_numbers() | st.just(int) | st.just(print)
"""And things that only an author can write."""

DOCUMENT = st.fixed_dictionaries({}, optional=dict.fromkeys(NAMES, JSON))

ADDRESSES = st.one_of(
    TEXT,
    st.text(alphabet="+0123456789 ()-./", max_size=30),
    st.text(alphabet='sip:SIPS@.;=%20dD0aA[]?&,+-1234567890abc\\"<>', max_size=60).map("sip:".__add__),
    st.from_regex(r"\Asips?:[a-z0-9+%]{1,20}@[a-z.\[\]:0-9]{1,20}(;[a-z%=0-9]{0,20}){0,3}\Z"),
)


# What an author, or a directory at run time, gives


@profile
@given(address=ADDRESSES | ANYTHING)
def test_destinations(address: Any) -> None:
    """Anything is a destination, or a DestinationError that says why; a destination is one line of ASCII."""
    try:
        destination = Destination(address)
    except DestinationError:
        return
    assert destination.address.isascii()
    assert destination.address.isprintable()
    assert Destination(destination.address) == destination
    assert Policy(countries={"US"}, sip_hosts={"a"}).problem(destination) is None or destination.address


@profile
@given(brought=st.dictionaries(
    st.sampled_from(["allow_premium", "allow_emergency", "caller_id", "extension", "headers", "metadata", "display_name"]),
    ANYTHING | st.dictionaries(st.from_regex(r"\AX-[A-Za-z]{1,5}\Z"), TEXT) | st.none(),
))  # fmt: skip
def test_what_destinations_bring_along(brought: dict[str, Any]) -> None:
    """Whatever is brought along, a destination is made or a DestinationError raised."""
    with suppress(DestinationError):
        Destination(BILLING, **brought)


MADE: dict[str, tuple[Callable[..., Any], list[str]]] = {
    "Route": (lambda **v: Route(**{"name": "a", "strategy": DirectTransfer(BILLING), "when": "x", **v}),
              ["name", "strategy", "when"]),
    "DirectTransfer": (DirectTransfer, ["to", "timeout", "sentence_timeout", "play_dialtone"]),
    "WarmTransfer": (lambda **v: WarmTransfer(**{"to": BILLING, **v}),
                     ["to", "hold", "summary", "briefing", "move", "ring_timeout", "decision_timeout", "total_timeout",
                      "leave_unwatched"]),
    "HoldMusic": (HoldMusic, ["file", "return_key", "reassurance", "every"]),
    "Briefing": (Briefing, ["gate", "greeting", "accept_key", "decline_key", "question", "accept_words", "declined",
                            "decline_words", "neutral_words", "machine_phrases", "voicemail_message", "introduction"]),
    "LLMSummary": (LLMSummary, ["prompt", "llm", "words", "timeout", "otherwise"]),
    "ExtractiveSummary": (ExtractiveSummary, ["words", "reason", "quote", "route"]),
    "Policy": (Policy, ["countries", "sip_hosts", "attempts", "attempts_per_minute", "dials", "dials_at_once"]),
    "Wording": (Wording, ["instructions", "tool", "not_connected", "transferring", "closed", "attempts_used_up"]),
    "VideoSDKPlatform": (VideoSDKPlatform, ["base_url", "token", "caller_id", "routing_rule", "gateway", "pipeline"]),
    "SupportAgent": (SupportAgent, ["wording", "platform", "policy"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_constructors(kind: str) -> None:
    """Whatever an author gives, it is made or refused with a ConfigurationError, and no other error."""
    make, fields = MADE[kind]
    values = ANYTHING | st.sampled_from([[], {}, {1}, "{", "{}", "{0}", "{words.x}", "{a[b]}", "x\0y", float("inf")])

    @few
    @given(st.dictionaries(st.sampled_from(fields), values, min_size=1, max_size=2))
    def made_or_refused(given_values: dict[str, Any]) -> None:
        with suppress(ConfigurationError):
            make(**given_values)

    made_or_refused()


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (lambda: HoldMusic(return_key=[]), "return_key= is one key"),  # type: ignore[arg-type]
        (lambda: HoldMusic(file=5), "file= is the path of a WAV file, not 5"),  # type: ignore[arg-type]
        (lambda: HoldMusic(file="hold\0.wav"), "cannot be played"),
        (lambda: Briefing(accept_key=[]), "Briefing.accept_key is one key"),  # type: ignore[arg-type]
        (lambda: WarmTransfer(BILLING, move=[]), "move= is 'caller' or 'target'"),  # type: ignore[arg-type]
        (lambda: DirectTransfer(int), "a callable takes two arguments"),  # type: ignore[arg-type]
    ],
)
def test_a_value_of_another_kind(made: Callable[[], Any], complaint: str) -> None:
    """A value that cannot even be looked up is refused like any other, and not with a TypeError or ValueError of its own."""
    with pytest.raises(ConfigurationError, match=complaint):
        made()


@few
@given(transfers=ANYTHING | st.lists(ANYTHING, max_size=3))
def test_transfers(transfers: Any) -> None:
    """Whatever is given as `transfers=`, the agent is made or refused with a ConfigurationError."""

    class Plain(SupportAgent):
        def __init__(self) -> None:
            super(SupportAgent, self).__init__(instructions="You help.", transfers=transfers)

    with pytest.raises(ConfigurationError):
        Plain()


@profile
@given(message=ANYTHING, spoken_words=ANYTHING)
def test_tool_answers(message: Any, spoken_words: Any) -> None:
    """Whatever a tool's answer is made of, the wording takes it or refuses it."""
    with suppress(ConfigurationError):
        Wording(transferring=ToolAnswer(message, spoken_words))


# What the platform answers


@profile
@given(document=DOCUMENT | JSON, earlier=DOCUMENT, times=st.lists(st.floats(0, 100), max_size=4))
def test_status_documents(document: Any, earlier: Any, times: list[float]) -> None:
    """Any document is a leg or none, and following any legs in any order comes to some end."""
    leg = parsed_leg(document)
    assert leg is None or (leg.id.isprintable() and leg.status.isascii())
    before = parsed_leg({**earlier, "id": "c"}) or Leg("c", "answered")
    following = Following(before)
    for at in sorted(times):
        following.read(leg or before, at)
        following.verdict(at)
    assert following.at_deadline().outcome


@profile
@given(answer=DOCUMENT)
@example(answer={"pageInfo": {"lastPage": float("nan")}})
def test_pages(answer: dict[str, Any]) -> None:
    """Any answer has a number of pages."""
    assert isinstance(_last_page(answer), int)


class Answers(VideoSDKAPI):
    """A client of a platform that has given this answer."""

    def __init__(self, answer: Any) -> None:
        super().__init__(base_url="http://127.0.0.1:9", token=lambda: "token")
        self.answer = answer

    async def _request(self, *_: Any, **__: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.answer
        return answer


def ends(work: Any) -> Any:
    """What a coroutine that waits for nothing returns or raises."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits for something")


@profile
@given(answer=DOCUMENT)
def test_answers(answer: dict[str, Any]) -> None:
    """Any JSON object in the place of any answer is understood, or is the documented error."""
    api = Answers(answer)

    async def legs() -> list[Leg]:
        return [leg async for leg in api.legs(room_id="r", session_id="s")]

    for request in (api.leg("c"), api.dial({}), api.create_room({}), api.end("c"), legs()):
        with suppress(PlatformError):
            ends(request)


@profile
@given(meta_data=JSON | st.fixed_dictionaries({"callType": JSON, "sipUser": JSON}))
def test_what_the_platform_says_of_participants(meta_data: Any) -> None:
    """Whatever stands in a participant's metadata, there is a direction or none."""
    participant = Participant("p", "Name", False, "SEND_AND_RECV", meta_data, EventEmitter())

    assert isinstance(metadata(participant), dict)
    assert direction_of(participant) in {"inbound", "outbound", None}


@pytest.mark.parametrize("call_type", [[], {}, 5, None, "sideways"])
def test_a_direction_that_is_none(call_type: Any) -> None:
    """A call type that is no text is no direction, and ends no call."""
    participant = Participant("p", "Name", False, "SEND_AND_RECV", {"callType": call_type}, EventEmitter())

    assert direction_of(participant) is None


# What people press and say

NO_ANSWER = JSON.filter(lambda key: str(key).strip() not in {"1", "2"})
MESSAGES = st.fixed_dictionaries(
    {}, optional={"payload": JSON.filter(lambda payload: not isinstance(payload, dict)), "senderId": JSON}
) | st.fixed_dictionaries({"payload": st.fixed_dictionaries({"number": NO_ANSWER})}, optional={"senderId": JSON})


async def test_keys(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever arrives under the keys' topic, in the caller's room and in the target's, decides and breaks nothing."""
    found: list[Any] = []

    @settings(derandomize=True, deadline=None, max_examples=60, database=None)
    @given(MESSAGES)
    def collect(message: Any) -> None:
        found.append(message)

    collect()
    async with Sandbox() as sandbox:
        sandbox.person(SUPERVISOR)
        caller = await call(sandbox, model=script(*["Yes?"] * 9))
        await caller.say("I want a human")
        await caller.agent.until(Phase.BRIEFING)
        for client in sandbox._switchboard.clients:
            for message in found:
                client.emit(Events.PUBSUB_MESSAGE, {**message, "topic": "DTMF_EVENT"})
        await caller.agent.finished.wait()

        assert Phase.CONNECTING not in caller.agent.phases
        assert "undecided" == caller.agent.outcomes[0]
    assert not [record for record in caplog.records if "calltransfer" in record.name and record.exc_info]


# Time

LONG = 4_000
SEEDS = [
    *[
        "ok ",
        "yes ",
        "1",
        "1-",
        "1 ",
        "sip:",
        "sip:a@",
        "eyJ",
        "eyJ.",
        "<",
        "<a",
        "<think>",
        "[",
        "[](",
        '."',
        "*",
        "`",
        "- ",
    ],
    *[
        "#",
        "\n-",
        "_",
        " ",
        "sure, ",
        "summary:",
        "é",
        "中",
        "한",
        "\u0301",
        "%41",
        "%25",
        ";a=",
        ".",
        "١",
        "ﷺ",
        "as an ",
    ],
]


FOR_EVER = 30.0
"""Seconds of processor time: what takes longer than its length takes minutes, on whatever machine."""


def refused(text: str) -> None:
    with pytest.raises(DestinationError):
        Destination(text)


READERS: dict[str, Callable[[str], Any]] = {
    "masked_text": masked_text,
    "masked_address": masked_address,
    "masked_number": masked_number,
    "shown": shown,
    "Destination": refused,
    "Destination sip": lambda text: refused(f"sip:{text}@example.com"),
    "normalised": normalised,
    "understood": Briefing().understood,
    "is_listening": Briefing().is_listening,
    "opening": Briefing().opening,
    "as_data": lambda text: as_data([Utterance("caller", text)], reason=text, summary=text),
    "spoken": spoken,
    "shortened": lambda text: shortened(text, words=30),
    "cut": lambda text: cut(text, words=30),
    "refused": lambda text: summary.refused(text, text),
    "of": lambda text: ExtractiveSummary().of([Utterance("caller", text)], TransferRequest(route="r", reason=text)),
}


def test_somebody_who_says_okay_a_thousand_times() -> None:
    """Looking through many small words takes as long as there are words, and not the third power of that."""
    began = time.process_time()

    assert Briefing().is_listening("okay " * 5000)
    assert Briefing().understood("okay " * 5000) is None
    assert time.process_time() - began < FOR_EVER


@pytest.mark.parametrize("reader", READERS)
def test_nothing_takes_longer_than_its_length(reader: str) -> None:
    """Kilobytes of the worst for a pattern are read, by everything that reads text, and it is not taken for ever."""
    for seed in SEEDS:
        text = (seed * LONG)[:LONG]
        began = time.process_time()
        READERS[reader](f"{text}\x00!")
        assert time.process_time() - began < FOR_EVER, seed
