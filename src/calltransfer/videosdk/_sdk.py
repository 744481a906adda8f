"""Every private or undocumented name of the SDK that we touch, each with its reason.

Nothing else in calltransfer may reach into the SDK. `CONTRACT` lists the names; a test looks each of them up in the SDK
that is installed, and says by name what a new version of it has changed.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, contextmanager
from typing import Any, Final, Protocol

import attrs
from typing_extensions import override
from videosdk import Participant, PubSubSubscribeConfig
from videosdk.agents import Agent, AgentSession, JobContext, TTSAudioCache
from videosdk.agents.content_generation import ContentGeneration
from videosdk.agents.dtmf_handler import DTMFHandler
from videosdk.agents.event_emitter import EventEmitter
from videosdk.agents.job import (
    RoomOptions,
    _enter_session_scope,
    _set_current_job_context,
    get_current_job_context,
)
from videosdk.agents.llm.chat_context import AgentConfigUpdate, ChatContext, ChatMessage, ChatRole, FunctionCall
from videosdk.agents.metrics import get_metrics_agent_id, set_metrics_agent_id
from videosdk.agents.pipeline import Pipeline
from videosdk.agents.pipeline_orchestrator import PipelineOrchestrator
from videosdk.agents.realtime_llm_adapter import RealtimeLLMAdapter
from videosdk.agents.room._input_stream import InputStreamManager
from videosdk.agents.room.output_stream import AUDIO_PTIME, CustomAudioStreamTrack
from videosdk.agents.room.room import VideoSDKHandler
from videosdk.agents.speech_understanding import SpeechUnderstanding
from videosdk.agents.utils import AgentState, RealtimeMode, UserState
from videosdk.agents.utterance_handle import UtteranceHandle
from videosdk.pubsub import PubSub

from calltransfer.errors import NoConsultation, NoTextModel
from calltransfer.timeline import described
from calltransfer.videosdk.replacing import Shared, replace, share

logger = logging.getLogger("calltransfer.videosdk")

CONTRACT: Final[tuple[tuple[type, str, str], ...]] = (
    (AgentSession, "_job_context", "the job of a session, outside the job's own context too"),
    (AgentSession, "_reply_in_progress", "session.reply() during another one is dropped without a word"),
    (AgentSession, "_is_executing_tool", "session.reply() during a tool goes to the background"),
    (AgentSession, "_closed", "a closed session must not get its wake-up callback back"),
    (AgentSession, "_reset_wake_up_timer", "arms the wake-up timer again after it was held back"),
    (AgentSession, "_cancel_wake_up_timer", "nobody is to be woken in an empty room"),
    (AgentSession, "_accept_user_input", "stays off where a target is in the room before the session has started"),
    (AgentSession, "_background_audio_player", "an author's own background audio makes room for the hold's"),
    (AgentSession, "_override_thinking", "an author's own background audio is begun again as it was"),
    (AgentSession, "_thinking_audio_player", "the sound of thinking is silenced with it, and begun again as it was"),
    (AgentSession, "_thinking_was_playing", "the SDK begins that sound when music that was exclusive stops"),
    (AgentSession, "start_thinking_audio", "not on hold: a turn that is still being generated would be heard thinking"),
    (AgentSession, "current_utterance", "the turn under way, and whether it was interrupted"),
    (AgentSession, "hangup", "held back while the caller is being forwarded"),
    (AgentSession, "on_wake_up", "held back while the caller is being forwarded"),
    (AgentSession, "dtmf_handler", "held back while the caller is being forwarded"),
    (UtteranceHandle, "_done_fut", "awaiting a handle cancels it when the wait is cancelled"),
    (JobContext, "_shutdown_complete", "a shutdown that is under way already is waited for on SIGTERM"),
    (JobContext, "_shutdown_callbacks", "the first one is the session's own close; ours must run before it"),
    (Agent, "_instructions", "the one system message is replaced when the summary is known"),
    (Agent, "_tools", "what the model is given; a tool of an MCP server is in it before anybody can look at it"),
    (InputStreamManager, "pipeline", "where an agent's hearing can be taken away, whatever its pipeline"),
    (CustomAudioStreamTrack, "add_new_bytes", "hold music goes into it; an agent who is silent puts nothing in"),
    (
        CustomAudioStreamTrack,
        "frame_buffer",
        "whether there is still something to be heard; emptied for one who is muted",
    ),
    (CustomAudioStreamTrack, "audio_data_buffer", "the same, before it is cut into frames"),
    (
        CustomAudioStreamTrack,
        "_synthesis_complete",
        "whether a realtime model has given all of its answer, or the rest of one that is broken off is still to come",
    ),
    (CustomAudioStreamTrack, "mark_synthesis_complete", "a realtime model's answer is over"),
    (
        CustomAudioStreamTrack,
        "interrupt",
        "what of an answer was not heard yet, thrown away without a word to the model",
    ),
    (CustomAudioStreamTrack, "_accepting_audio", "off after an interruption, until somebody speaks"),
    (EventEmitter, "_handlers", "what a target says is understood before the SDK's own handler hears of it"),
    (EventEmitter, "_invoke", "and is passed on to that handler as the SDK would"),
    (AgentSession, "_emit_user_state", "a caller whose words were kept from the model is not speaking any more"),
    (SpeechUnderstanding, "_is_user_speaking", "whether a caller who is listened to is still speaking"),
    (SpeechUnderstanding, "_turn_open_at", "whether something they have said is still being recognised"),
    (SpeechUnderstanding, "_waiting_for_more_speech", "whether the SDK waits for more before it passes their words on"),
    (SpeechUnderstanding, "_accumulated_transcript", "what it has understood and not passed on yet"),
    (SpeechUnderstanding, "_last_interim_text", "what it is recognising"),
    (SpeechUnderstanding, "_enable_preemptive_generation", "whether what it accumulates is passed on at all"),
    (PubSub, "_PubSub__topic_cb", "one topic has one callback: ours is chained, not put in its place"),
    (RoomOptions, "_resolved_observability", "whether the call is recorded, however the author said so"),
    (JobContext, "videosdk_auth", "the token the agent joined this room with"),
    (RoomOptions, "signaling_base_url", "the platform's host, where it is not the public one"),
    (ContentGeneration, "_tool_output_fallback_text", "what the SDK says when a model stays silent after a tool"),
    (DTMFHandler, "_callback", "set_callback() has no counterpart that reads it"),
    (ContentGeneration, "generate", "a model that raises is reported nowhere, and its turn never ends"),
    (Pipeline, "orchestrator", "the cascade's turns"),
    (Pipeline, "_realtime_model", "rebuilt for the consultation; what it has understood"),
    (RealtimeLLMAdapter, "current_utterance", "who has asked a realtime model last: calltransfer, or an author"),
    (Pipeline, "_on_agent_speech_ended_realtime", "a realtime agent that is broken off is taken for speaking for ever"),
    (Pipeline, "eou_config", "how long to wait after a target's last word: not at all"),
    (Pipeline, "interrupt_config", "a target's one word is an answer"),
    (
        PipelineOrchestrator,
        "speech_understanding",
        "a plain yes is decided from the words, before a model has its turn",
    ),
    (Pipeline, "speech_generation", "the voice of a realtime model that has a TTS of its own"),
    (PipelineOrchestrator, "content_generation", "where the words after a silent model come from"),
    (PipelineOrchestrator, "speech_generation", "whether there is a voice to say a fixed sentence with"),
    (PipelineOrchestrator, "_current_generation_task", "a turn that is given up is over when this is"),
    (PipelineOrchestrator, "_preemptive_generation_task", "a turn on words the caller may not have finished"),
    (PipelineOrchestrator, "_preemptive_authorized", "set when the caller's words are known"),
    (PipelineOrchestrator, "_preemptive_cancelled", "set when they were other words"),
    (VideoSDKHandler, "meeting", "who is in the room"),
    (VideoSDKHandler, "meeting_id", "the room's id"),
    (VideoSDKHandler, "auto_end_session", "must wait for the truth about a forwarded call"),
    (VideoSDKHandler, "session_timeout_seconds", "when an empty room ends"),
    (VideoSDKHandler, "recorded_participants", "a recorded caller's leave ends the session at once"),
    (VideoSDKHandler, "participants_data", "hangup() ends the call of everybody in it, also of those handed over"),
    (VideoSDKHandler, "audio_track", "the agent's voice in the room"),
    (VideoSDKHandler, "input_stream_manager", "the agent's ears in the room"),
    (
        VideoSDKHandler,
        "_is_agent_participant",
        "takes a target named 'Support Agent' for an agent, and does not listen",
    ),
    (VideoSDKHandler, "_start_track_recording_kind", "a caller who was moved is recorded where they are now"),
    (VideoSDKHandler, "_track_recordings_kinds_by_participant", "what is recorded of whom"),
    (VideoSDKHandler, "_end_session", "an agent that leaves its room ends its session"),
    (VideoSDKHandler, "_transfer_in_progress", "keeps a recorded caller's leave from ending the session"),
    (VideoSDKHandler, "_cancel_session_end_task", "stops an end that is already scheduled"),
    (VideoSDKHandler, "_session_end_task", "an end that was already scheduled is scheduled again"),
    (VideoSDKHandler, "_schedule_session_end", "what the SDK would have done when the caller left"),
    (VideoSDKHandler, "_update_non_agent_participant_count", "who is left"),
    (VideoSDKHandler, "_non_agent_participant_count", "who is left"),
    (VideoSDKHandler, "_session_ended", "an ended session must not be ended again"),
)


REFUSAL_TIMEOUT = 1.0
"""Seconds for a realtime provider to refuse a message: one round trip."""

INTERRUPTION_TIME = 0.1
"""Seconds for an interruption to reach model and voice: the SDK does not wait for it, and it would end what is said next."""


def room_of(session: AgentSession) -> VideoSDKHandler | None:
    """The VideoSDK room of `session`; None where there is none (other transports have no phone in them)."""
    job = job_of(session)
    room = job.room if job is not None else None
    return room if isinstance(room, VideoSDKHandler) and room.meeting is not None else None


async def shut_down(job: JobContext) -> None:
    """Shuts a job down, or waits for the shutdown that is under way."""
    await job.shutdown()
    await job._shutdown_complete.wait()


def job_of(session: AgentSession) -> JobContext | None:
    """The job that `session` runs in."""
    return session._job_context or get_current_job_context()


def before_close(session: AgentSession, closing: Callable[[], Awaitable[None]]) -> None:
    """Has `closing` awaited before `session` closes.

    The job's shutdown callbacks hold the session's `close` as it was when the session was made, so both ways are taken:
    a callback before that one, and `close` itself for who calls it directly.
    """
    close = session.close

    async def close_after() -> None:
        try:
            await closing()
        finally:
            await close()

    session.close = close_after
    job = job_of(session)
    if job is not None:
        job._shutdown_callbacks.insert(0, closing)


def say_when_model_is_silent(session: AgentSession, tool: str, spoken: str) -> None:
    """Has `spoken` said when the model stays silent after `tool`, instead of "Okay, I've taken care of that."."""
    orchestrator = session.pipeline.orchestrator
    generation = orchestrator.content_generation if orchestrator is not None else None
    if generation is None:
        return  # a realtime model that stays silent is silent

    def fallback(output: Any) -> str:
        if output.name == tool:
            return spoken
        return str(ContentGeneration._tool_output_fallback_text(output))

    generation._tool_output_fallback_text = fallback


@attrs.frozen
class UnconfirmedGeneration:
    """A generation on words that the caller may not have finished."""

    orchestrator: PipelineOrchestrator
    task: "asyncio.Task[None]"

    @property
    def confirmed(self) -> bool:
        """Whether the words are known by now, and were these.

        One authorization stands for whichever generation is the last: an earlier one that the SDK has not cancelled is
        let loose with it, and is none that anybody asked for.
        """
        return (
            self.orchestrator._preemptive_authorized.is_set()
            and self.orchestrator._preemptive_generation_task is self.task
            and not self.orchestrator._preemptive_cancelled
            and not self.task.cancelled()
        )

    async def confirmation(self) -> bool:
        """Waits until the words are known. The SDK itself gives up after 10 s, and ends the task."""
        authorized = asyncio.ensure_future(self.orchestrator._preemptive_authorized.wait())
        try:
            await asyncio.wait([authorized, self.task], return_when=asyncio.FIRST_COMPLETED)
            return self.confirmed
        finally:
            authorized.cancel()


def unconfirmed_generation(session: AgentSession) -> UnconfirmedGeneration | None:
    """The generation under way on unconfirmed words; None when there is none."""
    orchestrator = session.pipeline.orchestrator
    if orchestrator is None or orchestrator._preemptive_authorized.is_set():
        return None
    task = orchestrator._preemptive_generation_task
    if task is None or task.done():
        return None
    # After a change of agents the SDK answers the caller's final words anew, and leaves the other answer to wait.
    frame = getattr(task.get_coro(), "cr_frame", None)
    utterance = frame.f_locals.get("handle") if frame is not None else None
    if utterance is not None and session.current_utterance is not utterance:
        return None
    return UnconfirmedGeneration(orchestrator, task)


class ModelFollower(Protocol):
    """Is told of what a model gives for a turn. Only a cascade's model is known to have answered."""

    def caller_began(self) -> None:
        """The caller begins to speak to a recogniser that stands before a realtime model."""

    def passed_on(self) -> None:
        """What they have said is passed on to that model."""

    def asked(self) -> int:
        """A model is asked for the words of a turn; returns the number by which the rest is told."""

    def said(self, turn: int | None, text: str) -> None:
        """It has given some words; of a realtime model, `text` may be all of them so far, and there is no number."""

    def answered(self, turn: int) -> None:
        """It has given all it gives."""

    def failed(self, turn: int | None) -> None:
        """It has raised, or its provider has reported an error."""


def words_source(session: AgentSession) -> Any:
    """Where the words of the agent's turns come from: an author may change it in the middle of a call."""
    pipeline = session.pipeline
    orchestrator = pipeline.orchestrator if pipeline is not None else None
    generation = orchestrator.content_generation if orchestrator is not None else None
    return generation or (pipeline.llm if pipeline is not None else None)


def follow_model(session: AgentSession, follower: ModelFollower) -> Callable[[], None]:
    """Has `follower` told of what the model of `session` gives; returns what undoes it.

    A model that raises is known here alone: the SDK passes no error on, and its turn waits for ever for the words.
    """
    source = words_source(session)
    if isinstance(source, ContentGeneration):
        return _follow_cascade(source, follower)
    if source is None:
        return lambda: None

    def transcription(data: Any) -> None:
        if isinstance(data, dict) and data.get("role") != "user":
            follower.said(None, str(data.get("text") or ""))

    def on_error(_data: Any) -> None:
        follower.failed(None)

    def caller_began(_data: Any = None) -> None:
        follower.caller_began()

    def passed_on(_data: Any = None) -> None:
        follower.passed_on()

    # A recogniser before a realtime model: the SDK tells by no state when the model is asked, or the caller begins again.
    # Where that model only writes, it tells by none when it has answered, either: it would be thinking for ever.
    orchestrator = session.pipeline.orchestrator
    understanding = orchestrator.speech_understanding if orchestrator is not None else None
    followed: list[tuple[Any, str, Callable[..., None]]] = [
        (source, "realtime_model_transcription", transcription),
        (source, "error", on_error),
    ]
    if orchestrator is not None and understanding is not None and has_voice_of_its_own(session):
        followed += [(orchestrator, "transcript_ready", passed_on), (understanding, "speech_started", caller_began)]
    for emitter, event, handler in followed:
        emitter.on(event, handler)

    def undo() -> None:
        for emitter, event, handler in followed:
            emitter.off(event, handler)

    return undo


def _follow_cascade(generation: ContentGeneration, follower: ModelFollower) -> Callable[[], None]:
    ask, following = generation.generate, True

    async def generate(*arguments: Any, **keywords: Any) -> AsyncIterator[Any]:
        told = follower if following else None  # somebody may have kept it
        turn = told.asked() if told is not None else 0
        try:
            async with aclosing(ask(*arguments, **keywords)) as chunks:
                async for chunk in chunks:
                    if told is not None:
                        told.said(turn, str(chunk))
                    yield chunk
        except Exception:
            if told is not None:
                told.failed(turn)
            raise
        if told is not None:
            told.answered(turn)

    put_back = replace(generation, "generate", generate)

    def undo() -> None:
        nonlocal following
        following = False
        put_back()

    return undo


async def end_generation(session: AgentSession) -> None:
    """Ends what a cascade still does for a turn that has just been broken off: the SDK waits for its model all the same."""
    await asyncio.sleep(0)  # the interruption begins: what is cancelled before that is taken for done
    for task in _generations(session):
        task.cancel()


def generating(session: AgentSession) -> bool:
    """Whether a cascade is still busy with a turn."""
    return bool(_generations(session) or session._is_executing_tool)


def _generations(session: AgentSession) -> "list[asyncio.Task[None]]":
    orchestrator = session.pipeline.orchestrator if session.pipeline is not None else None
    if orchestrator is None:
        return []
    tasks = (orchestrator._current_generation_task, orchestrator._preemptive_generation_task)
    return [task for task in tasks if task is not None and not task.done()]


def waits_for_tool(session: AgentSession) -> bool:
    """Whether a turn of a cascade waits for a tool, and not for its model: the tool is the author's, and is left alone."""
    if not session._is_executing_tool or closed(session) or session.agent.chat_context is None:
        return False
    items = session.agent.chat_context.items
    return bool(items) and isinstance(items[-1], FunctionCall)


def last_said(session: AgentSession) -> tuple[str, str]:
    """What the agent has said last, or is saying, with its id: what an author has it say is there as soon as it begins."""
    if closed(session) or session.agent.chat_context is None:
        return "", ""
    for item in reversed(session.agent.chat_context.items):
        if isinstance(item, ChatMessage) and item.role is ChatRole.ASSISTANT:
            return item.id, _text(item)
    return "", ""


def is_cascade(session: AgentSession) -> bool:
    """Whether the SDK itself runs the turns, so that each has an utterance handle that ends with its playback."""
    orchestrator = session.pipeline.orchestrator if session.pipeline is not None else None
    return orchestrator is not None and orchestrator.content_generation is not None


def turn_handle(session: AgentSession, when_done: Callable[[Any], None]) -> UtteranceHandle | None:
    """The utterance handle of the turn under way; None when there is none, or the SDK has none for it.

    `when_done` is called when it is done. Awaiting the handle would end the utterance when the wait is cancelled.
    """
    handle = session.current_utterance
    if handle is None or handle.done() or not is_cascade(session):
        return None
    handle._done_fut.remove_done_callback(when_done)
    handle._done_fut.add_done_callback(when_done)
    return handle


def busy(session: AgentSession) -> bool:
    """Whether a `session.reply()` would be dropped or put off now."""
    return bool(session._reply_in_progress or session._is_executing_tool)


def executing_tool(session: AgentSession) -> bool:
    """Whether a tool is running, within a turn that would be broken off with it."""
    return bool(session._is_executing_tool)


def closed(session: AgentSession) -> bool:
    """Whether the session has been closed."""
    return bool(session._closed or session.agent is None or session.pipeline is None)


def has_voice(session: AgentSession) -> bool:
    """Whether the session reports when the agent begins to speak."""
    pipeline = session.pipeline
    if pipeline is None:
        return False
    if pipeline.config.is_realtime:
        return True
    return pipeline.orchestrator is not None and pipeline.orchestrator.speech_generation is not None


def has_voice_of_its_own(session: AgentSession) -> bool:
    """Whether the session has a voice that calltransfer knows of; to a model that only writes an author may give one."""
    pipeline = session.pipeline
    return has_voice(session) and pipeline.config.realtime_mode is not RealtimeMode.LLM_ONLY


async def reply(session: AgentSession, text: str) -> bool:
    """Has the model speak on `text`; returns whether it took it."""
    pipeline = session.pipeline
    if is_cascade(session):
        context = session.agent.chat_context
        before = _times_said(context, text)
        await session.reply(instructions=text, wait_for_playback=False)
        return _times_said(context, text) > before
    if pipeline.config.realtime_mode is RealtimeMode.LLM_ONLY:
        # session.reply() does nothing in this mode; this is how the SDK passes on the caller's own words.
        return await _not_refused(pipeline, pipeline.llm.send_text_message(text))
    return await _not_refused(pipeline, session.reply(instructions=text, wait_for_playback=False))


async def _not_refused(pipeline: Pipeline, sending: Awaitable[UtteranceHandle | None]) -> bool:
    """Whether a realtime provider takes it: it refuses while it is giving an answer, and the SDK only reports that.

    Where an author has the agent speak after it, the one refusal that is reported is that of the author's words. If none
    is, the provider has broken this off for them, unheard.
    """
    llm = pipeline.llm
    ours = {None, llm.current_utterance}
    asked_last: list[UtteranceHandle | None] = []
    refused = asyncio.Event()

    def on_error(_data: Any) -> None:
        asked_last.append(llm.current_utterance)
        refused.set()

    pipeline.on("error", on_error)
    try:
        ours.add(await sending)
        async with asyncio.timeout(REFUSAL_TIMEOUT):
            while len(asked_last) < 2 and ours.isdisjoint(asked_last):
                refused.clear()
                await refused.wait()
    except TimeoutError:
        return bool(asked_last) or llm.current_utterance in ours
    finally:
        pipeline.off("error", on_error)
    return False


async def say_unless_refused(session: AgentSession, text: str) -> bool:
    """As `say`, of a realtime model that may be giving an answer just now; False when it was not taken."""
    items = session.agent.chat_context.items
    before = len(items)
    taken = await _not_refused(session.pipeline, session.say(text))
    if not taken:
        items[before:] = [item for item in items[before:] if not isinstance(item, ChatMessage) or _text(item) != text]
    return taken


async def say_at_last(session: AgentSession, text: str) -> bool:
    """As `say`; an answer that a realtime model is still giving, and nobody has heard, is broken off for it."""
    if session.pipeline is None or session.pipeline.config.realtime_mode not in {
        RealtimeMode.FULL_S2S,
        RealtimeMode.HYBRID_STT,
    }:
        return await say(session, text)
    if await say_unless_refused(session, text):
        return True
    break_off(session)
    await asyncio.sleep(INTERRUPTION_TIME)
    return await say_unless_refused(session, text)


async def say(session: AgentSession, text: str) -> bool:
    """Says `text` as it is; returns False where there is no voice for it."""
    pipeline = session.pipeline
    mode = pipeline.config.realtime_mode
    if mode is RealtimeMode.LLM_ONLY:
        return False
    if mode is RealtimeMode.HYBRID_TTS and pipeline.speech_generation is not None:
        await pipeline.speech_generation.synthesize(text)
        session.agent.chat_context.add_message(role=ChatRole.ASSISTANT, content=text)
        return True
    if not has_voice(session):
        return False
    await session.say(text)
    return True


def history(session: AgentSession) -> list[tuple[str, str]]:
    """What was said, as (role, text), tools and system messages left out."""
    if closed(session) or session.agent.chat_context is None:
        return []
    return [
        (item.role.value, _text(item))
        for item in session.agent.chat_context.items
        if isinstance(item, ChatMessage) and item.role in {ChatRole.USER, ChatRole.ASSISTANT}
    ]


def _times_said(context: ChatContext, text: str) -> int:
    return sum(isinstance(item, ChatMessage) and _text(item) == text for item in context.items)


def _text(message: ChatMessage) -> str:
    parts = message.content if isinstance(message.content, list) else [message.content]
    return " ".join(part for part in parts if isinstance(part, str))


@contextmanager
def held_back(session: AgentSession, room: VideoSDKHandler, report: Callable[[str], None]) -> Iterator[None]:
    """Holds back what would speak to the caller or end their call while they are on hold or being forwarded.

    Wake-up callback, keypad handler, hang-up and the room's auto-end; all are as before once nobody holds them back.
    """
    keypad, hang_up, holds = session.dtmf_handler, session.hangup, True

    async def hangup(reason: str = "manual_hangup") -> None:
        if holds:
            report(f"hang-up ({reason})")
        else:
            await hang_up(reason)  # somebody has kept it

    def key_pressed(_digit: Any) -> None:
        report("keypad")

    def wakes_again() -> None:
        if not session._closed:
            session._reset_wake_up_timer("transfer")

    with ExitStack() as stack:
        stack.callback(wakes_again)
        stack.callback(_let_nobody_be_woken(session))
        stack.callback(replace(session, "hangup", hangup))
        if keypad is not None:
            stack.callback(replace(keypad, "_callback", key_pressed))
        stack.enter_context(auto_end_held_back(room))
        try:
            yield
        finally:
            holds = False


def _let_nobody_be_woken(session: AgentSession) -> Callable[[], None]:
    """Has nobody be woken; returns what undoes it. A callback that is set meanwhile is called."""
    if session.on_wake_up is None:
        return lambda: None
    return replace(session, "on_wake_up", _wakes_nobody)


def _wakes_nobody() -> None:
    """In the place of an author's wake-up callback."""


@contextmanager
def auto_end_held_back(room: VideoSDKHandler) -> Iterator[None]:
    """Holds back that a room ends because nobody is left in it, for as long as anybody does."""
    _, let_go = share(room, "auto_end", lambda: _AutoEndHeldBack(room))
    try:
        yield
    finally:
        let_go()


class _AutoEndHeldBack(Shared):
    """The room's auto-end, as it was before."""

    def __init__(self, room: VideoSDKHandler) -> None:
        self._room = room
        self._as_it_was = room._transfer_in_progress, room.auto_end_session
        self._was_ending = room._session_end_task is not None and not room._session_end_task.done()
        self._present = set(room.meeting.participants) if room.meeting is not None else set()
        self._recorded = room.recorded_participants & self._present
        room._transfer_in_progress, room.auto_end_session = True, False
        room._cancel_session_end_task()

    @override
    def undo(self) -> None:
        room = self._room
        room._transfer_in_progress, auto_end = self._as_it_was
        room.auto_end_session = auto_end
        # The SDK looks at who is left only in the event of somebody leaving: what it missed is made up for.
        if room.meeting is not None and not room._session_ended:
            room._update_non_agent_participant_count()
            # Whose recording has been closed was moved by us, and comes back under another id.
            if (self._recorded & room.recorded_participants) - set(room.meeting.participants):
                room._schedule_session_end(0)
            elif auto_end and (self._present or self._was_ending) and room._non_agent_participant_count == 0:
                room._schedule_session_end(room.session_timeout_seconds or 0)


_NO_CANCEL: Final = frozenset({"GeminiRealtime", "XAIRealtime"})
"""The realtime models, by the names of the SDK's plugins, whose `interrupt()` does not cancel the answer under way.

Gemini's sends the user's turn "stop", which the model answers; xAI's throws away what has come of it, not what comes.
"""


def break_off(session: AgentSession, *, force: bool = True) -> None:
    """Has the agent stop speaking, and a realtime provider told nothing that it could answer.

    Args:
        session: The agent's session.
        force: Whether what was said not to be interruptible is broken off, too.
    """
    pipeline = session.pipeline
    model = pipeline._realtime_model if pipeline is not None and pipeline.config.is_realtime else None
    if model is not None and type(model).__name__ in _NO_CANCEL:
        _break_off_unsaid(session, model, force=force)
    else:
        session.interrupt(force=force)
    if pipeline is not None and pipeline.config.is_realtime and session.agent_state is AgentState.SPEAKING:
        # The end comes with the last byte of its audio, which is thrown away: it would be waited for in vain.
        try:
            pipeline._on_agent_speech_ended_realtime({})
        except Exception as error:
            # It ends with the author's own hook, and is called while something is being cancelled.
            logger.error("the end of the agent's speech: %s", described(error))  # noqa: TRY400


def _break_off_unsaid(session: AgentSession, model: Any, *, force: bool) -> None:
    """Does what `session.interrupt()` does, without the model's own `interrupt()`."""
    utterance = session.current_utterance
    if utterance is not None and not utterance.is_interruptible and not force:
        return
    track = model.audio_track
    unheard = track is not None and not isinstance(track, _RestUnheard) and _answers(session, track)

    async def unsaid() -> None:
        """Says nothing."""

    put_back = replace(model, "interrupt", unsaid)
    try:
        session.interrupt(force=force)
    finally:
        put_back()
    if track is not None:
        (track.track if isinstance(track, _RestUnheard) else track).interrupt()
    if unheard:
        _RestUnheard(model, track, begun=session.agent_state is AgentState.SPEAKING)


def _answers(session: AgentSession, track: CustomAudioStreamTrack) -> bool:
    """Whether there may be more to come of what a realtime model is saying, or is about to say."""
    state = session.agent_state
    return state is AgentState.THINKING or (state is AgentState.SPEAKING and not track._synthesis_complete)


class _RestUnheard:
    """In the place of a realtime model's track: what is still to come of an answer that was broken off is not heard.

    Until that answer is over, says the model or its provider, or it is given something else to say; and, where nothing of
    it has come yet, until the caller speaks: there may have been none.
    """

    def __init__(self, model: Any, track: CustomAudioStreamTrack, *, begun: bool) -> None:
        self.track = track
        self._model = model
        self._begun = begun
        names = ("send_message", "send_text_message", "send_message_with_frames")
        self._put_back = [
            replace(model, name, self._over_before(getattr(model, name))) for name in names if hasattr(model, name)
        ]
        model.audio_track = self
        model.on("user_speech_started", self._caller_speaks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.track, name)

    async def add_new_bytes(self, _pcm: bytes) -> None:
        """Discards it."""
        self._begun = True

    def mark_synthesis_complete(self) -> None:
        """The answer is over, says the model."""
        self.over()
        self.track.mark_synthesis_complete()

    def interrupt(self) -> None:
        """The provider has broken it off."""
        self.over()
        self.track.interrupt()

    def over(self) -> None:
        """Has the model be heard again."""
        if self._model.audio_track is self:
            self._model.audio_track = self.track
        self._model.off("user_speech_started", self._caller_speaks)
        for put_back in self._put_back:
            put_back()

    def _over_before(self, send: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        def sending(*arguments: Any, **options: Any) -> Awaitable[None]:
            self.over()
            return send(*arguments, **options)

        return sending

    def _caller_speaks(self, _data: Any = None) -> None:
        if not self._begun:
            self.over()


def silence(session: AgentSession) -> Callable[[], None]:
    """Has the agent stop speaking, and not begin again by itself: nobody is there. Returns what undoes it."""
    break_off(session)
    session._cancel_wake_up_timer()
    return _let_nobody_be_woken(session)


def forget_phones(room: VideoSDKHandler) -> Callable[[], None]:
    """Keeps `session.hangup()` from ending the leg of a caller who has been handed over; returns what undoes it.

    The SDK asks whether anybody it ever saw was on a phone, and then ends the first call of the session that the
    platform lists. The entries themselves stay: recordings are merged from them.
    """
    # Of everybody: who has been forgotten for something else already is to be remembered by the last of both.
    remembering = [replace(room, "sipUser", False, among=entry) for entry in room.participants_data.values()]

    def remember() -> None:
        for undo in remembering:
            undo()

    return remember


def token_of(session: AgentSession) -> str | None:
    """The token the agent joined this room with."""
    job = job_of(session)
    return job.videosdk_auth if job is not None else None


def host_of(session: AgentSession) -> str | None:
    """The platform's host as the job's room options name it."""
    job = job_of(session)
    options = job.room_options if job is not None else None
    return options.signaling_base_url if options is not None else None


class _Silenced:
    """In the place of a pipeline: what is heard reaches it as silence, so that nothing stale is there afterwards."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline

    async def on_audio_delta(self, pcm: bytes) -> None:
        """Passes on as much silence: a recogniser that gets nothing at all keeps the last words back."""
        await self.pipeline.on_audio_delta(bytes(len(pcm)))

    async def on_video_delta(self, _frame: Any) -> None:
        """Passes nothing on."""


def deafen(room: VideoSDKHandler) -> Callable[[], None]:
    """Takes the agent's hearing away in `room`, whatever its pipeline; returns what gives it back."""
    ears = room.input_stream_manager
    return replace(ears, "pipeline", _Silenced(ears.pipeline))


def hear_again(room: VideoSDKHandler) -> None:
    """Gives the agent its hearing in `room` back, whoever has taken it."""
    ears = room.input_stream_manager
    while isinstance(ears.pipeline, _Silenced):
        ears.pipeline = ears.pipeline.pipeline


def somebody_is_in(room: VideoSDKHandler, *, but: Collection[str | None]) -> bool:
    """Whether anybody is in `room` but agents, as the SDK tells them, and those whose ids are given."""
    participants = room.meeting.participants if room.meeting is not None else {}
    return any(each.id not in but and not room._is_agent_participant(each) for each in list(participants.values()))


class _Muted:
    """In the place of a track's method: nothing that is put in is heard, but what is played although it is muted."""

    def __init__(self, method: Callable[[bytes], Awaitable[None]]) -> None:
        self.method: Callable[[bytes], Awaitable[None]] = method.method if isinstance(method, _Muted) else method

    async def __call__(self, _pcm: bytes) -> None:
        """Discards it."""


def mute(room: VideoSDKHandler) -> Callable[[], None]:
    """Has nothing of the agent be heard in `room` from now on, whoever makes it speak; returns what undoes it."""
    track = room.audio_track
    # Not interrupt(): what it fades out would still be heard by who comes into the room now.
    for buffer in ("frame_buffer", "audio_data_buffer", "background_audio_buffer"):
        if hasattr(track, buffer):
            getattr(track, buffer).clear()
    names = [name for name in ("add_new_bytes", "add_background_bytes") if hasattr(track, name)]
    unmuting = [replace(track, name, _Muted(getattr(track, name))) for name in names]

    def speak() -> None:
        for undo in unmuting:
            undo()

    return speak


def mixes(room: VideoSDKHandler) -> bool:
    """Whether the room can play music under the agent's voice."""
    return hasattr(room.audio_track, "add_background_bytes")


def is_playing(room: VideoSDKHandler) -> bool:
    """Whether there is anything in the agent's audio that has not been heard yet."""
    track = room.audio_track
    return bool(track is not None and (track.frame_buffer or track.audio_data_buffer))


def unheard_seconds(room: VideoSDKHandler) -> float:
    """Seconds of the agent's audio that have not been heard yet, where music would come after them."""
    return 0.0 if mixes(room) else queued_seconds(room)


def queued_seconds(room: VideoSDKHandler) -> float:
    """Seconds of the agent's audio that have not been heard yet: of its voice, and of music that is not mixed into it."""
    track = room.audio_track
    if track is None:
        return 0.0
    bytes_a_second = track.sample_rate * track.sample_width
    return float(len(track.frame_buffer) * AUDIO_PTIME + len(track.audio_data_buffer) / bytes_a_second)


async def play(room: VideoSDKHandler, pcm: bytes, *, although_muted: bool = False) -> None:
    """Puts PCM into the agent's audio: as background where the room can mix."""
    track = room.audio_track
    if track is None:
        return
    if mixes(room):
        put = track.add_background_bytes
    else:
        put = track.add_new_bytes
        if not track._accepting_audio:
            track.enable_audio_input(manual_control=True)
    await (put.method if although_muted and isinstance(put, _Muted) else put)(pcm)


@asynccontextmanager
async def background_audio_paused(session: AgentSession) -> AsyncIterator[None]:
    """Silences what an author plays in the background, and the sound of thinking; both go on once nobody does."""

    async def not_now() -> None:
        """Begins nothing: a turn that is still being generated would be heard thinking."""

    audio, end = share(session, "background_audio", lambda: _BackgroundAudio(session))
    put_back = replace(session, "start_thinking_audio", not_now)
    try:
        await audio.pause()
        yield
    finally:
        put_back()
        if end():
            await audio.go_on()


class _BackgroundAudio(Shared):
    """What was heard, and is silenced; of music, what was heard last.

    To stop the one has the SDK begin the other: what was suppressed by music that was exclusive.
    """

    def __init__(self, session: AgentSession) -> None:
        self._session = session
        self._music: Any = None
        self._override = False
        self._suppressed = False
        self._was_thinking = False

    async def pause(self) -> None:
        """Silences what is heard now."""
        session = self._session
        music, thinking = session._background_audio_player, session._thinking_audio_player
        if thinking is not None and thinking.is_playing:
            self._was_thinking = True
        if music is not None and music.is_playing:
            self._music, self._override = music, session._override_thinking
            self._suppressed = session._thinking_was_playing
            await session.stop_background_audio()
        if thinking is not None and thinking.is_playing:
            await session.stop_thinking_audio()

    async def go_on(self) -> None:
        """Has it be heard again."""
        session, music = self._session, self._music
        if closed(session):
            return
        try:
            if self._was_thinking and (music is None or self._override):
                await session.start_thinking_audio()
            if music is not None and session._background_audio_player is None:  # else somebody has begun other music
                await session.play_background_audio(music.config, self._override)
                session._thinking_was_playing = self._suppressed
        except Exception as error:
            # Whatever it is that cannot be played again: the caller is to be spoken to.
            logger.warning("an author's background audio was not begun again: %s", type(error).__name__)


_KEYS = "DTMF_EVENT"


class _Keys(Shared):
    """Who follows the keys pressed in a room: the one who began last is told, and nobody else."""

    def __init__(self, *, subscribed: bool) -> None:
        self.subscribed = subscribed
        self.followers: list[Callable[[str, str | None], None]] = []
        self.told = self._told  # one object, by which it is known again

    def _told(self, message: Any) -> None:
        payload = message.get("payload") if isinstance(message, dict) else None
        key = _key(payload.get("number")) if isinstance(payload, dict) else None
        sender = message.get("senderId") if isinstance(message, dict) else None
        if key is not None and self.followers:
            self.followers[-1](key, sender if isinstance(sender, str) else None)


async def follow_keys(room: VideoSDKHandler, pressed: Callable[[str, str | None], None]) -> Callable[[], None]:
    """Has `pressed` told of each key pressed in `room` and by whom, and nobody else; returns what undoes it."""
    pubsub = room.meeting.pubsub
    topics = pubsub._PubSub__topic_cb
    keys, end = share(pubsub, "keys", lambda: _Keys(subscribed=_KEYS in topics))
    put_back = replace(pubsub, _KEYS, keys.told, among=topics)

    def follower(key: str, sender: str | None) -> None:
        pressed(key, sender)

    keys.followers.append(follower)

    def undo() -> None:
        if follower in keys.followers:
            keys.followers.remove(follower)
        put_back()
        end()

    if not keys.subscribed:
        try:
            await room.subscribe_to_pubsub(PubSubSubscribeConfig(topic=_KEYS, cb=keys.told))
        except BaseException:
            undo()
            raise
        keys.subscribed = True
    return undo


def _key(number: Any) -> str | None:
    """The key that a message names, as a number or as text; None: it names none."""
    if isinstance(number, int) and not isinstance(number, bool):
        return str(number) if 0 <= number <= 9 else None
    key = number.strip() if isinstance(number, str) else ""
    return key if len(key) == 1 else None


async def ask_model(session: AgentSession, instructions: str, text: str, llm: Any | None) -> str:
    """Asks a language model once, apart from the conversation.

    Raises:
        NoTextModel: there is none.
    """
    if llm is None:
        pipeline = session.pipeline
        realtime = pipeline is None or pipeline._realtime_model is not None
        llm = None if realtime else pipeline.llm
    if llm is None:
        raise NoTextModel("the agent has no language model that takes text")
    context = ChatContext.empty()
    context.add_message(role=ChatRole.SYSTEM, content=instructions)
    context.add_message(role=ChatRole.USER, content=text)
    return "".join([chunk.content async for chunk in llm.chat(context) if chunk is not None and chunk.content])


# The second session: the agent in the consultation's room


def enter_second_job(session: AgentSession, *, room_id: str, participant_id: str) -> JobContext:
    """Makes a job for another room, in a scope of its own; only in a task made for it, whose context this changes.

    In the live agent's own context a new pipeline would take the place of its pipeline, and the agent would go deaf.
    """
    job = job_of(session)
    if job is None or job.room_options is None:
        raise NoConsultation("the agent's job is over")
    options = job.room_options
    recording = options._resolved_observability().recording
    agent_id = get_metrics_agent_id()
    second = JobContext(
        room_options=RoomOptions(
            room_id=room_id,
            auth_token=job.videosdk_auth,
            name="Consultation",
            agent_participant_id=participant_id,
            playground=False,
            auto_end_session=False,
            no_participant_timeout_seconds=None,
            record_all_participants=True,
            stop_recording_on_leave=options.stop_recording_on_leave,
            signaling_base_url=options.signaling_base_url,
            **({"recording": True, "recording_options": recording} if recording is not None else {}),
        ),
        loop=asyncio.get_running_loop(),
    )
    _set_current_job_context(second)
    _enter_session_scope()
    set_metrics_agent_id(agent_id)
    return second


def skip_session_close(job: JobContext) -> None:
    """Has the job shut down without closing its session: one that never started waits for ever for its own start."""
    job._shutdown_callbacks.clear()


_REBUILT = ("stt", "llm", "tts", "vad", "turn_detector")
_REBUILT_WITH_REALTIME_MODEL = ("tts",)
_OF_VOICE_AND_LANGUAGE = frozenset(
    {"voice", "voice_id", "speaker", "language", "language_code", "target_language_code"}
)
"""It hears by itself, in the language that is spoken; but it may only write, and leave speaking to another voice."""


def why_not_rebuilt(session: AgentSession) -> str | None:
    """Why the agent's components could not be made anew without arguments; None if they can, as far as can be told."""
    pipeline = session.pipeline
    if pipeline is None:
        return None
    model = pipeline._realtime_model
    if pipeline.tts is None and (model is None or _only_writes(model)):
        return "it has no voice to speak to a target with"
    for name in _REBUILT if model is None else _REBUILT_WITH_REALTIME_MODEL:
        component = getattr(pipeline, name)
        try:
            inspect.signature(type(component)).bind()
        except TypeError as error:
            return f"{type(component).__name__}() {error}"
        except ValueError:
            continue  # no signature to look at
    return (
        None  # a realtime model gets its model and its config, or nothing; whether it takes that shows when it is tried
    )


def lost_when_rebuilt(session: AgentSession) -> list[str]:
    """What the agent's components were told of voice and language, and new ones are not: "voice='alloy' of OpenAITTS".

    Read from what a component keeps under the names of its own arguments. One whose default is None is left out: there a
    new one may find the same by itself, from the environment for instance.
    """
    pipeline, found = session.pipeline, []
    if pipeline is None:
        return []
    for name in _REBUILT if pipeline._realtime_model is None else _REBUILT_WITH_REALTIME_MODEL:
        component = getattr(pipeline, name)
        try:
            arguments = inspect.signature(type(component)).parameters
        except ValueError:
            continue  # no signature to look at
        for told in arguments.keys() & _OF_VOICE_AND_LANGUAGE:
            default, value = arguments[told].default, vars(component).get(told)
            if isinstance(default, str) and isinstance(value, str) and value != default:
                found.append(f"{told}={value!r} of {type(component).__name__}")
    return sorted(found)


def _only_writes(model: Any) -> bool:
    config = getattr(model, "config", None)
    modalities = getattr(config, "response_modalities", None) or getattr(config, "modalities", None) or ()
    given = [modalities] if isinstance(modalities, str) else list(modalities)
    names = {str(getattr(modality, "value", modality)).lower() for modality in given}
    return bool(names) and "audio" not in names


def rebuilt_pipeline(session: AgentSession) -> Pipeline:
    """A pipeline like the agent's, of new components; they are never shared between two sessions."""
    pipeline = session.pipeline
    model = pipeline._realtime_model
    names = _REBUILT if model is None else _REBUILT_WITH_REALTIME_MODEL
    parts = {name: getattr(pipeline, name) for name in names}
    new = {name: type(part)() for name, part in parts.items() if part is not None}
    if model is None:
        return Pipeline(**new)
    settings = {name: getattr(model, name) for name in ("model", "config") if getattr(model, name, None) is not None}
    try:
        return Pipeline(llm=type(model)(**settings), **new)
    except TypeError:
        return Pipeline(llm=type(model)(), **new)


def second_session(agent: Agent, pipeline: Pipeline) -> AgentSession:
    """The session of the consultation: it waits for nothing after a word, and one word may interrupt it."""
    pipeline.eou_config.min_max_speech_wait_timeout = [0.0, 0.0]
    pipeline.interrupt_config.interrupt_min_words = 1
    return AgentSession(agent=agent, pipeline=pipeline)


@attrs.frozen
class Listener:
    """Who is told what a session hears.

    Attributes:
        heard: Everything that was understood, before the session's model gets it; returns whether it is not to.
        speaks: Whether somebody is speaking, as soon as it changes.
    """

    heard: Callable[[str], bool]
    speaks: Callable[[bool], None]


def listen(session: AgentSession, listener: Listener) -> Callable[[str], None]:
    """Has the session listen, and `listener` told; returns what gives the model something as if it were heard now.

    Only after the start, which makes the recogniser's side anew; and the session does not listen by itself when
    somebody was in the room before it. A realtime model hears everything by itself, whatever `heard` returns.
    """
    session._accept_user_input = True
    pipeline = session.pipeline

    def began(_data: Any = None) -> None:
        listener.speaks(True)

    def ended(_data: Any = None) -> None:
        listener.speaks(False)

    orchestrator = pipeline.orchestrator
    understanding = orchestrator.speech_understanding if orchestrator is not None else None
    if understanding is None:
        model = pipeline._realtime_model

        def transcription(data: Any) -> None:
            if isinstance(data, dict) and data.get("role") == "user" and data.get("is_final", True):
                listener.heard(str(data.get("text", "")))

        model.on("realtime_model_transcription", transcription)
        model.on("user_speech_started", began)
        model.on("user_speech_ended", ended)
        return lambda _text: None
    understanding.on("speech_started", began)
    understanding.on("speech_stopped", ended)
    on_final = list(understanding._handlers.get("transcript_final", []))

    def pass_on(data: Any) -> None:
        for handler in on_final:
            understanding._invoke(handler, (data,))

    def transcript_final(data: Any) -> None:
        if not listener.heard(str(data.get("text", ""))):
            pass_on(data)

    understanding._handlers["transcript_final"] = [transcript_final]
    return lambda text: pass_on({"text": text})


def why_not_taken_down(session: AgentSession) -> str | None:
    """Why what the caller says cannot be taken down; None if it can."""
    if closed(session):
        return "the session is over"
    pipeline = session.pipeline
    if pipeline.config.realtime_mode is RealtimeMode.LLM_ONLY or not has_voice(session):
        return "the agent has no voice of its own to ask for a message with"
    if pipeline._realtime_model is None and pipeline.stt is None:
        return "the agent has no speech recognition to understand a message with"
    return None


class Ears(Protocol):
    """What a session hears, kept from its model for as long as somebody listens."""

    @property
    def speaking(self) -> bool:
        """Whether the caller is speaking."""

    @property
    def recognising(self) -> bool:
        """Whether something they have said is not known yet. It may stay so where it was no words."""

    def harvest(self) -> str:
        """Takes what has been recognised so far of what is unfinished; it is passed on to nobody then."""

    def give_back(self) -> None:
        """Has the model hear again. What is still unfinished is not told to it: `heard` is told of it."""


def listen_alone(session: AgentSession, heard: Callable[[str], None], stirs: Callable[[], None]) -> tuple[Ears, bool]:
    """Has `heard` told of everything the caller says, and the model of nothing; returns whether that could be.

    False: a realtime model hears by itself, and what it answers has to be kept from the caller.

    Args:
        session: The session.
        heard: Told of everything that was understood.
        stirs: Called whenever the caller begins or ends to speak, or is heard speaking.
    """
    orchestrator = session.pipeline.orchestrator
    understanding = orchestrator.speech_understanding if orchestrator is not None else None
    if understanding is not None and session.pipeline.stt is not None:
        return _RecognisersEars(session, understanding, heard, stirs), True
    return _ModelsEars(session.pipeline._realtime_model, heard, stirs), False


class _RecognisersEars:
    _KEPT = ("transcript_final", "transcript_preflight", "transcript_interim")

    def __init__(
        self,
        session: AgentSession,
        understanding: SpeechUnderstanding,
        heard: Callable[[str], None],
        stirs: Callable[[], None],
    ) -> None:
        self._session = session
        self._understanding = understanding
        self._heard = heard
        self._stirs = stirs
        self._given_back = False
        self._kept: list[tuple[Any, list[Callable[..., Any]], Callable[[], None]]] = []
        instead: tuple[Callable[[Any], None], ...] = (self._final, self._interim, self._interim)
        for event, handler in zip(self._KEPT, instead, strict=True):
            handlers: list[Callable[..., Any]] = [handler]
            put_back = replace(understanding, event, handlers, among=understanding._handlers)
            self._kept.append((event, handlers, put_back))
        for event, handler in self._beside.items():
            understanding.on(event, handler)

    @property
    def _beside(self) -> dict[Any, Callable[..., None]]:
        return {"speech_started": self._began, "speech_stopped": self._interim, "speech_unresolved": self._unresolved}

    @property
    def speaking(self) -> bool:
        return bool(self._understanding._is_user_speaking)

    @property
    def recognising(self) -> bool:
        return self._understanding._turn_open_at is not None or bool(self._understanding._waiting_for_more_speech)

    def harvest(self) -> str:
        understanding = self._understanding
        # Where it generates preemptively, what it accumulates is never passed on, and may be of another turn.
        known = "" if understanding._enable_preemptive_generation else understanding._accumulated_transcript
        parts = (known, understanding._last_interim_text)
        understanding._accumulated_transcript = ""
        return " ".join(part.strip() for part in parts if part.strip())

    def give_back(self) -> None:
        self._given_back = True
        understanding = self._understanding
        if not understanding._is_user_speaking:
            # The SDK takes them for speaking until a turn of theirs has been answered.
            self._session._emit_user_state(UserState.IDLE)
        if not understanding._is_user_speaking and understanding._turn_open_at is None:
            understanding._accumulated_transcript = ""
            self._restore()
        # Else what they are saying goes on from before: it is no question to the model, which goes on by itself.

    def _restore(self) -> None:
        understanding = self._understanding
        for event, handlers, put_back in self._kept:
            put_back()
            for handler in handlers[1:]:  # who has begun to listen meanwhile
                understanding.on(event, handler)
        for event, handler in self._beside.items():
            understanding.off(event, handler)
        understanding.clear_preemptive_state()

    def _final(self, data: Any) -> None:
        self._heard(str(data.get("text", "")))
        if self._given_back:
            self._restore()

    def _began(self, _data: Any = None) -> None:
        if self._given_back:
            self._heard(self.harvest())
            self._restore()  # this is something new
        else:
            self._stirs()

    def _interim(self, _data: Any = None) -> None:
        self._stirs()

    def _unresolved(self, _data: Any = None) -> None:
        if self._given_back:
            self._heard(self.harvest())
            self._restore()
        else:
            self._stirs()


class _ModelsEars:
    def __init__(self, model: Any, heard: Callable[[str], None], stirs: Callable[[], None]) -> None:
        self._model = model
        self._heard = heard
        self._stirs = stirs
        self._speaking = False
        self._recognising = False
        for event, handler in self._handlers.items():
            model.on(event, handler)

    @property
    def _handlers(self) -> dict[str, Callable[..., None]]:
        return {
            "realtime_model_transcription": self._transcription,
            "user_speech_started": self._began,
            "user_speech_ended": self._ended,
        }

    @property
    def speaking(self) -> bool:
        return self._speaking

    @property
    def recognising(self) -> bool:
        return self._recognising

    def harvest(self) -> str:
        return ""  # it says what was said once it knows

    def give_back(self) -> None:
        for event, handler in self._handlers.items():
            self._model.off(event, handler)

    def _transcription(self, data: Any) -> None:
        if isinstance(data, dict) and data.get("role") == "user" and data.get("is_final", True):
            self._speaking = self._recognising = False
            self._heard(str(data.get("text", "")))

    def _began(self, _data: Any = None) -> None:
        self._speaking = self._recognising = True
        self._stirs()

    def _ended(self, _data: Any = None) -> None:
        self._speaking = False
        self._stirs()


def add_as_said(session: AgentSession, text: str) -> None:
    """Adds to the agent's history what the caller has said, and the model has not been told as it was said."""
    if not closed(session) and session.agent.chat_context is not None:
        session.agent.chat_context.add_message(role=ChatRole.USER, content=text)


def forget_unheard(session: AgentSession, *, after: int) -> None:
    """Takes out of the agent's history what it has said since, while nobody could hear it."""
    if closed(session) or session.agent.chat_context is None:
        return
    items = session.agent.chat_context.items
    items[after:] = [
        item for item in items[after:] if not (isinstance(item, ChatMessage) and item.role is ChatRole.ASSISTANT)
    ]


def length_of_history(session: AgentSession) -> int:
    """How much there is in the agent's history, for `forget_unheard`."""
    return 0 if closed(session) or session.agent.chat_context is None else len(session.agent.chat_context.items)


def hear_phones(room: VideoSDKHandler) -> None:
    """Has the agent hear everybody in `room` who is on a phone, whatever they are called, and nobody else.

    The SDK takes whoever has "agent" in their name for one, and does not listen to them; to all others it does, so that
    a "yes" of somebody who watches from a browser would be the target's.
    """
    taken_for_agent = room._is_agent_participant

    def not_heard(participant: Participant) -> bool:
        said = participant.meta_data
        return not (isinstance(said, dict) and said.get("sipUser"))

    room._is_agent_participant = not_heard
    for participant in list(room.meeting.participants.values()):
        if not_heard(participant):
            for stream in participant.streams.values():
                task = room.audio_listener_tasks.pop(stream.id, None)
                if task is not None:
                    task.cancel()
        elif taken_for_agent(participant):
            room.on_participant_joined(participant)
            for stream in participant.streams.values():
                if stream.kind == "audio":
                    room.audio_listener_tasks[stream.id] = asyncio.create_task(room.add_audio_listener(stream))


def instruct(agent: Agent, instructions: str) -> None:
    """Puts other instructions into the agent's one system message; a second one is dropped by some models' formats."""
    agent._instructions = instructions
    for item in agent.chat_context.items:
        if isinstance(item, ChatMessage) and item.role is ChatRole.SYSTEM:
            item.content = [instructions]
            return


async def prepared_speech(session: AgentSession, text: str) -> bytes | None:
    """`text` as PCM, spoken by the session's voice; None where it has none that can be asked for it."""
    voice = session.pipeline.tts
    if voice is None or session.pipeline.config.is_realtime:
        return None
    return bytes(await TTSAudioCache(voice).fetch(text))


async def say_to_the_end(session: AgentSession, text: str, audio: bytes | None = None) -> None:
    """Says `text`, which nobody who speaks may break into; with `audio`, that is what is heard."""
    await session.say(text, interruptible=False, audio_data=audio)


def is_recorded(room: VideoSDKHandler) -> bool:
    """Whether what happens in `room` is recorded."""
    return bool(room.recording)


async def stop_recording(room: VideoSDKHandler, participant_id: str) -> None:
    """Closes a participant's recording; after they have left the room, nothing could."""
    manager = room.recording_manager
    room.recorded_participants.discard(participant_id)  # first: a request that hangs must not end the session later
    kinds = room._track_recordings_kinds_by_participant.pop(participant_id, None) or set()
    if room.record_audio is None and "audio" not in kinds:  # which is how those are recorded who have been moved before
        await manager.stop_participant_recording(participant_id)
    for kind in sorted(kinds or (set() if room.record_audio is None else {"audio"})):
        await manager.stop_track_recording(participant_id, kind)


async def start_recording(room: VideoSDKHandler, participant_id: str) -> bool:
    """Begins a participant's recording; False while the platform does not take them for joined."""
    await room._start_track_recording_kind(participant_id, "audio")  # nothing, where they are recorded already
    recorded = "audio" in room._track_recordings_kinds_by_participant.get(participant_id, set())
    if recorded:
        room.recorded_participants.add(participant_id)
    return recorded


def expect_leaving(room: VideoSDKHandler) -> None:
    """Keeps the leave of a recorded participant from ending the room's session."""
    room._transfer_in_progress = True


async def end_session(room: VideoSDKHandler, reason: str) -> None:
    """Ends the session of `room`, as the SDK does when its last participant has left."""
    await room._end_session(reason)


def keep_in_system(context: ChatContext, section: str) -> None:
    """Has `section` stand in the instructions that the model is given, whoever has added some.

    Of several system messages the SDK sends one: the first to OpenAI, the last to Anthropic and Gemini; where there is
    an `AgentConfigUpdate` with instructions, the last of all to each of them.
    """
    given = [item for item in context.items if _instructs(item)]
    for item in given:
        text, counts = _given_by(item), item is given[0] or item is given[-1]
        if counts and section not in text:
            _give(item, f"{text}\n\n{section}")
        elif not counts and text.endswith(f"\n\n{section}"):
            # It would be counted again and again where the author adds one in each turn, and the SDK bounds the context.
            _give(item, text.removesuffix(f"\n\n{section}"))


def _instructs(item: object) -> bool:
    if isinstance(item, AgentConfigUpdate):
        return item.instructions is not None
    return isinstance(item, ChatMessage) and item.role in {ChatRole.SYSTEM, ChatRole.DEVELOPER}


def _given_by(item: ChatMessage | AgentConfigUpdate) -> str:
    if isinstance(item, AgentConfigUpdate):
        return item.instructions or ""
    content = [item.content] if isinstance(item.content, str) else item.content
    return next((part for part in content if isinstance(part, str)), "")


def _give(item: ChatMessage | AgentConfigUpdate, text: str) -> None:
    if isinstance(item, AgentConfigUpdate):
        item.instructions = text
        return
    others = [] if isinstance(item.content, str) else list(item.content)
    first = next((number for number, part in enumerate(others) if isinstance(part, str)), None)
    if first is None:
        item.content = [text, *others]
    else:
        item.content = [*others[:first], text, *others[first + 1 :]]


def leave_out_tools(agent: Agent, unwanted: Callable[[Any], bool]) -> bool:
    """Takes tools away from the model, of its list itself; returns whether there were any."""
    wanted = [tool for tool in agent._tools if not unwanted(tool)]
    found = len(wanted) < len(agent._tools)
    agent._tools[:] = wanted
    return found
