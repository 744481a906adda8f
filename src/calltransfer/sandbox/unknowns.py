"""What the platform's documentation leaves open, and what goes wrong on its side without a request's failing."""

from typing import Literal

import attrs


@attrs.define(kw_only=True)
class Unknowns:
    """What the platform's documentation leaves open. A test sets them to learn whether anything depends on them.

    Attributes:
        status_after_failed_transfer: What the leg's status becomes after `transfer-failed`; None: it stays.
        status_after_transfer: The same after `transferred`.
        transferred_at: When a leg that is forwarded says `transferred`: at the target's "answer", or at the carrier's
            "acceptance" already, while their phone still rings. Then it is taken back, as `transfer-failed`, if they do not
            answer.
        after_acceptance: What becomes of the caller once their carrier has accepted to forward them: the caller "stays" in
            the agent's room until the target answers, "leaves" it at once, and comes back if they do not, or their leg
            "ends" at once, and the platform learns no more of it.
        keeps_log: Whether a leg comes with the log of its statuses.
        session_ends_with_transfer: Whether the agent's session is ended as well when its caller is transferred.
        refused_transfer_status: The HTTP status for transferring a leg that is over or being transferred.
        unknown_call_status: The HTTP status for a call that does not exist.
        newest_first: Whether the newest call is listed first.
        carrier_gives_up_after: Seconds the carrier lets a target's phone ring.
        step: Seconds between two statuses of a transfer, or of a call that is being dialled.
        keep_alive: Seconds that the server keeps an idle connection.
        audio_after: Seconds from an outbound leg's joining its room to its audio.
        honours_participant_id: Whether a dialled leg comes into its room with the participant id that was asked for.
        switch_after: Seconds that it takes to move a leg to another room.
        switch_gap: Seconds of these in which it is in neither room.
        status_after_switch: What the leg's status becomes after `switch-room-completed` or `switch-room-failed`; None:
            it stays.
        metadata_is_in: Where what is given along with a call is found: in the call's own "metadata", or in what the room
            says of the caller ("participant"), or under "attributes" in that.
    """

    status_after_failed_transfer: str | None = "answered"
    status_after_transfer: str | None = None
    transferred_at: Literal["answer", "acceptance"] = "answer"
    after_acceptance: Literal["stays", "leaves", "ends"] = "stays"
    keeps_log: bool = True
    session_ends_with_transfer: bool = False
    refused_transfer_status: int = 400
    unknown_call_status: int = 404
    newest_first: bool = False
    carrier_gives_up_after: float = 30.0
    step: float = 0.1
    keep_alive: float = 75.0
    audio_after: float = 0.5
    honours_participant_id: bool = True
    switch_after: float = 0.1
    switch_gap: float = 0.0
    status_after_switch: str | None = "answered"
    metadata_is_in: Literal["metadata", "participant", "attributes"] = "metadata"


@attrs.define(kw_only=True)
class Trouble:
    """What goes wrong in the rooms although every request is answered well. A test sets it when it is to begin.

    Attributes:
        carrier_refuses: The caller's carrier does not let calls be forwarded: it fails before anything rings.
        switch_fails: So many of the next switches that are accepted end as `switch-room-failed`; the leg stays.
        switched_leg_vanishes: So many of the next switches complete, by their status, and the leg leaves the one room
            and never comes into the other.
        answered_leg_never_appears: A leg that is dialled is answered, and never comes into its room.
        join_fails: An agent's connection never gets into its room; as the real client does, it swallows the error.
        join_seconds: Seconds that an agent's connection takes to join its room.
    """

    carrier_refuses: bool = False
    switch_fails: int = 0
    switched_leg_vanishes: int = 0
    answered_leg_never_appears: bool = False
    join_fails: bool = False
    join_seconds: float = 0.0
