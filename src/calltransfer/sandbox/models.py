"""Scripted stand-ins for the providers: speech recognition, language model, voice, and realtime models.

They subclass what the SDK's plugins subclass, take a realistic time, and are driven by the SDK's own pipelines.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any, Final

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
    Pipeline,
    RealtimeBaseModel,
    SpeechData,
    SpeechEventType,
    STTResponse,
    VADEventType,
    VADResponse,
    get_tool_info,
)
from videosdk.agents.pipeline import RealtimeConfig
from videosdk.agents.vad import VADData

from calltransfer.sandbox.speech import SAMPLE_RATE, Word, decoded, encoded, words

RECOGNITION_SECONDS = 0.2
FIRST_TOKEN_SECONDS = 0.3
FIRST_AUDIO_SECONDS = 0.1

KINDS: Final = (
    "cascade",
    "cascade_without_voice",
    "realtime",
    "realtime_own_ears",
    "realtime_own_voice",
    "realtime_llm_only",
)
"""The kinds of pipeline the SDK has: full cascade, cascade without TTS, speech-to-speech, and realtime with an STT of
its own, with a TTS of its own, and with both."""

_REPEAT = "Repeat exactly: "

_utterances = itertools.count(1)


@attrs.frozen
class Calls:
    """The model calls a tool.

    Attributes:
        tool: Its name.
        arguments: What it is called with.
    """

    tool: str
    arguments: dict[str, Any] = attrs.field(factory=dict)


Step = str | Calls | Sequence["str | Calls"] | Callable[[str], Any]


class Script:
    """What the model does, one step for each time it is asked: says something, calls tools, both, or nothing ("").

    A step can also be a function of the last thing the model was told, that returns one of these.

    Attributes:
        asked: What the model was given each time: the last message or tool result.
        answers: What each tool call returned, as the model got it.
        realtime: The realtime model that follows the script, where there is one.
    """

    realtime: "ScriptedRealtimeModel | None" = None

    def __init__(self, steps: Iterable[Step] = (), *, otherwise: str = "Is there anything else?") -> None:
        self._steps = iter(steps)
        self._otherwise = otherwise
        self.asked: list[str] = []
        self.answers: list[Any] = []

    def next(self, last: str) -> list["str | Calls"]:
        """The next step, in parts."""
        self.asked.append(last)
        step: Any = next(self._steps, self._otherwise)
        if callable(step):
            step = step(last)
        return [step] if isinstance(step, str | Calls) else list(step)


class ScriptedLLM(LLM):
    """A language model that follows a script."""

    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script

    async def chat(
        self,
        messages: ChatContext,
        tools: Any = None,
        conversational_graph: Any = None,
        **_: Any,
    ) -> AsyncIterator[LLMResponse]:
        """Says and does what is next in the script."""
        self.script.answers = [
            json.loads(item.output) for item in messages.items if isinstance(item, FunctionCallOutput)
        ]
        step = self.script.next(_last(messages))
        await asyncio.sleep(FIRST_TOKEN_SECONDS)
        for part in step:
            if isinstance(part, str):
                yield LLMResponse(content=part, role=ChatRole.ASSISTANT)
            else:
                call = {"name": part.tool, "arguments": part.arguments, "call_id": f"t{next(_utterances)}"}
                yield LLMResponse(content="", role=ChatRole.ASSISTANT, metadata={"function_call": call})

    async def cancel_current_generation(self) -> None:
        """Nothing to cancel."""


def _last(messages: ChatContext) -> str:
    item = messages.items[-1]
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
        utterance = next(_utterances)
        chunks: list[str] = []
        async for chunk in _chunks(text):
            if self._reads_to_end:
                chunks.append(chunk)
            else:
                await self._speak(chunk, utterance)
        await self._speak("".join(chunks), utterance)

    async def interrupt(self) -> None:
        """Stops speaking."""
        self._interrupted = True

    async def _speak(self, text: str, utterance: int) -> None:
        for word in words(text, utterance):
            if not self._announced:
                await asyncio.sleep(FIRST_AUDIO_SECONDS)
            if self._interrupted or self.audio_track is None:
                return
            if not self._announced and self._first_audio_callback is not None:
                self._announced = True
                await self._first_audio_callback()
            await self.audio_track.add_new_bytes(encoded(word))


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
        """Says when speech begins and ends."""
        for word in _spoken(audio_frames):
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

    def __init__(self, ears: Ears) -> None:
        super().__init__(interim_results=True)
        self.enable_preemptive_generation = ears.preemptive
        self._ears = ears
        self._words: list[str] = []

    async def process_audio(self, audio_frames: bytes, language: str | None = None, **_: Any) -> None:
        """Recognises a word, or with the last one the utterance."""
        for word in _spoken(audio_frames):
            if word.index < 0 or not word.text:
                continue
            resumed = self._ears.resumes and len(self._words) == self._ears.preflight_words
            self._words.append(word.text)
            await self._report(SpeechEventType.INTERIM, turn_resumed=resumed)
            suspected = len(self._words) == self._ears.preflight_words or word.last
            if self._ears.preemptive and suspected:
                await self._report(SpeechEventType.PREFLIGHT)
            if word.last:
                await asyncio.sleep(self._ears.final_after)
                await self._report(SpeechEventType.FINAL)
                self._words.clear()

    async def _report(self, event: SpeechEventType, **metadata: bool) -> None:
        if self._transcript_callback is not None:
            data = SpeechData(text=" ".join(self._words), confidence=0.95)
            await self._transcript_callback(STTResponse(event_type=event, data=data, metadata=metadata))


def _spoken(pcm: bytes) -> Iterable[Word]:
    """Each word in `pcm` once, however many frames it takes."""
    return dict.fromkeys(decoded(pcm))


class ScriptedRealtimeModel(RealtimeBaseModel):
    """A realtime model: hears and speaks by itself, and awaits a tool before it takes anything else in.

    Behaves as the SDK's own plugins do: a message that asks for an answer while one is being given is refused by the
    provider, as an error event that nobody waits for.
    """

    def __init__(self, script: Script, *, voice: bool = True) -> None:
        super().__init__()
        self.script = script
        script.realtime = self
        self.config = SimpleNamespace(modalities=["text", "audio"] if voice else ["text"])
        self.errors: list[str] = []
        self._agent: Any = None
        self._hears: list[str] = []
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._loop: asyncio.Task[None] | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._answering = False

    def set_agent(self, agent: Any) -> None:
        """Whose tools it has."""
        self._agent = agent

    async def connect(self) -> None:
        """Starts to take messages in."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._take_in(), name="realtime model")

    async def handle_audio_input(self, audio_data: bytes) -> None:
        """Hears the caller."""
        for word in _spoken(audio_data):
            if word.index < 0:
                await self.interrupt()
                self.emit("user_speech_started", {"type": "done"})
                continue
            self._hears += [word.text] if word.text else []
            if word.last and self._hears:
                text = " ".join(self._hears)
                self._hears.clear()
                self.emit("user_speech_ended", {})
                self.emit("realtime_model_transcription", {"role": "user", "text": text, "is_final": True})
                self._messages.put_nowait(text)

    async def send_message(self, message: str) -> None:
        """Is asked to say something word for word."""
        await self.send_text_message(_REPEAT + message)

    async def send_text_message(self, message: str) -> None:
        """Is told something, and asked to answer."""
        await self.connect()  # the SDK never connects a model that it uses as an LLM only
        if self._answering:
            self.errors.append("conversation already has an active response")
            self.emit("error", self.errors[-1])
            return
        self._messages.put_nowait(message)

    async def interrupt(self) -> None:
        """Stops speaking."""
        if self._speaking is not None and not self._speaking.done():
            self._speaking.cancel()
        if self.audio_track is not None:
            self.audio_track.interrupt()
            if self._answering:
                self.audio_track.mark_synthesis_complete()

    async def aclose(self) -> None:
        """Takes nothing in any more."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        await super().aclose()

    async def _take_in(self) -> None:
        while True:
            message = await self._messages.get()
            self._answering = True
            try:
                await self._answer(message)
            finally:
                self._answering = False

    async def _answer(self, message: str) -> None:
        if message.startswith(_REPEAT):
            await self._say(message.removeprefix(_REPEAT))
            return
        while True:
            step = self.script.next(message)
            await asyncio.sleep(FIRST_TOKEN_SECONDS)
            calls = [part for part in step if isinstance(part, Calls)]
            text = " ".join(part for part in step if isinstance(part, str))
            if text:
                await self._say(text)
            for call in calls:
                message = await self._run(call)
            if not calls:
                return

    async def _run(self, call: Calls) -> str:
        """Awaits a tool inline, as the plugins do: no other event of the model gets through meanwhile."""
        for tool in self._agent.tools:
            if get_tool_info(tool).name == call.tool:
                result = await tool(**call.arguments)
                self.script.answers.append(json.loads(json.dumps(result)))
                return json.dumps(result)
        return ""

    async def _say(self, text: str) -> None:
        self._speaking = asyncio.create_task(self._speak(text))
        await asyncio.gather(self._speaking, return_exceptions=True)

    async def _speak(self, text: str) -> None:
        if self.audio_track is not None:
            await asyncio.sleep(FIRST_AUDIO_SECONDS)
            self.emit("agent_speech_started", {})
            for word in words(text, next(_utterances)):
                await self.audio_track.add_new_bytes(encoded(word))
        self.emit("llm_text_output", {"text": text})
        self.emit("realtime_model_transcription", {"role": "agent", "text": text, "is_final": True})
        if self.audio_track is not None:
            self.audio_track.mark_synthesis_complete()


def make_pipeline(kind: str, script: Script, *, ears: Ears | None = None, voice_reads_to_end: bool = False) -> Pipeline:
    """A pipeline of one of the `KINDS`, with scripted models in it."""
    ears = ears or Ears()
    if kind.startswith("cascade"):
        voice = None if kind == "cascade_without_voice" else ScriptedTTS(reads_to_end=voice_reads_to_end)
        return Pipeline(stt=ScriptedSTT(ears), llm=ScriptedLLM(script), tts=voice, vad=ScriptedVAD())
    if kind == "realtime":
        return Pipeline(llm=ScriptedRealtimeModel(script))
    if kind == "realtime_own_ears":
        return Pipeline(stt=ScriptedSTT(ears), vad=ScriptedVAD(), llm=ScriptedRealtimeModel(script))
    if kind == "realtime_own_voice":
        return Pipeline(llm=ScriptedRealtimeModel(script, voice=False), tts=ScriptedTTS())
    if kind == "realtime_llm_only":
        return Pipeline(
            stt=ScriptedSTT(ears),
            vad=ScriptedVAD(),
            llm=ScriptedRealtimeModel(script, voice=False),
            tts=ScriptedTTS(),
            realtime_config=RealtimeConfig(mode="llm_only"),
        )
    raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
