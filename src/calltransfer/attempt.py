"""One attempt of one strategy: whatever it raises or returns, it ends with a result."""

import asyncio
import logging

from calltransfer.call import Call, TransferRequest, TransferStrategy
from calltransfer.claims import Claims
from calltransfer.errors import CallTransferError, NotAllowed
from calltransfer.events import TransferResult
from calltransfer.hook import is_cancelled
from calltransfer.masking import one_line
from calltransfer.outcome import Outcome
from calltransfer.timeline import described, first

logger = logging.getLogger("calltransfer")


async def attempt(strategy: TransferStrategy, call: Call, request: TransferRequest) -> TransferResult:
    """Has `strategy` move the caller; a bug in it is a failure that names it, and not an exception.

    For strategies that have others inside. What it says of the caller is held to what the run knows. Raises
    `CancelledError` only where whoever awaits this is cancelled.
    """
    name = type(strategy).__name__
    result = await _result(name, strategy, call, request)
    claims = Claims.on(call)
    return result if claims is None else await claims.checked(name, result)


async def _result(name: str, strategy: TransferStrategy, call: Call, request: TransferRequest) -> TransferResult:
    try:
        result = await strategy.transfer(call, request)
    except asyncio.CancelledError:
        if is_cancelled():
            raise
        return _failed(f"{name} ended by cancelling itself")
    except Exception as error:
        # Whatever is wrong with a strategy, the caller is with the agent and is spoken to.
        cause = first(error)
        if isinstance(cause, NotAllowed):
            return TransferResult(outcome=Outcome.REFUSED, detail=str(cause))
        logger.error("%s raised %s", name, described(error))  # noqa: TRY400
        # What an author's own error says may quote the call; ours does not.
        says = f": {one_line(str(cause))}" if _is_ours(cause) else ""
        return _failed(f"{name} raised {type(cause).__name__}{says}")
    if not isinstance(result, TransferResult):
        return _failed(f"{name} returned {type(result).__name__} instead of a TransferResult")
    return result


def _is_ours(error: BaseException) -> bool:
    """Whether the words of an error are ours: an author may raise one of our types with words of their own."""
    innermost = error.__traceback__
    while innermost is not None and innermost.tb_next is not None:
        innermost = innermost.tb_next
    where = "" if innermost is None else innermost.tb_frame.f_globals.get("__name__", "")
    return isinstance(error, CallTransferError) and where.startswith("calltransfer.")


def _failed(detail: str) -> TransferResult:
    return TransferResult(outcome=Outcome.FAILED, detail=detail)
