"""The words calltransfer uses, each of which an author can replace."""

import string
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from calltransfer.errors import ConfigurationError
from calltransfer.masking import shown
from calltransfer.outcome import Outcome


@attrs.frozen
class ToolAnswer:
    """What the transfer tool answers the model, and what is heard if the model gives no words in time.

    Attributes:
        message: For the model.
        spoken: For the caller, where the model says nothing, fails, or does not begin in time. The SDK speaks for a
            cascade's model that says nothing; without this it would say "Okay, I've taken care of that.", which is not
            true of a transfer that has just begun.
    """

    message: str
    spoken: str


_STILL_WITH_YOU = "The caller is still on the line with you."

_REASONS: Mapping[Outcome, str] = {
    Outcome.DECLINED: "they cannot take the call now",
    Outcome.UNDECIDED: "nobody there took the call in time",
    Outcome.NO_ANSWER: "nobody answered",
    Outcome.BUSY: "the line is busy",
    Outcome.VOICEMAIL: "only a voicemail answered",
    Outcome.TARGET_LEFT: "they hung up before the caller could be connected",
    Outcome.CALLER_RETURNED: "the caller wanted to come back to you",
    Outcome.MESSAGE_TAKEN: "nobody could be reached, and the caller's message has been passed on",
    Outcome.REFUSED: "there is nowhere to transfer to at the moment",
    Outcome.FAILED: "they could not be reached",
}


def fields_of(template: str) -> set[str]:
    """The fields of a template, which are plain names: what is filled in is text, as it is.

    Raises:
        ValueError: one has an attribute, an index, a conversion or a format, which could ask for a gigabyte of blanks; or
            it is no template.
    """
    fields: set[str] = set()
    for _, name, form, conversion in string.Formatter().parse(template):
        if name is not None and (form or conversion or not name.isidentifier()):
            raise ValueError("in braces stands one name and nothing else")
        fields.update(() if name is None else (name,))
    return fields


def _with_fields(*allowed: str, kind: type = str) -> Callable[[Any, "attrs.Attribute[Any]", "str | ToolAnswer"], None]:
    def check(_: Any, attribute: "attrs.Attribute[Any]", value: str | ToolAnswer) -> None:
        if not isinstance(value, kind):
            raise ConfigurationError(
                f"Wording.{attribute.name} is a {kind.__name__}, not a {type(value).__name__}"
                + (": ToolAnswer(message for the model, words that are heard)" if kind is ToolAnswer else "")
            )
        template = value.message if isinstance(value, ToolAnswer) else value
        known = ", ".join(f"{{{name}}}" for name in allowed)
        try:
            unknown = sorted(fields_of(template) - set(allowed))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"Wording.{attribute.name} is not a template that can be filled in: {error}; it may use {known}"
            ) from None
        if unknown:
            raise ConfigurationError(
                f"Wording.{attribute.name} uses {{{unknown[0]}}}, which is not known there; it may use {known}"
            )

    return check


def _by_outcome(_: Any, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(words, str) for words in value.values()):
        raise ConfigurationError(f"Wording.{attribute.name} takes words for outcomes, such as {{Outcome.BUSY: '...'}}")
    unknown = [key for key in value if key not in set(Outcome)]
    if unknown:
        raise ConfigurationError(
            f"Wording.{attribute.name}: {shown(unknown[0])} is no outcome; there are {', '.join(Outcome)}"
        )


def _answer(message: str, spoken: str, *fields: str) -> ToolAnswer:
    answer: ToolAnswer = attrs.field(
        default=ToolAnswer(message, spoken), validator=_with_fields("route", *fields, kind=ToolAnswer)
    )
    return answer


@attrs.frozen(kw_only=True)
class Wording:
    """Every sentence that the model or the caller gets from calltransfer.

    What the model gets may stay English whatever the call's language is: it is told to speak the caller's. What the
    caller may hear as it stands (`spoken`, `sentences`, `apology`, `going_on`, and what begins with `closing`) should be
    in the language of the call.

    Attributes:
        instructions: The section added to the agent's instructions; `{routes}` is the list of routes.
        tool: The tool's description; `{routes}` as above.
        transferring: Answer to a transfer that has begun; may use `{route}`.
        in_progress: Answer to a second one; may use `{route}`, the one under way. What is heard of it is also said where
            the model does not answer a caller in the course of a transfer.
        too_late: Answer to a withdrawal after the call was forwarded; may use `{route}`.
        withdrawn: Answer to a withdrawal in time; may use `{route}`.
        nothing_to_withdraw: Answer to a withdrawal when there is no transfer.
        unknown_destination: Answer to a destination that is not a route; may use `{names}`.
        not_a_phone_call: Answer when there is no phone leg.
        not_configured: Answer when the strategy cannot work as it is set up; may use `{problem}`.
        attempts_used_up: Answer when the policy allows no further attempt; may use `{limit}`.
        closed: Answer when the caller is no longer there.
        not_connected: What the model is told of a transfer that did not connect; may use `{route}` and `{reason}`.
        not_lasting: What the model is told when the target left within seconds of being connected, and the caller is
            back; may use `{route}`.
        already_told: What the model is told when the strategy has told the caller itself, as `TakeMessage` does, and the
            agent is to go on; may use `{route}` and `{reason}`.
        reasons: The words for `{reason}`, by outcome.
        sentences: Fixed sentences, by outcome: said to the caller as they are, instead of telling the model.
        apology: Said to the caller when the model does not tell them: it fails, says nothing, or does not begin in time.
        going_on: Said to the caller when the model cannot be reached to go on with them after `already_told`.
        closing: Said to a caller who was to be connected when the agent's session is closed meanwhile, as when its
            worker shuts down; before the session's own close, and so before `on_exit`. Empty: nothing.
        closing_forwarded: The same where their call has been forwarded already, and how that ends is not known yet.
        closing_message: The same where they were leaving a message, and what they have said of it was delivered.

    Raises:
        ConfigurationError: a value is no text, or uses a field that is not known there.
    """

    instructions: str = attrs.field(
        default=(
            "# Transferring the call\n"
            "You can pass the caller on with the tool transfer_call. Destinations:\n"
            "{routes}\n"
            "Call the tool in the same turn in which you say you will transfer; never only promise it, and never say "
            "that a transfer worked: you will be told if it did not. If the caller changes their mind while it is "
            'under way, call transfer_call with destination "none". Never ask for, repeat or invent a phone number.'
        ),
        validator=_with_fields("routes"),
    )
    tool: str = attrs.field(
        default="Pass the caller on to another line or person. Destinations:\n{routes}",
        validator=_with_fields("routes"),
    )
    transferring: ToolAnswer = _answer(
        "The transfer to {route} has begun. Tell the caller in one short sentence, in their language, that you are "
        "connecting them now. Do not say that it worked.",
        "One moment please, I am connecting you.",
    )
    in_progress: ToolAnswer = _answer(
        "A transfer to {route} is already under way; it has not been started again. To choose another destination, "
        'withdraw it first with destination "none".',
        "One moment please, I am still connecting you.",
    )
    too_late: ToolAnswer = _answer(
        "The caller is already being connected to {route}, which cannot be called back. You will be told if it fails.",
        "I am already connecting you; one moment please.",
    )
    withdrawn: ToolAnswer = _answer(
        "The transfer to {route} has been withdrawn. The caller stays with you; carry on helping them.",
        "All right, you stay with me.",
    )
    nothing_to_withdraw: ToolAnswer = _answer(
        "No transfer is under way. The caller is with you; carry on helping them.",
        "All right.",
    )
    unknown_destination: ToolAnswer = _answer(
        "There is no such destination, and nothing was started. Choose one of: {names}.",
        "I am sorry, I cannot transfer you there.",
        "names",
    )
    not_a_phone_call: ToolAnswer = _answer(
        "This is not a phone call, so it cannot be transferred. Tell the caller so and offer other help.",
        "I am sorry, I can only transfer phone calls.",
    )
    not_configured: ToolAnswer = _answer(
        "This transfer is not set up: {problem}. Say that you cannot transfer them now, and offer other help.",
        "I am sorry, I cannot transfer you at the moment.",
        "problem",
    )
    attempts_used_up: ToolAnswer = _answer(
        "Nothing was started: there may be no more than {limit}. Say that you cannot transfer them now, do not try "
        "again unless they ask for it, and offer other help.",
        "I am sorry, I cannot transfer you at the moment.",
        "limit",
    )
    closed: ToolAnswer = _answer(
        "The caller is no longer with you; nothing can be transferred.",
        "I am sorry, I cannot transfer you at the moment.",
    )
    not_connected: str = attrs.field(
        default=(
            "[Call system, not the caller] The transfer to {route} did not happen: {reason}. "
            f"{_STILL_WITH_YOU} Tell them so in one short sentence, in their language, apologise, and offer what else "
            "you can do."
        ),
        validator=_with_fields("route", "reason"),
    )
    not_lasting: str = attrs.field(
        default=(
            "[Call system, not the caller] The caller was connected to {route}, who hung up within seconds. "
            f"{_STILL_WITH_YOU} Tell them so in one short sentence, in their language, apologise, and offer what else "
            "you can do."
        ),
        validator=_with_fields("route"),
    )
    already_told: str = attrs.field(
        default=(
            "[Call system, not the caller] The transfer to {route} did not happen: {reason}. The caller has just been "
            f"told how it ended; do not repeat it. {_STILL_WITH_YOU} Ask them in one short sentence, in their language, "
            "what else you can do for them."
        ),
        validator=_with_fields("route", "reason"),
    )
    reasons: Mapping[Outcome, str] = attrs.field(factory=lambda: dict(_REASONS), validator=_by_outcome)
    sentences: Mapping[Outcome, str] = attrs.field(factory=dict, validator=_by_outcome)
    apology: str = "I am sorry, I could not connect you. I am still here with you."
    going_on: str = "Is there anything else I can do for you?"
    closing: str = "I am sorry, I have to leave this call now. Please call again."
    closing_forwarded: str = (
        "I have to leave this call now. You are still being connected; if nobody answers, please call again."
    )
    closing_message: str = "I am sorry, I have to leave this call now. I have passed on what you have said so far."

    def reason(self, outcome: Outcome) -> str:
        """The words for `outcome`; those for a failure where there are none."""
        return self.reasons.get(outcome) or _REASONS.get(outcome, _REASONS[Outcome.FAILED])
