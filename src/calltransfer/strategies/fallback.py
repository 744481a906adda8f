"""One strategy after another, until somebody has the caller."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

import attrs
from typing_extensions import override

from calltransfer.allowed import Allowed
from calltransfer.attempt import attempt
from calltransfer.call import FORWARD_TIMEOUT, Call, Consultation, Dictation, TransferRequest, TransferStrategy
from calltransfer.call_wrapper import CallWrapper
from calltransfer.destination import Destination
from calltransfer.errors import ConfigurationError
from calltransfer.events import TransferResult
from calltransfer.hold import Hold
from calltransfer.masking import shown
from calltransfer.outcome import Outcome
from calltransfer.said import Said
from calltransfer.strategies.combining import checked_strategy, numbered
from calltransfer.strategies.target import people_seconds
from calltransfer.timeline import described

logger = logging.getLogger("calltransfer")

PLAN_TIMEOUT = 180.0
"""Seconds for a whole plan: three people whose phones ring for 25 s and who take half a minute to decide."""

_GOES_ON = frozenset(
    {
        Outcome.DECLINED,
        Outcome.UNDECIDED,
        Outcome.NO_ANSWER,
        Outcome.BUSY,
        Outcome.VOICEMAIL,
        Outcome.TARGET_LEFT,
        Outcome.REFUSED,
        Outcome.FAILED,
    }
)
"""Ends after which somebody else may still have the caller; after every other one nobody is needed any more."""

_NOBODY = TransferResult(outcome=Outcome.NO_ANSWER)


def _outcomes(value: Any) -> Any:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ConfigurationError(f"stop_on= takes outcomes, such as {{Outcome.DECLINED}}, not {shown(value)}")
    known = ", ".join(sorted(outcome.value for outcome in _GOES_ON))
    found = set()
    for outcome in value:
        if not isinstance(outcome, str) or outcome not in _GOES_ON:
            raise ConfigurationError(
                f"stop_on=: {shown(outcome)} is no end after which a plan goes on; those are {known}"
            )
        found.add(Outcome(outcome))
    return frozenset(found)


def _sentences(value: Any) -> Any:
    sentences = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(sentence, str) and sentence.strip() for sentence in sentences):
        raise ConfigurationError("between= takes sentences, none of them empty; () to say nothing")
    return sentences


@attrs.frozen(init=False)
class Fallback:
    """Tries strategies in order until somebody has the caller.

        Fallback(WarmTransfer(to=SUPERVISOR), DirectTransfer(to=QUEUE), TakeMessage(deliver))

    The next one is tried when nobody answered, the line was busy, a machine answered, or the target declined, did not
    decide or hung up; when there was nowhere to transfer to now; and when it failed or raised. A caller who has hung up, is
    back with the agent, or has left a message ends the plan, and so does `CANCELLED`.

    A caller whom one of them has put on hold stays on hold until the plan ends. When a further attempt begins to dial
    or to forward they hear one sentence; beside the dialling, but before a call is forwarded. Each attempt is in the
    result (`attempts`), and the plan ends as the last one did. A phone that has been called before is called again once the
    last call to it has ended: it would be busy.

    A direct transfer that is given up after its own timeout may still reach its target, who then gets the caller: put
    it last, or give it the time that the carrier takes.

    Attributes:
        strategies: What is tried, in order; any strategies, plans among them.
        stop_on: Ends after which the plan stops although it would go on, such as `["declined"]`; in Python also
            `{Outcome.DECLINED}`.
        between: What the caller hears when a further attempt begins, in turn, the last one again and again; (): nothing.
            The same sentence is not said again within 15 s, whichever plan or hold has said it.
        timeout: Seconds for the whole plan; at most 240. What is under way then is given up, and nothing further is
            tried; a call that is being forwarded or connected, and a message that is being left, come to their own end.

    Raises:
        ConfigurationError: a value is wrong, at construction.
    """

    strategies: tuple[TransferStrategy, ...]
    stop_on: frozenset[Outcome] = attrs.field(converter=_outcomes)
    between: tuple[str, ...] = attrs.field(converter=_sentences)
    timeout: float = attrs.field(validator=people_seconds)

    def __init__(
        self,
        *strategies: TransferStrategy,
        stop_on: Iterable[Outcome | str] = frozenset(),
        between: str | Iterable[str] = (
            "I have not reached anybody yet. I am trying somebody else; please stay on the line.",
            "I am still trying to reach somebody. Thank you for your patience.",
        ),
        timeout: float = PLAN_TIMEOUT,
    ) -> None:
        if not strategies:
            raise ConfigurationError(
                "Fallback takes the strategies it is to try, such as Fallback(WarmTransfer(...), ...)"
            )
        if isinstance(strategies[0], list | tuple):
            raise ConfigurationError(
                f"Fallback takes its strategies one by one, not in a {type(strategies[0]).__name__}: "
                "Fallback(first, second), or Fallback(*strategies)"
            )
        checked = tuple(checked_strategy(strategy, "Fallback") for strategy in strategies)
        self.__attrs_init__(checked, stop_on, between, timeout)

    @property
    def parts(self) -> Mapping[str, TransferStrategy]:
        """The strategies, in order."""
        return numbered(self.strategies)

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        """Tries one strategy after another; see the class."""
        tried: list[TransferResult] = []
        last: TransferResult | None = None
        under_way = False
        deadline = asyncio.timeout(self.timeout)
        try:
            async with deadline, _CallOfPlan.of(call, self.between, deadline) as seen:
                for strategy in self.strategies:
                    under_way = True
                    last = await attempt(strategy, seen, request)
                    under_way = False
                    seen.has_tried = seen.is_trying
                    tried += last.attempts or (last,)
                    if not last.attempts:
                        call.attempted(last)
                    # A strategy may have gone on after it was cancelled: the plan does not.
                    if last.outcome not in _GOES_ON - self.stop_on or call.ending is not None or seen.time_is_over:
                        break
                else:
                    await seen.sentence_is_over()
        except TimeoutError:
            if not deadline.expired():
                raise
        if last is None or under_way:
            detail = f"nobody had been reached after {self.timeout:g} s, when the plan's time was over"
            last = attrs.evolve(last or _NOBODY, detail=detail, target_untouched=False, told=False)
        return attrs.evolve(last, attempts=tuple(tried))


class _CallOfPlan(CallWrapper):
    """The call as the strategies of one plan see it: who is on hold stays there from one to the next.

    Attributes:
        is_trying: Whether anybody has been dialled, or the call been forwarded.
        has_tried: Whether that has been in vain once.
    """

    def __init__(
        self,
        call: Call,
        between: tuple[str, ...],
        deadline: asyncio.Timeout,
        stack: AsyncExitStack,
        group: asyncio.TaskGroup,
    ) -> None:
        super().__init__(call)
        self.is_trying = False
        self.has_tried = False
        self._between = between
        self._deadline = deadline
        self._stack = stack
        self._group = group
        self._held = False
        self._said = Said.on(call)
        self._times_said = 0
        self._saying: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def of(cls, call: Call, between: tuple[str, ...], deadline: asyncio.Timeout) -> AsyncIterator["_CallOfPlan"]:
        """The call for as long as the plan goes on."""
        async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
            seen = cls(call, between, deadline, stack, group)
            try:
                yield seen
            finally:
                if seen._saying is not None:
                    seen._saying.cancel()

    @override
    @asynccontextmanager
    async def on_hold(self, hold: Hold) -> AsyncIterator[None]:
        if not self._held:
            self._held = True
            try:
                await self._stack.enter_async_context(super().on_hold(hold))
            except BaseException:
                self._held = False
                raise
        yield

    @override
    async def forward(
        self, destination: Destination, *, timeout: float = FORWARD_TIMEOUT, play_dialtone: bool = False
    ) -> TransferResult:
        with ExitStack() as stack:

            async def allowed() -> None:
                self._say_that_another_is_tried()
                await self.sentence_is_over()
                stack.enter_context(self._not_ended_by_the_deadline())

            stack.enter_context(Allowed.on(self).after(allowed))
            return await super().forward(destination, timeout=timeout, play_dialtone=play_dialtone)

    @override
    @asynccontextmanager
    async def consult(
        self, destination: Destination, request: TransferRequest, **how: Any
    ) -> AsyncIterator[Consultation]:
        async with super().consult(destination, request, **how) as consultation:
            self._say_that_another_is_tried()
            yield consultation

    @override
    @asynccontextmanager
    async def dictation(self, *, done_key: str | None = None) -> AsyncIterator[Dictation]:
        with self._not_ended_by_the_deadline():
            async with super().dictation(done_key=done_key) as dictation:
                yield dictation

    @override
    @asynccontextmanager
    async def being_moved(self) -> AsyncIterator[None]:
        async def allowed() -> None:
            self._say_that_another_is_tried()

        async with AsyncExitStack() as stack:
            with Allowed.on(self).after(allowed):
                await stack.enter_async_context(super().being_moved())
            yield

    @property
    def time_is_over(self) -> bool:
        """Whether the plan has no time for another attempt."""
        until = self._deadline.when()
        return self._deadline.expired() or (until is not None and until <= asyncio.get_running_loop().time())

    async def sentence_is_over(self) -> None:
        """Waits until the caller has heard that somebody else is tried, where they are being told."""
        if self._saying is not None:
            await asyncio.wait([self._saying])

    def _say_that_another_is_tried(self) -> None:
        """Says it once for each further attempt, unless they are being told, or have just been, by whatever plan."""
        self.is_trying = True
        saying = self._saying is not None and not self._saying.done()
        if self.has_tried and self._between and not saying:
            sentence = self._between[min(self._times_said, len(self._between) - 1)]
            if not self._said.too_soon(sentence):
                self._said.note(sentence)
                self._times_said += 1
                self._saying = self._group.create_task(self._say(sentence), name="another is tried")
        self.has_tried = False

    async def _say(self, sentence: str) -> None:
        try:
            await self.wrapped.say(sentence)
        except Exception as error:
            # A voice that fails must not keep the next one from being called.
            logger.error("the caller was not told that somebody else is tried: %s", described(error))  # noqa: TRY400

    @contextmanager
    def _not_ended_by_the_deadline(self) -> Iterator[None]:
        """What cannot be called back is followed to its end."""
        if self._deadline.expired():
            yield
            return
        until = self._deadline.when()
        self._deadline.reschedule(None)
        try:
            yield
        finally:
            self._deadline.reschedule(until)
