"""Brings caller and target together, and watches over them afterwards.

Until both have been seen in one room the caller can be taken back; after it, a leg is ended only when the other one has.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any, Literal, TypeVar

from calltransfer.call import Move, Response
from calltransfer.events import Phase
from calltransfer.hook import uncancelled
from calltransfer.outcome import Outcome
from calltransfer.platform import ProgressListener
from calltransfer.timeline import described
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.attendance import Attendance
from calltransfer.videosdk.caller import CallerInRoom
from calltransfer.videosdk.consultation import FAREWELL_TIMEOUT, VideoSDKConsultation
from calltransfer.videosdk.conversation import Conversation
from calltransfer.videosdk.ending import REQUEST_TIMEOUT, Ending
from calltransfer.videosdk.switching import Room, Switch

logger = logging.getLogger("calltransfer.videosdk")

RETURN_WINDOW = 10.0
"""Seconds after the connection within which a target who leaves brings the caller back to the agent."""

BACK_TIMEOUT = 10.0
"""Seconds for a caller to be back in the agent's room, each time that it is tried."""

UNDER_WAY_TIMEOUT = 2.0
"""Seconds for a switch that has taken too long, or is not wanted any more, to show whether it happens."""

RECORDING_TIMEOUT = 20.0
"""Seconds that the platform may take a caller who was moved for not yet joined."""

_LOOK_AGAIN = 15.0
_STOP_RECORDING_TIMEOUT = 3.0
"""Seconds for the caller's recording to be closed before they are moved."""

_UNTIL_NEXT_TRY = (0.5, 1.0, 3.0)
"""Seconds after which a way back that was refused, or did not lead there, is tried again: most faults are short."""

_UNTIL_UNDER_WAY_ENDS = 1.0
"""Seconds after which a way back that was refused because the caller is being moved is asked for again."""

_SHORTEST_TRY = 2.0
"""Seconds that have to be left of the time for a connection, to move the target after a move that failed."""

_LIMIT_READ_WITHIN = 2.0
"""Seconds by which a target may have answered before it was read that they have: their longest call counts from then."""

_RECORD_AGAIN = 1.0
_SDK_TRIES_FOR = 3.5
"""Seconds in which the SDK itself tries to record somebody who has come into a room, and then gives up."""
_END_AGAIN = 3
_END_REQUEST_TIMEOUT = 10.0
"""Seconds for one request that ends the leg of who is left when the other one has hung up; made three times."""

_END_TIMEOUT = 60.0
"""Seconds for that leg to be seen ended: nobody waits for it, and when many leave at once the SDK's own garbage
collections stop the loop for long."""

_MOVED = "an earlier target, whose forward had been given up, got the caller after all"


T = TypeVar("T")


class Handover:
    """One attempt to connect a caller with a target, and what comes after it.

    Args:
        caller: The caller, in the agent's room.
        consultation: The target, in theirs.
        session: The agent's session.
        room: The agent's room, as the SDK has it.
        conversation: Who speaks in it.
        api: The platform.
        token: Makes a token for one participant of one room.
        report: Told what happens.
        own: Makes a task that the call ends and awaits.
        later: Makes a task that the call ends, and that nobody waits for.
        released: Returns when whoever else was called for it has been released.
        heard_again: Called when the caller hears the agent again, after a move that had been given up came true.
        has_another_target: Whether a caller who has left was connected to an earlier target, by a forward that was given up.
        moved_away: Whether a caller who has left was moved by something else.
    """

    def __init__(
        self,
        caller: CallerInRoom,
        consultation: VideoSDKConsultation,
        *,
        session: Any,
        room: Any,
        conversation: Conversation,
        api: VideoSDKAPI,
        token: Callable[[str, str], str | None],
        report: ProgressListener,
        own: Callable[[Coroutine[Any, Any, None], str], None],
        later: Callable[[Coroutine[Any, Any, None], str], None],
        released: Callable[[], Coroutine[Any, Any, None]],
        heard_again: Callable[[], None],
        has_another_target: Callable[[], Awaitable[bool]],
        moved_away: Callable[[], Awaitable[bool]],
    ) -> None:
        self.keeper = AsyncExitStack()
        self.done = False
        self._caller = caller
        self._consultation = consultation
        self._session = session
        self._room = room
        self._conversation = conversation
        self._api = api
        self._token = token
        self._report = report
        self._own = own
        self._later = later
        self._released = released
        self._heard_again = heard_again
        self._has_another_target = has_another_target
        self._moved_away = moved_away
        self._unmute: Callable[[], None] | None = None
        self._remember: Callable[[], None] = lambda: None
        self._wake_again: Callable[[], None] = lambda: None
        self._leg_id = caller.leg_id or ""
        self._attendance: Attendance | None = None
        self._ids: tuple[str | None, str | None] = (None, None)
        self._move: Move = "caller"
        self._leave_unwatched = False
        self._since = 0.0
        self._switch: Switch | None = None
        self._tried_switch: Switch | None = None
        self._hurried = False

    @property
    def _home(self) -> Room:
        room_id = self._caller.room_id
        return Room(room_id, self._caller.attendance, lambda participant: self._token(room_id, participant))

    def has_connected(self, consultation: VideoSDKConsultation) -> bool:
        """Whether it has connected the caller with the target of `consultation`, who is not to be released then."""
        return self.done and consultation is self._consultation

    async def connect(self, move: Move, timeout: float, leave_unwatched: bool) -> Response:
        """Brings them together; returns how that ended, with the caller at the agent unless it worked.

        A target who has said yes is not sent away for one move that failed. While both of them wait, and nothing can come
        of that move any more, the target is moved, in the time that is left: the other way round, or once more. The caller's
        leg is not touched a second time, and there are never two moves at once.
        """
        now = asyncio.get_running_loop().time
        self._leave_unwatched = leave_unwatched
        until = now() + timeout
        response = await self._tried(move, timeout)
        if response.outcome is not Outcome.FAILED or not self._may_try_again:
            return response
        # Most faults are short; and a caller who has pressed the key that brings them back is with the agent.
        await asyncio.sleep(_UNTIL_NEXT_TRY[0])
        if not self._consultation.target_is_there:
            return Response(Outcome.TARGET_LEFT, f"they hung up after a move that failed: {response.detail}")
        left = until - now()
        if not self._may_try_again or left < _SHORTEST_TRY:
            return response
        again = await self._tried("target", left)
        if again.outcome is not Outcome.FAILED:
            return again
        detail = f"moving the {move} failed: {response.detail}; then moving the target: {again.detail}"
        return Response(Outcome.FAILED, detail, again.status)

    @property
    def _may_try_again(self) -> bool:
        """Whether both wait where they were, and nothing is left of a move that could still bring one to the other."""
        settled = self._tried_switch is not None and self._tried_switch.settled
        return settled and self._caller.is_here and self._consultation.target_is_there and not self._hurried

    async def _tried(self, move: Move, timeout: float) -> Response:
        """Moves one of them, to the end of that; on any other end than a connection it is undone."""
        self._move = move
        self._report(Phase.CONNECTING, move, None)
        self._consultation.moving = True
        self._consultation.consultant.fall_silent()
        response, cancelled = await self._to_its_end(
            self._bring_caller(timeout) if move == "caller" else self._bring_target(timeout)
        )
        self._consultation.moving = False
        if response.outcome is None:
            self._hand_over()  # which is the truth, whoever has stopped waiting for it
            return response
        self._consultation.consultant.speak_again()
        self._report(Phase.ROLLED_BACK, response.detail, response.status)
        if cancelled:
            raise asyncio.CancelledError
        return response

    @staticmethod
    async def _to_its_end(work: Coroutine[Any, Any, T]) -> tuple[T, bool]:
        """Awaits what cannot be called back, and returns whether it was cancelled meanwhile.

        Half done, it would leave the caller alone.
        """
        connecting = asyncio.ensure_future(uncancelled(work))
        cancelled = False
        while not connecting.done():
            try:
                await asyncio.shield(connecting)
            except asyncio.CancelledError:
                if connecting.cancelled():
                    raise
                cancelled = True
        return connecting.result(), cancelled

    def hurry(self) -> None:
        """Brings what is under way to its end within seconds: the session is about to close.

        Nobody is brought back any more to an agent who is leaving.
        """
        self._hurried = True
        if self._switch is not None:
            self._switch.hurry(UNDER_WAY_TIMEOUT)

    async def watch(self) -> bool:
        """Stays with them until one of the two leaves, and ends the other's leg then.

        Returns True when the target left within seconds, and the caller is with the agent again.
        """
        attendance, (caller_id, target_id) = self._attendance, self._ids
        if attendance is None:
            return False
        if self._leave_unwatched:
            await _beside(self._introduce, "introducing caller and target")
            await self._released()  # leaving closes the session, which would cut that short
            await self.close()
            await _sdk.end_session(self._room, "handed over")
            return False
        if self._move == "target":
            self._own(self._consultation.consultant.close(), "leaving a consultation that is over")
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(_beside(lambda: self._record(caller_id), "recording a caller who was moved")),
                group.create_task(_beside(self._introduce, "introducing caller and target")),
                group.create_task(_beside(self._serve_others, "the agent of whoever else is in its room")),
            ]
            await self._one_has_left(attendance, caller_id, target_id)
            left_at = asyncio.get_running_loop().time()
            for work in beside:
                work.cancel()
        if self._room_is_lost:
            await self.close()
            return False
        talked_for, ended_by = (
            left_at - self._since,
            self._ended_by(attendance.has(caller_id), attendance.has(target_id)),
        )
        if attendance.has(caller_id) and talked_for < RETURN_WINDOW:
            back, cancelled = await self._to_its_end(self._take_back(talked_for))
            if back:
                return True  # which is the truth, whoever has stopped waiting for it
            self._talk_ended(talked_for, ended_by)
            if cancelled:
                raise asyncio.CancelledError
        else:
            moved = ended_by == "caller" and await self._has_another_target()
            self._talk_ended(talked_for, None if moved else ended_by, moved=moved)
        await self.close()
        return False

    def _ended_by(self, caller_is_here: bool, target_is_here: bool) -> Literal["caller", "target", "limit"] | None:
        """Who has left first, of the two who were there; None where both have gone at once."""
        if target_is_here:
            return "caller"
        limit, answered_at = self._consultation.plan.longest_call, self._consultation.answered_at
        lasted = asyncio.get_running_loop().time() - answered_at if answered_at is not None else 0.0
        if lasted >= limit - _LIMIT_READ_WITHIN:
            return "limit"
        return "target" if caller_is_here else None

    def _talk_ended(
        self, talked_for: float, ended_by: Literal["caller", "target", "limit"] | None, *, moved: bool = False
    ) -> None:
        how = {
            "caller": "the caller left first",
            "target": "the target left first",
            "limit": "the target's call had lasted as long as longest_call allows",
            None: "both were gone at once",
        }
        self._report(
            Phase.TALK_ENDED,
            f"they talked for {_in_words(talked_for)}; {_MOVED if moved else how[ended_by]}",
            None,
            talked_for=round(talked_for, 3),
            ended_by=ended_by,
        )

    @property
    def _room_is_lost(self) -> bool:
        """Whether the agent is no longer in the room where the two talk, and sees nothing of it."""
        room = self._consultation.consultant.room if self._move == "caller" else self._room
        return room is None or room.meeting is None

    async def _one_has_left(self, attendance: Attendance, caller_id: str | None, target_id: str | None) -> None:
        def both_there() -> bool:
            return attendance.has(caller_id) and attendance.has(target_id)

        while both_there() and not self._room_is_lost:
            await attendance.until(lambda: not both_there(), _LOOK_AGAIN)

    async def close(self, *, end_within: float | None = None) -> None:
        """Leaves: deaf and silent to the last, but for others who are in the agent's room. Safe to call again.

        An agent who goes ends nobody's leg, unless one of the two has left the other alone; that takes at most
        `end_within` seconds.
        """
        if not self._others_are_here:
            self._fall_silent()
        with suppress(TimeoutError):
            async with asyncio.timeout(end_within):
                await self._end_the_other(_END_REQUEST_TIMEOUT if end_within is None else REQUEST_TIMEOUT)
                self._attendance = None  # whoever closes again finds nothing left to end
        await self._consultation.consultant.close()
        await self.keeper.aclose()
        if self._others_are_here:
            self._be_theirs()
        elif not _sdk.closed(self._session):
            self._fall_silent()
            _sdk.silence(self._session)
            _sdk.deafen(self._room)

    # Others in the agent's room

    @property
    def _others_are_here(self) -> bool:
        """Whether somebody is in the agent's room who is neither caller nor target, such as a user in the browser."""
        the_two = {self._caller.participant_id, *self._ids}
        return not _sdk.closed(self._session) and _sdk.somebody_is_in(self._room, but=the_two)

    async def _serve_others(self) -> None:
        """Has the agent be theirs, now that the two talk in another room; in its own it would talk into their call."""
        if self._move == "caller":
            await self._caller.attendance.until(lambda: self._others_are_here, None)
            self._be_theirs()

    def _be_theirs(self) -> None:
        self._speak_again()
        self._wake_again()
        _sdk.hear_again(self._room)

    # Connecting

    async def _bring_caller(self, timeout: float) -> Response:
        room_id, there = self._consultation.room_id, self._consultation.consultant.attendance
        if room_id is None or there is None:
            return Response(Outcome.FAILED, "there is no room to bring the caller into")
        room = Room(room_id, there, lambda participant: self._token(room_id, participant))
        with ExitStack() as stack:
            stack.enter_context(self._caller.being_moved())
            await _beside(self._stop_recording, "closing the recording of a caller who is moved")
            self._switch = self._tried_switch = switch = Switch(
                self._api,
                leg_id=self._leg_id,
                room=room,
                role="caller",
                still_there=lambda: self._caller.is_here,
            )
            response = await switch.done(timeout=timeout, over=Outcome.CALLER_LEFT, together=self._target_is_there)
            if response.outcome is Outcome.FAILED and await self._comes_after_all(switch, there, self._target_is_there):
                response = Response(status="switch-room-completed")
            if response.outcome is None:
                self._consultation.caller_id_there = switch.participant_id
                self._attendance = there
                self._ids = (switch.participant_id, self._consultation.target_id)
                self.keeper.callback(stack.pop_all().close)
            elif response.outcome is not Outcome.CALLER_LEFT:
                response = await self._undo(switch, there, response)
        return response

    async def _bring_target(self, timeout: float) -> Response:
        leg = self._consultation.leg
        self._switch = self._tried_switch = switch = Switch(
            self._api,
            leg_id=(leg and leg.id) or "",
            room=self._home,
            role="target",
            still_there=lambda: self._consultation.target_is_there,
        )
        response = await switch.done(
            timeout=timeout,
            over=Outcome.TARGET_LEFT,
            together=self._caller_is_there,  # until they can be heard the caller hears the hold: it would be silence
        )
        at_home = self._home.attendance
        if response.outcome is Outcome.FAILED and await self._comes_after_all(switch, at_home, self._caller_is_there):
            response = Response(status="switch-room-completed")
        if response.outcome is None:
            self._consultation.target_id = switch.participant_id
            self._attendance = self._caller.attendance
            self._ids = (self._caller.participant_id, switch.participant_id)
        elif response.outcome is Outcome.CALLER_LEFT and at_home.has(switch.participant_id):
            await _beside(self._say_farewell, "the last sentence to a target")
        elif switch.may_come_true or switch.participant_id is not None:
            self._later(self._end_late(switch), "ending a target who comes into the caller's room late")
        return response

    async def _say_farewell(self) -> None:
        """Tells a target who has come into the caller's room that the caller has left: only the agent there can."""
        if self._hurried:
            return
        briefing = self._consultation.plan.briefing
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_TIMEOUT):
                moved = await self._has_another_target() or await self._moved_away()
                sentence = briefing.failed if moved else briefing.caller_left
                await self._conversation.speak(lambda: _sdk.say(self._session, sentence), insist=False)

    async def _end_late(self, switch: Switch) -> None:
        """A target whose move was given up is in the caller's room after all: they hear nothing of what is said there."""
        attendance, leg = self._caller.attendance, self._consultation.leg

        def there() -> bool:
            return switch.participant_id is not None

        while not self._consultation.leg_is_over.is_set():
            if not await attendance.until(there, _LOOK_AGAIN) or leg is None:
                continue
            self._fall_silent()
            try:
                async with asyncio.timeout(UNDER_WAY_TIMEOUT):
                    await leg.end()
                    await attendance.until(lambda: not there(), None)
            except TimeoutError:
                logger.warning("a target who has come into the caller's room late is still there")
            finally:
                self._speak_again()
            self._heard_again()
            return

    def _target_is_there(self) -> Response | None:
        there = self._consultation.consultant.attendance
        if there is None or not there.has(self._consultation.target_id):
            return Response(Outcome.TARGET_LEFT, "they hung up while the caller was being connected")
        return Response() if there.can_be_heard(self._consultation.target_id) else None

    def _caller_is_there(self) -> Response | None:
        if not self._caller.is_here:
            return Response(Outcome.CALLER_LEFT, "the caller left while they were being connected")
        return Response() if self._caller.attendance.can_be_heard(self._caller.participant_id) else None

    async def _undo(self, switch: Switch, there: Attendance, response: Response) -> Response:
        """Has the caller with the agent again, wherever the switch has left them."""
        if response.outcome is not Outcome.FAILED:
            await self._under_way(switch, there)
        if self._caller.is_here:
            self._record_again()
            if switch.may_come_true:
                self._caller.fetch_back = self._fetch_late
            return response
        return await self._bring_back(response)

    async def _comes_after_all(
        self, switch: Switch, there: Attendance, other_is_there: Callable[[], Response | None]
    ) -> bool:
        """Whether a switch that has taken too long brings them together while it is being given up."""
        await self._under_way(switch, there)
        together = other_is_there()
        return there.can_be_heard(switch.participant_id) and together is not None and together.outcome is None

    async def _under_way(self, switch: Switch, there: Attendance) -> None:
        # A closing session is in a hurry, and they are not hung up on for that while they are on their way.
        on_their_way = self._hurried and switch.under_way
        if on_their_way or (self._caller.is_here and switch.may_come_true):
            await there.until(lambda: there.can_be_heard(switch.participant_id), UNDER_WAY_TIMEOUT)

    async def _bring_back(self, response: Response) -> Response:
        consultation = self._consultation
        consultant = consultation.consultant
        async with AsyncExitStack() as stack:
            if not consultation.target_is_there:  # who is to hear no hold
                await stack.enter_async_context(consultant.music())
            now = asyncio.get_running_loop().time
            pauses = [*_UNTIL_NEXT_TRY, 0.0]
            until = now() + len(pauses) * BACK_TIMEOUT + sum(pauses)
            while (
                pauses and now() < until and not self._hurried
            ):  # after that there is no agent any more to bring them back to
                self._switch = back = Switch(
                    self._api, leg_id=self._leg_id, room=self._home, role="caller", still_there=None
                )
                result = await back.done(
                    timeout=min(BACK_TIMEOUT, until - now()), over=Outcome.CALLER_LEFT, together=Response
                )
                if result.outcome is None:
                    self._record_again()
                    return response
                if result.outcome is Outcome.CALLER_LEFT:
                    return result
                # One that is refused because another is under way is no try: that one ends, or leads there.
                pause = _UNTIL_UNDER_WAY_ENDS if back.another_is_under_way else pauses.pop(0)
                if await self._home.attendance.until(lambda: self._caller.is_here, pause):
                    self._record_again()
                    return response
        # They are in the consultation's room, or in none. Better a call that ends with a word than one in silence.
        logger.error("a caller could not be brought back to the agent; their call is ended")
        consultant.interrupt()
        consultant.speak_again()
        await consultant.say(consultation.plan.briefing.failed)
        if not await Ending(self._api, leg_id=self._leg_id, room_id=consultation.room_id or "").done():
            return Response(Outcome.FAILED, "they could neither be brought back to the agent, nor their call be ended")
        return Response(Outcome.CALLER_LEFT, "they could not be brought back to the agent, and the call was ended")

    def _fetch_late(self) -> None:
        """A switch that was given up has happened after all: the caller is in a room that is being left."""
        self._caller.fetch_back = None
        self._own(self._fetch(), "bringing back a caller who was moved late")

    async def _fetch(self) -> None:
        with _sdk.auto_end_held_back(self._room), self._caller.being_moved():
            back = await self._bring_back(Response())
        if back.outcome is None:
            self._heard_again()

    # Afterwards

    def _hand_over(self) -> None:
        self.done = True
        self._since = asyncio.get_running_loop().time()
        self._remember = _sdk.forget_phones(self._room)
        if self._move == "caller":
            self._caller.fetch_back = None
        self._wake_again = _sdk.silence(self._session)
        self._fall_silent()

    def _fall_silent(self) -> None:
        if self._unmute is None:
            self._unmute = _sdk.mute(self._room)

    def _speak_again(self) -> None:
        if self._unmute is not None:
            self._unmute()
            self._unmute = None

    async def _introduce(self) -> None:
        sentence = self._consultation.plan.briefing.introduction
        if not sentence:
            return
        consultant = self._consultation.consultant
        try:
            if self._move == "caller":
                consultant.speak_again()
                await consultant.say(sentence)
            else:
                self._speak_again()
                await self._conversation.speak(lambda: _sdk.say(self._session, sentence), insist=False)
        finally:
            consultant.fall_silent()
            if self._move == "target":
                self._fall_silent()

    async def _record(self, caller_id: str | None) -> None:
        """Goes on recording a caller who was moved; the platform takes them for not yet joined at first."""
        room = self._consultation.consultant.room
        if self._move != "caller" or caller_id is None or room is None or not _sdk.is_recorded(room):
            return
        await self._recorded(room, caller_id, there=lambda: True, after=_SDK_TRIES_FOR)

    def _record_again(self) -> None:
        """Goes on recording a caller whose recording was closed for a move, and who is with the agent; nobody waits."""
        self._later(_beside(self._record_here, "recording a caller who is with the agent"), "recording a caller")

    async def _record_here(self) -> None:
        caller_id = self._caller.participant_id
        if caller_id is None or not _sdk.is_recorded(self._room):
            return

        def there() -> bool:
            return self._caller.is_here and self._caller.participant_id == caller_id

        # Who has come back may be recorded by the SDK already, but only where it records everybody.
        after = _SDK_TRIES_FOR if self._room.record_all_participants else 0.0
        await self._recorded(self._room, caller_id, there=there, after=after)

    @staticmethod
    async def _recorded(room: Any, participant_id: str, *, there: Callable[[], bool], after: float) -> None:
        try:
            async with asyncio.timeout(RECORDING_TIMEOUT):
                await asyncio.sleep(after)
                while True:
                    if not there() or await _sdk.start_recording(room, participant_id):
                        return
                    await asyncio.sleep(_RECORD_AGAIN)
        except TimeoutError:
            logger.warning(
                "a caller who was moved is not recorded: the platform took them for not yet joined throughout"
            )

    async def _stop_recording(self) -> None:
        caller_id = self._caller.participant_id
        if not _sdk.is_recorded(self._room) or caller_id is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_RECORDING_TIMEOUT):
                await _sdk.stop_recording(self._room, caller_id)

    async def _take_back(self, talked_for: float) -> bool:
        """The target left within seconds: the caller is brought back to the agent."""
        if self._move == "caller":
            back = await self._bring_back(Response())
            if back.outcome is not None:
                return False
        self.done = False
        self._report(
            Phase.RETURNED,
            "the target hung up within seconds of being connected",
            None,
            talked_for=round(talked_for, 3),
            ended_by="target",
        )
        await self.keeper.aclose()
        self._remember()
        self._be_theirs()
        self._own(self._consultation.release(""), "releasing a target who has left")
        return True

    async def _end_the_other(self, request_timeout: float) -> None:
        """Ends the leg of who is left, where one of the two has gone and the agent has seen it."""
        attendance, (caller_id, target_id), leg = self._attendance, self._ids, self._consultation.leg
        if attendance is None or self._room_is_lost or (attendance.has(caller_id) and attendance.has(target_id)):
            return
        there = self._consultation.room_id if self._move == "caller" else self._caller.room_id
        leg_id = self._leg_id if attendance.has(caller_id) or leg is None else leg.id
        for _ in range(_END_AGAIN):
            ending = Ending(self._api, leg_id=leg_id or "", room_id=there or "", request_timeout=request_timeout)
            if await ending.done(timeout=_END_TIMEOUT):
                return
        logger.warning("the leg of somebody whom nobody talks to was not ended; the platform's own limits will")


def _in_words(seconds: float) -> str:
    """A duration that no mask takes for a number."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


async def _beside(work: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
    """Does what only goes on beside the call: whatever is wrong with it, who watches over them goes on watching."""
    try:
        await uncancelled(work())
    except Exception as error:
        logger.error("%s: %s", what, described(error))  # noqa: TRY400
