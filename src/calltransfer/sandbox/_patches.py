"""Every private or undocumented name of the SDK that the sandbox replaces or uses, each with its reason.

Two things have to be replaced for the real SDK to run without the cloud: the client of the media servers, and the
addresses of the platform, which are constants, or made with `https://` in front of whatever one gives. On
fast-forwarded time, two more: the clocks, and what sends blocking requests. And our own clock, where a test says what time
it is.
"""

import asyncio
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import aiohttp.connector
import requests
import videosdk.agents.background_audio as background_audio
import videosdk.agents.job as job_module
import videosdk.agents.room._recording_manager as recording_urls
import videosdk.agents.room._sip_manager as sip_urls
import videosdk.agents.room.output_stream as output_stream
import videosdk.agents.tokenize.stream as tokenizer
import videosdk.videosdk as rtc
from videosdk.agents import JobContext, RoomOptions
from videosdk.agents.job import (
    _enter_session_scope,
    _exit_session_scope,
    _reset_current_job_context,
    _set_current_job_context,
)

from calltransfer import schedule
from calltransfer.sandbox.blocking import BlockingRequests
from calltransfer.sandbox.speech import carries_words

TOKEN = "sandbox-token"  # noqa: S105 # opens nothing

_HOST = "https://api.videosdk.live"


@contextmanager
def replaced(
    room_client: Callable[..., Any],
    base_url: str,
    *,
    blocking: BlockingRequests | None,
    now: datetime | None = None,
) -> Iterator[None]:
    """Puts the sandbox under the SDK, for as long as the block lasts.

    Args:
        room_client: What makes a connection to a room.
        base_url: Where the platform is.
        blocking: What answers blocking requests where time passes at once; None where it does not.
        now: What strategies take for the time.
    """
    with ExitStack() as stack:
        # The SDK writes its token to the environment, where the next session finds it.
        stack.enter_context(patch.dict(os.environ, {"VIDEOSDK_AUTH_TOKEN": TOKEN}))
        stack.enter_context(patch.object(rtc, "RoomClient", room_client))
        for module in (sip_urls, recording_urls):
            for name, value in list(vars(module).items()):
                if name.isupper() and isinstance(value, str) and value.startswith(_HOST):
                    stack.enter_context(patch.object(module, name, base_url + value[len(_HOST) :]))
        # `JobContext.create_room_static` puts `https://` in front of the base URL, the sandbox's `http://` included.
        plain = SimpleNamespace(post=_post_without_tls, RequestException=requests.RequestException)
        stack.enter_context(patch.object(job_module, "requests", plain))
        if blocking is not None:
            stack.enter_context(patch.object(output_stream, "time", _loop_time))
            stack.enter_context(patch.object(background_audio, "_time", SimpleNamespace(monotonic=_loop_time)))
            # When a sentence that a model has begun, and not gone on with, is spoken.
            stack.enter_context(patch.object(tokenizer, "time", SimpleNamespace(monotonic=_loop_time)))
            stack.enter_context(patch.object(aiohttp.connector, "monotonic", _loop_time))
            send = functools.partialmethod(_sent_by, blocking)
            stack.enter_context(patch.object(requests.adapters.HTTPAdapter, "send", send))
        if now is not None:
            began = _loop_time()
            stack.enter_context(patch.object(schedule, "now", lambda: now + timedelta(seconds=_loop_time() - began)))
        yield


def _sent_by(adapter: Any, blocking: BlockingRequests, request: Any, *arguments: Any, **options: Any) -> Any:
    return blocking.send(adapter, request, *arguments, **options)


def _loop_time() -> float:
    return asyncio.get_running_loop().time()


def _post_without_tls(url: str, **options: Any) -> Any:
    return requests.post(url.replace("https://http://", "http://", 1), **options)  # noqa: S113 # as the SDK does


@contextmanager
def job(room_id: str, base_url: str, options: dict[str, Any]) -> Iterator[JobContext]:
    """A job in a scope of its own, as a worker makes one for each call."""
    context = JobContext(
        room_options=RoomOptions(
            room_id=room_id,
            auth_token=TOKEN,
            playground=False,
            signaling_base_url=base_url,
            **options,
        ),
        loop=asyncio.get_running_loop(),
    )
    token = _set_current_job_context(context)
    scope = _enter_session_scope()
    try:
        yield context
    finally:
        _exit_session_scope(scope)
        _reset_current_job_context(token)


class AudioOutput:
    """The agent's audio track, pulled as the media client does: a frame every 20 ms.

    On fast-forwarded time it is pulled only while there is something in it: silence would cost fifty rounds of the loop
    a second. The track paces itself by the time since its first frame, so that starts anew each time.
    """

    def __init__(self, track: Any, *, fast_forward: bool) -> None:
        self._track = track
        self._fast_forward = fast_forward
        self._woken = asyncio.Event()
        if hasattr(track, "mix_audio"):
            # A word is read from its frames bit by bit: with music added to it there would be nothing to be heard.
            mix_audio = track.mix_audio
            track.mix_audio = lambda speech, music: speech if carries_words(speech) else mix_audio(speech, music)
        if fast_forward:
            for name in ("add_new_bytes", "add_background_bytes", "resume"):
                if hasattr(track, name):
                    setattr(track, name, self._waking(getattr(track, name)))
            mark_synthesis_complete = track.mark_synthesis_complete

            def mark_and_wake() -> None:
                mark_synthesis_complete()
                self._woken.set()

            track.mark_synthesis_complete = mark_and_wake

    def _waking(self, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*arguments: Any) -> None:
            await method(*arguments)
            self._woken.set()

        return call

    async def frame(self) -> bytes:
        """The next frame that is played."""
        if self._fast_forward and not self._queued:
            self._track._start = None
            while not self._queued:
                self._woken.clear()
                await self._woken.wait()
        frame = await self._track.recv()
        return bytes(frame.to_ndarray().tobytes()) if frame is not None else b""

    @property
    def _queued(self) -> bool:
        track = self._track
        return bool(
            track.frame_buffer
            or len(track.audio_data_buffer) >= track.chunk_size
            or len(getattr(track, "background_audio_buffer", b"")) >= track.chunk_size
            or getattr(track, "_is_speaking", False)
        )
