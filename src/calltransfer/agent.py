"""What an agent's author touches: `TransferMixin`."""

import asyncio
import difflib
import functools
import inspect
import logging
import warnings
from collections.abc import Collection, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Final, Protocol, TypedDict

import attrs
from typing_extensions import Unpack
from videosdk.agents import Agent, function_tool, get_tool_info, is_function_tool

from calltransfer.call import TransferStrategy
from calltransfer.errors import CallOver, ConfigurationError, ConfigurationWarning, NoLiveCall
from calltransfer.events import TransferEvent, TransferResult
from calltransfer.hook import called
from calltransfer.masking import masked_text, shown
from calltransfer.outcome import Outcome
from calltransfer.platform import Platform, PlatformCall
from calltransfer.policy import Policy
from calltransfer.route import WITHDRAW, Route
from calltransfer.routes import Routes
from calltransfer.strategies.checks import CheckedByPlatform
from calltransfer.strategies.combining import destinations_of, leaves, problems_of, rung_at_once
from calltransfer.timeline import described
from calltransfer.transfer import Transfer
from calltransfer.transfers import Transfers
from calltransfer.videosdk import _sdk
from calltransfer.videosdk.platform import VideoSDKPlatform
from calltransfer.wording import ToolAnswer, Wording

logger = logging.getLogger("calltransfer")

TOOL: Final = "transfer_call"

_LONGEST_REASON = 500


class AgentArguments(TypedDict, total=False):
    """What the SDK's `Agent` takes besides its instructions."""

    tools: list[Any]
    agent_id: str
    mcp_servers: list[Any]
    inherit_context: bool
    knowledge_base: Any
    use_base_instructions: bool


class TransferTool(Protocol):
    """The tool as the model calls it."""

    async def __call__(self, destination: str = "", reason: str = "") -> dict[str, Any]:
        """Starts, or with destination "none" withdraws, a transfer, and says at once what to tell the caller."""


if TYPE_CHECKING:
    from videosdk.agents import AgentSession

    class _Agent(Agent):
        session: AgentSession | Any  # None to the SDK; where an author's code runs, there is one

        def __init__(self, instructions: str, **arguments: Any) -> None: ...

else:
    _Agent = object


class TransferMixin(_Agent):
    """Lets an agent pass its caller on. In the list of bases it comes before `Agent`.

        class SupportAgent(TransferMixin, Agent):
            def __init__(self) -> None:
                super().__init__(
                    instructions="You are the customer-care agent of ConnectTel.",
                    transfers=[
                        Route("billing", DirectTransfer(to="+14155550123"), when="the caller asks about an invoice"),
                    ],
                )

    Adds one tool, `transfer_call`, and a section to the instructions. Authors override `on_enter` and `on_exit` without
    calling `super()`.

    Args:
        instructions: What the agent is told to be; a section on transferring is added.
        transfers: The routes, such as those of `Routes.from_toml()`, or one bare strategy, which becomes the route "human".
        platform: Where the call is; by default a `VideoSDKPlatform` that takes all it needs from the environment and
            the agent's own session.
        wording: The words for the model and the caller, where they should be others.
        policy: What may be called, and how often; by default that of `transfers`, where it is a `Routes` that has one,
            and otherwise `Policy()`: ten attempts on a call, four within a minute, 40 phones. It takes the place of that of
            `transfers`.
        **arguments: What else `Agent` takes: `tools`, `agent_id`, ...

    Raises:
        ConfigurationError: `transfers` is empty, names a route twice, or holds something that is no strategy; a tool
            or method of the author's has the name `transfer_call`; `platform`, `wording` or `policy` is something
            else; a route's destination is not allowed by `policy`.
        TypeError: an argument that neither this nor `Agent` knows.
    """

    transfer_call: TransferTool
    """The tool that the model calls; each agent has its own."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        order = cls.__mro__
        if Agent in order and order.index(Agent) < order.index(TransferMixin):
            raise ConfigurationError(
                f"{cls.__name__}: TransferMixin must come before Agent, as in "
                f"'class {cls.__name__}(TransferMixin, Agent)'"
            )
        _refuse_finished_agent(cls)
        _refuse_other_transfer(cls)
        for hook, told in ((cls.on_transfer_event, "event"), (cls.on_transfer_finished, "result")):
            bound = isinstance(inspect.getattr_static(cls, hook.__name__, None), staticmethod | classmethod)
            if not _takes(hook, None) if bound else not _takes(hook, None, None):
                raise ConfigurationError(
                    f"{cls.__name__}.{hook.__name__} is called with one argument: 'def {hook.__name__}(self, {told})'. "
                    "Give a method of yours that is something else another name"
                )
        for hook in (cls.on_transfer_event, cls.on_transfer_finished):
            if inspect.iscoroutinefunction(hook):
                raise ConfigurationError(
                    f"{cls.__name__}.{hook.__name__} must be a plain 'def': it is called in the middle of a transfer. "
                    "Start a task of your own for what takes time"
                )

    def __init__(
        self,
        instructions: str,
        *,
        transfers: Sequence[Route] | TransferStrategy,
        platform: Platform | None = None,
        wording: Wording | None = None,
        policy: Policy | None = None,
        **arguments: Unpack[AgentArguments],
    ) -> None:
        if not isinstance(self, Agent):
            raise ConfigurationError(f"{type(self).__name__} must derive from Agent too: (TransferMixin, Agent)")
        if platform is not None and not isinstance(platform, Platform):
            raise ConfigurationError(f"platform= takes a Platform such as VideoSDKPlatform(), not {shown(platform)}")
        if wording is not None and not isinstance(wording, Wording):
            raise ConfigurationError(f"wording= takes a Wording, not {type(wording).__name__}")
        if policy is not None and not isinstance(policy, Policy):
            raise ConfigurationError(f"policy= takes a Policy, not {type(policy).__name__}")
        _refuse_misspelt(type(self), arguments)
        _refuse_other_tool_of_our_name(self, arguments.get("tools") or [])
        self.__routes = _checked_routes(transfers)
        self.__platform = VideoSDKPlatform() if platform is None else platform
        self.__wording = Wording() if wording is None else wording
        self.__policy = policy or (transfers.policy if isinstance(transfers, Routes) else None) or Policy()
        _hold_to_policy(self.__routes, self.__policy)
        _warn_of_problems(self.__routes, self.__platform)
        routes = "\n".join(f"- {route.name}: {route.when}" for route in self.__routes.values())
        # Before Agent's own construction, which collects every tool it finds on the instance, then and at each
        # update_tools(): so the tool is there once, and stays.
        self.transfer_call = self._tool(self.__wording.tool.format(routes=routes))
        self.__section = self.__wording.instructions.format(routes=routes)
        self.__left_out_tools = False
        # The SDK adds what it collects to the list it is given; the author's stays as it is.
        if arguments.get("tools"):
            arguments["tools"] = [*arguments["tools"]]
        super().__init__(instructions=instructions, **arguments)
        self.on_enter: Any = self._following_the_call(self.on_enter)
        """The author's own, before which the call is found."""

    if not TYPE_CHECKING:  # to a type checker every name would be there

        def __getattr__(self, name: str) -> Any:
            """Says what is missing where the construction of this class has been left out."""
            kind = type(self).__name__
            if name.startswith("_TransferMixin__"):
                raise ConfigurationError(
                    f"{kind} has not been constructed: its __init__ must call super().__init__(instructions=..., "
                    "transfers=...), and not Agent.__init__()"
                )
            raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)

    async def transfer(self, name: str, *, reason: str = "", tell_model: bool = True) -> TransferResult:
        """Transfers the caller from code, exactly as the tool does, and returns how it ended.

        The transfer belongs to the call: cancelling this wait does not end it. If it does not connect, the agent tells
        the caller, as after the tool. When there is nothing to transfer, or a transfer is already under way, the
        outcome is `REFUSED`.

        A function tool should not wait for this: until it returns, the agent cannot say a word. Give the model a route
        instead. Where one waits all the same, the log says so, and the tool's own answer is what tells the model how the
        transfer ended, as with `tell_model=False`.

        Args:
            name: The route.
            reason: Why, for the strategy.
            tell_model: Whether the agent is to say that it did not connect; False leaves that to you. A caller who comes
                back after the outcome was `CONNECTED` is told by the agent either way: you have had your answer by then.

        Raises:
            ConfigurationError: there is no route `name`.
        """
        route = self.__routes.get(name)
        if route is None:
            raise ConfigurationError(
                f"there is no route {masked_text(str(name))!r}; there are: {', '.join(self.__routes)}"
            )
        transfers = Transfers.of(self.session) if self.session is not None else None
        if transfers is None or transfers.closed:
            why = "the agent is in no call" if transfers is None else "the call is over"
            return TransferResult(outcome=Outcome.REFUSED, route=name, detail=why)
        limit = transfers.used_up(self.__policy)
        if limit is not None:
            return TransferResult(outcome=Outcome.REFUSED, route=name, detail=f"the policy allows {limit}")
        tool = _tool_that_waits(self.tools)
        try:
            started = self._start(route, reason, after_tool=False, tell_model=tell_model and tool is None)
        except CallOver as error:
            return TransferResult(outcome=Outcome.CALLER_LEFT, route=name, detail=str(error))
        except NoLiveCall as error:
            return TransferResult(outcome=Outcome.REFUSED, route=name, detail=str(error))
        if started is None:
            return TransferResult(outcome=Outcome.REFUSED, route=name, detail="a transfer is already under way")
        if tool is not None:
            transfers.noticed(
                f"tool {tool}",
                f"the function tool {tool!r} waits for transfer({name!r}): the caller hears no word of the agent until it "
                f"returns. Remove it, and let the model call {TOOL} with destination {name!r}; or have the tool start "
                "the transfer as a task of its own, and return at once",
            )
            started.turn.waited_for_by_tool()
        try:
            return await asyncio.shield(started.result)
        except asyncio.CancelledError:
            if tool is not None:  # which was to tell the model; the SDK ends a tool when the caller breaks in
                started.tell_model = True
            raise

    @property
    def instructions(self) -> str:
        """What the agent is told to be, with the section on transferring, also where an author replaces it later."""
        composed: str = super().instructions
        return composed

    @instructions.setter
    def instructions(self, value: str) -> None:
        whole = value if self.__section in value else f"{value}\n\n{self.__section}"
        super(TransferMixin, type(self)).instructions.__set__(self, whole)

    @property
    def chat_context(self) -> Any:
        """The conversation as the model is given it. Whoever adds a system message, it does not hide the section."""
        context = self.__context
        session = vars(self).get("session")  # Agent's own construction reads this before it has one
        # After a hand-over the conversation is the next agent's, whose section is another one.
        if context is not None and (session is None or session.agent is self):
            _sdk.keep_in_system(context, self.__section)
        return context

    @chat_context.setter
    def chat_context(self, value: Any) -> None:
        self.__context = value

    def update_tools(self, tools: list[Any]) -> None:
        """Replaces the agent's tools; the transfer tool stays, and another one of its name is left out."""
        super().update_tools([tool for tool in tools if get_tool_info(tool).name != TOOL])
        if any(self._takes_our_place(tool) for tool in tools):
            self._warn_of_left_out("update_tools()")

    async def add_server(self, mcp_server: Any) -> None:
        """Adds the tools of an MCP server; one that has the name of the transfer tool is left out."""
        await super().add_server(mcp_server)
        if _sdk.leave_out_tools(self, self._takes_our_place):
            self._warn_of_left_out("an MCP server")

    def _takes_our_place(self, tool: Any) -> bool:
        return tool is not self.transfer_call and get_tool_info(tool).name == TOOL

    def _warn_of_left_out(self, source: str) -> None:
        if not self.__left_out_tools:
            self.__left_out_tools = True
            logger.warning(
                "%s: a tool named %r from %s is left out, as the model would be given two of that name; "
                "if the model is to have both, give it another name",
                type(self).__name__,
                TOOL,
                source,
            )

    def on_transfer_event(self, event: TransferEvent) -> None:
        """Called for everything that happens in a transfer. Override it; must return at once.

        `event.phase` is `FINISHED`, with `event.outcome`, when the outcome is known. What it raises is logged.

        Args:
            event: What has happened. Its `destination` is masked when it is printed.
        """

    def on_transfer_finished(self, result: TransferResult) -> None:
        """Called once for every transfer that this agent has started, when its result is final. Override it.

        Whoever asked for it, the model or your code, and however it ended: a caller who hung up and a session that
        closed are results too. What was refused without being started, such as a second transfer during another one, is
        none. Must return at once; what it raises is logged.

        The caller is only then told how it ended, by the agent. Do not have it speak here, nor in a task that you start
        here: of two that ask it to speak at once a realtime model may lose your words, and tell the caller twice how it
        ended where what it is sent breaks off its answer. Give the words as `Wording(sentences=)`, or speak once
        `on_transfer_event` has told you of `Phase.TOLD` or `Phase.NOT_TOLD`.

        Args:
            result: How it ended, with its `route`, `transfer_id`, `attempts` and `timeline`.
        """

    def _following_the_call(self, on_enter: Any) -> Any:
        """The author's `on_enter`, before which the call is found, so that its leg is known when it is needed."""

        @functools.wraps(on_enter)
        async def wrapped() -> None:
            try:
                self._warn_of_consultations(self._call())
            except Exception as error:
                # Said when a transfer is asked for; the caller is greeted all the same.
                logger.info("the call cannot be transferred: %s", described(error))
            await on_enter()

        return wrapped

    def _warn_of_consultations(self, call: PlatformCall) -> None:
        """What cannot be known before there is a pipeline, and would be noticed by the first target, if by anybody."""
        consulting = [
            route.name
            for route in self.__routes.values()
            if any(isinstance(leaf, CheckedByPlatform) for leaf in leaves(route.strategy))
        ]
        for problem in call.consultation_problems() if consulting else ():
            named = ", ".join(map(repr, consulting))
            try:
                warnings.warn(f"Route {named}: {problem}", ConfigurationWarning, stacklevel=2)
            except ConfigurationWarning as error:
                logger.warning("%s", error)  # an error where the agent is built, and here a caller waits for a greeting

    def _declared(self) -> "Declared":
        return Declared(Routes(tuple(self.__routes.values()), policy=self.__policy), self.__platform)

    def _call(self) -> PlatformCall:
        return Transfers.of(self.session).call(self.__platform, self.session)

    def _start(self, route: Route, reason: str, *, after_tool: bool, tell_model: bool = True) -> Transfer | None:
        return Transfers.of(self.session).start(
            self._call(),
            route=route.name,
            strategy=route.strategy,
            # Lone surrogates, which JSON can bring, break whatever sends them on.
            reason=reason[:_LONGEST_REASON].encode(errors="replace").decode(),
            wording=self.__wording,
            listener=self._notify,
            on_result=self._conclude,
            after_tool=after_tool,
            tell_model=tell_model,
            policy=self.__policy,
        )

    def _notify(self, event: TransferEvent) -> None:
        called(self.on_transfer_event, event)

    def _conclude(self, result: TransferResult) -> None:
        called(self.on_transfer_finished, result)

    def _tool(self, description: str) -> TransferTool:
        async def transfer_call(destination: str = "", reason: str = "", **_invented: object) -> dict[str, Any]:
            return self._answer(destination, reason)

        tool: TransferTool = function_tool(name=TOOL)(transfer_call)
        info = get_tool_info(tool)
        info.description = description
        # Raw, because what the SDK derives from a signature loses descriptions and defaults on pydantic 2.12 and makes
        # the tool vanish on Gemini where there is an Enum (facts 2.11); per instance, because it would leak otherwise.
        info.parameters_schema = {
            "type": "object",
            "properties": {
                "destination": {
                    "type": "string",
                    "enum": [*self.__routes, WITHDRAW],
                    "description": f'Where to transfer to; "{WITHDRAW}" withdraws a transfer under way.',
                },
                "reason": {
                    "type": "string",
                    "description": "What the caller needs, in one short sentence.",
                },
            },
            "required": ["destination", "reason"],
        }
        return tool

    def _answer(self, destination: object, reason: object) -> dict[str, Any]:
        """What the tool returns. Never raises: the SDK would leave the model without an answer."""
        try:
            answer = self._begin(destination, reason if isinstance(reason, str) else "")
            if answer.status != "closed":
                self._call().when_model_is_silent(TOOL, answer.spoken)
        except NoLiveCall as error:
            Transfers.of(self.session).refused("no phone call", str(error))
            answer = _Answer("error", self.__wording.not_a_phone_call)
        except Exception as error:
            # The last line of defence: a bug, or a strategy's problems() that raised.
            logger.error("transfer_call: %s", described(error))  # noqa: TRY400
            answer = _Answer("error", self.__wording.not_configured, fields={"problem": "an internal error"})
        return answer.result

    def _begin(self, destination: object, reason: str) -> "_Answer":
        wording = self.__wording
        transfers = Transfers.of(self.session) if self.session is not None else None
        if transfers is None or transfers.closed:
            return _Answer("closed", wording.closed)
        current = transfers.current
        if destination == WITHDRAW:
            if current is None:
                return _Answer("error", wording.nothing_to_withdraw)
            if transfers.withdraw(self._call()) is None:
                return _Answer("in_progress", wording.too_late, current.route)
            return _Answer("withdrawn", wording.withdrawn, current.route)
        route = self.__routes.get(destination) if isinstance(destination, str) else None
        if route is None:
            # Not as the model calls it: it may have made that of what the caller has said.
            names = ", ".join(self.__routes)
            transfers.refused("no route", f"the model named a route that there is not; there are: {names}")
            return _Answer("error", wording.unknown_destination, fields={"names": ", ".join(self.__routes)})
        problems = problems_of(route.strategy, self.__platform)
        if problems:
            fields = {"problem": "; ".join(problems)}
            transfers.refused("not set up", f"it is not set up: {fields['problem']}", route=route.name)
            return _Answer("error", wording.not_configured, route.name, fields)
        limit = transfers.used_up(self.__policy)
        if limit is not None:
            transfers.refused("used up", f"the policy allows {limit}", route=route.name)
            return _Answer("error", wording.attempts_used_up, route.name, {"limit": limit})
        try:
            started = self._start(route, reason, after_tool=True)
        except CallOver:
            return _Answer("closed", wording.closed)
        if started is None:
            under_way = current.route if current is not None else route.name
            return _Answer("in_progress", wording.in_progress, under_way)
        return _Answer("transferring", wording.transferring, route.name)


@attrs.frozen
class Declared:
    """What an agent was built with.

    Attributes:
        routes: Its routes, and its policy.
        platform: Its platform.
    """

    routes: Routes
    platform: Platform


def declared_by(agent: TransferMixin) -> Declared:
    """What an agent was built with, for `calltransfer check`."""
    return agent._declared()  # noqa: SLF001 - in this file; it has no public name, as an agent's are its author's


@attrs.frozen
class _Answer:
    """The tool's answer: always a dict that JSON can hold, whatever happened."""

    status: str
    words: ToolAnswer
    route: str = ""
    fields: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def spoken(self) -> str:
        return self.words.spoken

    @property
    def result(self) -> dict[str, Any]:
        message = self.words.message.format(route=self.route, **self.fields)
        destination = {"destination": self.route} if self.route else {}
        return {"status": self.status, **destination, "message": message}


def _checked_routes(transfers: Any) -> dict[str, Route]:
    if isinstance(transfers, Route):
        transfers = [transfers]
    if isinstance(transfers, PathLike) or (isinstance(transfers, str) and transfers.endswith(".toml")):
        raise ConfigurationError(
            f"transfers= takes routes, not the name of a file: transfers=Routes.from_toml({shown(str(transfers))})"
        )
    if isinstance(transfers, Mapping):
        raise ConfigurationError("transfers= takes a list of Route('name', strategy, when='...'), not a mapping")
    if not isinstance(transfers, Sequence):
        transfers = [Route("human", transfers, when="the caller asks for a human, or you cannot help them")]
    if isinstance(transfers, str) or not transfers:
        raise ConfigurationError(
            "transfers= takes routes, such as [Route('billing', DirectTransfer(to=...), when='...')], or one strategy"
        )
    routes: dict[str, Route] = {}
    for route in transfers:
        if not isinstance(route, Route):
            raise ConfigurationError(
                f"transfers= takes Route objects, not {type(route).__name__}; write Route('name', strategy, when='...')"
            )
        if route.name in routes:
            raise ConfigurationError(f"transfers= names the route {route.name!r} twice")
        routes[route.name] = route
    return routes


def _takes(function: Any, *arguments: Any, **keywords: Any) -> bool:
    try:
        inspect.signature(function).bind(*arguments, **keywords)
    except TypeError:
        return False
    except ValueError:  # a built-in one may not say what it takes
        return True
    return True


def _tool_that_waits(tools: Sequence[Any]) -> str | None:
    """The name of the tool that awaits what calls this; None where none does."""
    known: dict[Any, str] = {}
    for tool in tools:
        written = inspect.unwrap(getattr(tool, "__func__", tool))
        if inspect.isfunction(written):
            known[written.__code__] = get_tool_info(tool).name
    frame = inspect.currentframe()
    while frame is not None and frame.f_code not in known:
        frame = frame.f_back
    return None if frame is None else known[frame.f_code]


def _refuse_finished_agent(agent: type) -> None:
    """TransferMixin gives its instructions to the next class, which must be one that takes any."""
    order = agent.__mro__
    between = order[order.index(TransferMixin) + 1 : order.index(Agent)] if Agent in order else ()
    for base in between:
        if "__init__" in vars(base) and "instructions" not in _keywords(vars(base)["__init__"], "instructions"):
            raise ConfigurationError(
                f"{agent.__name__}: TransferMixin cannot stand before {base.__name__}, which gives its own instructions to "
                f"Agent; change that class itself: 'class {base.__name__}(TransferMixin, Agent)', with transfers="
            )


def _refuse_other_transfer(agent: type[TransferMixin]) -> None:
    method = agent.transfer
    if method is TransferMixin.transfer:
        return
    wanted = _takes(method, None, "billing", reason="", tell_model=True) and inspect.iscoroutinefunction(method)
    if is_function_tool(method) or not wanted:
        raise ConfigurationError(
            f"{agent.__name__} has a method of its own named 'transfer', which would take the place of "
            "TransferMixin.transfer(name, *, reason='', tell_model=True); give it another name"
        )


def _refuse_misspelt(agent: type, arguments: Mapping[str, Any]) -> None:
    order = agent.__mro__
    ours = [*inspect.signature(TransferMixin.__init__).parameters, *AgentArguments.__annotations__]
    known = {name for name in ours if name not in {"self", "arguments"}}
    others = order[order.index(TransferMixin) + 1 :]
    taken = {
        name
        for base in others
        if "__init__" in vars(base) and base is not object
        for name in _keywords(vars(base)["__init__"], *arguments)
    }
    for name in arguments.keys() - known - taken:
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
        if near:
            raise TypeError(f"{agent.__name__} got an unexpected keyword argument {name!r}. Did you mean {near[0]!r}?")


def _keywords(function: Any, *wanted: str) -> Collection[str]:
    """Which keywords a function takes: all that are `wanted`, where it takes any."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):  # a built-in one may not say what it takes
        return wanted
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return wanted
    return parameters


def _refuse_other_tool_of_our_name(agent: TransferMixin, tools: Sequence[Any]) -> None:
    kind = type(agent).__name__
    members = [(f", its method {name!r}", member) for name, member in inspect.getmembers_static(agent)]
    for what, member in [*members, *((" in tools=", tool) for tool in tools)]:
        tool = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if is_function_tool(tool) and get_tool_info(tool).name == TOOL:
            raise ConfigurationError(
                f"{kind} has a tool of its own named {TOOL!r}{what}. Remove it, and what the instructions say about it: "
                "TransferMixin gives the model the tool of that name, and transfers= says where it may transfer to (see "
                '"Moving over" in the documentation)'
            )
    if inspect.getattr_static(agent, TOOL, None) is not None:
        raise ConfigurationError(
            f"{kind} has a method of its own named {TOOL!r}, which the tool would take the place of; give it another name"
        )


def _hold_to_policy(routes: dict[str, Route], policy: Policy) -> None:
    for route in routes.values():
        rung = rung_at_once(route.strategy)
        if rung > policy.dials_at_once:
            raise ConfigurationError(
                f"Route {route.name!r}: rings {rung} phones at once, and the policy allows {policy.dials_at_once}; raise "
                "Policy(dials_at_once=), or ring fewer"
            )
        for destination in destinations_of(route.strategy):
            problem = policy.problem(destination)
            if problem is not None:
                raise ConfigurationError(
                    f"Route {route.name!r}: {destination} is not allowed: {problem}; allow it in policy=Policy(...), or "
                    "give the route another destination"
                )


def _warn_of_problems(routes: dict[str, Route], platform: Platform) -> None:
    for route in routes.values():
        for leaf in leaves(route.strategy):
            inside = "" if leaf is route.strategy else f"{type(leaf).__name__} in it: "
            for problem in problems_of(leaf, platform):
                warnings.warn(
                    f"Route {route.name!r} cannot be used as it is set up: {inside}{problem}",
                    ConfigurationWarning,
                    stacklevel=4,
                )
