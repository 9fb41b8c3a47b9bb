"""HTTP as uvicorn speaks it, with limits of time for headers and for who does not take its answer.

Uvicorn has none: whoever opens connections and says nothing, sends a header byte by byte, or leaves a picture unread,
would hold them for as long as they like.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class TimedProtocol(H11Protocol):
    """A connection that is closed when the other side takes too long.

    Attributes:
        headers_within: Seconds from the opening of a connection, or the first byte of a further request, to the end of
            its headers.
        answer_within: Seconds in which an answer must be taken.
    """

    headers_within: ClassVar[float] = 20.0
    answer_within: ClassVar[float] = 60.0
    _headers: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._heed()

    def data_received(self, data: bytes) -> None:
        """Take what came, and see whether it is all of the headers."""
        super().data_received(data)
        self._heed()

    def pause_writing(self) -> None:
        """Wait for the other side to take what was written."""
        super().pause_writing()
        self._answer = self.loop.call_later(self.answer_within, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on."""
        _cancel(self._answer)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        _cancel(self._headers)
        _cancel(self._answer)
        super().connection_lost(exc)

    def _heed(self) -> None:
        if self.conn.their_state is not h11.IDLE or self.transport.is_closing():
            _cancel(self._headers)
            self._headers = None
        elif self._headers is None:
            self._headers = self.loop.call_later(self.headers_within, self.transport.close)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
