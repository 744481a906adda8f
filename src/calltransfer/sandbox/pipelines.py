"""The SDK's pipelines, with scripted models in them."""

from typing import Final

from videosdk.agents import Pipeline
from videosdk.agents.pipeline import RealtimeConfig

from calltransfer.sandbox.models import Ears, Script, ScriptedLLM, ScriptedSTT, ScriptedTTS, ScriptedVAD
from calltransfer.sandbox.realtime import GeminiRealtime, ScriptedRealtimeModel

PIPELINE_KINDS: Final = (
    "cascade",
    "cascade_without_voice",
    "realtime",
    "realtime_gemini",
    "realtime_own_ears",
    "realtime_own_voice",
    "realtime_llm_only",
)
"""The kinds of pipeline the SDK has: full cascade, cascade without TTS, speech-to-speech (also with a model that is told in
words to stop, as Gemini is), and realtime with an STT of its own, with a TTS of its own, and with both."""


def make_pipeline(kind: str, script: Script, *, ears: Ears | None = None, voice_reads_to_end: bool = False) -> Pipeline:
    """A pipeline of one of the `PIPELINE_KINDS`, with scripted models in it."""
    ears = ears or Ears()
    if kind.startswith("cascade"):
        voice = None if kind == "cascade_without_voice" else ScriptedTTS(reads_to_end=voice_reads_to_end)
        return Pipeline(stt=ScriptedSTT(ears), llm=ScriptedLLM(script), tts=voice, vad=ScriptedVAD())
    if kind == "realtime":
        return Pipeline(llm=ScriptedRealtimeModel(script))
    if kind == "realtime_gemini":
        return Pipeline(llm=GeminiRealtime(script))
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
    raise ValueError(f"kind must be one of {', '.join(PIPELINE_KINDS)}, not {kind!r}")
