"""The phone world on this machine: everything but the agent, so that a transfer can be tried without a phone."""

from calltransfer.sandbox.caller import Caller, Heard
from calltransfer.sandbox.clock import FastForwardLoop, NothingToWaitFor
from calltransfer.sandbox.models import Calls, Ears, Script
from calltransfer.sandbox.network import LEG_STATES, Unknowns
from calltransfer.sandbox.people import Person
from calltransfer.sandbox.pipelines import KINDS
from calltransfer.sandbox.rest import Fault, Request
from calltransfer.sandbox.sandbox import Sandbox

__all__ = [
    "KINDS",
    "LEG_STATES",
    "Caller",
    "Calls",
    "Ears",
    "FastForwardLoop",
    "Fault",
    "Heard",
    "NothingToWaitFor",
    "Person",
    "Request",
    "Sandbox",
    "Script",
    "Unknowns",
]
