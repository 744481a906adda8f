"""What a warm transfer is set up with is checked when it is made, and not when somebody is on the phone."""

import contextlib
import os
import socket
import warnings
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calltransfer import (
    Briefing,
    ConfigurationError,
    ConfigurationWarning,
    Destination,
    DestinationError,
    DirectTransfer,
    ExtractiveSummary,
    HoldMusic,
    LLMSummary,
    StayWithCaller,
    VideoSDKPlatform,
    WarmTransfer,
    Wording,
)
from calltransfer.hold import music
from calltransfer.videosdk.environment import Environment

SUPERVISOR = "+14155550199"
SET_UP: dict[str, Any] = {"caller_id": "+14155550100", "routing_rule": "rr_1"}


class Hums:
    """Half a hold."""

    async def entertain(self, caller: Any) -> None: ...


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"to": "0155"}, "must begin with"),
        ({"to": SUPERVISOR, "hold": HoldMusic}, "hold= takes an object such as HoldMusic(), not HoldMusic"),
        ({"to": SUPERVISOR, "hold": "music.wav"}, "hold= takes an object"),
        ({"to": SUPERVISOR, "hold": Hums()}, "not Hums, which has no return_key and no at_once"),
        ({"to": SUPERVISOR, "summary": "short"}, "summary= takes an object such as LLMSummary()"),
        ({"to": SUPERVISOR, "briefing": "short"}, "briefing= takes a Briefing(), not str"),
        ({"to": SUPERVISOR, "move": "both"}, "move= is 'caller' or 'target', not 'both'"),
        ({"to": SUPERVISOR, "ring_timeout": 0}, "ring_timeout= is in seconds"),
        (
            {"to": SUPERVISOR, "ring_timeout": 1e-300},
            "ring_timeout= is in seconds, at least 1 and at most 240, not 1e-300",
        ),
        ({"to": SUPERVISOR, "ring_timeout": 0.9}, "ring_timeout= is in seconds, at least 1 and at most 240, not 0.9"),
        ({"to": SUPERVISOR, "connect_timeout": 0.01}, "connect_timeout= is in seconds, at least 0.1 and at most 240"),
        ({"to": SUPERVISOR, "decision_timeout": "30"}, "decision_timeout= is in seconds"),
        ({"to": SUPERVISOR, "total_timeout": 301}, "total_timeout= is in seconds, at least 1 and at most 300, not 301"),
        ({"to": SUPERVISOR, "total_timeout": True}, "total_timeout= is in seconds"),
        (
            {"to": SUPERVISOR, "total_timeout": 5},
            "total_timeout= must be longer than the phone rings, which is 25 s, not 5: who picks up is still to be told",
        ),
        ({"to": SUPERVISOR, "connect_timeout": 1000}, "connect_timeout= is in seconds"),
        ({"to": SUPERVISOR, "leave_unwatched": "yes"}, "leave_unwatched= is True or False"),
    ],
)
def test_a_wrong_value_of_a_warm_transfer(values: dict[str, Any], message: str) -> None:
    """The error names the field, the value, and what would be right."""
    with pytest.raises(ConfigurationError) as error:
        WarmTransfer(**values)

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"return_key": "12"}, "return_key= is one key"),
        ({"return_key": "x"}, "return_key= is one key"),
        ({"every": 0}, "every= is in seconds, above 0, not 0"),
        ({"every": True}, "every= is in seconds, above 0, not True"),
        ({"every": float("inf")}, "every= is in seconds, above 0, not inf"),
        ({"reassurance": [""]}, "none of them empty"),
        ({"reassurance": 7}, "reassurance= takes sentences"),
        ({"file": "/no/such/file.wav"}, "cannot be played"),
        ({"file": __file__}, "cannot be played"),
    ],
)
def test_a_wrong_value_of_the_hold(values: dict[str, Any], message: str) -> None:
    """Hold music that could not be played is found out before anybody hears silence."""
    with pytest.raises(ConfigurationError) as error:
        HoldMusic(**values)

    assert message in str(error.value)


def test_hold_music_of_another_format(tmp_path: Path) -> None:
    """A file of another format is refused, with the command that makes it one that can be played."""
    file = tmp_path / "music.wav"
    with wave.open(str(file), "wb") as recording:
        recording.setparams((2, 2, 44_100, 1, "NONE", ""))
        recording.writeframes(bytes(4))

    with pytest.raises(ConfigurationError, match=r"44100 Hz, 2 channels, 16 bit.*ffmpeg"):
        HoldMusic(file=file)


def test_hold_music_of_an_authors_own(tmp_path: Path) -> None:
    """A file of the right format is what is played."""
    file = tmp_path / "music.wav"
    with wave.open(str(file), "wb") as recording:
        recording.setparams((1, 2, 24_000, 1, "NONE", ""))
        recording.writeframes(b"\x01\x00" * 100)

    assert b"\x01\x00" * 100 == music(HoldMusic(file=file).file)


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound, contextlib.chdir(path.parent):
        bound.bind(path.name)  # a whole path may be too long for one


def a_file_of_a_gigabyte(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**30)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (a_pipe, "it is no file but a device, a pipe or a socket"),
        (a_socket, "it is no file but a device, a pipe or a socket"),
        (a_file_of_a_gigabyte, "it has 1024 MB, and may have 64 (twenty minutes)"),
        (Path.mkdir, "it is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "it is no file but a device, a pipe or a socket"),
    ],
)
def test_music_that_never_ends_or_begins(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    """What is no file of a bearable size is refused unread."""
    make(tmp_path / "hold.wav")

    with pytest.raises(ConfigurationError) as error:
        HoldMusic(file=tmp_path / "hold.wav")

    assert f"cannot be played: {message}" in str(error.value)


@pytest.mark.parametrize(
    "field",
    ["{reason:>3000000000}", "{reason!r}", "{reason.__class__}", "{reason[0]}", "{reason:{reason}}", "{0}", "{}", "{"],
)
def test_a_template_has_names_in_its_braces_and_nothing_else(field: str) -> None:
    """What is filled in is text as it is: no format, which may ask for gigabytes of blanks, and nothing of an object."""
    for wrong in (
        lambda: ExtractiveSummary(reason=f"{{reason}} {field}"),
        lambda: ExtractiveSummary(quote=f"{{words}} {field.replace('reason', 'words')}"),
        lambda: LLMSummary(prompt=f"{{words}} {field.replace('reason', 'words')}"),
        lambda: Wording(not_connected=field),
    ):
        with pytest.raises(ConfigurationError):
            wrong()


@pytest.mark.parametrize(
    ("key", "said"), [("*", "press star."), ("#", "press pound."), ("9", "press 9."), (None, "you.")]
)
def test_the_reassurance_names_the_key(key: str | None, said: str) -> None:
    """What is said by default goes with the key that brings the caller back."""
    assert HoldMusic(return_key=key).reassurance[0].endswith(said)
    assert key == StayWithCaller(HoldMusic(return_key=key)).return_key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"caller_id": "5550100"}, "caller_id="),
        ({"caller_id": 5550100}, "caller_id="),
        ({"extension": "12 a"}, "extension="),
        ({"headers": {"From": "me"}}, "headers="),
        ({"headers": {"X-Ticket": "7\r\nFrom: me"}}, "headers="),
        ({"metadata": {"ticket": object()}}, "metadata="),
        ({"display_name": ""}, "display_name="),
        ({"display_name": "x" * 65}, "display_name="),
    ],
)
def test_a_wrong_value_of_a_destination_that_is_dialled(values: dict[str, Any], message: str) -> None:
    """What a destination brings along is checked when it is made."""
    with pytest.raises(DestinationError) as error:
        Destination(SUPERVISOR, **values)

    assert message in str(error.value)
    assert "5550100" not in str(error.value)


def test_a_forwarded_call_carries_nothing_along() -> None:
    """DirectTransfer refuses a destination with what only a target who is dialled can have."""
    with pytest.raises(ConfigurationError, match=r"cannot carry extension, display_name.*WarmTransfer"):
        DirectTransfer(Destination(SUPERVISOR, extension="12", display_name="Second line"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"caller_id": "5550100"}, "caller_id="),
        ({"routing_rule": "rr_1", "gateway": "gw_1"}, "one or the other"),
        ({"routing_rule": " "}, "routing_rule= is the id of a routing rule"),
        ({"gateway": 7}, "gateway= is the id of a gateway"),
        ({"pipeline": object()}, "pipeline= takes a function that makes a Pipeline"),
    ],
)
def test_a_wrong_value_of_the_platform(values: dict[str, Any], message: str) -> None:
    """What targets are dialled with is checked when the platform is made."""
    with pytest.raises(ConfigurationError) as error:
        VideoSDKPlatform(**values)

    assert message in str(error.value)


@pytest.mark.parametrize(
    "address", ["http://api.example.com", "http://10.0.0.7:8080/", "HTTP://api.example.com", "http://[2001:db8::1]"]
)
def test_an_address_at_which_the_token_can_be_read(address: str) -> None:
    """It is warned of when the platform is made."""
    with pytest.warns(ConfigurationWarning, match=r"\Abase_url= begins with http://: whoever is on the way can read"):
        VideoSDKPlatform(base_url=address)


@pytest.mark.parametrize(
    "address",
    ["https://api.example.com", "http://127.0.0.1:8080", "http://localhost", "http://[::1]:80", "http://127.9.9.9"],
)
def test_an_address_at_which_it_cannot(address: str) -> None:
    """On this machine nobody is on the way."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        VideoSDKPlatform(base_url=address)


@pytest.mark.parametrize(
    ("platform", "destination", "problem"),
    [
        ({}, SUPERVISOR, "caller_id=, or VIDEOSDK_CALLER_ID"),
        ({}, SUPERVISOR, "routing_rule= or gateway="),
        (SET_UP, "sip:desk@example.com", "not SIP URIs"),
        (SET_UP, Destination(SUPERVISOR, extension="12"), "extension of a destination is ignored"),
        (
            SET_UP,
            Destination(SUPERVISOR, headers={"X-A": "1"}, extension="1"),
            "extension and headers of a destination are",
        ),
    ],
)
def test_what_the_platform_could_not_do(platform: dict[str, Any], destination: Any, problem: str) -> None:
    """What is missing, or would be ignored, is said in a sentence with nothing private in it."""
    found = " ".join(WarmTransfer(destination).problems_on(VideoSDKPlatform(**platform)))

    assert problem in found
    assert "0199" not in found


@pytest.mark.parametrize(
    ("environment", "dialled_by"),
    [
        ({"VIDEOSDK_ROUTING_RULE": "rr_9"}, {"routingRuleId": "rr_9"}),
        ({"VIDEOSDK_GATEWAY": "gw_9"}, {"gatewayId": "gw_9"}),
    ],
)
def test_the_environment_says_what_the_platform_does_not(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], dialled_by: dict[str, str]
) -> None:
    """Caller id and line come from the environment where the author gives none, read when they are needed."""
    platform = VideoSDKPlatform()
    for name, value in {"VIDEOSDK_CALLER_ID": "+14155550100", **environment}.items():
        monkeypatch.setenv(name, value)

    assert [] == list(WarmTransfer(SUPERVISOR).problems_on(platform))
    asked = platform._setup.dialling(Destination(SUPERVISOR), 10.0)
    assert dialled_by.items() <= asked.items()
    assert "+14155550100" == asked["sipCallFrom"]


@pytest.mark.parametrize(
    ("variable", "pasted", "sent"),
    [
        ("VIDEOSDK_CALLER_ID", "+1 (415) 555-0100", {"sipCallFrom": "+14155550100"}),
        ("VIDEOSDK_CALLER_ID", " +14155550100\n", {"sipCallFrom": "+14155550100"}),
        ("VIDEOSDK_ROUTING_RULE", " rr_9\n", {"routingRuleId": "rr_9"}),
        ("VIDEOSDK_GATEWAY", "gw_9\r\n", {"gatewayId": "gw_9"}),
    ],
)
def test_settings_are_not_sent_as_they_were_pasted(
    monkeypatch: pytest.MonkeyPatch, variable: str, pasted: str, sent: dict[str, str]
) -> None:
    """Numbers from the environment are normalised, and spaces and line breaks left out, as of arguments."""
    environment = {"VIDEOSDK_CALLER_ID": "+14155550100", "VIDEOSDK_ROUTING_RULE": " ", "VIDEOSDK_GATEWAY": "gw_1"}
    for name, value in {**environment, variable: pasted}.items():
        monkeypatch.setenv(name, value)
    platform = VideoSDKPlatform()

    assert [] == list(WarmTransfer(SUPERVISOR).problems_on(platform))
    assert sent.items() <= platform._setup.dialling(Destination(SUPERVISOR), 10.0).items()


@pytest.mark.parametrize(
    ("variable", "pasted", "problem"),
    [
        ("VIDEOSDK_CALLER_ID", "Support", "VIDEOSDK_CALLER_ID holds no phone number in international form"),
        ("VIDEOSDK_CALLER_ID", "415-555-0100", "VIDEOSDK_CALLER_ID holds no phone number in international form"),
        ("VIDEOSDK_ROUTING_RULE", '"rr_9"', "VIDEOSDK_ROUTING_RULE holds no id of a routing rule, such as 'rr_...'"),
        ("VIDEOSDK_GATEWAY", "my gateway", "VIDEOSDK_GATEWAY holds no id of a gateway, such as 'gw_...'"),
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, variable: str, pasted: str, problem: str
) -> None:
    """What is set, and is no number or id, is a problem before anybody is dialled; no part of a number is shown."""
    for name, value in {"VIDEOSDK_CALLER_ID": "+14155550100", variable: pasted}.items():
        monkeypatch.setenv(name, value)
    if variable == "VIDEOSDK_CALLER_ID":
        monkeypatch.setenv("VIDEOSDK_ROUTING_RULE", "rr_1")
    (found,) = WarmTransfer(SUPERVISOR).problems_on(VideoSDKPlatform())

    assert problem in found
    assert "0100" not in found


A_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJhIn0.SECRETSIGNATURE"


@pytest.mark.parametrize(
    ("variable", "pasted", "why"),
    [
        (
            "VIDEOSDK_ROUTING_RULE",
            "gw_9",
            "the id of a routing rule, such as 'rr_...', and 'gw_9' is that of a gateway",
        ),
        ("VIDEOSDK_GATEWAY", " rr_9", "the id of a gateway, such as 'gw_...', and 'rr_9' is that of a routing rule"),
        ("VIDEOSDK_ROUTING_RULE", A_TOKEN, "the id of a routing rule, such as 'rr_...', and this is a token"),
        ("VIDEOSDK_GATEWAY", A_TOKEN, "the id of a gateway, such as 'gw_...', and this is a token"),
        ("VIDEOSDK_GATEWAY", "415-555-0100", "the id of a gateway, such as 'gw_...', and '***0100' is a phone number"),
        ("VIDEOSDK_ROUTING_RULE", "+14155550100", "***0100' is a phone number"),
    ],
)
def test_what_is_certainly_another_thing_than_an_id(
    monkeypatch: pytest.MonkeyPatch, variable: str, pasted: str, why: str
) -> None:
    """It is refused as an argument, and of the environment not sent; nothing of a token or a number is shown."""
    field = variable.removeprefix("VIDEOSDK_").lower()
    with pytest.raises(ConfigurationError) as raised:
        VideoSDKPlatform(caller_id="+14155550100", **{field: pasted})  # type: ignore[arg-type]
    monkeypatch.setenv(variable, pasted)
    (problem,) = WarmTransfer(SUPERVISOR).problems_on(VideoSDKPlatform(caller_id="+14155550100"))
    wrong = Environment.read().wrong[variable]

    assert str(raised.value).startswith(f"{field}= is the id of a ")
    assert why in str(raised.value)
    assert why in wrong
    assert problem.startswith(f"{variable} holds no id of a ")
    for said in (str(raised.value), wrong, problem):
        assert "SECRET" not in said
        assert "eyJ" not in said
        assert "5550100" not in said


@pytest.mark.parametrize("id_", ["rr_9", "support", "5f2b7c0e9d1a4b3c8e7f6a5d", "12345678-1234-4234-8234-123456789012"])
def test_ids_that_the_platform_may_give(id_: str) -> None:
    """It does not promise how its ids begin: only what is certainly something else is refused."""
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule=id_)

    assert id_ == platform._setup.dialling(Destination(SUPERVISOR), 10.0)["routingRuleId"]


def test_ids_are_not_sent_as_they_were_pasted() -> None:
    """Ids that are arguments lose what was pasted with them, too."""
    platform = VideoSDKPlatform(caller_id="+14155550100", routing_rule=" rr_9\n")

    assert "rr_9" == platform._setup.dialling(Destination(SUPERVISOR), 10.0)["routingRuleId"]


def test_a_destination_has_the_last_word_on_the_caller_id() -> None:
    """Where the destination has a caller id of its own, the platform needs none."""
    platform = VideoSDKPlatform(routing_rule="rr_1")

    assert [] == list(WarmTransfer(Destination(SUPERVISOR, caller_id="+14155550177")).problems_on(platform))
    assert [] != list(WarmTransfer(SUPERVISOR).problems_on(platform))


def test_two_platforms_that_are_set_up_alike_are_the_same() -> None:
    """Agents that share a call share what is known of it, when their platforms are alike in what they dial with, too."""
    assert VideoSDKPlatform(**SET_UP) == VideoSDKPlatform(**SET_UP)
    assert hash(VideoSDKPlatform(**SET_UP)) == hash(VideoSDKPlatform(**SET_UP))
    assert VideoSDKPlatform(**SET_UP) != VideoSDKPlatform()


def test_every_stage_takes_one_method_to_replace() -> None:
    """A briefing of an author's own is a subclass with one method."""

    class Short(Briefing):
        def opening(self, summary: str) -> str:
            return f"{summary} Yes or no?"

    assert "A refund. Yes or no?" == WarmTransfer(SUPERVISOR, briefing=Short()).briefing.opening("A refund.")
