"""The caller: somebody on the phone with the agent."""

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from calltransfer.sandbox.models import Script
from calltransfer.sandbox.phone import Phone

if TYPE_CHECKING:
    from calltransfer.sandbox.switchboard import Switchboard


class Caller(Phone):
    """Somebody on the phone with the agent; made by `Sandbox.call`.

    Attributes:
        agent: The agent on the call, as the author's class made it.
        session: The SDK's session.
        job: The SDK's job.
        script: What the model was asked and answered.
        consultation_script: The same of the models that are made for a consultation, without arguments.
        started: Set when the agent has started.
        over: Set when the agent's job has ended.
    """

    who: ClassVar[str] = "caller"

    agent: Any
    session: Any
    job: Any

    def __init__(
        self, switchboard: "Switchboard", number: str, room_id: str, *, script: Script, consultation_script: Script
    ) -> None:
        super().__init__(switchboard, number, room_id)
        self.script = script
        self.consultation_script = consultation_script
        self.started = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def said_to_caller(self) -> list[str]:
        """What was said to the caller, as texts."""
        return self.texts_heard
