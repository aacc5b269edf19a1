"""The app's page and what it asks for, over HTTP on this machine alone, for those who know the token (`vibe.auth`)."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from vibe import assets
from vibe.app.correct import Correcting
from vibe.app.jobs import PIECE, Job, JobFolder
from vibe.app.work import DOWNLOADS, EDITED, EDITS, Runner, make_download
from vibe.auth import HEADERS, listening_error, refusal_reason
from vibe.batch.manifest import PAGE
from vibe.errors import EXPECTED, explain, needs_extra
from vibe.export.formats import FORMATS, RIGGED, RigName
from vibe.inference.config import POSE_MODELS

HOST = "127.0.0.1"
TEMPLATE = Path(__file__).with_name("page.html")
"""The app's page with a place for what it has to know; `hatch_build.py` makes it when the package is installed."""
LONGEST_REQUEST = 1 << 14
"""Bytes of a request that is no piece of a video."""
PATIENCE = 60.0
"""Seconds that a piece of a video may take on its way."""
MOST_CONNECTIONS = 64
MISSING = "vibe was installed without its pages (npm could not fetch its packages): install it again with a network"


class AppServer:
    """Serves the page, the jobs, their results and downloads of them."""

    def __init__(self, jobs: JobFolder, runner: Runner, correcting: Correcting, port: int = 0) -> None:
        """Listens from now on, and answers once it runs; port 0 takes a free one.

        Raises OSError if the port is taken, FileNotFoundError without the page, ImportError without Starlette.
        """
        with needs_extra("the app", "starlette", "app"):
            import starlette  # noqa: F401
            import uvicorn
        if not TEMPLATE.is_file():
            raise FileNotFoundError(MISSING)
        self.token = secrets.token_urlsafe(16)
        self._jobs, self._runner, self._correcting = jobs, runner, correcting
        self._making, self._ending = threading.Lock(), threading.Event()
        try:
            self._socket = socket.create_server((HOST, port))
        except OSError as error:
            raise listening_error(error, HOST, port) from error
        self.port = self._socket.getsockname()[1]
        config = uvicorn.Config(
            Gate(self._application(), self.token), log_config=None, log_level="critical", access_log=False,
            server_header=False, proxy_headers=False, lifespan="off", ws="none", http="h11",
            limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)

    @property
    def address(self) -> str:
        """The page's, with the token."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    def run(self) -> None:
        """Answer until Ctrl-C (which is raised again), SIGTERM or `close`."""
        with self._socket:
            self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """End `run`."""
        self._server.should_exit = True

    def _application(self) -> Any:
        from starlette.applications import Starlette
        from starlette.routing import Route

        job = "/jobs/{job_id}"
        routes = [
            Route("/", self._page),
            Route("/jobs", self._list),
            Route("/jobs", self._add, methods=["POST"]),
            Route(f"{job}/video", self._receive, methods=["PUT"]),
            Route(f"{job}/stop", self._act(self._stop), methods=["POST"]),
            Route(f"{job}/correct", self._correct, methods=["POST"]),
            Route(f"{job}/again", self._act(self._again), methods=["POST"]),
            Route(job, self._act(self._remove), methods=["DELETE"]),
            Route(f"{job}/{DOWNLOADS}", self._make, methods=["POST"]),
            Route(f"{job}/{{kind}}/{{name}}", self._file),
        ]
        return Starlette(routes=routes, exception_handlers=dict.fromkeys((*EXPECTED, KeyError, Exception), _failed))

    async def _page(self, request: Any) -> Any:
        from starlette.responses import HTMLResponse

        formats = [
            {"name": name, "about": each.about, "rigged": name in RIGGED} for name, each in FORMATS.items()
        ]  # fmt: skip
        setup = {"piece": PIECE, "formats": formats, "rigs": get_args(RigName), "qualities": _qualities()}
        text = TEMPLATE.read_text(encoding="utf-8")
        return HTMLResponse(text.replace("%setup%", json.dumps(setup).replace("<", "\\u003c"), 1))

    async def _list(self, request: Any) -> Any:
        def told() -> dict[str, Any]:
            jobs = [self._told(job) for job in self._jobs.jobs()]
            return {"jobs": jobs, "free": self._jobs.free(), "folder": str(self._jobs.root)}

        return await _answer(told)

    async def _add(self, request: Any) -> Any:
        """A video that is to come, by name, size and what is wanted of it."""
        asked = await _asked(request)
        name, size, modified = (asked.get(each) for each in ("name", "size", "modified"))
        quality, height, overlay = (asked.get(each) for each in ("quality", "height", "overlay"))
        if not (isinstance(name, str) and type(size) is int and type(modified) is int and abs(modified) < 1 << 53):
            raise ValueError("a video has a name, a size in bytes and the time of its last change")
        if quality is not None and quality not in POSE_MODELS:
            raise ValueError(f"there is no quality {quality!r}: choose {', '.join(POSE_MODELS)}")
        if height is not None and not (isinstance(height, int | float) and 0.5 <= height <= 2.5):
            raise ValueError("nobody is so tall here: give a height from 0.5 to 2.5 metres")
        wanted = {"quality": quality, "height_m": height, "overlay": overlay is not False}
        return await _answer(lambda: self._told(self._jobs.add(name, size, modified, **wanted)), 201)

    async def _receive(self, request: Any) -> Any:
        """A piece of a video, which begins where `at` says; the answer tells how much is here."""
        job_id, at = request.path_params["job_id"], request.query_params.get("at", "")
        if not at.isdecimal() or len(at) > 16:
            raise ValueError("a piece of a video says at which byte it begins")
        piece = await asyncio.wait_for(_body(request, PIECE), PATIENCE)

        def receive() -> dict[str, Any]:
            job = self._jobs.receive(job_id, int(at), piece)
            self._runner.wake()
            return self._told(job)

        return await _answer(receive)

    async def _make(self, request: Any) -> Any:
        """Write a motion in a format; the answer names the file, which is then to be fetched."""
        job_id, asked = request.path_params["job_id"], await _asked(request)
        to, rig = asked.get("to"), asked.get("rig")
        if not isinstance(to, str) or not isinstance(rig, str | None):
            raise ValueError(f"choose one of the formats {', '.join(FORMATS)}")

        def make() -> dict[str, Any]:
            with self._making:  # one at a time
                name, notes = make_download(self._jobs.get(job_id), self._jobs, to, rig, self._ending)
            return {"name": name, "notes": notes}

        try:
            return await _answer(make)
        except asyncio.CancelledError:  # the program ends, and would wait until the file is written
            self._ending.set()
            raise

    async def _file(self, request: Any) -> Any:
        """A result, or a download that was made."""
        from starlette.responses import FileResponse

        job = self._jobs.get(request.path_params["job_id"])
        kind, name = request.path_params["kind"], request.path_params["name"]
        path = next((path for path in self._files(job).get(kind, ()) if path.name == name), None)
        if path is None:
            raise KeyError(name)
        if name == PAGE and "download" not in request.query_params:
            return FileResponse(path, media_type="text/html; charset=utf-8")
        kind = path.stem.removeprefix(path.suffix[1:]).strip("-")  # bvh-mixamo.bvh is saved as dance-mixamo.bvh
        return FileResponse(path, filename=f"{'-'.join(filter(None, (Path(job.name).stem, kind)))}{path.suffix}")

    def _files(self, job: Job) -> dict[str, list[Path]]:
        results = [self._jobs.result(job) / name for name in (*job.files, EDITED, EDITS) if job.files]
        made, edited = self._jobs.folder(job.job_id) / DOWNLOADS, self._jobs.result(job) / EDITED
        since = edited.stat().st_mtime if edited.is_file() else 0.0  # what was made before is of another motion
        there = sorted(path for path in made.iterdir() if path.is_file()) if made.is_dir() else []
        return {
            "files": [path for path in results if path.is_file()],
            DOWNLOADS: [path for path in there if path.stat().st_mtime >= since],
        }

    def _told(self, job: Job) -> dict[str, Any]:
        """A job as the page has it."""
        progress = self._runner.progress()
        names = {kind: [path.name for path in paths] for kind, paths in self._files(job).items()}
        mine = progress if progress and progress["job_id"] == job.job_id and job.state == "working" else None
        return {**asdict(job), "received": self._jobs.received(job), "progress": mine, **names}

    def _act(self, act: Callable[[str], Mapping[str, Any] | None]) -> Callable[[Any], Any]:
        """What answers a request with nothing in it to do something with a job."""

        async def answer(request: Any) -> Any:
            job_id = self._jobs.get(request.path_params["job_id"]).job_id
            return await _answer(lambda: act(job_id) or {})

        return answer

    async def _correct(self, request: Any) -> Any:
        try:
            return await self._act(lambda job_id: {"address": self._correcting.open(job_id)})(request)
        except asyncio.CancelledError:  # the program ends, and would wait until the motion is open
            self._correcting.close()
            raise

    def _stop(self, job_id: str) -> None:
        self._runner.stop(job_id)

    def _again(self, job_id: str) -> None:
        if self._jobs.get(job_id).state in ("stopped", "failed"):
            self._jobs.change(job_id, state="waiting", reason="")
        self._runner.wake()

    def _remove(self, job_id: str) -> None:
        self._runner.stop(job_id)
        self._correcting.close(job_id)
        self._jobs.remove(job_id)


class Gate:
    """Lets in who may ask, and puts the same headers on every answer."""

    def __init__(self, application: Any, token: str) -> None:
        self._application, self._token = application, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, as ASGI has it."""
        from starlette.responses import PlainTextResponse

        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        path = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        reason = refusal_reason(path, headers, self._token, HOST)
        answer = self._application if reason is None else PlainTextResponse(reason, 403)
        ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *ours]}
            await send(message)

        await answer(scope, receive, send_with_headers)


def _qualities() -> list[str]:
    """Those whose model is here."""
    found = []
    for quality, model in POSE_MODELS.items():
        try:
            assets.find_model(model)
        except FileNotFoundError:
            continue
        found.append(quality)
    return found


async def _body(request: Any, most: int) -> bytes:
    """What a request brings; raises ValueError for too much."""
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > most:
            raise ValueError(f"a request has at most {most} bytes")
    return bytes(content)


async def _asked(request: Any) -> Mapping[str, Any]:
    """The JSON object of a request; raises ValueError."""
    try:
        content = json.loads(await _body(request, LONGEST_REQUEST))
    except RecursionError:
        content = None
    if not isinstance(content, dict):
        raise ValueError("a request is a JSON object")
    return content


async def _answer(work: Callable[[], Mapping[str, Any]], status: int = 200) -> Any:
    """What work gives, which is done beside the others."""
    from starlette.responses import JSONResponse

    return JSONResponse(await asyncio.to_thread(work), status)


async def _failed(request: Any, error: Exception) -> Any:
    """What went wrong, in one sentence."""
    from starlette.responses import JSONResponse

    if isinstance(error, KeyError):
        return JSONResponse({"error": "this is not here any more"}, 404)
    return JSONResponse({"error": explain(error)}, 400)
