"""The consultation on VideoSDK: a room of its own, the target in it, and what is said there.

Room, agent, dial and summary begin side by side; the ring hides them all:

    room ─┬─ agent joins ── greeting prepared ─┐
          └─ dial ── rings ── answered ────────┴─ greeting ── summary, question ── decision
    summary ───────────────────────────────────────────────────┘
"""

import asyncio
import contextvars
import functools
import logging
import uuid
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import attrs
from typing_extensions import override

from calltransfer.briefing import Answer, Briefing, Gate, Utterance
from calltransfer.call import CONNECT_TIMEOUT, Consultation, Move, Response
from calltransfer.destination import Destination
from calltransfer.errors import NoConsultation, PlatformError
from calltransfer.events import ConsultationIds, Phase, TransferResult
from calltransfer.hook import CancelledByItself, called, uncancelled
from calltransfer.masking import masked_text
from calltransfer.outcome import Outcome
from calltransfer.platform import ProgressListener
from calltransfer.summary import SecondBest
from calltransfer.timeline import described
from calltransfer.videosdk.api import VideoSDKAPI
from calltransfer.videosdk.consultant import JOIN_TIMEOUT, Consultant
from calltransfer.videosdk.dialled import DialledLeg
from calltransfer.videosdk.echo import Echo

logger = logging.getLogger("calltransfer.videosdk")

T = TypeVar("T")

APPEAR_TIMEOUT = 5.0
"""Seconds for a target whose leg is answered to be in the room."""

FAREWELL_TIMEOUT = 8.0
"""Seconds for a last sentence to a target; then the leg is ended all the same."""

_HURRIED_FAREWELL = 3.0
"""Seconds for a last sentence to a target when the session closes meanwhile."""

_HURRIED_REQUEST = 1.5
"""Seconds for one request that ends a target's leg when the session closes meanwhile."""

_HURRIED_END = 4.0
"""Seconds for a target's leg to be seen ended when the session closes meanwhile."""

_GREETING_OF_MACHINE = 15.0
"""Seconds for a machine that is left a message to be silent; then it is left all the same."""

LONGEST_FAREWELL = _GREETING_OF_MACHINE + FAREWELL_TIMEOUT
"""Seconds for a last sentence to whoever it is, a machine included."""

_PAUSE_OF_MACHINE = 1.5
_INTRODUCTION_OF_PERSON = 5.0
"""Seconds for who says their name over the greeting, or goes on speaking after a question, to be silent."""

_PAUSE_OF_PERSON = 0.4
_GREETING_OF_OURS = 4.0
"""Seconds for a greeting that is under way to come to its end before a last sentence; the default one takes three."""

_RECOGNITION = 0.6

_MOST_OPENINGS = 3
"""How often somebody who breaks in is told what it is about."""

_PATIENCE = 4
"""How many times the decision's timeout a target who asks questions has in all."""


@attrs.frozen(kw_only=True)
class Plan:
    """What a consultation is to be.

    Attributes:
        destination: Whom to call.
        room: What the platform is asked for when it makes the room.
        dialling: What the platform needs for it, but the room and the participant.
        briefing: What is said, and how an answer is understood.
        reason: Why the caller is being passed on.
        transcript: What was said on the call, now.
        summarise: Makes the summary; bounds itself, and always gives one.
        ring_timeout: Seconds to ring.
        decision_timeout: Seconds to decide.
        longest_call: Seconds after which the platform ends the target's leg.
        phone_is_free: Waits until our last call to the same phone has ended.
    """

    destination: Destination
    room: Mapping[str, Any]
    dialling: Mapping[str, Any] = attrs.field(repr=False)
    briefing: Briefing
    reason: str = attrs.field(repr=False)
    transcript: Callable[[], list[Utterance]]
    summarise: Callable[[], Any]
    ring_timeout: float
    decision_timeout: float
    longest_call: float
    phone_is_free: Callable[[], Coroutine[Any, Any, object]]


class VideoSDKConsultation(Consultation):
    """One consultation.

    Args:
        plan: What it is to be.
        session: The live agent's session.
        api: The platform.
        pipeline: Makes the consultation's pipeline.
        report: Told what happens.
        connect: Brings caller and target together.
        known: What is known of the caller's side, for the result.
        later: Makes a task that the call ends, and that nobody waits for.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        session: Any,
        api: VideoSDKAPI,
        pipeline: Callable[[], Any] | None,
        report: ProgressListener,
        connect: Callable[["VideoSDKConsultation", Move, float, bool], Any],
        known: Callable[[], Mapping[str, Any]],
        later: Callable[[Coroutine[Any, Any, None], str], None],
    ) -> None:
        self.plan = plan
        self.target_id: str | None = None
        self.caller_id_there: str | None = None
        self.leg: DialledLeg | None = None
        self.answered_at: float | None = None
        self.moving = False
        self.leg_is_over = asyncio.Event()
        self._broken: set[str] = set()
        self._summary = ""
        self._has_begun = False
        self._told_of_end: Callable[[bool], None] | None = None
        self.consultant = Consultant(
            session,
            pipeline=pipeline,
            instructions=self._instructions(),
            heard=self._heard,
            pressed=self._pressed,
            answered=self._model_answered,
        )
        self._api = api
        self.report = report
        self._connect = connect
        self._known = known
        self._later = later
        self._context = contextvars.copy_context()
        self._room_id: str | None = None
        self._session_id: str | None = None
        self._summarised_up_to = 0
        loop = asyncio.get_running_loop()
        self._summarised: asyncio.Future[str] = loop.create_future()
        self._joined: asyncio.Future[None] = loop.create_future()
        self._answered: asyncio.Future[Response] = loop.create_future()
        self._decided: asyncio.Future[Response] = loop.create_future()
        self._preparing: asyncio.Task[None] | None = None
        self._greeted = False
        self._listens_from = 0.0
        self._echo = Echo()
        self._farewell = ""
        self._parting: asyncio.Timeout | None = None
        self._hurried = False
        self._spoken_at_greeting = 0
        self._words_since_greeting = False
        self._opening = False
        self._opening_heard = False
        self._openings = 0
        self._asked = False
        self._question: str | None = None
        self._unanswered = False
        self._asked_again = asyncio.Event()

    @property
    @override
    def summary(self) -> str:
        return self._summary

    @property
    @override
    def ids(self) -> ConsultationIds:
        self._session_id = self.consultant.session_id or self._session_id
        return ConsultationIds(
            room_id=self._room_id,
            session_id=self._session_id,
            leg_id=self.leg.id if self.leg is not None else None,
            agent_participant_id=self.consultant.participant_id or None,
            target_participant_id=self.target_id,
            caller_participant_id=self.caller_id_there,
        )

    @property
    def room_id(self) -> str | None:
        """The room's id; None before there is one."""
        return self._room_id

    @property
    def _said_by_caller(self) -> int:
        return sum(utterance.speaker == "caller" for utterance in self.plan.transcript())

    @property
    def target_is_there(self) -> bool:
        """Whether the target is in the room."""
        attendance = self.consultant.attendance
        return attendance is not None and attendance.has(self.target_id)

    @property
    @override
    def asked(self) -> bool:
        return self._asked

    @override
    async def answered(self) -> Response:
        return await asyncio.shield(self._answered)

    @override
    async def decision(self) -> Response:
        return await asyncio.shield(self._decided)

    @override
    async def connect(
        self, move: Move = "caller", *, timeout: float = CONNECT_TIMEOUT, leave_unwatched: bool = False
    ) -> TransferResult:
        return self.result(await self._connect(self, move, timeout, leave_unwatched))

    @override
    def result(self, response: Response) -> TransferResult:
        return TransferResult(
            outcome=response.outcome or Outcome.CONNECTED,
            destination=self.plan.destination,
            detail=masked_text(response.detail),
            status=response.status,
            summary=self._summary if self._greeted else "",
            consultation=self.ids,
            **self._known(),
        )

    async def run(self) -> None:
        """Everything that goes on beside the caller; ends by being cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._step(self._summarise()), name="the summary")
            try:
                self._room_id = await self._api.create_room(self.plan.room)
            except PlatformError as error:
                self._end(Response(Outcome.FAILED, f"no room could be made: {error}"))
                return
            self.report(Phase.CONSULTATION_OPENED, "", None)
            group.create_task(self._step(self._join(self._room_id)), name="the consultation's agent")
            group.create_task(self._step(self._call(self._room_id), decides=True), name="the target's call")

    async def _step(self, work: Coroutine[Any, Any, None], *, decides: bool = False) -> None:
        """Does `work`. Whoever waits for how it ends is not left waiting where nothing can come of it any more.

        Args:
            work: One of the things that go on side by side.
            decides: Whether the target's decision is its end.
        """
        why = "ended without a decision"
        try:
            await uncancelled(work)
        except CancelledByItself as error:
            logger.error("a consultation: %s", described(error))  # noqa: TRY400
            why, decides = str(error), True
        task = asyncio.current_task()
        if decides and not self._decided.done():
            self._end(Response(Outcome.FAILED, f"{task.get_name() if task is not None else 'a step'} {why}"))

    def hurry(self) -> None:
        """Has a release end within seconds: the session is about to close."""
        self._hurried = True
        deadline = self._parting
        if deadline is not None and not deadline.expired():
            until = asyncio.get_running_loop().time() + _HURRIED_FAREWELL
            deadline.reschedule(min(until, deadline.when() or until))

    @override
    def set_goodbye(self, sentence: str) -> None:
        self._farewell = sentence

    @override
    def when_over(self, told: Callable[[bool], None]) -> bool:
        self._told_of_end = told
        return True

    async def release(self, farewell: str) -> None:
        """Ends what was begun: a last sentence to a target who is there, their leg, the room."""
        try:
            await self._part(self._farewell or farewell)
        except Exception as error:
            # Whatever is wrong with the words: the leg must end.
            logger.error("the last sentence to a target: %s", described(error))  # noqa: TRY400
        finally:
            await self._end_all()  # also when there is no time for the words

    async def _end_all(self) -> None:
        timeouts = {"request_timeout": _HURRIED_REQUEST, "timeout": _HURRIED_END} if self._hurried else {}
        try:
            ended = self.leg is None or await self.leg.end(**timeouts)
        finally:
            self.leg_is_over.set()
            if self._told_of_end is not None:
                self._told_of_end(self.leg is not None)
        if self._has_begun:  # of one that was ended in the same moment there is nothing to tell
            self.report(
                Phase.RELEASED if ended else Phase.NOT_RELEASED,
                "" if ended else "the target's call could not be ended; the platform's own limits will",
                None,
            )
        await self.consultant.close()
        if not ended and self.leg is not None:
            self._later(self.leg.end_in_the_end(), "ending a leg that the platform does not end")

    async def _part(self, farewell: str) -> None:
        left = self._answered.done() and self._answered.result().outcome is not None
        if left or not self.target_is_there or not self.consultant.open:
            return
        decided = self._decided.result() if self._decided.done() else None
        last = farewell_for(decided, self.plan.briefing, farewell)
        # Words that are only recognised now decide nothing any more, and would break into the last sentence.
        self._end(Response(Outcome.CANCELLED, "ended before they had decided"))
        now = asyncio.get_running_loop().time
        machine = decided is not None and decided.outcome is Outcome.VOICEMAIL and bool(last)
        try:
            async with asyncio.timeout(FAREWELL_TIMEOUT) as self._parting:
                if self._hurried:
                    self.hurry()
                elif machine:
                    self._parting.reschedule(now() + LONGEST_FAREWELL)
                    await self.consultant.pause(silence=_PAUSE_OF_MACHINE, timeout=_GREETING_OF_MACHINE)
                    if not self._hurried:
                        self._parting.reschedule(now() + FAREWELL_TIMEOUT)
                elif not self._greeted:
                    # Or they would hear half a word, and a goodbye.
                    await self.consultant.finish(timeout=_GREETING_OF_OURS)
                self.consultant.interrupt()
                self.consultant.deafen()
                self.consultant.speak_again()  # a connection that was cut short has left it silent
                await self.consultant.say(last)
        except TimeoutError:
            logger.info("the last sentence to a target took too long")
        finally:
            self._parting = None

    async def _summarise(self) -> None:
        self._has_begun = True
        self.report(Phase.SUMMARY_STARTED, "", None)
        self._summarised_up_to = self._said_by_caller
        made = await self.plan.summarise()
        self._summary = str(made)
        self.report(Phase.SUMMARY_READY, made.why if isinstance(made, SecondBest) else "", None)
        if not self._summarised.done():
            self._summarised.set_result(self._summary)
        self._brief_model()

    async def _join(self, room_id: str) -> None:
        try:
            await self.consultant.join(room_id, f"consultation-{uuid.uuid4().hex[:12]}")
        except NoConsultation as error:
            self._end(Response(Outcome.FAILED, str(error)))
            return
        attendance = self.consultant.attendance
        if attendance is None:
            return
        self._brief_model()
        self._joined.set_result(None)
        async with asyncio.TaskGroup() as group:
            self._preparing = group.create_task(self.consultant.prepare(self.plan.briefing.greeting))
            while not self.consultant.lost:
                await attendance.change()
                if self.leg is not None:
                    self.leg.look()
        self._end(Response(Outcome.FAILED, "the consultation's session ended by itself"))

    def _brief_model(self) -> None:
        self.consultant.instruct(self._instructions())

    def _instructions(self) -> str:
        plan = self.plan
        known = (plan.transcript(), plan.reason, self._summary or None)
        by_default = functools.partial(Briefing.instructions, plan.briefing, *known)
        return self._of_briefing("instructions", *known, otherwise=by_default)

    async def _call(self, room_id: str) -> None:
        await self.plan.phone_is_free()
        participant_id = f"target-{uuid.uuid4().hex[:12]}"
        self.leg = DialledLeg(self._api, room_id=room_id, rings=lambda status: self.report(Phase.RINGING, "", status))
        participant = {**self.plan.dialling.get("participant", {}), "id": participant_id}
        try:
            await self.leg.dial({**self.plan.dialling, "destinationRoomId": room_id, "participant": participant})
        except PlatformError as error:
            self._end(Response(Outcome.FAILED, f"the target could not be dialled: {error}"))
            return
        self.report(Phase.DIALLED, "", None)
        answer = await self.leg.answered(self.plan.ring_timeout)
        if answer.outcome is not None:
            self._end(answer)
            return
        self.answered_at = asyncio.get_running_loop().time()
        self.report(Phase.ANSWERED, "", answer.status)
        if not self._answered.done():
            self._answered.set_result(answer)
        await self._consult(participant_id)

    async def _consult(self, participant_id: str) -> None:
        try:
            async with asyncio.timeout(JOIN_TIMEOUT):
                await asyncio.shield(self._joined)
        except TimeoutError:
            self._end(
                Response(
                    Outcome.FAILED,
                    "the target answered before there was an agent to speak to them; what its pipeline loads belongs "
                    "into the worker's start",
                )
            )
            return
        attendance = self.consultant.attendance
        if attendance is None or not await attendance.until(lambda: bool(attendance.phones), APPEAR_TIMEOUT):
            self._end(Response(Outcome.FAILED, "the target answered and did not come into the room"))
            return
        here = [participant.id for participant in attendance.phones]
        self.target_id = participant_id if participant_id in here else here[0]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_target(), name="whether the target stays")
            await self._brief()

    async def _watch_target(self) -> None:
        attendance = self.consultant.attendance
        while attendance is not None:
            await attendance.until(lambda: not self.target_is_there, None)
            if self.moving:
                return
            if not self.target_is_there:
                self._end(Response(Outcome.TARGET_LEFT, "they hung up before the caller was connected"))
                return

    async def _brief(self) -> None:
        briefing = self.plan.briefing
        self.report(Phase.BRIEFING, "", None)
        if self._preparing is not None:
            self._preparing.cancel()  # what is not ready now is spoken as it comes
            await asyncio.gather(self._preparing, return_exceptions=True)
        # Nobody may break into the greeting: whoever picks up says "hello?" or "yes?", and neither is an answer to it.
        async with asyncio.TaskGroup() as group:
            since = self._said_by_caller - self._summarised_up_to if self._summarised.done() else 0
            fresh = group.create_task(self._summarise(), name="summary of what has been said since") if since else None
            said = await self._say(briefing.greeting)
            if fresh is not None:
                fresh.cancel()  # nobody is kept waiting for it: what was said is in the model's record anyway
        if self.consultant.target_speaks:
            # They say their name and their desk: what began before they knew what it is about answers nothing.
            await self.consultant.pause(silence=_PAUSE_OF_PERSON, timeout=_INTRODUCTION_OF_PERSON)
            self._listens_from = asyncio.get_running_loop().time() + _RECOGNITION
        self._greeted = True
        self._spoken_at_greeting = self.consultant.times_spoken
        await asyncio.shield(self._summarised)
        said = await self._open() or said
        if not said:
            self._end(
                Response(
                    Outcome.FAILED,
                    "the target could not be spoken to; try the voice of the consultation's pipeline, its key and quota",
                )
            )
        await self._wait_for_decision()

    async def _open(self) -> bool:
        """Tells them what it is about and asks; returns whether that could be said, and notes whether it was heard."""
        if self._decided.done():
            return True
        self._openings += 1
        self._unanswered = False
        before = self.consultant.interruptions
        self._opening = True
        # The SDK lets nobody break into it: what they say is heard all the same, and what matters stops it from here.
        by_default = functools.partial(Briefing.opening, self.plan.briefing, self._summary)
        opening = self._of_briefing("opening", self._summary, otherwise=by_default)
        said = await self._say(opening, listening=True)
        self._opening = False
        self._opening_heard = said and self._question is None and self.consultant.interruptions == before
        self._asked = self._asked or self._opening_heard
        return said

    async def _wait_for_decision(self) -> None:
        now = asyncio.get_running_loop().time
        timeout = self.plan.decision_timeout
        last = now() + _PATIENCE * timeout
        while not self._decided.done():
            self._asked_again.clear()
            question, self._question = self._question, None
            if question is not None:
                self._unanswered = not await self.consultant.answer(question)
            elif self._echo.in_doubt and self.plan.briefing.gate is not Gate.CONNECT_WITHOUT_ASKING:
                self._echo.in_doubt = False
                await self._say(self.plan.briefing.question, listening=True)
            elif not self._opening_heard and self._openings < _MOST_OPENINGS:
                await self.consultant.pause(silence=_PAUSE_OF_PERSON, timeout=_INTRODUCTION_OF_PERSON)
                await self._open()
            elif self.plan.briefing.gate is Gate.CONNECT_WITHOUT_ASKING:
                self._decide(Answer.ACCEPTED)
            elif self._unanswered:
                self._unanswered = False
                await self._say(self.plan.briefing.question, listening=True)
            else:
                await self._asked_again_within(min(now() + timeout, last))

    async def _asked_again_within(self, until: float) -> None:
        try:
            async with asyncio.timeout_at(until), asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch_for_answers(), name="whether the model answers the target")
                await self._asked_again.wait()
                watching.cancel()
        except TimeoutError:
            self.report(Phase.DECIDED, "no decision", None)
            self._end(Response(Outcome.UNDECIDED, f"no decision within {self.plan.decision_timeout:g} s"))

    async def _watch_for_answers(self) -> None:
        await self.consultant.leaves_unanswered()
        self._unanswered = True
        self._asked_again.set()

    # What the target says, presses, or has the model understand; called in the consultation's context

    def _heard(self, text: str) -> bool:
        if self._decided.done() or self._echo.of(text, summary=self._summary if self._opening else ""):
            return True
        self._words_since_greeting = self._words_since_greeting or self._greeted
        answer = self._understood(text)
        if answer is Answer.MACHINE:
            self._decide_there(answer)
            return True
        if not self._greeted or asyncio.get_running_loop().time() < self._listens_from:
            return True
        if answer is not None:
            self._decide_there(answer)
            return True
        if self._opening and self._of_briefing("is_listening", text, otherwise=lambda: False):
            return True
        self._brief_model()
        self._asked_again.set()
        if self._opening:
            self._question = text
            self.consultant.interrupt()
            return True
        return False

    def _of_briefing(self, method: str, *arguments: Any, otherwise: Callable[[], T]) -> T:
        """What the briefing's `method` returns; what `otherwise` does where an author's own raises."""
        try:
            answer: T = called(getattr(self.plan.briefing, method), *arguments)
        except Exception as error:
            if method not in self._broken:  # they press, and speak, again
                self._broken.add(method)
                logger.error("Briefing.%s() raised %s", method, described(error))  # noqa: TRY400
            return otherwise()
        return answer

    def _understood(self, text: str) -> Answer | None:
        # An author's own understanding that breaks is none; the model has its turn.
        return self._of_briefing("understood", text, otherwise=lambda: None)

    def _pressed(self, key: str, sender: str | None) -> None:
        if not self._may_be_target(sender):
            return
        by_default = functools.partial(Briefing.pressed, self.plan.briefing, key)
        answer = self._of_briefing("pressed", key, otherwise=by_default)
        told = self._greeted or answer is Answer.DECLINED  # nobody agrees to what they know nothing of
        if answer is not None and self._answered.done() and told:
            self._decide_there(answer)

    def _was_heard(self, *, since_greeting: bool) -> bool:
        """Whether anybody has said anything at all there, the agent's own words apart."""
        spoken = self.consultant.times_spoken - (self._spoken_at_greeting if since_greeting else 0)
        return spoken > 0 or self.consultant.target_speaks or self._words_since_greeting

    async def _say(self, text: str, *, listening: bool = False) -> bool:
        self._echo.begins(text)
        said = await self.consultant.say(text, listening=listening)
        self._echo.ends()
        return said

    def _may_be_target(self, sender: str | None) -> bool:
        """Whether a message can be the target's: not when it is somebody else's who is there, the agent's included."""
        attendance = self.consultant.attendance
        if sender is None or sender == self.target_id:
            return True
        somebody_else = attendance is not None and attendance.has(sender) and self.target_id is not None
        return not somebody_else and sender != self.consultant.participant_id

    def _model_answered(self, answer: Answer) -> bool:
        accepts = answer is Answer.ACCEPTED
        if not self._was_heard(since_greeting=accepts):
            return False  # whoever has talked the model into it, it was not the target
        if not self._greeted or (accepts and self.plan.briefing.gate is not Gate.VOICE_OR_KEY):
            return False
        self._decide_there(answer)
        return True

    def _decide_there(self, answer: Answer) -> None:
        # An author's listener must not find itself in the consultation's job.
        self._context.copy().run(self._decide, answer)

    def _decide(self, answer: Answer) -> None:
        if self._decided.done():
            return
        self.report(Phase.DECIDED, answer.value, None)
        self._decided.set_result(_RESPONSES[answer])
        self._asked_again.set()
        self.consultant.interrupt()
        if answer is not Answer.MACHINE:  # whose greeting is waited for to leave a message
            self.consultant.deafen()

    def _end(self, response: Response) -> None:
        """How it ends, whichever step is waited for."""
        for step in (self._answered, self._decided):
            if not step.done():
                step.set_result(response)
        self._asked_again.set()


_RESPONSES: Mapping[Answer, Response] = {
    Answer.ACCEPTED: Response(),
    Answer.DECLINED: Response(Outcome.DECLINED, "the target said no"),
    Answer.MACHINE: Response(Outcome.VOICEMAIL, "a machine answered"),
}


def farewell_for(decided: Response | None, briefing: Briefing, otherwise: str) -> str:
    """The last sentence to a target: what they said decides it, and else what happened."""
    outcome = decided.outcome if decided is not None else None
    if outcome is Outcome.DECLINED:
        return briefing.declined
    if outcome is Outcome.UNDECIDED:
        return briefing.undecided
    if outcome is Outcome.VOICEMAIL:
        return briefing.voicemail_message or ""
    return otherwise
