"""Nobody is there: the agent takes a message, and delivers it."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from calltransfer.briefing import normalised
from calltransfer.call import SENTENCE_TIMEOUT, Call, Dictation, Presence, TransferRequest
from calltransfer.details import CallDetails
from calltransfer.errors import ConfigurationError, NoDictation
from calltransfer.events import TransferResult
from calltransfer.hook import HookFailed, answer_of, give_up
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.strategies.target import people_seconds, wait_seconds

logger = logging.getLogger("calltransfer")

BEGIN_TIMEOUT = 6.0
"""Seconds for a caller to begin to speak; then they are asked once more."""

SILENCE = 3.0
"""Seconds of silence after which a message is taken to be over: people pause for one to two to think."""

LONGEST_MESSAGE = 120.0
"""Seconds of a message; voicemail commonly takes two to three minutes."""

DELIVERY_TIMEOUT = 5.0
"""Seconds to deliver it: the caller waits in silence for the word that it has been."""

ENDED_TIMEOUT = 1.8
"""Seconds to deliver it once the transfer is ended from outside: a little less than the runner waits for a strategy, so
that the outcome is known, and not given up, when it comes to that."""

ENDED_TIMEOUT_ALONE = 11.0
"""Seconds to deliver it once the caller has gone as well: a little less than the runner waits then."""

_KEYS = frozenset("0123456789*#")
_NO_MESSAGE = "the caller has left no message"
_SPOKEN_KEYS: Final = {"*": "star", "#": "pound"}

CHANGED_MIND: Final = (
    "no",
    "no wait",
    "wait",
    "no thanks",
    "no thank you",
    "never mind",
    "forget it",
    "cancel",
    "go back",
    "no message",
    "I don't want to leave a message",
    "I do not want to leave a message",
    "no espera",
    "no gracias",
    "non merci",
    "non attendez",
    "nein",
    "nein danke",
    "nein warten Sie",
    "não obrigado",
    "não obrigada",
    "no grazie",
)
"""What a caller says, and nothing else, who would rather speak with the agent than leave a message."""


@attrs.frozen(kw_only=True)
class Message:
    """A message that a caller has left. What they said is private: it shows in no log.

    Attributes:
        text: What was understood of it.
        route: The route by which they were to be transferred.
        reason: Why, in the model's or the author's words.
        details: What is known of the caller.
        taken_at: When it was taken, in UTC.
    """

    text: str = attrs.field(repr=False)
    route: str
    reason: str = attrs.field(default="", repr=False)
    details: CallDetails = attrs.field(factory=CallDetails, repr=False)
    taken_at: datetime = attrs.field(factory=lambda: datetime.now(UTC))


Delivery = Callable[[Message], Awaitable[object]]


def _async_function(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not callable(value) or isinstance(value, type):
        raise ConfigurationError(
            f"TakeMessage: {attribute.name}= takes a function 'async def deliver(message)', not {type(value).__name__}"
        )
    called = value if inspect.isroutine(value) else type(value).__call__
    if not inspect.iscoroutinefunction(inspect.unwrap(called)):
        raise ConfigurationError(
            f"TakeMessage: {attribute.name}= must be an 'async def': what waits otherwise stops every call in the process"
        )
    try:
        inspect.signature(value).bind(None)
    except (TypeError, ValueError):  # a built-in one may not say what it takes
        raise ConfigurationError(f"TakeMessage: {attribute.name}= takes one argument, the message") from None


def _a_sentence(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(
            f"TakeMessage: {attribute.name}= is a sentence that the caller hears, not {shown(value)}"
        )


def _a_key(_: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if value is not None and not (isinstance(value, str) and value in _KEYS):
        raise ConfigurationError(
            f"TakeMessage: {attribute.name}= is one key, 0 to 9, '*' or '#', or None, not {shown(value)}"
        )


def _phrases(value: Any) -> tuple[str, ...]:
    phrases = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else (None,)
    if not all(isinstance(phrase, str) and normalised(phrase) for phrase in phrases):
        raise ConfigurationError("TakeMessage: changed_mind= takes phrases, none of them empty")
    return phrases


def _ask(strategy: "TakeMessage") -> str:
    how = (
        f"press {_SPOKEN_KEYS.get(strategy.done_key, strategy.done_key)} or just stop speaking"
        if strategy.done_key
        else ""
    )
    return (
        "I am sorry, nobody can take your call right now. Please leave me a message. When you are done, "
        f"{how or 'just stop speaking'}."
    )


@attrs.frozen
class TakeMessage:
    """Takes a message from the caller, and hands it to a function of yours; ends as `MESSAGE_TAKEN`.

        async def deliver(message):
            await crm.add_note(message.details.number, message.text)

        Fallback(WarmTransfer(ON_CALL), TakeMessage(deliver))

    The caller is asked for it and listened to, and nobody answers, until they have been silent for some seconds, press
    the key, or have spoken as long as they may. If they say nothing they are asked once more, and then the agent is back.
    Only when the function has returned do they hear that it will be passed on. If it raises, or takes too long, they hear
    that it could not be, and the transfer ends as `FAILED`. Either way the agent then asks what else it can do.

    What they said is in the agent's history as theirs, and so is what they were told: the agent knows of it afterwards.
    What they add while it is being delivered, or over the thanks, is no part of the message: it is in the history as well,
    and the agent goes on once they have finished.

    A caller who hangs up in the middle has left what they said: it is delivered, and the outcome is `MESSAGE_TAKEN`; so it
    is when the agent's session closes meanwhile. A caller who says nothing but `changed_mind`, or presses the key that
    brings them back from a hold that a plan has them on, is back with the agent, and nothing is delivered.

    Needs an agent that can hear (a recogniser, or a realtime model that transcribes) and that has a voice; else it ends
    as `FAILED` before the caller notices anything. A realtime model hears a message by itself and may act on it, as far as
    its tools go; what it says meanwhile is not heard.

    Attributes:
        deliver: `async def deliver(message: Message)`. Hand the message on and return; what takes long is for a task of
            your own. It is called once for a message, and never again: what it has not stored is lost.
        prompt: What the caller is asked with; in the language of the call, as the other sentences.
        again: What they are asked with who have said nothing.
        thanks: What they hear when it has been delivered.
        not_delivered: What they hear when it could not be.
        done_key: The key with which they say that they are done; None: there is none.
        changed_mind: What somebody says, and nothing else, who would rather speak with the agent.
        begin_timeout: Seconds for them to begin to speak.
        silence: Seconds of silence after which they are done.
        longest: Seconds after which they are interrupted.
        deliver_timeout: Seconds for `deliver`; less than two when the agent's session closes meanwhile, and eleven at most
            when the caller has hung up.
        sentence_timeout: Seconds for the agent to begin its sentence, which is heard to its end. All of them at most 240.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    deliver: Delivery = attrs.field(validator=_async_function)
    done_key: str | None = attrs.field(default="#", kw_only=True, validator=_a_key)
    prompt: str = attrs.field(default=attrs.Factory(_ask, takes_self=True), kw_only=True, validator=_a_sentence)
    again: str = attrs.field(
        default="I have not heard anything. Please leave your message now.", kw_only=True, validator=_a_sentence
    )
    thanks: str = attrs.field(default="Thank you, I will pass it on.", kw_only=True, validator=_a_sentence)
    not_delivered: str = attrs.field(
        default="I am sorry, your message could not be passed on. I am still here with you.",
        kw_only=True,
        validator=_a_sentence,
    )
    changed_mind: tuple[str, ...] = attrs.field(default=CHANGED_MIND, kw_only=True, converter=_phrases)
    begin_timeout: float = attrs.field(default=BEGIN_TIMEOUT, kw_only=True, validator=people_seconds)
    silence: float = attrs.field(default=SILENCE, kw_only=True, validator=wait_seconds)
    longest: float = attrs.field(default=LONGEST_MESSAGE, kw_only=True, validator=people_seconds)
    deliver_timeout: float = attrs.field(default=DELIVERY_TIMEOUT, kw_only=True, validator=wait_seconds)
    sentence_timeout: float = attrs.field(default=SENTENCE_TIMEOUT, kw_only=True, validator=wait_seconds)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Takes the message and delivers it; see the class."""
        await call.sentence_heard(timeout=self.sentence_timeout)
        try:
            async with call.dictation(done_key=self.done_key) as dictation:
                return await self._take(call, request, dictation)
        except NoDictation as error:
            return TransferResult(outcome=Outcome.FAILED, detail=str(error))

    async def _take(self, call: Call, request: TransferRequest, dictation: Dictation) -> TransferResult:
        try:
            why_not = await self._dictated(dictation)
            if why_not:
                return TransferResult(outcome=Outcome.FAILED, detail=why_not)
            cut_short = None
        except asyncio.CancelledError:
            if call.ending is Outcome.CALLER_RETURNED:
                raise
            # Whoever hangs up has left what they have said, as on any voicemail.
            cut_short = _CutShort.now(call)
            if not await dictation.finish():
                raise
        if self._wants_agent(dictation.text):
            return TransferResult(
                outcome=Outcome.CALLER_RETURNED, detail="the caller would rather speak with the agent"
            )
        message = Message(text=dictation.text, route=request.route, reason=request.reason, details=call.details)
        return await self._delivered(call, dictation, message, cut_short)

    async def _dictated(self, dictation: Dictation) -> str:
        """Asks for the message and listens; returns why there is none, or nothing."""
        for sentence, why_not in (
            (self.prompt, "the caller could not be asked for a message"),
            (self.again, _NO_MESSAGE),
        ):
            if not await dictation.say(sentence) and not dictation.text:
                return why_not
            if await dictation.listen(
                begin_timeout=self.begin_timeout, silence=self.silence, longest=self.longest, enough=self._wants_agent
            ):
                return ""
        return _NO_MESSAGE

    def _wants_agent(self, text: str) -> bool:
        return normalised(text) in {normalised(phrase) for phrase in self.changed_mind}

    async def _delivered(
        self, call: Call, dictation: Dictation, message: Message, cut_short: "_CutShort | None"
    ) -> TransferResult:
        delivering = asyncio.create_task(
            answer_of(self.deliver, message, timeout=self.deliver_timeout), name="delivering a message"
        )
        try:
            await _although_cancelled(delivering, call, cut_short)
        except HookFailed as error:
            logger.error("a message was not delivered: deliver= %s", error)  # noqa: TRY400
            told = _listens(call) and await dictation.say(self.not_delivered)
            return TransferResult(outcome=Outcome.FAILED, detail=f"deliver= {error}", told=told)
        told = False
        with contextlib.suppress(asyncio.CancelledError):  # it has been delivered, whatever comes before they hear so
            told = _listens(call) and await dictation.say(self.thanks)
        return TransferResult(outcome=Outcome.MESSAGE_TAKEN, detail="a message was delivered", told=told)


def _listens(call: Call) -> bool:
    return call.caller is Presence.HERE and call.ending is None


@attrs.frozen
class _CutShort:
    """Somebody has ended the transfer: the message is still delivered, but not for longer than whoever ended it waits."""

    until: float | None

    @classmethod
    def now(cls, call: Call) -> "_CutShort":
        if call.ending is None:
            return cls(None)  # a plan, that waits for it
        left = ENDED_TIMEOUT_ALONE if call.caller is Presence.GONE else ENDED_TIMEOUT
        return cls(asyncio.get_running_loop().time() + left)


async def _although_cancelled(delivering: "asyncio.Task[Any]", call: Call, cut_short: _CutShort | None) -> None:
    """Waits for the delivery.

    The first cancellation does not end it, unless it is the caller who takes the message back; a second one does.

    Raises:
        HookFailed: it failed.
    """
    while True:
        try:
            async with asyncio.timeout_at(cut_short.until if cut_short is not None else None):
                await asyncio.shield(delivering)
        except TimeoutError:
            await give_up(delivering)
            raise HookFailed("did not return before the call was over") from None
        except asyncio.CancelledError:
            if cut_short is not None or call.ending is Outcome.CALLER_RETURNED:
                await give_up(delivering)
                raise
            cut_short = _CutShort.now(call)
        else:
            return
