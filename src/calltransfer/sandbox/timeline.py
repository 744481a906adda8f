"""What happened in one call, line by line: who did and heard what, every status of a leg, and what transfers reported."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload

import attrs
from typing_extensions import override

from calltransfer.events import TransferEvent
from calltransfer.masking import masked_address, masked_text, one_line
from calltransfer.sandbox.people import Act, HangsUp, PutsThrough, Says

if TYPE_CHECKING:
    from calltransfer.sandbox.phone import Phone


@attrs.frozen
class Entry:
    """Something that happened in a call. Numbers in it are masked.

    Attributes:
        at: When, in seconds from the beginning of the call.
        who: "caller", "target" and the end of their number, "web user", "transfer" and its route, "model" or "consultation
            model" (a tool call that failed, a script that was over), "sandbox" (what is missing in it), or "test".
        what: What.
    """

    at: float
    who: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:8.2f}  {self.who}: {self.what}"


class CallTimeline(Sequence[Entry]):
    """What happened in one call, in order. Printed, it is a line for each entry."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = sorted(entries, key=lambda entry: entry.at)

    @overload
    def __getitem__(self, index: int) -> Entry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...

    @override
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._entries[index]

    @override
    def __len__(self) -> int:
        return len(self._entries)

    @override
    def __str__(self) -> str:
        return "\n".join(map(str, self._entries))


def timeline_of(
    caller: "Phone",
    others: Iterable["Phone"],
    events: Iterable[tuple[float, TransferEvent]],
    notes: Mapping[str, Iterable[tuple[float, str]]],
) -> CallTimeline:
    """The timeline of a call.

    Args:
        caller: The caller.
        others: Everybody else, on a phone or in the browser.
        events: What transfers have reported, and when, on the loop's clock.
        notes: What else happened, and when, by who says so.
    """
    found = [*_of_phone(caller, "caller")]
    for other in others:
        found += _of_phone(other, other.who if other.leg is None else f"{other.who} {masked_address(other.number)}")
    found += [Entry(at, f"transfer to {event.route}", _reported(event)) for at, event in events]
    found += [Entry(at, who, one_line(note)) for who, said in notes.items() for at, note in said]
    began = min((entry.at for entry in found), default=0.0)
    return CallTimeline(attrs.evolve(entry, at=round(entry.at - began, 3)) for entry in found)


def _of_phone(phone: "Phone", who: str) -> Iterator[Entry]:
    for status, at in phone.statuses:
        yield Entry(at, who, f"({status})")
    for did in phone.did:
        yield Entry(did.began, who, masked_text(_done(did.act)))
    for heard in phone.heard:
        speaker = heard.speaker if heard.speaker == "agent" else masked_address(heard.speaker)
        yield Entry(heard.began, who, f"hears {speaker} say {masked_text(heard.text)!r}")


def _done(act: Act) -> str:
    if isinstance(act, HangsUp):
        return "hangs up"
    if isinstance(act, PutsThrough):
        return "puts the call through to a human"
    return f"says {act.text!r}" if isinstance(act, Says) else f"presses {act.key}"


def _reported(event: TransferEvent) -> str:
    words = [str(event.phase)]
    if event.destination is not None:
        words.append(f"destination={event.destination}")
    if event.outcome is not None:
        words.append(f"outcome={event.outcome}")
    if event.status is not None:
        words.append(f"status={event.status}")
    return " ".join(words) + (f" ({event.detail})" if event.detail else "")
