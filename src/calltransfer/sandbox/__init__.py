"""The phone world on this machine: everything but the agent, so that a transfer can be tried without a phone."""

from calltransfer.sandbox.account import Account
from calltransfer.sandbox.caller import Caller
from calltransfer.sandbox.clock import FastForwardLoop, NothingToWaitFor
from calltransfer.sandbox.hearing import AllHeard, Heard
from calltransfer.sandbox.leg import LEG_STATES
from calltransfer.sandbox.models import Calls, Ears, Fails, Hangs, Script, Step
from calltransfer.sandbox.people import HangsUp, Person, Presses, PutsThrough, Says
from calltransfer.sandbox.phone import Did, Phone, Target, WebUser
from calltransfer.sandbox.pipelines import PIPELINE_KINDS
from calltransfer.sandbox.rest import Fault, Request
from calltransfer.sandbox.sandbox import Sandbox
from calltransfer.sandbox.timeline import CallTimeline, Entry
from calltransfer.sandbox.unknowns import Trouble, Unknowns

__all__ = [
    "LEG_STATES",
    "PIPELINE_KINDS",
    "Account",
    "AllHeard",
    "CallTimeline",
    "Caller",
    "Calls",
    "Did",
    "Ears",
    "Entry",
    "Fails",
    "FastForwardLoop",
    "Fault",
    "Hangs",
    "HangsUp",
    "Heard",
    "NothingToWaitFor",
    "Person",
    "Phone",
    "Presses",
    "PutsThrough",
    "Request",
    "Sandbox",
    "Says",
    "Script",
    "Step",
    "Target",
    "Trouble",
    "Unknowns",
    "WebUser",
]
