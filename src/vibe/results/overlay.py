"""The bodies drawn over the video they were found in: what `vibe estimate` writes beside the motion."""

from __future__ import annotations

from pathlib import Path

from vibe.body import Body
from vibe.motion import Result
from vibe.records import Progress
from vibe.results.render import render


def write_overlay(
    video: Path | str,
    result: Result,
    path: Path | str,
    body: Body | None = None,
    progress: Progress | None = None,
) -> tuple[str, ...]:
    """Writes the video with everybody and their numbers drawn over it, its size, times and sound kept; returns notes.

    `body` is the surface to draw; by default the motion's own. Raises as `render` does.
    """
    told = None if progress is None else lambda _, done, total: progress("overlay", done, total)
    return render(result, path, video, numbers=True, body=body, progress=told)
