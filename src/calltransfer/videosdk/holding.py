"""A caller on hold on VideoSDK: not heard by the agent, and never in silence."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from typing import Any

from typing_extensions import override
from videosdk.agents import AgentSession

from calltransfer.hold import SAMPLE_RATE, HeldCaller, Hold, HoldMusic, music
from calltransfer.hook import give_up, is_cancelled, uncancelled
from calltransfer.said import Said
from calltransfer.timeline import described
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.conversation import TALK_TIMEOUT, Conversation

logger = logging.getLogger("calltransfer.videosdk")

_CHUNK = 0.1
_LEAD = 0.2
"""Seconds of music in the track ahead of what is heard: enough for a loop that is late, little to wait for a voice."""

_KEYS_TIMEOUT = 2.0
"""Seconds to ask for the caller's keys, so that one of them can bring them back from the hold."""


_RESUMED_AFTER = 0.2
"""Seconds until a hold that was interrupted is heard again: mostly it ends then, and not one note of it is to be heard."""

_UNHEARD = 0.5
"""Seconds without sound after which somebody who is said to speak is taken to be silent."""


_SILENCE = 0.5
"""Seconds for which a hold may play and say nothing before there is music."""


_PACE = 1.0
"""Seconds between two things that a hold which has not ended asks for in vain."""


class LineOnHold(HeldCaller):
    """Plays and speaks to the caller through the agent's own audio.

    Args:
        session: The agent's session.
        room: The room both are in.
        conversation: Who speaks in it.
        said: What the caller has been told while they wait.
        although_muted: Whether what is played is heard although the agent is muted.
    """

    def __init__(
        self,
        session: AgentSession,
        room: Any,
        conversation: Conversation,
        *,
        said: Said,
        although_muted: bool = False,
    ) -> None:
        self._said = said
        self._session = session
        self._room = room
        self._conversation = conversation
        self._although_muted = although_muted
        self._at = 0
        self._audio = b""
        self._disbelieved = -1

    @override
    async def play(self, audio: bytes, *, seconds: float) -> None:
        self._audio = audio
        now = asyncio.get_running_loop().time
        size = int(SAMPLE_RATE * _CHUNK) * 2
        # What is still in the track is heard first: on top of it, music would keep the agent's next words waiting.
        began, pushed = now() + _sdk.unheard_seconds(self._room), 0.0
        await asyncio.sleep(max(0.0, began - _LEAD - now()))
        while pushed < seconds:
            if self._is_interrupted:
                # Somebody has the agent speak: in the same track music would cut its words to pieces.
                await self._voice_is_over(seconds)
                began = now() - pushed
            at = self._at % len(audio)
            chunk = (audio[at : at + size] + audio[: max(0, at + size - len(audio))])[:size]
            await _sdk.play(self._room, chunk, although_muted=self._although_muted)
            self._at = at + size
            pushed += _CHUNK
            await asyncio.sleep(max(0.0, began + pushed - _LEAD - now()))

    async def go_on(self) -> None:
        """Plays what was played last, or music, until it is cancelled."""
        while True:
            await self.play(self._audio or music(), seconds=TALK_TIMEOUT)

    @property
    def _is_interrupted(self) -> bool:
        mixes = self._although_muted or _sdk.mixes(self._room)
        believed = self._disbelieved != self._conversation.beginnings
        return self._conversation.agent == "speaking" and believed and not mixes

    async def _voice_is_over(self, timeout: float) -> None:
        """Waits until the agent does not speak any more, or is said to and is not heard: the state can stay behind."""
        now = asyncio.get_running_loop().time
        until, heard_at = now() + timeout, now()
        while self._conversation.agent == "speaking" and now() < until:
            if _sdk.is_playing(self._room):
                heard_at = now()
            elif now() - heard_at >= _UNHEARD:
                self._disbelieved = self._conversation.beginnings
                return
            await self._conversation.until(lambda: self._conversation.agent != "speaking", _CHUNK)

    @override
    async def say(self, text: str) -> None:
        while (wait := self._said.too_soon(text)) > 0:  # a plan may have said it meanwhile
            await self.play(self._audio or music(), seconds=wait)
            await asyncio.sleep(self._said.too_soon(text))  # what is played is ahead of what is heard
        self._said.note(text)
        try:
            await self._say(text)
        finally:
            self._said.note(text)

    async def _say(self, text: str) -> None:
        speech = self._conversation.until_heard(lambda: _sdk.say(self._session, text), insist=False)
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(speech)
            # It waits for whoever has the agent speak now, and the caller does not wait in silence.
            playing = group.create_task(self.play(self._audio, seconds=TALK_TIMEOUT)) if self._audio else None
            await asyncio.wait([speaking])
            if playing is not None:
                playing.cancel()


class _Run(HeldCaller):
    """The caller as one run of a hold sees them: once it is over it does nothing to them, whether it ends or not.

    Attributes:
        over: Whether it is.
    """

    def __init__(self, line: LineOnHold) -> None:
        self.over = False
        self._line = line
        self._under_way = 0
        self._changed = asyncio.Event()
        self._filling: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Ends it, and the music between what the hold plays."""
        self.over = True
        if self._filling is not None:
            self._filling.cancel()

    @asynccontextmanager
    async def never_silent(self) -> AsyncIterator[None]:
        """Music while the block lasts, wherever the hold plays and says nothing for a moment."""
        self._filling = asyncio.create_task(self._fill(), name="music where a hold plays nothing")
        try:
            yield
        finally:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    @override
    async def play(self, audio: bytes, *, seconds: float) -> None:
        await self._goes_on()
        with self._heard():
            await self._line.play(audio, seconds=seconds)

    @override
    async def say(self, text: str) -> None:
        await self._goes_on()
        with self._heard():
            await self._line.say(text)

    async def _goes_on(self) -> None:
        if self.over:
            await asyncio.sleep(_PACE)  # one that catches what comes next must not keep the loop busy
            raise asyncio.CancelledError

    @contextmanager
    def _heard(self) -> Iterator[None]:
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        self._under_way += more
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def _fill(self) -> None:
        while True:
            changed = self._changed
            if not self._under_way:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_SILENCE):
                        await changed.wait()
                if not changed.is_set():
                    await self._music_until(changed)
            await changed.wait()

    async def _music_until(self, changed: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as group:
            playing = group.create_task(self._line.go_on())
            await changed.wait()
            playing.cancel()


@contextmanager
def told_of_each_kind(report: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Gives what counts things that are held back: a caller can press keys for as long as they like.

    Args:
        report: Told of the first of each kind at once, and when the block ends of how many there were.
    """
    counted: Counter[str] = Counter()

    def held_back(what: str) -> None:
        kind = what.partition(" (")[0]
        counted[kind] += 1
        if counted[kind] == 1:
            report(what)

    try:
        yield held_back
    finally:
        for kind, times in counted.items():
            if times > 1:
                report(f"{kind}, {times} times")


@contextmanager
def holding_back(session: AgentSession, room: Any, report: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Holds back what would speak to the caller or end their call; gives what counts other things of the kind."""
    with told_of_each_kind(report) as held_back, _sdk.held_back(session, room, held_back):
        yield held_back


@asynccontextmanager
async def on_hold(
    hold: Hold,
    *,
    session: AgentSession,
    room: Any,
    line: LineOnHold,
    held_back: Callable[[str], None],
    returned: Callable[[], None],
    handed_over: Callable[[], AsyncExitStack | None],
) -> AsyncIterator["HoldUnderWay"]:
    """Puts the caller on hold for as long as the block lasts.

    Args:
        hold: What they hear.
        session: The agent's session.
        room: The room both are in.
        line: Plays and speaks to them.
        held_back: Told of what would have spoken to the caller or ended their call.
        returned: Called when they press the key that brings them back.
        handed_over: What keeps the agent deaf and the room alive after the block: None when it is not to be kept.
    """

    def pressed(key: str, _sender: str | None) -> None:
        if key == hold.return_key:
            returned()
        elif session.dtmf_handler is not None:
            held_back("keypad")

    async with AsyncExitStack() as stack:
        held_back = stack.enter_context(holding_back(session, room, held_back))
        under_way = HoldUnderWay(hold, line, room)
        stack.callback(under_way.hear)
        under_way.deafen()
        if hold.return_key is not None:
            stack.callback(await followed_keys(room, pressed))
        await stack.enter_async_context(_sdk.background_audio_paused(session))
        under_way.entertain()
        try:
            yield under_way
        finally:
            try:
                await under_way.end()
            finally:  # also when that is cut short: two who have been connected are watched over
                keeper = handed_over()
                if keeper is not None:
                    keeper.push_async_exit(stack.pop_all())


class HoldUnderWay:
    """A hold, that can be interrupted for a while.

    Attributes:
        was_heard: Whether the caller heard it until it ended: not where it was still interrupted.
    """

    def __init__(self, hold: Hold, line: LineOnHold, room: Any) -> None:
        self.return_key = hold.return_key
        self._hold = hold
        self._line = line
        self._room = room
        self._hear: Callable[[], None] = lambda: None
        self._run: _Run | None = None
        self._entertaining: asyncio.Task[None] | None = None
        self._heard_from = math.inf
        self.was_heard = False
        self._over = False

    def deafen(self) -> None:
        """The agent does not hear the caller."""
        self._hear = _sdk.deafen(self._room)

    def hear(self) -> None:
        """The agent hears the caller."""
        self._hear()

    def entertain(self, *, after: float = 0.0) -> None:
        """Begins what the caller hears, `after` so many seconds."""
        self._heard_from = asyncio.get_running_loop().time() + after
        self._run = _Run(self._line)
        self._entertaining = asyncio.create_task(
            _entertain(self._hold, self._run, after), name=f"{type(self._hold).__name__}.entertain"
        )

    async def end(self) -> None:
        """Ends it for good: whoever has interrupted it, and is late, does not begin it again."""
        self._over = True
        self.was_heard = asyncio.get_running_loop().time() > self._heard_from
        await self.fall_silent()

    async def fall_silent(self) -> None:
        """Ends what the caller hears."""
        self._heard_from = math.inf
        if self._run is not None and self._entertaining is not None:
            self._run.end()
            await give_up(self._entertaining)

    @asynccontextmanager
    async def suspended(self) -> AsyncIterator[None]:
        """The caller is heard, and not entertained, for as long as the block lasts."""
        try:
            await self.fall_silent()
            self.hear()
            yield
        finally:
            if not self._over:
                self.deafen()
                self.entertain(after=_RESUMED_AFTER)


async def _entertain(hold: Hold, line: _Run, after: float) -> None:
    await asyncio.sleep(after)
    try:
        async with line.never_silent():
            await uncancelled(hold.entertain(line))
    except Exception as error:
        # A hold of an author's that breaks must not end the transfer it only accompanies, nor leave silence.
        logger.error("%s raised %s", type(hold).__name__, described(error))  # noqa: TRY400
        if is_cancelled():  # it broke as it was ended: nothing begins any more
            raise asyncio.CancelledError from error
    await HoldMusic(reassurance=()).entertain(line)


async def followed_keys(room: Any, pressed: Callable[[str, str | None], None]) -> Callable[[], None]:
    """Follows the keys past the author's own handler, which the SDK tells nothing of a zero.

    Where that cannot be, the caller waits for the end of the hold.
    """
    try:
        async with asyncio.timeout(_KEYS_TIMEOUT):
            return await uncancelled(_sdk.follow_keys(room, pressed))
    except Exception as error:
        logger.warning("the caller's keys cannot be followed: %s", described(error))
        return lambda: None
