"""What a platform has to provide, for who adapts calltransfer to another one.

A `Platform` finds the call of an agent's session: a `PlatformCall`, which is the `Call` of a strategy and what the runner
of transfers needs besides. They are abstract base classes, as `Call` is, so that a method added later does not break who
implements them.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from typing_extensions import Unpack, override

from calltransfer.call import Call
from calltransfer.destination import Destination
from calltransfer.events import Phase, TransferResult
from calltransfer.outcome import Outcome
from calltransfer.timeline import Known

__all__ = ["Platform", "PlatformCall", "Turn"]

LEAVE_TIMEOUT = 8.0
"""Seconds for the last sentence to a caller whose session closes: fifteen to twenty words take six."""


class ProgressListener(Protocol):
    """Told what happens to a call."""

    def __call__(
        self,
        phase: Phase,
        detail: str = "",
        status: str | None = None,
        **known: Unpack[Known],
    ) -> None:
        """Something has happened to the call; see `Call.report`."""


class Turn(ABC):
    """The turn of the conversation in which a transfer was asked for."""

    @property
    @abstractmethod
    def confirmed(self) -> bool:
        """False while the agent works on words that the caller may not have finished (preemptive generation)."""

    @abstractmethod
    async def confirmation(self) -> bool:
        """Waits until the caller's turn is confirmed; returns False if its words turned out otherwise."""

    @abstractmethod
    async def sentence_heard(self, *, timeout: float) -> None:
        """Waits until the sentence the agent speaks in this turn has been heard to its end.

        Where it has not begun within `timeout` seconds, or it is known before that it will not, what was given to
        `when_model_is_silent` is said in its place, and that is the sentence; what still comes of the other is not said.
        If the caller breaks into it, waits until the agent's next turn, which may withdraw the transfer, has ended.
        """

    def waited_for_by_tool(self) -> None:
        """Called when the tool that is running waits for the transfer: the turn cannot end before the transfer does."""
        return


class PlatformCall(Call):
    """A live call as its platform provides it: what the runner of its transfers needs, and no strategy gets to see.

    `forward()` reports `FORWARDING`, and `Consultation.connect()` `CONNECTING`, directly before the platform is asked: from
    then on the transfer is not taken back. What they wait for before that can be cancelled, and is when it is.
    """

    listener: ProgressListener | None = None
    """Who is told what happens to the call; set by the runner of a transfer.

    It raises `CallOver` at `FORWARDING` and `CONNECTING` where the transfer has ended meanwhile: nothing is asked for then.
    """

    hears_again: Callable[[], None] | None = None
    """Called when the caller hears the agent again, after what had been given up took one of them from the other.

    Set by the runner of a transfer when it starts; that of a transfer that connected them does nothing. What the caller
    was told meanwhile they may not have heard, and where a forward came true late, it is true again.
    """

    @override
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
        if self.listener is not None:
            self.listener(phase, detail, status, destination=destination)

    @abstractmethod
    def turn(self, *, after_tool: bool = False) -> Turn:
        """The turn that is under way. `after_tool`: a tool is running, and the agent is about to speak on it."""

    async def released(self) -> None:
        """Returns when every leg that was dialled and not handed over has ended, and every room made is empty."""
        return

    async def caller_returned(self) -> None:
        """Returns when the caller on hold has pressed the key that brings them back to the agent."""
        await asyncio.get_running_loop().create_future()

    async def keep_company(self, sentence: str) -> None:
        """Keeps a caller from silence who waits for the agent while a transfer is under way, until it is cancelled.

        Args:
            sentence: What may be said to them where the agent's model does not answer.
        """
        return

    @abstractmethod
    async def caller_left(self) -> None:
        """Returns when the caller has hung up: not when they left because they were forwarded."""

    async def moved_away(self) -> bool:
        """Whether a caller who has left was moved by something else than this transfer, as far as the platform shows it.

        Asked once they have left, before anybody is told so: a target who waits for them, above all.
        """
        return False

    async def connected_late(self) -> TransferResult | None:
        """The connection that a forward of the transfer under way has made of a caller who has left, after it was given up.

        Asked once they have left, before `moved_away`. None: there is none, or it is not known yet.
        """
        return None

    @abstractmethod
    async def tell_model(self, text: str) -> bool:
        """Has the model speak on `text` as soon as nobody else speaks; returns whether the caller has heard it speak.

        False as soon as it is known that it does not: then somebody else's words are said, and none of its.
        """

    async def take_leave(self, text: str) -> bool:
        """Says `text` to the caller at once, as the last thing before the session closes; returns whether it was heard.

        Whatever the agent is saying is broken off. Returns within `LEAVE_TIMEOUT` seconds.
        """
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                return await self.say(text)
        except TimeoutError:
            return False

    async def seen_connected(self) -> bool:
        """Whether the platform shows the caller in one room with somebody else on a phone, or forwarded.

        What proves a connection that a strategy says it has made by other means than `forward()` and `consult()`.
        """
        return False

    @abstractmethod
    async def handed_over(self) -> Outcome | None:
        """Called once the caller is connected: the agent falls silent, and watches over the call where it stays in it.

        Returns:
            Why the caller is back with the agent: `TARGET_LEFT` when the target left within seconds, `FAILED` when it
            turns out that they were not connected. None: they are not back.
        """

    @abstractmethod
    def before_close(self, closing: Callable[[], Awaitable[None]]) -> None:
        """Has `closing` awaited once, before the agent's session closes, however that comes about."""

    def hurry(self) -> None:
        """Has what cannot be called back, such as a connection under way, end within seconds: the session closes."""
        return

    def consultation_problems(self) -> Sequence[str]:
        """What is certain to go wrong where a target of this call is consulted, a sentence each; empty if nothing is."""
        return ()

    @abstractmethod
    def when_model_is_silent(self, tool: str, spoken: str) -> None:
        """Has `spoken` said to the caller when the model says nothing after the tool named `tool`, which runs now.

        Also where it fails, or does not begin in time.
        """

    @abstractmethod
    async def close(self) -> None:
        """Lets go of everything that belongs to this call. Safe to call twice."""


class Platform(ABC):
    """A telephony platform: finds the live call of an agent's session. May be shared between agents and calls."""

    @abstractmethod
    def call_of(self, session: Any) -> PlatformCall:
        """Returns the live call of `session`, with everything about it already followed.

        Raises:
            NoLiveCall: the session has no room that a phone could be in.
        """

    def dialling_problems(self, destination: Destination | None) -> Sequence[str]:
        """Why a target could not be dialled as the platform is set up, a sentence each; empty if all is well.

        Args:
            destination: Whom it is about; None when that is found at call time.
        """
        return ()
