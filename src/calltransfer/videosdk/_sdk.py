"""Every private or undocumented name of the SDK that we touch, each with its reason.

Nothing else in calltransfer may reach into the SDK. `CONTRACT` lists the names; a test looks each of them up in the SDK
that is installed, and says by name what a new version of it has changed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs
from videosdk.agents import AgentSession, JobContext
from videosdk.agents.content_generation import ContentGeneration
from videosdk.agents.dtmf_handler import DTMFHandler
from videosdk.agents.job import RoomOptions, get_current_job_context
from videosdk.agents.llm.chat_context import ChatContext, ChatMessage, ChatRole
from videosdk.agents.pipeline import Pipeline
from videosdk.agents.pipeline_orchestrator import PipelineOrchestrator
from videosdk.agents.room.room import VideoSDKHandler
from videosdk.agents.utils import RealtimeMode, generate_videosdk_token
from videosdk.agents.utterance_handle import UtteranceHandle

CONTRACT: Final[tuple[tuple[type, str, str], ...]] = (
    (AgentSession, "_job_context", "the job of a session, outside the job's own context too"),
    (AgentSession, "_reply_in_progress", "session.reply() during another one is dropped without a word"),
    (AgentSession, "_is_executing_tool", "session.reply() during a tool goes to the background"),
    (AgentSession, "_closed", "a closed session must not get its wake-up callback back"),
    (AgentSession, "_reset_wake_up_timer", "arms the wake-up timer again after it was held back"),
    (AgentSession, "_cancel_wake_up_timer", "nobody is to be woken in an empty room"),
    (AgentSession, "current_utterance", "the turn under way, and whether it was interrupted"),
    (AgentSession, "hangup", "held back while the caller is being forwarded"),
    (AgentSession, "on_wake_up", "held back while the caller is being forwarded"),
    (AgentSession, "dtmf_handler", "held back while the caller is being forwarded"),
    (UtteranceHandle, "_done_fut", "awaiting a handle cancels it when the wait is cancelled"),
    (JobContext, "_shutdown_callbacks", "the first one is the session's own close; ours must run before it"),
    (JobContext, "videosdk_auth", "the token the agent joined this room with"),
    (RoomOptions, "signaling_base_url", "the platform's host, where it is not the public one"),
    (ContentGeneration, "_tool_output_fallback_text", "what the SDK says when a model stays silent after a tool"),
    (DTMFHandler, "_callback", "set_callback() has no counterpart that reads it"),
    (Pipeline, "orchestrator", "the cascade's turns"),
    (Pipeline, "speech_generation", "the voice of a realtime model that has a TTS of its own"),
    (PipelineOrchestrator, "content_generation", "where the words after a silent model come from"),
    (PipelineOrchestrator, "speech_generation", "whether there is a voice to say a fixed sentence with"),
    (PipelineOrchestrator, "_preemptive_generation_task", "a turn on words the caller may not have finished"),
    (PipelineOrchestrator, "_preemptive_authorized", "set when the caller's words are known"),
    (PipelineOrchestrator, "_preemptive_cancelled", "set when they were other words"),
    (VideoSDKHandler, "meeting", "who is in the room"),
    (VideoSDKHandler, "meeting_id", "the room's id"),
    (VideoSDKHandler, "auto_end_session", "must wait for the truth about a forwarded call"),
    (VideoSDKHandler, "session_timeout_seconds", "when an empty room ends"),
    (VideoSDKHandler, "recorded_participants", "a recorded caller's leave ends the session at once"),
    (VideoSDKHandler, "participants_data", "hangup() ends the call of everybody in it, also of those handed over"),
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


def room_of(session: AgentSession) -> VideoSDKHandler | None:
    """The VideoSDK room of `session`; None where there is none (other transports have no phone in them)."""
    job = job_of(session)
    room = job.room if job is not None else None
    return room if isinstance(room, VideoSDKHandler) and room.meeting is not None else None


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
    return UnconfirmedGeneration(orchestrator, task)


def is_cascade(session: AgentSession) -> bool:
    """Whether the SDK itself runs the turns, so that each has an utterance handle that ends with its playback."""
    orchestrator = session.pipeline.orchestrator
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


def closed(session: AgentSession) -> bool:
    """Whether the session has been closed."""
    return bool(session._closed or session.agent is None or session.pipeline is None)


def has_voice(session: AgentSession) -> bool:
    """Whether the session reports when the agent begins to speak."""
    pipeline = session.pipeline
    if pipeline.config.is_realtime:
        return True
    return pipeline.orchestrator is not None and pipeline.orchestrator.speech_generation is not None


async def reply(session: AgentSession, text: str) -> bool:
    """Has the model speak on `text`; returns whether it took it."""
    pipeline = session.pipeline
    if is_cascade(session):
        context = session.agent.chat_context
        before = _times_said(context, text)
        await session.reply(instructions=text, wait_for_playback=False)
        return _times_said(context, text) > before
    refused = asyncio.Event()

    def on_error(_data: Any) -> None:
        refused.set()

    # A realtime provider refuses a message while it is giving an answer, and the SDK only reports that it did.
    pipeline.on("error", on_error)
    try:
        if pipeline.config.realtime_mode is RealtimeMode.LLM_ONLY:
            # session.reply() does nothing in this mode; this is how the SDK passes on the caller's own words.
            await pipeline.llm.send_text_message(text)
        else:
            await session.reply(instructions=text, wait_for_playback=False)
        async with asyncio.timeout(REFUSAL_TIMEOUT):
            await refused.wait()
    except TimeoutError:
        return True
    finally:
        pipeline.off("error", on_error)
    return False


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
    """Holds back what would speak to the caller or end their call while they are being forwarded.

    Wake-up callback, keypad handler, hang-up and the room's auto-end; all are as before afterwards.
    """
    on_wake_up, session.on_wake_up = session.on_wake_up, None
    keypad = session.dtmf_handler
    on_key = keypad._callback if keypad is not None else None
    hangup_of_author = vars(session).get("hangup")

    async def hangup(reason: str = "manual_hangup") -> None:
        report(f"hang-up ({reason})")

    def key_pressed(_digit: Any) -> None:
        report("keypad")

    session.hangup = hangup
    if keypad is not None:
        keypad.set_callback(key_pressed)
    try:
        with _auto_end_held_back(room):
            yield
    finally:
        # What somebody has set meanwhile is theirs, and stays.
        if vars(session).get("hangup") is hangup:
            del session.hangup
            if hangup_of_author is not None:
                session.hangup = hangup_of_author
        if keypad is not None and keypad._callback is key_pressed:
            keypad.set_callback(on_key)
        if not session._closed:
            if session.on_wake_up is None:
                session.on_wake_up = on_wake_up
            session._reset_wake_up_timer("transfer")


@contextmanager
def _auto_end_held_back(room: VideoSDKHandler) -> Iterator[None]:
    in_progress, auto_end = room._transfer_in_progress, room.auto_end_session
    was_ending = room._session_end_task is not None and not room._session_end_task.done()
    present = set(room.meeting.participants) if room.meeting is not None else set()
    recorded = room.recorded_participants & present
    room._transfer_in_progress, room.auto_end_session = True, False
    room._cancel_session_end_task()
    try:
        yield
    finally:
        room._transfer_in_progress, room.auto_end_session = in_progress, auto_end
        # The SDK looks at who is left only in the event of somebody leaving: what it missed is made up for.
        if room.meeting is not None and not room._session_ended:
            room._update_non_agent_participant_count()
            if recorded - set(room.meeting.participants):
                room._schedule_session_end(0)
            elif auto_end and (present or was_ending) and room._non_agent_participant_count == 0:
                room._schedule_session_end(room.session_timeout_seconds or 0)


def silence(session: AgentSession) -> None:
    """Has the agent stop speaking, and not begin again by itself: nobody is there."""
    session.on_wake_up = None
    session._cancel_wake_up_timer()
    session.interrupt(force=True)


def forget_phones(room: VideoSDKHandler) -> None:
    """Keeps `session.hangup()` from ending the leg of a caller who has been handed over.

    The SDK asks whether anybody it ever saw was on a phone, and then ends the first call of the session that the
    platform lists. The entries themselves stay: recordings are merged from them.
    """
    for entry in room.participants_data.values():
        entry["sipUser"] = False


def token_of(session: AgentSession) -> str | None:
    """The token the agent joined this room with."""
    job = job_of(session)
    return job.videosdk_auth if job is not None else None


def host_of(session: AgentSession) -> str | None:
    """The platform's host as the job's room options name it."""
    job = job_of(session)
    options = job.room_options if job is not None else None
    return options.signaling_base_url if options is not None else None


def minted_token(api_key: str, secret: str, seconds: int) -> str:
    """A token signed with the account's secret."""
    return str(generate_videosdk_token(api_key, secret, ttl_seconds=seconds))
