"""The page and the WebSocket of live motion, on one port, for those who know the token (`vibe.auth`)."""

from __future__ import annotations

import asyncio
import secrets
import threading
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from vibe.auth import HEADERS, listening_error, refusal_reason
from vibe.errors import needs_extra
from vibe.live.outputs import Packet, Packets
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame

MOST_LISTENERS = 16
"""Sockets that are open at once."""
LONGEST_MESSAGE = 1024
"""Bytes that a listener may say; nothing is asked of them."""


@dataclass(frozen=True)
class ServedContent:
    """What a server has to give."""

    start: str
    """The first line for everybody."""
    page: str | None
    """HTML; None where there is only the socket."""
    packets: Packets


class Server:
    """A thread that sends answers to all who listen; who is slow gets fewer of them."""

    def __init__(self, offer: ServedContent, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listens from now on; port 0 takes a free one.

        Raises OSError if the port is taken or the host is not this machine's, ImportError without websockets.
        """
        with needs_extra("the live page", "websockets", "live"):
            import websockets  # noqa: F401
        self.host, self.port = host, port
        self.token = secrets.token_urlsafe(16)
        self._offer = offer
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        self._stop = asyncio.Event()
        self._listeners = 0
        started: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(started,), name="vibe-live-server", daemon=True)
        self._thread.start()
        started.result()

    @property
    def address(self) -> str:
        """The page's, with the token; under `/live` instead of `/` is the socket."""
        return f"http://{self._place()}/?token={self.token}"

    @property
    def socket_address(self) -> str:
        """The socket's, with the token."""
        return f"ws://{self._place()}/live?token={self.token}"

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Give everybody the newest answer as soon as they are done with the last."""
        self._offer.packets.newest = Packet(poses, frame, delay_ms)
        self._loop.call_soon_threadsafe(self._ring)

    def close(self) -> None:
        """Tell everybody goodbye."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(5)

    def _place(self) -> str:
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"[{name}]:{self.port}" if ":" in name else f"{name}:{self.port}"

    def _ring(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _run(self, started: Future[None]) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve(started))
        except OSError as error:
            started.set_exception(listening_error(error, self.host, self.port))
        except UnicodeError as error:
            name = ascii(self.host)[:80]
            started.set_exception(ValueError(f"{name} is no name that a machine can have ({error}): see --host"))
        except BaseException as error:
            started.set_exception(error)
        finally:
            self._loop.close()

    async def _serve(self, started: Future[None]) -> None:
        from websockets.asyncio.server import serve

        options: dict[str, Any] = {"compression": None, "max_size": LONGEST_MESSAGE, "max_queue": 1}
        async with serve(
            self._listen, self.host, self.port, process_request=self._answer, server_header=None, **options
        ) as server:
            self.port = next(iter(server.sockets)).getsockname()[1]
            started.set_result(None)
            await self._stop.wait()
            self._ring()

    def _answer(self, connection: Any, request: Any) -> Any:
        """The page, a refusal, or nothing where the socket may be opened."""
        reason = refusal_reason(request.path, request.headers.raw_items(), self.token, self.host)
        if reason is not None:
            return _response(connection, HTTPStatus.FORBIDDEN, reason)
        path = request.path.partition("?")[0]
        if path == "/live":
            if self._listeners >= MOST_LISTENERS:
                return _response(connection, HTTPStatus.SERVICE_UNAVAILABLE, f"{MOST_LISTENERS} listen already")
            return None
        if path == "/" and self._offer.page is not None:
            return _response(connection, HTTPStatus.OK, self._offer.page, "text/html; charset=utf-8")
        return _response(connection, HTTPStatus.NOT_FOUND, "there is nothing here")

    async def _listen(self, connection: Any) -> None:
        """Send the start and then the newest answer, again and again, as fast as the listener takes them."""
        from websockets.exceptions import ConnectionClosed

        async def ignore() -> None:  # what a listener says is read, so that pings and goodbyes behind it are heard
            with suppress(ConnectionClosed):
                async for _ in connection:
                    pass

        wants_page = "page" in parse_qs(connection.request.path.partition("?")[2])
        self._listeners += 1
        deaf = asyncio.ensure_future(ignore())
        known: dict[int, Any] = {}
        sent = -1
        try:
            await connection.send(self._offer.start)
            while not self._stop.is_set():
                news = self._news
                newest = self._offer.packets.newest
                if newest is None or newest.poses.index == sent:
                    await news.wait()
                    continue
                sent = newest.poses.index
                if not wants_page:
                    await connection.send(newest.text)
                    continue
                for shape in self._offer.packets.shapes(newest.poses, known):
                    await connection.send(shape)
                await connection.send(await asyncio.to_thread(newest.packet))
        except ConnectionClosed:
            pass
        finally:
            self._listeners -= 1
            deaf.cancel()


def _response(connection: Any, status: HTTPStatus, text: str, kind: str = "text/plain; charset=utf-8") -> Any:
    response = connection.respond(status, text)
    del response.headers["Content-Type"]
    response.headers.update({"Content-Type": kind, **HEADERS})
    return response
