"""The phone world on this machine."""

import asyncio
import contextvars
import functools
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, ClassVar, Literal, NoReturn, Self

from videosdk.agents import AgentSession, global_event_emitter

from calltransfer.errors import ConfigurationError
from calltransfer.masking import masked_address
from calltransfer.sandbox import _patches, stuck
from calltransfer.sandbox.account import Account
from calltransfer.sandbox.caller import Caller, Reports
from calltransfer.sandbox.cloud import Cloud
from calltransfer.sandbox.models import Ears, Script, Steps, rebuilt_models_follow
from calltransfer.sandbox.network import Network
from calltransfer.sandbox.people import Act, Person, address_of
from calltransfer.sandbox.phone import Target, WebUser
from calltransfer.sandbox.pipelines import make_pipeline
from calltransfer.sandbox.rest import Fault, Request
from calltransfer.sandbox.room_client import SandboxRoomClient
from calltransfer.sandbox.switchboard import Switchboard, web_peer
from calltransfer.sandbox.unknowns import Trouble, Unknowns
from calltransfer.transfers import Transfers
from calltransfer.videosdk.setup import STAND_IN

START_TIMEOUT = 30.0
"""Seconds for an agent to join its room and greet the caller."""


class Sandbox:
    """Stands in for the whole phone world, so that an agent on the real SDK can be called and can transfer.

        async with Sandbox() as sandbox:
            sandbox.person("+14155550199", answers_after=4.0)
            caller = await sandbox.call(SupportAgent, model=[...])
            await caller.say("I want to talk to a human")
            assert await caller.talking_to() == "+14155550199"

    On a `FastForwardLoop`, time passes at once. One at a time in a process: it takes the place of names in the SDK.

    Attributes:
        trouble: What goes wrong in the rooms; see `Trouble`.
        faults: Every fault that was asked for, those that are over included.
        frames_played_at: When each frame of an agent's audio was played, in seconds; on the wall clock only.

    Args:
        latency: Seconds that the platform takes to answer a request.
        unknowns: What the platform's documentation leaves open.
        now: What strategies take for the time when the sandbox is entered, with its time zone; from then on it passes as
            the loop's does. By default it is this machine's.

    Raises:
        ConfigurationError: `now` has no time zone.
    """

    _active: ClassVar["Sandbox | None"] = None

    def __init__(self, *, latency: float = 0.0, unknowns: Unknowns | None = None, now: datetime | None = None) -> None:
        if now is not None and (not isinstance(now, datetime) or now.utcoffset() is None):
            raise ConfigurationError(
                "now= is a moment with its time zone, such as datetime(2026, 12, 24, 3, tzinfo=UTC)"
            )
        # In UTC: with a time zone of its own, seconds would be added to the clock on the wall.
        self._now = now if now is None else now.astimezone(UTC)
        self._latency = latency
        self._unknowns = unknowns or Unknowns()
        self._running: tuple[Cloud, Switchboard] | None = None
        self._hosts: dict[Caller, tuple[asyncio.Task[None], contextvars.Context]] = {}
        self.trouble = Trouble()
        self.faults: list[Fault] = []
        self.frames_played_at: list[float] = []

    async def __aenter__(self) -> Self:
        if Sandbox._active is not None:
            raise RuntimeError("another Sandbox is open in this process, and there can be one at a time")
        if self._running is not None:
            raise RuntimeError("a Sandbox is used once; make a new one")
        cloud = Cloud(self._unknowns, self.trouble)
        self._running = cloud, Switchboard(cloud, self.frames_played_at)
        cloud.network.dialled = self._switchboard.dialled
        cloud.network.nobody_at = self._switchboard.nobody_at
        cloud.server.latency = self._latency
        await cloud.start()
        self._replaced = _patches.replaced(
            functools.partial(SandboxRoomClient, self._switchboard),
            cloud.base_url,
            blocking=cloud.blocking,
            now=self._now,
        )
        self._replaced.__enter__()
        Sandbox._active = self
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            for caller, (host, context) in self._hosts.items():
                if not host.done():
                    await asyncio.create_task(caller.job.shutdown(), context=context)
            await asyncio.gather(*(host for host, _ in self._hosts.values()), return_exceptions=True)
            await self._switchboard.close()
        finally:
            self._replaced.__exit__(kind, error, traceback)
            Sandbox._active = None
            await self._cloud.stop()

    @property
    def _cloud(self) -> Cloud:
        return self._open()[0]

    @property
    def _switchboard(self) -> Switchboard:
        return self._open()[1]

    def _open(self) -> tuple[Cloud, Switchboard]:
        if self._running is None:
            raise RuntimeError("the Sandbox is not open; use it as `async with Sandbox() as sandbox:`")
        return self._running

    @property
    def base_url(self) -> str:
        """Where the platform's REST API is served."""
        return self._cloud.base_url

    @property
    def fast_forward(self) -> bool:
        """Whether time passes at once."""
        return self._cloud.fast_forward

    @property
    def account(self) -> Account:
        """What is set up at the platform: nothing, until a test says otherwise. Dialling does not ask for it."""
        return self._cloud.server.account

    @property
    def requests(self) -> list[Request]:
        """Every request the platform has received, in order."""
        return self._cloud.server.requests

    @property
    def open_connections(self) -> int:
        """How many connections to the platform are open."""
        return self._cloud.server.open_connections

    @property
    def targets(self) -> list[Target]:
        """Everybody the platform has dialled, in order."""
        return [phone for phone in self._switchboard.phones if isinstance(phone, Target)]

    @property
    def callers(self) -> list[Caller]:
        """Everybody who has been connected with an agent, in order."""
        return [phone for phone in self._switchboard.phones if isinstance(phone, Caller)]

    @property
    def recordings(self) -> list[tuple[str, str, str]]:
        """Every recording that was started, stopped or merged: what, the room's id, the participant's id."""
        return self._cloud.network.recordings

    def person(
        self,
        number: str,
        *,
        name: str = "Support",
        answers_after: float | None = 2.0,
        refuses_after: float | None = None,
        hangs_up_after: float | None = None,
        early_media: bool = False,
        lines: int | None = 1,
        says: str | Sequence[str | Act] = (),
    ) -> Person:
        """Puts somebody at a number; see `Person`. A number with nobody at it is refused by the carrier.

        Args:
            number: Their number in international form, or their SIP URI.
            name: What they are called in a room.
            answers_after: Seconds of ringing until they pick up; None: never.
            refuses_after: Seconds until they, or their carrier, refuse the call; None: they do not.
            hangs_up_after: Seconds after picking up until they hang up; None: they stay.
            early_media: Whether there is audio on their line while it still rings.
            lines: How many calls their phone takes at once: it is busy to any more. None: any number.
            says: What they do, step by step, once they have answered: text, `Says`, `Presses`, `HangsUp`.

        Raises:
            DestinationError: `number` is none that a call could be forwarded to.
        """
        person = Person(
            number=address_of(number),
            name=name,
            answers_after=answers_after,
            refuses_after=refuses_after,
            hangs_up_after=hangs_up_after,
            early_media=early_media,
            lines=lines,
            says=says,
        )
        self._cloud.network.people[person.number] = person
        return person

    async def target(self, number: str, *, timeout: float = 60.0) -> Target:
        """Whom the platform has dialled at `number`, waiting for it at most `timeout` seconds; of several, the newest.

        Raises:
            AssertionError: nobody is being dialled there, or on the line; the message says who was dialled instead.
        """
        address = address_of(number)

        def live() -> list[Target]:
            return [target for target in self.targets if target.number == address and not target.leg.over]

        await self._switchboard.until(lambda: bool(live()), timeout)
        if not live():
            dialled = ", ".join(f"{masked_address(each.number)} ({each.leg.status})" for each in self.targets)
            reasons = "".join(dict.fromkeys(caller.reasons for caller in self.callers))
            raise AssertionError(
                f"nobody is on the line at {masked_address(address)}: "
                + (f"dialled so far: {dialled}" if dialled else "nobody was dialled")
                + reasons
            )
        return live()[-1]

    def fault(self, method: str, path: str, **how: Any) -> Fault:
        """Has requests fail; see `Fault`. The first fault that fits is applied.

        Args:
            method: The requests it applies to: the method, "*" for all.
            path: The end of their path, such as "/transfer"; "" for all.
            **how: What happens to them, and how often: the other attributes of `Fault`.
        """
        fault = Fault(method.upper(), path, **how)
        self._cloud.server.faults.append(fault)
        self.faults.append(fault)
        return fault

    def no_more_faults(self) -> None:
        """Lets every request through again."""
        self._cloud.server.faults.clear()

    async def call(
        self,
        agent: Callable[[], Any],
        *,
        model: Steps | Script = (),
        consultation_model: Steps | Script | None = (),
        kind: str = "cascade",
        number: str = "+14155550111",
        direction: Literal["inbound", "outbound"] = "inbound",
        phone: bool = True,
        name: str = "Caller",
        metadata: Mapping[str, Any] | None = None,
        room_id: str | None = None,
        earlier_legs: int = 0,
        with_session_id: bool = True,
        ears: Ears | None = None,
        voice_reads_to_end: bool = False,
        room_options: dict[str, Any] | None = None,
        session_options: dict[str, Any] | None = None,
    ) -> Caller:
        """Connects a caller with an agent, and returns when the agent has started.

        Args:
            agent: The agent's class, or a function that makes one.
            model: What its model does, a `Step` each time that it is asked; see `Script`.
            consultation_model: The same of the model of a consultation. What an author's `pipeline=` would make is not
                made: it would reach real providers. None: it is.
            kind: The kind of pipeline; one of `PIPELINE_KINDS`.
            number: The caller's number.
            direction: "inbound", or "outbound" for somebody the agent has called.
            phone: Whether the caller is on a phone, rather than in the browser.
            name: The caller's display name.
            metadata: What is given along with the call; `Unknowns.metadata_is_in` says where it is found.
            room_id: The room, where it is not a new one.
            earlier_legs: How many calls of the same session, over by now, the platform lists.
            with_session_id: Whether the platform says which session the caller's leg belongs to.
            ears: How the caller is recognised.
            voice_reads_to_end: Whether the agent's voice wants a whole text before it speaks.
            room_options: Options for the SDK's `RoomOptions`.
            session_options: Options for the SDK's `AgentSession`; a value that is callable is called inside the job.

        Raises:
            ConfigurationError: `direction` is neither of the two.
            TimeoutError: the agent did not start; the message says where it waits.
            TypeError: `agent` is an agent rather than a function that makes one: the SDK wants it made inside the job;
                or something in `model` is no step.
        """
        if direction not in {"inbound", "outbound"}:
            raise ConfigurationError(f"direction= is 'inbound' or 'outbound', not {direction!r}")
        if not callable(agent):
            raise TypeError(f"agent must be a class or a function that makes an agent, not {type(agent).__name__}")
        script, consultation_script = (
            steps if isinstance(steps, Script) else Script(steps) for steps in (model, consultation_model or ())
        )
        rebuilt_models_follow(consultation_script)
        STAND_IN.set(
            None if consultation_model is None else functools.partial(make_pipeline, kind, consultation_script)
        )
        room = await self._cloud.run(lambda network: network.open_room(room_id))
        reports = Reports(self._switchboard.now)
        caller = Caller(
            self._switchboard,
            number,
            room.id,
            script=script,
            consultation_script=consultation_script,
            reports=reports,
        )
        context = caller.context = contextvars.copy_context()
        host = asyncio.create_task(
            self._host(
                caller,
                reports,
                agent,
                functools.partial(make_pipeline, kind, script, ears=ears, voice_reads_to_end=voice_reads_to_end),
                room_options or {},
                session_options or {},
            ),
            name=f"agent in {room.id}",
            context=context,
        )
        self._hosts[caller] = (host, context)
        await self._or_failed(caller, host, lambda: bool(self._switchboard.clients_in(room.id)))
        self._switchboard.phones.append(caller)

        def connect(network: Network) -> None:
            for _ in range(earlier_legs):
                network.add_earlier_leg(room.id)
            if phone:
                caller.leg = network.connect_call(
                    number=number,
                    direction=direction,
                    room_id=room.id,
                    name=name,
                    metadata=metadata or {},
                    with_session_id=with_session_id,
                    moved=functools.partial(self._switchboard.moved, caller),
                )
            else:
                network.enter(room.id, web_peer(caller.peer_id, name))

        await self._cloud.run(connect)
        await self._or_failed(caller, host, caller.started.is_set)
        return caller

    async def web_user(self, beside: Caller, *, name: str = "Web user") -> WebUser:
        """Has somebody in the browser join the room in which a caller and the agent are.

        Args:
            beside: The caller.
            name: The display name, by which they are known as others are by their number.
        """
        return await self._switchboard.join_on_the_web(beside.room_id, name)

    async def forget(self, *, over_for: float = 60.0) -> None:
        """Keeps nothing more of calls and legs that have been over for so many seconds, nor of any request so far.

        For those who make many calls in one sandbox: it remembers everything otherwise, for tests to look at.

        Args:
            over_for: Seconds that they have to be over.
        """
        self._hosts = {caller: known for caller, known in self._hosts.items() if not known[0].done()}
        await self._cloud.run(lambda network: network.forget(network.now() - over_for))
        self._switchboard.forget()
        self._cloud.server.forget()

    async def _or_failed(self, caller: Caller, host: "asyncio.Task[None]", condition: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT):
                while not condition():
                    changed = asyncio.ensure_future(self._switchboard.changed.wait())
                    try:
                        await asyncio.wait([host, changed], return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        changed.cancel()
                    if host.done():
                        self._raise_why(host)
        except TimeoutError as late:
            if host.done():
                raise
            why = f"the agent did not start within {START_TIMEOUT:g} s"
            error = stuck.not_started(caller.session, why, fast_forward=self.fast_forward)
            await stuck.made_to_end(caller.session, host)
            raise error from late

    def _raise_why(self, host: "asyncio.Task[None]") -> NoReturn:
        error = host.exception()
        if isinstance(error, TimeoutError):
            raise stuck.timed_out(error, fast_forward=self.fast_forward) from error
        raise error or RuntimeError("the agent's session ended before the call had begun")

    async def _host(
        self,
        caller: Caller,
        reports: Reports,
        make_agent: Callable[[], Any],
        pipeline: Callable[[], Any],
        room_options: dict[str, Any],
        session_options: dict[str, Any],
    ) -> None:
        with _patches.job(caller.room_id, self.base_url, room_options) as job:
            caller.job = job

            def started(_data: Any) -> None:
                caller.started.set()
                self._switchboard.change()

            global_event_emitter.on("AGENT_STARTED", started)
            caller.agent = make_agent()
            options = {name: value() if callable(value) else value for name, value in session_options.items()}
            caller.session = AgentSession(agent=caller.agent, pipeline=pipeline(), **options)
            Transfers.of(caller.session).listeners.append(reports.add)
            try:
                await job.run_until_shutdown(session=caller.session, wait_for_participant=True)
            finally:
                for script in (caller.script, caller.consultation_script):
                    if script.realtime is not None:  # the SDK does not close one that it uses as an LLM only
                        await script.realtime.aclose()
                caller.over.set()
                self._switchboard.change()
