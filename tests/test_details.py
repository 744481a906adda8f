"""What is known of a caller: from their leg, and from the room, whatever the platform says."""

import json
from typing import Any

import attrs
import pytest

from calltransfer import CallDetails, CallWrapper, Outcome, TransferRequest, TransferResult
from calltransfer.call import Call
from calltransfer.sandbox import Sandbox, Unknowns
from calltransfer.videosdk.api import parsed_leg
from tests.agents import TO_BILLING, SupportAgent

NUMBER = "+14155550111"
OURS = "+14155550100"


class Looks:
    """Notes what is known of the caller, and transfers nobody."""

    def __init__(self) -> None:
        self.details = CallDetails(name="not looked yet")
        self.wrapped = CallDetails(name="not looked yet")

    async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
        await call.prepare()
        self.details = call.details
        self.wrapped = CallWrapper(call).details
        return TransferResult(outcome=Outcome.REFUSED)


async def looked(*, unknowns: Unknowns | None = None, document: dict[str, Any] | None = None, **how: Any) -> Looks:
    looks = Looks()
    async with Sandbox(unknowns=unknowns) as sandbox:
        if document is not None:
            listed = {"callId": "call-0003", "status": "answered", "roomId": "room-0001", **document}
            sandbox.fault("GET", "/v2/sip/call", body=json.dumps({"data": [listed]}))
            sandbox.fault("GET", "", body=json.dumps({"data": listed}))
        caller = await sandbox.call(lambda: SupportAgent(looks), model=[TO_BILLING, "One moment."], **how)
        result = await caller.agent.transfer("billing")
        assert result.outcome is Outcome.REFUSED, result.detail
    return looks


async def test_an_inbound_caller() -> None:
    """The number is the caller's, the called number the one of ours, and their name what the room calls them."""
    known = (await looked(name="Anna")).details

    assert (NUMBER, OURS, "Anna") == (known.number, known.called_number, known.name)
    assert {} == known.metadata


async def test_an_outbound_caller() -> None:
    """On an outbound call the caller is who was dialled."""
    known = (await looked(direction="outbound")).details

    assert (NUMBER, OURS) == (known.number, known.called_number)


@pytest.mark.parametrize("where", ["metadata", "participant", "attributes"])
async def test_metadata(where: Any) -> None:
    """What is given along with the call is known wherever the platform puts it, and nothing of the platform's own."""
    looks = await looked(unknowns=Unknowns(metadata_is_in=where), metadata={"language": " de ", "tier": 3})

    assert {"language": " de ", "tier": 3} == looks.details.metadata
    assert "de" == looks.details.language
    assert looks.details == looks.wrapped


async def test_what_the_account_says_comes_first() -> None:
    """What came with the call's own document is not replaced by what the caller's side sends along."""
    known = await looked(
        unknowns=Unknowns(metadata_is_in="attributes"),
        metadata={"language": "fr", "from their side": True},
        document={"metadata": {"language": "es"}, "type": "inbound"},
    )

    assert {"language": "es", "from their side": True} == known.details.metadata


@pytest.mark.parametrize(
    "document",
    [
        {"from": 14155550111, "to": ["x"], "metadata": "no mapping"},
        {"from": None, "sipCallFrom": "", "to": "\x00", "metadata": [1]},
        {"from": "+1" * 1000, "to": " ", "metadata": None, "attributes": 7},
    ],
)
async def test_nothing_is_trusted(document: dict[str, Any]) -> None:
    """Values of types that nobody expects, control characters and endless ones are as good as none."""
    known = (await looked(document=document)).details

    assert (None, None) == (known.number, known.called_number)
    assert {} == known.metadata


@pytest.mark.parametrize("language", [None, 7, "", "  ", ["de"], {"is": "de"}])
def test_a_language_that_is_no_text(language: Any) -> None:
    """A language is text, or there is none."""
    assert CallDetails(metadata={"language": language}).language is None
    assert CallDetails().language is None


def test_both_of_the_platforms_styles() -> None:
    """A leg's numbers are read under either of their names."""
    long = parsed_leg({"callId": "a", "status": "answered", "sipCallFrom": " +1 ", "sipCallTo": "sip:x@y"})
    short = parsed_leg({"id": "a", "status": "answered", "from": "+1", "to": "sip:x@y"})

    assert long is not None
    assert short is not None
    assert ("+1", "sip:x@y") == (long.from_number, long.to_number)
    assert long == short


async def test_before_the_leg_is_known() -> None:
    """A caller whose leg the platform does not list has a name, and no number."""

    class LooksAtOnce(Looks):
        async def transfer(self, call: Call, request: TransferRequest) -> TransferResult:
            self.details = call.details
            return TransferResult(outcome=Outcome.REFUSED)

    looks = LooksAtOnce()
    async with Sandbox() as sandbox:
        sandbox.fault("GET", "", status=404)
        caller = await sandbox.call(lambda: SupportAgent(looks), name="Anna")
        await caller.agent.transfer("billing")

    assert ("Anna", None) == (looks.details.name, looks.details.number)


def test_private_and_frozen() -> None:
    """Nothing of it shows in a log, and nobody changes it for others; equal ones are equal."""
    given = {"language": "de"}
    details = CallDetails(number=NUMBER, called_number=OURS, name="Anna", metadata=given)
    given["language"] = "fr"

    assert "CallDetails()" == repr(details)
    assert "de" == details.language
    assert hash(details) == hash(CallDetails(number=NUMBER, called_number=OURS, name="Anna"))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        details.number = "+1"  # type: ignore[misc]
    with pytest.raises(TypeError):
        details.metadata["x"] = 1  # type: ignore[index]


def test_a_call_of_somebody_elses() -> None:
    """A platform that says nothing of the caller has empty details."""
    assert CallDetails() == Call.details.fget(object())  # type: ignore[attr-defined]
