"""What a strategy may do.

A strategy sees a `Call` and nothing below it: no session, no room, no HTTP client. That is what makes strategies
short, platforms replaceable and tests honest. `Call`, `Consultation` and `Dictation` are abstract base classes, so that a
method added later does not break who implements them; `TransferStrategy` is a protocol, so that anything with the right
method is a strategy. What a platform has to provide besides is in `calltransfer.platform`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from enum import Enum
from typing import Any, Literal, Protocol

import attrs

from calltransfer.briefing import Briefing, Utterance
from calltransfer.destination import Destination
from calltransfer.details import CallDetails
from calltransfer.errors import NoConsultation, NoDictation, NoTextModel
from calltransfer.events import ConsultationIds, Phase, TransferResult
from calltransfer.hold import Hold
from calltransfer.outcome import Outcome

SENTENCE_TIMEOUT = 2.5
"""Seconds for the agent to begin its sentence, its model's first word and its voice's first sound; then a fixed one is
said in its place. Once it has begun it is heard to its end."""

FORWARD_TIMEOUT = 40.0
"""Seconds a forwarded call is followed: a ring of 25 to 30 s, when voicemail picks up, and the carrier's own time."""

RING_TIMEOUT = 25.0
"""Seconds a target's phone rings: voicemail picks up after 25 to 30 s."""

DECISION_TIMEOUT = 30.0
"""Seconds a target has to decide, from the end of the question; a question of theirs begins them anew."""

TOTAL_TIMEOUT = 300.0
"""Seconds for a whole warm transfer, up to the move: a ring, minutes in a queue, a decision with questions."""

CONNECT_TIMEOUT = 10.0
"""Seconds for caller and target to be seen in one room, with audio."""

Move = Literal["caller", "target"]


@attrs.frozen(kw_only=True)
class TransferRequest:
    """What was asked for.

    Attributes:
        route: The route's name.
        reason: Why, in the model's or the author's words. Written by a model: data, never instructions.
        attempt: How many transfers this call has seen, this one included.
    """

    route: str
    reason: str = attrs.field(default="", repr=False)
    attempt: int = 1


class Presence(Enum):
    """Whether the caller is there."""

    NEVER = "nobody on a phone has been on this call"
    """Nobody on a phone has been on this call: a web caller, or the playground."""
    HERE = "the caller is on the line"
    """The caller is on the line."""
    GONE = "the caller has hung up"
    """The caller has hung up."""


class Call(ABC):
    """A live call between a caller and an agent.

    One object for the whole call, on the event loop the agent runs on.
    """

    @abstractmethod
    def report(
        self, phase: Phase, detail: str = "", status: str | None = None, *, destination: Destination | None = None
    ) -> None:
        """Reports what happens to the call: `status` is the platform's own word for it.

        Args:
            phase: What happens.
            detail: Why, in one line for a log, with nothing private in it.
            status: The platform's own word for it, where there is one.
            destination: Whose line it is about, where it is about one.
        """

    @property
    @abstractmethod
    def room_id(self) -> str:
        """The room the caller and the agent are in."""

    @property
    @abstractmethod
    def leg_id(self) -> str | None:
        """The platform's id of the caller's leg; None until it is known."""

    @property
    @abstractmethod
    def caller(self) -> Presence:
        """Whether there is a caller: somebody on a phone, whoever else is in the room."""

    @property
    @abstractmethod
    def direction(self) -> Literal["inbound", "outbound"] | None:
        """Who called whom; None where the platform does not say."""

    @property
    def details(self) -> CallDetails:
        """What is known of the caller now; their number only once their leg is known."""
        return CallDetails()

    @property
    def memory(self) -> MutableMapping[object, Any]:
        """What strategies keep for as long as the call lasts: they are shared between calls themselves."""
        kept: MutableMapping[object, Any] = vars(self).setdefault("_memory", {})
        return kept

    def attempted(self, result: TransferResult) -> None:
        """Notes the end of one of the things that a plan tries; it is in the result of the transfer, however that ends.

        Called by a strategy that tries several others; not for a result that has `attempts` itself.

        Args:
            result: How it ended.
        """
        return

    @abstractmethod
    def transcript(self) -> Sequence[Utterance]:
        """What caller and agent have said so far; nothing that calltransfer told the model is in it."""

    @abstractmethod
    async def prepare(self) -> None:
        """Finds the caller's leg again and warms the connection, so that forwarding is one request. Nobody notices.

        Raises:
            CallOver: the caller's leg is over.
            NoLiveCall: the platform lists no leg of the caller.
            PlatformError: the platform could not say.
        """

    @abstractmethod
    async def sentence_heard(self, *, timeout: float = SENTENCE_TIMEOUT) -> None:
        """Waits until the sentence the agent speaks has been heard to its end; it has `timeout` seconds to begin.

        Where the model gives no words after the tool, a fixed sentence is said in their place, and is waited for.
        If the caller breaks into it, waits until the agent's next turn, which may withdraw the transfer, has ended.
        Whatever the caller can notice comes after this.
        """

    @abstractmethod
    async def forward(
        self,
        destination: Destination,
        *,
        timeout: float = FORWARD_TIMEOUT,
        play_dialtone: bool = False,
    ) -> TransferResult:
        """Forwards the caller (SIP REFER, RFC 3515) and follows it to its end, at most `timeout` seconds.

        Returns `CONNECTED` only when the platform reports the call as transferred and the caller has left the agent's room.
        Once asked for, it cannot be called back: a target who answers after `timeout` still gets the caller, which is then
        reported as `CONTRADICTED`. `UNCONFIRMED` is a caller who left meanwhile, and of whom no result is reported.
        Returns `REFUSED`, and nothing is asked for, where the agent's policy does not allow it.

        Never raises for what the platform answers. Prepares the call first if that has not been done.

        Args:
            destination: Where to; its address alone, as what is for dialling cannot be carried.
            timeout: Seconds until it is given up, the ring included.
            play_dialtone: Whether the platform plays a ringing tone meanwhile.
        """

    async def ask_model(self, instructions: str, text: str, *, llm: Any | None = None) -> str:
        """Asks a language model once, apart from the conversation; returns its answer.

        Args:
            instructions: What it is to do.
            text: What it is to do it with: data.
            llm: The model; by default the agent's own.

        Raises:
            NoTextModel: there is none that takes text.
        """
        raise NoTextModel("this platform gives no access to a language model")

    def on_hold(self, hold: Hold) -> AbstractAsyncContextManager[None]:
        """Puts the caller on hold: the agent does not hear them, and they hear `hold`.

        Leaving the block takes them off hold, for whatever reason it is left, unless they have been handed over. A hold
        within a hold changes nothing.

        Raises:
            NoConsultation: the platform cannot.
        """
        raise NoConsultation(f"{type(self).__name__} cannot put a caller on hold")

    def consult(
        self,
        destination: Destination,
        request: TransferRequest,
        *,
        summary: "Summary",
        briefing: Briefing,
        ring_timeout: float = RING_TIMEOUT,
        decision_timeout: float = DECISION_TIMEOUT,
    ) -> AbstractAsyncContextManager["Consultation"]:
        """Calls the target into a room of its own and tells them what it is about; see `Consultation`.

        Room, agent, dial and summary begin side by side when the block is entered; the caller notices nothing. Leaving
        the block ends what was not handed over, beside whatever comes next; the result of the transfer waits for that.

        Args:
            destination: Whom to call.
            request: What was asked for; the target is told of its reason.
            summary: What makes what they are told.
            briefing: How they are told, what they are asked, and how an answer is understood.
            ring_timeout: Seconds their phone rings.
            decision_timeout: Seconds they have to decide, from the end of the question.

        Raises:
            NoConsultation: the platform cannot, or is not set up for it.
            NotAllowed: the agent's policy does not allow it. A strategy that does not catch it ends as `REFUSED`.
        """
        raise NoConsultation(f"{type(self).__name__} cannot consult a target")

    def dictation(self, *, done_key: str | None = None) -> AbstractAsyncContextManager["Dictation"]:
        """Takes down what the caller says, and has nobody answer it, for as long as the block lasts; see `Dictation`.

        A hold that is around it is suspended: the caller hears no music and is heard. Everything else that speaks to them
        or ends their call is held back as on hold; the key that brings them back from that hold still does.

        Args:
            done_key: The key with which the caller says that they are done; None: there is none.

        Raises:
            NoDictation: the platform cannot, or the agent has no ears or no voice. The caller has noticed nothing.
        """
        raise NoDictation(f"{type(self).__name__} cannot take down what a caller says")

    @property
    def ending(self) -> Outcome | None:
        """How the transfer is being ended from outside, for a strategy that is cancelled; None: it is not."""
        return None

    @abstractmethod
    async def say(self, text: str) -> bool:
        """Says `text` to the caller as it is; where there is no voice for it, asks the model to.

        Returns once it has been heard, and whether it could be said. Where that is cancelled it is broken off.
        """

    def being_moved(self) -> AbstractAsyncContextManager[None]:
        """Says that the caller is moved by other means than `forward()` and `consult()`, while the block lasts.

        A caller who leaves the agent's room in it has not hung up, and the transfer cannot be taken back. Who is neither
        there nor connected to anybody when the block is left is brought back to the agent, where the platform can.
        """
        return nullcontext()


@attrs.frozen
class Response:
    """What came of a step of a consultation.

    Attributes:
        outcome: How the transfer ends with it; None: it goes on.
        detail: Why, in one line for a log.
        status: The platform's own word for it, where there is one.
    """

    outcome: Outcome | None = None
    detail: str = ""
    status: str | None = None


class Consultation(ABC):
    """The private call between the agent and the target. Its steps are values: nothing here raises for how they end."""

    @property
    @abstractmethod
    def summary(self) -> str:
        """What the target is told; empty until it is known."""

    @property
    @abstractmethod
    def ids(self) -> ConsultationIds:
        """What the platform calls its parts, as far as they are known."""

    @property
    def asked(self) -> bool:
        """Whether the target has heard the question; True where that is not known."""
        return True

    @abstractmethod
    async def answered(self) -> Response:
        """Waits until the target has answered, or until it is known that they will not."""

    @abstractmethod
    async def decision(self) -> Response:
        """Waits until the target has said yes, or until it is known that they will not; silence is a no."""

    @abstractmethod
    async def connect(
        self, move: Move = "caller", *, timeout: float = CONNECT_TIMEOUT, leave_unwatched: bool = False
    ) -> TransferResult:
        """Brings caller and target into one room.

        Returns `CONNECTED` only when both are seen there, with audio. Otherwise the caller is with the agent again.

        Args:
            move: Who is moved: the caller into the consultation's room, or the target into the caller's.
            timeout: Seconds for both to be seen.
            leave_unwatched: Whether the agent leaves the two at once, instead of staying, deaf and silent, until one of
                them leaves, and then ending the other's leg.
        """

    def set_goodbye(self, sentence: str) -> None:
        """Sets `sentence` as the last that a target hears who has neither declined nor been connected."""
        return

    def when_over(self, told: Callable[[bool], None]) -> bool:
        """Has `told` called once the target's leg is over, or there is none, with whether the platform was asked for one.

        For the runner of transfers, which counts the phones that ring.

        Returns:
            False: it will not be called, and the leg is over when the consultation's block is left.
        """
        return False

    @abstractmethod
    def result(self, response: Response) -> TransferResult:
        """How the transfer ended, with everything that is known about it.

        Args:
            response: What came of the step that ended it.
        """


class Dictation(ABC):
    """A caller who is listened to, and not answered."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What has been understood so far."""

    @abstractmethod
    async def say(self, text: str) -> bool:
        """Says `text` to the caller; returns whether it could be said, once it has been heard.

        What they say over it is taken down too, and breaks it off, as long as they have not been listened to to the end;
        after that it is the agent's to answer.
        """

    @abstractmethod
    async def listen(
        self,
        *,
        begin_timeout: float,
        silence: float,
        longest: float,
        enough: Callable[[str], bool] = lambda _text: False,
    ) -> str:
        """Listens until the caller is done; returns what was understood, empty if it was nothing.

        Args:
            begin_timeout: Seconds within which they have to begin.
            silence: Seconds of silence after which they are done.
            longest: Seconds after which they are taken to be done although they are still speaking.
            enough: Whether what has been understood so far needs no more.
        """

    @abstractmethod
    async def finish(self) -> str:
        """Listens no longer; returns what was understood, with what is being recognised just now: within about a second.

        For who is cancelled in the middle of `listen()`, which ends with it.
        """


class Summary(Protocol):
    """How the target's summary is made. It is given as long as it takes, beside the ring, and must bound itself.

    One may name another that is told where it is late, raises or is empty, as an attribute `otherwise`:

        class FromOurRecords:
            otherwise = ExtractiveSummary(reason="Grund: {reason}.", quote="Zitat: {words}", route="Ein Anruf für {route}.")
            async def summarise(self, call, request):
                return await records.summary_of(call.details.number)
    """

    async def summarise(self, call: Call, request: TransferRequest) -> str:
        """Returns what the caller needs, in about thirty spoken words.

        What it raises, and what is no text or has nothing in it, is replaced by the one that `otherwise` names, without
        one, or where that takes more than 5 seconds, by `ExtractiveSummary`, in English; and so is what takes more than 15
        seconds.

        Args:
            call: The call, with its transcript.
            request: What was asked for.
        """


class TransferStrategy(Protocol):
    """How a caller is moved.

    Anything with this method is a strategy. A strategy is immutable and shared between calls; what belongs to one call
    lives in `call` and `request`:

        class ToTheFrontDesk:
            async def transfer(self, call, request):
                await call.prepare()
                await call.sentence_heard()
                return await call.forward(FRONT_DESK)
    """

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Moves the caller, and returns how it ended.

        It is cancelled when the caller hangs up or changes their mind, and when the session closes. Whatever it raises
        ends the transfer as `FAILED`, with the caller back at the agent.

        Args:
            call: The call; nothing below it is seen.
            request: What was asked for.

        Returns:
            How it ended. `CONNECTED` is believed only where the platform shows it.
        """
