"""Answers requests that block the loop, as those of the SDK do, where the platform is on that loop: on fast-forwarded time.

Nothing else can happen while the loop is blocked, and the time that the answer takes passes all the same: the clock is put
forward by it, and whatever was due meanwhile comes late, as it does where a real loop is blocked. A request from a thread
is waited for by that thread only, and so is answered on the loop, while time passes as usual.
"""

import asyncio
import io
import json
import urllib.parse
from typing import Any

import requests
import urllib3

from calltransfer.sandbox.asked import Asked
from calltransfer.sandbox.clock import FastForwardLoop
from calltransfer.sandbox.rest import Answer, Lost, RestServer

FOR_GOOD = 60.0
"""Seconds after which a blocking request that is never answered, and has no timeout, is given up: it would end the test."""


class BlockingRequests:
    """Stands in for `requests.adapters.HTTPAdapter.send` for what is on the loop's own platform.

    Args:
        server: The platform.
        loop: The loop it is on.
        base_url: Where it is. Requests to anybody else are sent as they were before.
    """

    def __init__(self, server: RestServer, loop: FastForwardLoop, base_url: str) -> None:
        self._server = server
        self._loop = loop
        self._base_url = base_url
        self._elsewhere = requests.adapters.HTTPAdapter.send

    def send(
        self, adapter: requests.adapters.HTTPAdapter, request: Any, *arguments: Any, **options: Any
    ) -> requests.Response:
        """Sends a request.

        Raises:
            requests.ConnectionError: the connection was reset.
            requests.ReadTimeout: no answer came in time.
        """
        if not str(request.url).startswith(self._base_url):
            return self._elsewhere(adapter, request, *arguments, **options)
        asked = self._asked(request)
        timeout = _seconds(options.get("timeout"))
        answer = self._blocks(asked, timeout) if _on(self._loop) else self._in_thread(asked, timeout)
        if answer is Lost.RESET:
            raise requests.ConnectionError("connection reset by peer", request=request)
        if not isinstance(answer, Answer):
            raise requests.ReadTimeout(f"no answer within {timeout:g} s", request=request)
        raw = urllib3.HTTPResponse(
            body=io.BytesIO(answer.text.encode()),
            status=answer.status,
            headers={"Content-Type": "application/json", **answer.headers},
            preload_content=False,
        )
        return adapter.build_response(request, raw)

    def _asked(self, request: Any) -> Asked:
        url = urllib.parse.urlsplit(request.url)
        body = request.body
        return Asked(
            str(request.method),
            url.path,
            body=json.loads(body) if body else None,
            query=dict(urllib.parse.parse_qsl(url.query)),
            authorization=str(request.headers.get("Authorization", "")),
            connection=self._server.new_connection(),
        )

    def _blocks(self, asked: Asked, timeout: float) -> Answer | Lost:
        until = self._loop.time() + timeout
        answer: Answer | Lost | None = None
        course = self._server.course(asked)
        while answer is None:
            try:
                self._loop.advance(max(0.0, min(next(course), until - self._loop.time())))
            except StopIteration as over:
                answer = over.value
            else:
                answer = Lost.HANGING if self._loop.time() >= until else None
        if answer is Lost.HANGING:
            self._loop.advance(max(0.0, until - self._loop.time()))
        return answer

    def _in_thread(self, asked: Asked, timeout: float) -> Answer | Lost:
        async def answered() -> Answer | Lost:
            try:
                async with asyncio.timeout(timeout):
                    return await self._server.answered(asked, gone=lambda: False)
            except TimeoutError:
                return Lost.HANGING

        return self._loop.answer_thread(answered())


def _on(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _seconds(timeout: Any) -> float:
    """Of a timeout as `requests` takes it, the one for the answer."""
    seconds = timeout[1] if isinstance(timeout, tuple) else timeout
    return FOR_GOOD if seconds is None else float(seconds)
