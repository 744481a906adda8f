"""Keeps off the network what the documentation shows; the machine itself stays in reach.

An interpreter that finds this folder on its path imports this module as it starts.
"""

import socket
from collections.abc import Callable
from typing import Any

LOOPBACK = ("127.0.0.1", "::1", "localhost", "0.0.0.0")  # noqa: S104 - what a server binds to


def only_here(connect: Callable[..., Any]) -> Callable[..., Any]:
    """The same way to connect, which leads nowhere but to this machine."""

    def connecting(this: socket.socket, address: Any) -> Any:
        if isinstance(address, tuple) and address[0] not in LOOPBACK:
            raise ConnectionRefusedError(f"a page of the documentation reaches for the network: {address[0]}")
        return connect(this, address)

    return connecting


def looked_up_here(look_up: Callable[..., Any]) -> Callable[..., Any]:
    """The same way to find an address, which knows this machine only."""

    def looking_up(host: Any, *arguments: Any, **named: Any) -> Any:
        if host not in (None, "", *LOOPBACK):
            raise socket.gaierror(socket.EAI_NONAME, f"a page of the documentation reaches for the network: {host}")
        return look_up(host, *arguments, **named)

    return looking_up


if __name__ == "sitecustomize":
    socket.socket.connect = only_here(socket.socket.connect)  # type: ignore[method-assign]
    socket.getaddrinfo = looked_up_here(socket.getaddrinfo)
