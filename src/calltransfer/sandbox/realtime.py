"""A scripted realtime model: it hears and speaks by itself, as the providers' own do."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

from typing_extensions import override
from videosdk.agents import RealtimeBaseModel, get_tool_info

from calltransfer.sandbox.models import (
    FIRST_AUDIO_SECONDS,
    FIRST_TOKEN_SECONDS,
    Calls,
    Fails,
    Hangs,
    Script,
    fails_at_once,
    script_of_rebuilt,
    spoken_in,
    utterances,
)
from calltransfer.sandbox.speech import encoded, words

_REPEAT = "Repeat exactly: "


class ScriptedRealtimeModel(RealtimeBaseModel):
    """A realtime model: hears and speaks by itself, and awaits a tool before it takes anything else in.

    Behaves as the SDK's own plugins do: a message that asks for an answer while one is being given is refused by the
    provider, as an error event that nobody waits for, and so is reported whatever else goes wrong. An answer that hangs
    ends when it is interrupted; until then the SDK takes the agent for speaking, if it has begun to.

    Attributes:
        sent: What the provider was sent as text, in order, whether or not it took it.
        first_token_seconds: Seconds until the provider begins an answer.
        seconds_per_word: Seconds that it takes to make a word of it.
        in_one_piece: Whether an answer comes all at once, as after a gap in the network. The SDK's plugins for OpenAI and
            Gemini then say that it is over before any of it has been played.
        loses: Words with which no message gets through: sending one with any of them is cancelled inside the plugin, and
            raises that, as where its connection is closed meanwhile.
    """

    def __init__(self, script: Script | None = None, *, voice: bool = True) -> None:
        super().__init__()
        self.script = script or script_of_rebuilt()
        self.script.realtime = self
        self.config = SimpleNamespace(modalities=["text", "audio"] if voice else ["text"])
        self.errors: list[str] = []
        self.sent: list[str] = []
        self.seconds_per_word = 0.0
        self.in_one_piece = False
        self.first_token_seconds = FIRST_TOKEN_SECONDS
        self.loses: tuple[str, ...] = ()
        self._agent: Any = None
        self._hears: list[str] = []
        self._messages: asyncio.Queue[str] = asyncio.Queue()
        self._loop: asyncio.Task[None] | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._hanging: asyncio.Task[None] | None = None
        self._answering = False
        self._begun = False
        self._said: list[str] = []

    def set_agent(self, agent: Any) -> None:
        """Whose tools it has."""
        self._agent = agent

    async def connect(self) -> None:
        """Starts to take messages in."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._take_in(), name="realtime model")

    async def handle_audio_input(self, audio_data: bytes) -> None:
        """Hears the caller, to their last word, or to a frame that carries none."""
        spoken = spoken_in(audio_data)
        if not spoken:
            self._heard_out()
        for word in spoken:
            if word.index < 0:
                self._cut()
                self.emit("user_speech_started", {"type": "done"})
                continue
            self._hears += [word.text] if word.text else []
            if word.last:
                self._heard_out()

    def _heard_out(self) -> None:
        if self._hears:
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
        await self._send(message)
        if self._answering:
            self._failed("conversation already has an active response")
            return
        self._messages.put_nowait(message)

    async def _send(self, message: str) -> None:
        await self.connect()  # the SDK never connects a model that it uses as an LLM only
        self.sent.append(message)
        if any(words in message for words in self.loses):
            raise asyncio.CancelledError

    async def interrupt(self) -> None:
        """Stops speaking, and gives up an answer that hangs."""
        self._cut()

    def _cut(self) -> None:
        for under_way in (self._speaking, self._hanging):
            if under_way is not None and not under_way.done():
                under_way.cancel()
        if self.audio_track is not None:
            self.audio_track.interrupt()
            if self._answering:
                self.audio_track.mark_synthesis_complete()
                self._begun = False

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
            except Exception as error:
                # A model's own task goes on: the provider is asked again when there is something to be answered.
                self._failed(f"{type(error).__name__}: {error}")
            finally:
                self._over()
                self._answering = False

    def _failed(self, error: str) -> None:
        self.errors.append(error)
        self.emit("error", error)

    async def _answer(self, message: str) -> None:
        if message.startswith(_REPEAT):
            await self._say([message.removeprefix(_REPEAT)])
            return
        while True:
            self.script.system = [self._agent.instructions] if self._agent is not None else []
            step = self.script.next(message)
            if not fails_at_once(step):
                await asyncio.sleep(self.first_token_seconds)
            calls: list[Calls] = []
            texts: list[str] = []
            for part in step:
                if isinstance(part, str):
                    texts += [part] if part else []
                elif isinstance(part, Calls):
                    calls.append(part)
                else:
                    await self._say(texts)
                    if not await self._goes_on_after(part):
                        return
            await self._say(texts)
            self._over()
            for call in calls:
                message = await self._run(call)
            if not calls:
                return

    async def _goes_on_after(self, part: Hangs | Fails) -> bool:
        """Lets the time pass in which it gives nothing; returns whether it was not interrupted meanwhile."""
        self._hanging = asyncio.create_task(self.script.pause(part))
        try:
            await self._hanging
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return False
        return True

    async def _run(self, call: Calls) -> str:
        """Awaits a tool inline, as the plugins do: no other event of the model gets through meanwhile."""
        call_id = self.script.calls(call, self._agent.tools)
        for tool in self._agent.tools:
            if get_tool_info(tool).name == call.tool:
                result = await tool(**call.arguments)
                self.script.answers.append(json.loads(json.dumps(result)))
                self.script.told(call_id, self.script.answers[-1])
                return json.dumps(result)
        return ""

    async def _say(self, texts: list[str]) -> None:
        """Says what there is to say of an answer by now."""
        if texts:
            self._speaking = asyncio.create_task(self._speak(" ".join(texts)))
            texts.clear()
            await asyncio.gather(self._speaking, return_exceptions=True)

    async def _speak(self, text: str) -> None:
        if self.audio_track is not None:
            if not self._begun:
                await asyncio.sleep(FIRST_AUDIO_SECONDS)
                self._begun = True
                self.emit("agent_speech_started", {})
            for word in words(text, next(utterances)):
                if self.seconds_per_word:
                    await asyncio.sleep(self.seconds_per_word)
                playing = asyncio.create_task(self.audio_track.add_new_bytes(encoded(word)))
                if not self.in_one_piece:
                    await playing
        self._said.append(text)

    def _over(self) -> None:
        """The answer is over: only now does the SDK learn what it was, and that no more of it is to be heard."""
        text, begun = " ".join(self._said), self._begun
        self._said.clear()
        self._begun = False
        if text:
            self.emit("llm_text_output", {"text": text})
            self.emit("realtime_model_transcription", {"role": "agent", "text": text, "is_final": True})
        if begun and self.audio_track is not None:
            self.audio_track.mark_synthesis_complete()


class GeminiRealtime(ScriptedRealtimeModel):
    """Behaves as the SDK's plugin for Gemini Live, by whose name it goes.

    What it is sent while it answers breaks that answer off, and is answered. To interrupt it is to send it the user's turn
    "stop", which it answers, too.
    """

    @override
    async def send_text_message(self, message: str) -> None:
        await self._send(message)
        if self._answering:
            self._cut()
        self._messages.put_nowait(message)

    @override
    async def interrupt(self) -> None:
        await self.send_text_message("stop")
        if self.audio_track is not None:
            self.audio_track.interrupt()
