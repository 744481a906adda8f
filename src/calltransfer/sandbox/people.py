"""The people at the other end: how somebody reacts to a ringing phone."""

import attrs


@attrs.frozen(kw_only=True)
class Person:
    """Somebody with a phone.

    Attributes:
        number: Their number in E.164, or their SIP URI.
        answers_after: Seconds of ringing until they pick up; None: never.
        refuses_after: Seconds until they, or their carrier, refuse the call; None: they do not.
        hangs_up_after: Seconds after picking up until they hang up; None: they stay.
    """

    number: str
    answers_after: float | None = 2.0
    refuses_after: float | None = None
    hangs_up_after: float | None = None
