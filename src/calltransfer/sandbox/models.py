"""Scripted stand-ins for the providers: speech recognition, language model and voice.

They subclass what the SDK's plugins subclass, take a realistic time, and are driven by the SDK's own pipelines.
"""

import asyncio
import contextlib
import contextvars
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs
from videosdk.agents import (
    LLM,
    STT,
    TTS,
    VAD,
    ChatContext,
    ChatMessage,
    ChatRole,
    FlushMarker,
    FunctionCallOutput,
    LLMResponse,
    SpeechData,
    SpeechEventType,
    STTResponse,
    VADEventType,
    VADResponse,
    get_tool_info,
)
from videosdk.agents.vad import VADData

from calltransfer.errors import ConfigurationError
from calltransfer.fields import is_seconds
from calltransfer.masking import shown
from calltransfer.sandbox.speech import SAMPLE_RATE, Word, decoded, encoded, words

if TYPE_CHECKING:
    from calltransfer.sandbox.realtime import ScriptedRealtimeModel

RECOGNITION_SECONDS = 0.2
FIRST_TOKEN_SECONDS = 0.3
FAILURE_SECONDS = 0.1
FIRST_AUDIO_SECONDS = 0.1

utterances = itertools.count(1)


@attrs.frozen
class Calls:
    """The model calls a tool.

    Attributes:
        tool: Its name.
        arguments: What it is called with.
    """

    tool: str
    arguments: dict[str, Any] = attrs.field(factory=dict)

    def __str__(self) -> str:
        said = ", ".join(str(value) for name, value in self.arguments.items() if name != "reason")
        return f"{self.tool}({said})"


def _seconds(_: Any, __: "attrs.Attribute[float]", value: Any) -> None:
    if not is_seconds(value):
        raise ConfigurationError(
            f"Hangs takes the seconds in which a model gives nothing, such as 30, not {shown(value)}"
        )


def _error_status(_: Any, __: "attrs.Attribute[int]", value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 400 <= value <= 599:
        raise ConfigurationError(f"Fails takes the HTTP status of an error, 400 to 599, not {shown(value)}")


@attrs.frozen
class Hangs:
    """The model gives nothing for a while.

    Alone, it is an answer that never comes: the model says nothing afterwards. Before a text or a tool call, as in
    `[Hangs(8.0), "One moment."]`, the answer begins late; after a text, it stalls there.

    Attributes:
        seconds: For how many seconds.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    seconds: float = attrs.field(validator=_seconds)


@attrs.frozen
class Fails:
    """The provider of the model answers with an error, a tenth of a second after it was asked.

    In a cascade the model raises an error, as the SDK's plugins do; a realtime model reports one, and says nothing.
    After a text, as in `["One moment", Fails(500)]`, the answer breaks off there.

    Attributes:
        status: The HTTP status.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    status: int = attrs.field(default=500, validator=_error_status)


class ProviderError(Exception):
    """What a model raises whose provider has answered with an error."""


Part = str | Calls | Hangs | Fails
"""What a step is made of."""

Step = Part | Sequence["Part"] | Callable[[str], Any]
"""What a model does when it is asked: says something, calls a tool, hangs, fails, several of these in a row, or what a
function makes of what it was told."""

# mypy takes a list of texts and calls that is a variable for a list of `object`; a step is looked at when it is given.
Steps = Iterable[Step] | Iterable[object]


class Script:
    """What the model does, one step for each time it is asked: says something, calls tools, both, or nothing ("").

    It may also hang, begin late or fail: see `Hangs` and `Fails`. A step can be a function of the last thing the model
    was told, that returns one of these; one that raises is a model that fails. After a tool the SDK asks a model that
    says nothing once more: a model that stays silent takes two steps, `"", ""`.

    Asked for a summary, it gives one and takes no step: that is a request that comes without `tools`, and whose whole
    context is one system message and one user message.

    Args:
        steps: The steps.
        otherwise: What it says when the script is over.
        summary: What it answers when it is asked for a summary: a text, `Fails`, `Hangs`, or a function of the text to be
            summarised.
        summary_seconds: How many seconds that takes.

    Attributes:
        asked: What the model was given each time: the last message or tool result.
        answers: What each tool call returned, as the model got it: what its JSON says, or the text where it is none.
        system: The system messages it was given the last time.
        summaries_asked: The system and the user message of each request for a summary.
        notes: What a timeline shows of it, each with its time in seconds on the loop's clock: tool calls that failed, and
            that it was over.
        last_error: The last tool call that failed, and what the model was told of it, or the last function among the
            steps that has raised something; "" where none has.
        realtime: The realtime model that follows the script, where there is one.

    Raises:
        TypeError: `steps` is one string, or something in it is no step.
    """

    realtime: "ScriptedRealtimeModel | None" = None

    def __init__(
        self,
        steps: Steps = (),
        *,
        otherwise: str = "Is there anything else?",
        summary: str | Fails | Hangs | Callable[[str], Any] = "The caller has a question about their last invoice.",
        summary_seconds: float = 0.3,
    ) -> None:
        if isinstance(steps, str | Mapping | Calls | Hangs | Fails):
            what = "one string" if isinstance(steps, str) else shown(steps)
            raise TypeError(f"a script is a list of steps, such as ['One moment.'], not {what}")
        if isinstance(steps, Sequence):
            for step in steps:
                if not callable(step):
                    _parts(step)
        if not callable(summary) and any(isinstance(part, Calls) for part in _parts(summary)):
            raise TypeError(f"a tool call is no summary: {shown(summary)}")
        self._steps: Any = iter(steps)
        self._otherwise = otherwise
        self._summary = summary
        self._summary_seconds = summary_seconds
        self.asked: list[str] = []
        self.answers: list[Any] = []
        self.system: list[str] = []
        self.summaries_asked: list[tuple[str, str]] = []
        self.notes: list[tuple[float, str]] = []
        self.last_error = ""
        self._called: dict[str, Calls] = {}

    def next(self, last: str) -> list[Part]:
        """The next step, in parts.

        Raises:
            Exception: whatever a function has raised that was to make it.
        """
        self.asked.append(last)
        step: Any = next(self._steps, _OVER)
        if step is _OVER:
            self._note(f"the script is over, so it says otherwise={self._otherwise!r}")
            return [self._otherwise]
        try:
            return _parts(step(last) if callable(step) else step)
        except Exception as error:
            self._fails(f"{getattr(step, '__name__', 'a step')}() -> error: {type(error).__name__}: {error}")
            raise

    async def pause(self, part: Hangs | Fails) -> None:
        """Lets the time pass in which the model gives nothing.

        Raises:
            ProviderError: the provider answers with an error.
        """
        if isinstance(part, Hangs):
            self._note(f"hangs for {part.seconds:g} s")
            await asyncio.sleep(part.seconds)
            return
        self._note(f"fails with HTTP {part.status}")
        await asyncio.sleep(FAILURE_SECONDS)
        raise ProviderError(f"HTTP {part.status}: as the script asks for")

    def calls(self, call: Calls, tools: Iterable[Any]) -> str:
        """The model calls a tool, and the agent has `tools`; returns the call's id."""
        names = [get_tool_info(tool).name for tool in tools]
        if call.tool not in names:
            self._fails(f"{call} -> error: the agent has no such tool; it has {', '.join(names) or 'none'}")
        call_id = f"t{next(utterances)}"
        self._called[call_id] = call
        return call_id

    def told(self, call_id: str, answer: Any) -> None:
        """The model is told what a tool call has returned; more than once is once."""
        call = self._called.pop(call_id, None)
        failed = isinstance(answer, dict) and (answer.get("status") == "error" or bool(answer.get("error")))
        if call is not None and failed:
            self._fails(f"{call} -> error: {answer.get('message') or answer.get('error') or answer}")

    def _fails(self, what: str) -> None:
        self.last_error = what
        self._note(what)

    def _note(self, what: str) -> None:
        self.notes.append((asyncio.get_running_loop().time(), what))

    async def summarise(self, system: str, text: str) -> str:
        """The summary of `text`, in its time.

        Raises:
            ProviderError: the provider answers with an error.
        """
        self.summaries_asked.append((system, text))
        await asyncio.sleep(self._summary_seconds)
        parts = _parts(self._summary(text) if callable(self._summary) else self._summary)
        for part in parts:
            if isinstance(part, Hangs | Fails):
                await self.pause(part)
        return " ".join(part for part in parts if isinstance(part, str))


_OVER = object()


def _parts(step: Any) -> list[Part]:
    """The parts of a step, that is no function.

    Raises:
        TypeError: it is no step.
    """
    if isinstance(step, Part):
        return [step]
    if isinstance(step, Sequence) and all(isinstance(part, Part) for part in step):
        return list(step)
    raise TypeError(
        "a step of a script is a text, Calls('transfer_call', {'destination': ...}), Hangs(30), Fails(500), a list of "
        f"these, or a function that makes one of them, not {shown(step)}"
    )


def fails_at_once(step: Sequence[Part]) -> bool:
    """Whether the provider answers with an error before it has begun."""
    return bool(step) and isinstance(step[0], Fails)


def told_by(output: str) -> Any:
    """What a tool's output says to a model: JSON, or the text as it is, as where the SDK hands over to another agent."""
    try:
        return json.loads(output)
    except ValueError:
        return output


_script_of_rebuilt: contextvars.ContextVar[Script] = contextvars.ContextVar("script of rebuilt models")


def rebuilt_models_follow(script: Script) -> None:
    """Has models that are made without arguments, as the SDK makes a consultation's, follow `script` in this context."""
    _script_of_rebuilt.set(script)


def script_of_rebuilt() -> Script:
    """What a model follows that is made without arguments."""
    return _script_of_rebuilt.get(None) or Script()


class ScriptedLLM(LLM):
    """A language model that follows a script; without one, that of the call's consultation."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__()
        self.script = script or script_of_rebuilt()

    async def chat(
        self,
        messages: ChatContext,
        tools: Any = None,
        conversational_graph: Any = None,
        **_: Any,
    ) -> AsyncIterator[LLMResponse]:
        """Says and does what is next in the script. An error is reported and raised, as by the SDK's plugins."""
        try:
            async with contextlib.aclosing(self._answer(messages, tools)) as answer:
                async for response in answer:
                    yield response
        except Exception as error:
            self.emit("error", error)
            raise

    async def _answer(self, messages: ChatContext, tools: Any) -> AsyncGenerator[LLMResponse]:
        roles = [item.role if isinstance(item, ChatMessage) else None for item in messages.items]
        if tools is None and roles == [ChatRole.SYSTEM, ChatRole.USER]:
            summary = await self.script.summarise(*map(_text, messages.items))
            yield LLMResponse(content=summary, role=ChatRole.ASSISTANT)
            return
        self.script.system = [
            _text(item) for item, role in zip(messages.items, roles, strict=True) if role is ChatRole.SYSTEM
        ]
        outputs = [item for item in messages.items if isinstance(item, FunctionCallOutput)]
        self.script.answers = [told_by(item.output) for item in outputs]
        for item, answer in zip(outputs, self.script.answers, strict=True):
            self.script.told(item.call_id, answer)
        step = self.script.next(_text(messages.items[-1]))
        if not fails_at_once(step):
            await asyncio.sleep(FIRST_TOKEN_SECONDS)
        for part in step:
            if isinstance(part, str):
                yield LLMResponse(content=f"{part} " if len(step) > 1 else part, role=ChatRole.ASSISTANT)
            elif isinstance(part, Calls):
                call_id = self.script.calls(part, tools or [])
                call = {"name": part.tool, "arguments": part.arguments, "call_id": call_id}
                yield LLMResponse(content="", role=ChatRole.ASSISTANT, metadata={"function_call": call})
            else:
                await self.script.pause(part)

    async def cancel_current_generation(self) -> None:
        """Nothing to cancel."""


def _text(item: Any) -> str:
    if isinstance(item, FunctionCallOutput):
        return str(item.output)
    if isinstance(item, ChatMessage):
        parts = item.content if isinstance(item.content, list) else [item.content]
        return " ".join(str(part) for part in parts)
    return ""


class ScriptedTTS(TTS):
    """A voice. `reads_to_end`: whether it wants the whole text before it speaks, as some providers' plugins do."""

    def __init__(self, *, reads_to_end: bool = False) -> None:
        super().__init__(sample_rate=SAMPLE_RATE)
        self._reads_to_end = reads_to_end
        self._interrupted = False
        self._announced = False

    def reset_first_audio_tracking(self) -> None:
        """A new utterance begins."""
        self._announced = False

    async def synthesize(self, text: Any, voice_id: str | None = None, **_: Any) -> None:
        """Speaks, as fast as the audio can be made."""
        self._interrupted = False
        utterance, said = next(utterances), 0
        chunks: list[str] = []
        async for chunk in _chunks(text):
            if self._reads_to_end:
                chunks.append(chunk)
            else:
                said += await self._speak(chunk, utterance, said)
        await self._speak(" ".join(chunks), utterance, said)

    async def interrupt(self) -> None:
        """Stops speaking."""
        self._interrupted = True

    async def _speak(self, text: str, utterance: int, said: int) -> int:
        """Speaks one part of an utterance, of which `said` words have been spoken; returns how many words it has."""
        spoken = words(text, utterance, after=said)
        for word in spoken:
            if not self._announced:
                await asyncio.sleep(FIRST_AUDIO_SECONDS)
            if self._interrupted or self.audio_track is None:
                break
            if not self._announced and self._first_audio_callback is not None:
                self._announced = True
                await self._first_audio_callback()
            await self.audio_track.add_new_bytes(encoded(word))
        return len(spoken)


async def _chunks(text: Any) -> AsyncIterator[str]:
    if isinstance(text, str):
        yield text
        return
    async for chunk in text:
        if not isinstance(chunk, FlushMarker):
            yield chunk


class ScriptedVAD(VAD):
    """Tells speech from silence."""

    def __init__(self) -> None:
        super().__init__()
        self._speech = False
        self._on_frame: Callable[[VADResponse], None] | None = None

    def on_inference(self, callback: Callable[[VADResponse], None]) -> None:
        """Who is told of every frame."""
        self._on_frame = callback

    async def process_audio(self, audio_frames: bytes, **_: Any) -> None:
        """Says when speech begins and ends: with its last word, or with a frame that carries none."""
        spoken = spoken_in(audio_frames)
        if self._speech and not spoken:
            self._speech = False
            await self._report(VADEventType.END_OF_SPEECH)
        for word in spoken:
            if not self._speech:
                self._speech = True
                await self._report(VADEventType.START_OF_SPEECH)
            if word.last:
                self._speech = False
                await self._report(VADEventType.END_OF_SPEECH)

    async def _report(self, event: VADEventType) -> None:
        speech = event is VADEventType.START_OF_SPEECH
        data = VADData(is_speech=speech, confidence=0.95 if speech else 0.0, energy=0.5)
        response = VADResponse(event_type=event, data=data)
        if self._on_frame is not None:
            self._on_frame(response)
        if self._vad_callback is not None:
            await self._vad_callback(response)


@attrs.frozen
class Ears:
    """How the caller is recognised.

    Attributes:
        preemptive: Whether the SDK starts to answer on words that the caller may not have finished.
        preflight_words: After how many words the end of an utterance is suspected, besides at its end.
        resumes: Whether it is announced that the suspicion was wrong.
        final_after: Seconds from the last word to its recognition.
    """

    preemptive: bool = False
    preflight_words: int = 1_000
    resumes: bool = True
    final_after: float = RECOGNITION_SECONDS


class ScriptedSTT(STT):
    """Recognises speech."""

    def __init__(self, ears: Ears | None = None) -> None:
        super().__init__(interim_results=True)
        ears = ears or Ears()
        self.enable_preemptive_generation = ears.preemptive
        self._ears = ears
        self._words: list[str] = []

    async def process_audio(self, audio_frames: bytes, language: str | None = None, **_: Any) -> None:
        """Recognises a word; with the last one, or with a frame that carries none, the utterance."""
        spoken = spoken_in(audio_frames)
        if self._words and not spoken:
            await self._recognise()
        for word in spoken:
            if word.index < 0 or not word.text:
                continue
            resumed = self._ears.resumes and len(self._words) == self._ears.preflight_words
            self._words.append(word.text)
            await self._report(SpeechEventType.INTERIM, turn_resumed=resumed)
            if word.last:
                await self._recognise()
            elif self._ears.preemptive and len(self._words) == self._ears.preflight_words:
                await self._report(SpeechEventType.PREFLIGHT)

    async def _recognise(self) -> None:
        if self._ears.preemptive:
            await self._report(SpeechEventType.PREFLIGHT)
        await asyncio.sleep(self._ears.final_after)
        await self._report(SpeechEventType.FINAL)
        self._words.clear()

    async def _report(self, event: SpeechEventType, **metadata: bool) -> None:
        if self._transcript_callback is not None:
            data = SpeechData(text=" ".join(self._words), confidence=0.95)
            await self._transcript_callback(STTResponse(event_type=event, data=data, metadata=metadata))


def spoken_in(pcm: bytes) -> Iterable[Word]:
    """Each word in `pcm` once, however many frames it takes."""
    return dict.fromkeys(decoded(pcm))
