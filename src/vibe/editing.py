"""A motion opened to be corrected, with its videos and their tracks, and the page on which it is: served on this
machine alone, for those who know the token (`vibe.auth`)."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from vibe.arrays import as_numpy
from vibe.auth import HEADERS, listening_error, refusal_reason
from vibe.batch.manifest import MOTION
from vibe.batch.storage import OutputStorage
from vibe.cache import content_key
from vibe.edits.file import FORMAT, LARGEST, edits_text, parse_edits, read_edits, write_edits
from vibe.edits.record import Edits
from vibe.errors import EXPECTED, explain
from vibe.inference.config import EstimatorConfig
from vibe.inference.estimate import load_estimator
from vibe.inference.refit import JointRefit, Refit, open_refit
from vibe.inference.together import FOLDER
from vibe.motion import Result
from vibe.records import Progress
from vibe.skeletons import DETECTED27
from vibe.viewer.motion_json import motion_json
from vibe.viewer.page import LIMIT_MB, PageVideo, TooLarge, edit_page, page_template, read_film

HOST = "127.0.0.1"
PATIENCE = 30.0
"""Seconds that a request may take on its way."""
REVISION = "Edits-Revision"
"""The header by which a page says which edits it changes."""


@dataclass(frozen=True)
class EditedFiles:
    """Where edits are kept, and the motion with them."""

    edits: Path
    motion: Path


class _Outdated(ValueError):
    """A page would change edits that are no longer those that it shows."""


class Editor:
    """One motion with its edits, of which each list that comes is solved, written and shown, or refused as a whole."""

    def __init__(
        self, opened: Refit | JointRefit, files: EditedFiles, films: Sequence[PageVideo], progress: Progress | None
    ) -> None:
        """With the edits that are there already; raises ValueError if they do not fit, OSError."""
        self._opened, self._files, self._films = opened, files, films
        self._lock, self._template = threading.Lock(), page_template()
        edits = read_edits(files.edits, opened.video) if files.edits.exists() else Edits(opened.video)
        try:
            self._edits, self._result = edits, opened.solve(edits.edits, progress)
        except ValueError as error:
            raise ValueError(f"{files.edits}: {error}") from error

    def page(self) -> str:
        """The page with the motion as it is now."""
        with self._lock:
            return edit_page(self._template, self._shown(), *self._films)

    def change(self, content: bytes, revision: str | None) -> str:
        """The motion with the edits of this file's content, as the page wants it; raises ValueError, OSError.

        `revision` is what the page was told of the edits that it changes: those of another are refused.
        """
        edits = parse_edits(content, self._opened.video, "the edits")
        with self._lock:
            if revision != self.revision:
                raise _Outdated("another page changed the edits: reload this one")
            result = self._opened.solve(edits.edits)
            result.save(self._files.motion)
            write_edits(self._files.edits, edits)
            self._edits, self._result = edits, result
            return self._shown()

    @property
    def revision(self) -> str:
        """What `change` is to be told of the edits as they are now."""
        return hashlib.sha256(edits_text(self._edits).encode("utf-8", "backslashreplace")).hexdigest()

    def _shown(self) -> str:
        video, edits = vars(self._opened.video), [{"edit": each.kind, **each.values} for each in self._edits.edits]
        seen = self._opened.points_px(self._edits.edits)
        about = {"format": FORMAT, "revision": self.revision, "points": DETECTED27, "video": video, "edits": edits}
        return motion_json(self._result, self._opened.estimator.body, about, seen)

    @property
    def result(self) -> Result:
        """The motion as it is now."""
        return self._result


class EditServer(ThreadingHTTPServer):
    """Serves an editor's page, and takes its edits."""

    daemon_threads = True

    def __init__(self, editor: Editor, port: int = 0) -> None:
        """Listens from now on, and answers once it is told to serve; port 0 takes a free one. Raises OSError."""
        self.editor, self.token = editor, secrets.token_urlsafe(16)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise listening_error(error, HOST, port) from error

    @property
    def address(self) -> str:
        """The page's, with the token."""
        return f"http://{HOST}:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: EditServer
    timeout = PATIENCE
    server_version, sys_version = "vibe", ""

    def do_GET(self) -> None:
        self._answered("/", lambda: ("text/html", self.server.editor.page()))

    def do_POST(self) -> None:
        editor, revision = self.server.editor, self.headers.get(REVISION)
        self._answered("/edits", lambda: ("application/json", editor.change(self._body(), revision)))

    def _answered(self, place: str, work: Callable[[], tuple[str, str]]) -> None:
        """Do what is asked of a place, for who may ask; what goes wrong is a sentence."""
        reason = refusal_reason(self.path, self.headers.items(), self.server.token, HOST)
        if reason is not None:
            return self._send(HTTPStatus.FORBIDDEN, "text/plain", reason)
        if self.path.partition("?")[0] != place:
            return self._send(HTTPStatus.NOT_FOUND, "text/plain", "there is nothing here")
        try:
            kind, text = work()
        except Exception as error:
            status = HTTPStatus.BAD_REQUEST if isinstance(error, EXPECTED) else HTTPStatus.INTERNAL_SERVER_ERROR
            status = HTTPStatus.CONFLICT if isinstance(error, _Outdated) else status
            return self._send(status, "application/json", json.dumps({"error": explain(error)}))
        return self._send(HTTPStatus.OK, kind, text)

    def _body(self) -> bytes:
        """What a request brings; raises ValueError where that is too much."""
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()) or int(length[:9]) > LARGEST or len(length) > 9:
            self.close_connection = True
            raise ValueError(f"edits have at most {LARGEST >> 20} MB")
        return self.rfile.read(int(length))

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": len(content),
            **HEADERS,
        }.items():
            self.send_header(name, str(value))
        with suppress(ConnectionError):  # the page was closed, or loaded again, before all of it was there
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said of requests."""


def files_beside(motion: Path) -> EditedFiles:
    """Where edits of a motion and the new one are kept, unless somebody says otherwise."""
    return EditedFiles(motion.with_name("edits.json"), motion.with_name(f"{motion.stem}_edited.npz"))


def open_motion(
    motion: Path, result: Result, videos: Sequence[Path], config: EstimatorConfig, progress: Progress | None = None,
    anew: bool = False, advice: str = "give it those that it had",
) -> Refit | JointRefit:  # fmt: skip
    """What corrects a motion file, which holds `result`; raises OSError or ValueError if video or tracks aren't here.

    Of a motion of several videos `videos` are all of them. Tracks that are not here are made `anew`; `advice` is for a
    motion of other options or another version.
    """
    content, estimator = content_key(videos[0]), load_estimator(config)
    manifest = OutputStorage(str(motion.parent)).look(".")
    known = manifest if motion.name == MOTION and manifest and manifest.content == content else None
    if known and known.keys[MOTION] != estimator.config.keys(content)["result"]:
        raise ValueError(f"{motion} was made with other options, or by another version: {advice}")
    name = FOLDER if result.views else content
    places = [OutputStorage(str(folder)).stages(name) for folder in motion.absolute().parents]
    folder = next((place for place in places if place and place.is_dir()), None) or places[min(1, len(places) - 1)]
    assert folder is not None, "a folder of this machine has stages"
    return open_refit(result, videos, estimator, folder, progress, anew)


def open_editor(opened: Refit | JointRefit, files: EditedFiles, progress: Progress | None = None) -> tuple[Editor, str]:
    """What is served as a page, with the videos unless a note says why not; raises OSError or ValueError."""
    clips, films, note = [as_numpy(clip) for clip in opened.clips], [], ""
    try:
        films = [read_film(clip.path, clip, LIMIT_MB / len(clips), progress) for clip in clips]
    except TooLarge as error:
        note = f"the page shows the bodies alone: {error}"
    return Editor(opened, files, films, progress), note
