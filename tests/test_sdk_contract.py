"""What we rely on in the SDK beyond its documentation is there, in the SDK that is installed."""

import inspect
import subprocess
import sys

import pytest
from videosdk.agents import Agent

from calltransfer.agent import AgentArguments
from calltransfer.videosdk._sdk import CONTRACT


@pytest.mark.parametrize(("owner", "name", "why"), CONTRACT, ids=[f"{o.__name__}.{n}" for o, n, _ in CONTRACT])
def test_the_sdk_still_has(owner: type, name: str, why: str) -> None:
    """Each private or undocumented name that we use is a member of its class, or set on its instances."""
    source = "\n".join(
        inspect.getsource(base) for base in owner.__mro__ if base is not object and "videosdk" in base.__module__
    )
    written = name.removeprefix(f"_{owner.__name__}")  # a class's private names are mangled
    there = name in vars(owner) or f"self.{written}" in source or f"\n    {name}:" in source
    assert there, f"this SDK has no {owner.__name__}.{name} any more; we need it because: {why}"


def test_the_contract_is_complete() -> None:
    """Every private name of the SDK that the module uses is in the contract."""
    import re

    from calltransfer.videosdk import _sdk

    used = set(re.findall(r"(?<!self)\.(_[a-z]\w+)", inspect.getsource(_sdk).split("def room_of")[1]))
    assert used <= {name for _, name, _ in CONTRACT}


def test_the_agent_takes_what_we_pass_on() -> None:
    """The arguments that our type checker knows are those of the SDK's agent."""
    assert set(inspect.signature(Agent).parameters) == {"instructions", *AgentArguments.__annotations__}


def test_importing_us_does_not_import_the_sdk() -> None:
    """Who needs only our values does not pay the two seconds that the SDK takes to import."""
    code = (
        "import sys, calltransfer\n"
        "from calltransfer import Destination, DirectTransfer, Outcome, WarmTransfer, Wording, TransferResult\n"
        "DirectTransfer(to='+14155550123'), WarmTransfer(to='+14155550123')\n"
        "assert not [name for name in sys.modules if name.startswith(('videosdk', 'aiohttp'))]\n"
        "calltransfer.TransferMixin\n"
        "assert 'videosdk.agents' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


def test_public_names() -> None:
    """Every public name can be imported, is documented, and an unknown one is an AttributeError."""
    import calltransfer

    assert sorted(calltransfer.__all__) == list(calltransfer.__all__) == dir(calltransfer)
    for name in calltransfer.__all__:
        if name != "__version__":
            assert inspect.getdoc(getattr(calltransfer, name)), name
    with pytest.raises(AttributeError, match="Nonsense"):
        getattr(calltransfer, "Nonsense")  # noqa: B009 - what is not there has no type
