"""How a transfer can end."""

from enum import StrEnum


class Outcome(StrEnum):
    """The typed end of a transfer.

    May grow in a later version: treat a value you do not know as a transfer that did not connect.
    """

    CONNECTED = "connected"
    """Caller and target are connected, and the platform has proven it."""
    DECLINED = "declined"
    """The target was asked and said no."""
    UNDECIDED = "undecided"
    """The target answered and did not decide in time; no decision is a no."""
    NO_ANSWER = "no_answer"
    """It rang, and nobody answered in time."""
    BUSY = "busy"
    """The target's line refused the call: busy, or declined on the phone, which the platform does not tell apart."""
    VOICEMAIL = "voicemail"
    """A machine answered, not a person: voicemail, or a menu."""
    TARGET_LEFT = "target_left"
    """The target answered and hung up before the caller was connected."""
    CALLER_LEFT = "caller_left"
    """The caller hung up."""
    UNCONFIRMED = "unconfirmed"
    """The caller left while their call was being forwarded, and the platform reports no result: they have hung up or
    talk to the target, which it does not tell apart."""
    CALLER_RETURNED = "caller_returned"
    """The caller changed their mind and is back with the agent."""
    MESSAGE_TAKEN = "message_taken"
    """Nobody was reached, and the caller left a message instead."""
    CANCELLED = "cancelled"
    """Ended from outside: the agent's session closed, the words that asked for it were never said, or something else moved
    the caller meanwhile."""
    REFUSED = "refused"
    """Our own policy, or the author's: there is nowhere to transfer to now."""
    FAILED = "failed"
    """The platform or the carrier failed, or a strategy did; the result says which."""
