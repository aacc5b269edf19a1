"""How long an edit takes: from what the page sends to the new motion that it shows, and `vibe refit` as a whole.

    python benchmarks/editing.py [--cache runs/editing] [--table FILE]

Ten seconds of real people at 30 frames a second, one and two (`speed.py`), whose motion and stages are kept in the
cache: delete it after a change to anything before the edit. Each kind of edit is made twice by one editor, at two
places, so that nothing is found solved, and taken back after each. Not in it: the browser's own drawing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import report
import tyro
from speed import ONE, RATE, SECONDS, TALL, TWO, pictures

from vibe.bench.measure import write_back_and_forth
from vibe.editing import Editor, files_beside, open_editor, open_motion
from vibe.edits.file import FORMAT, write_edits
from vibe.edits.record import Edit, Edits
from vibe.inference.config import EstimatorConfig
from vibe.motion import load
from vibe.parallel import one_thread

KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "swap_sides": lambda at: {"person": 1, "first": at, "last": at + 20},
    "move_point": lambda at: {"person": 1, "frame": at, "point": "left_wrist", "x_px": 400.0, "y_px": 700.0},
    "foot_stands": lambda at: {"person": 1, "foot": "left", "first": at, "last": at + 20},
    "floor_here": lambda at: {"person": 1, "frame": at},
    "trim": lambda at: {"first": at // 3, "last": 280},
    "name": lambda at: {"person": 1, "name": f"frame {at}"},
    "delete": lambda at: {"person": 1},
}
"""What each kind is told, of an edit at a frame."""
PLACES = 60, 150


@dataclass(frozen=True)
class Options:
    cache: Path = Path("runs/editing")
    table: Path | None = None


def estimated(name: str, cache: Path) -> Path:
    """The motion of a clip, with its stages kept; made where the cache has none."""
    video, motion = cache / f"{name}.mp4", cache / "out" / name / "motion.npz"
    if not video.exists():
        cache.mkdir(parents=True, exist_ok=True)
        path, part = {"one": ONE, "two": TWO}[name]
        write_back_and_forth(video, pictures(path, part, TALL), round(SECONDS * RATE), RATE, TALL)
    if not motion.exists():
        command("estimate", str(video), "-o", str(cache / "out"), "--keep-stages", "--no-overlay")
    return motion


def command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "vibe", *arguments], check=True, capture_output=True)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock, and of the processor, that of ended children with them."""
    began, before = time.perf_counter(), os.times()
    work()
    after = os.times()
    return time.perf_counter() - began, sum(after[:4]) - sum(before[:4])


def change(editor: Editor, opened: Any, *edits: dict[str, Any]) -> None:
    content = {"format": FORMAT, "video": vars(opened.video), "edits": edits}
    editor.change(json.dumps(content).encode(), editor.revision)


def measured(motion: Path, video: Path) -> list[tuple[str, float, float, float, float]]:
    """Of each kind seconds and processor seconds of the first edit and of another."""
    result, rows, editors = load(motion), [], []

    def opening() -> None:
        opened = open_motion(motion, result, [video], EstimatorConfig())
        editors.append((opened, open_editor(opened, files_beside(Path(folder) / "motion.npz"))[0]))

    with tempfile.TemporaryDirectory() as folder:
        once = timed(opening)
        rows.append(("the page is opened", *once, *timed(opening)))
        opened, editor = editors[0]
        for kind, told in KINDS.items():
            times = []
            for at in PLACES:
                times += timed(lambda told=told, at=at, kind=kind: change(editor, opened, {"edit": kind, **told(at)}))
                change(editor, opened)
            rows.append((kind, *times))
        whole: list[float] = []
        for at in PLACES:
            edits = Path(folder) / "edits.json"
            write_edits(edits, Edits(opened.video, (Edit("swap_sides", KINDS["swap_sides"](at + 3)),)))
            arguments = [str(motion), str(video), "--edits", str(edits), "-o", str(Path(folder) / "new.npz")]
            whole += timed(lambda arguments=arguments: command("refit", *arguments))
        rows.append(("`vibe refit`, swap_sides", *whole))
    return rows


def main(options: Options) -> None:
    rows = []
    with one_thread():
        for name in ("one", "two"):
            motion = estimated(name, options.cache)
            # a copy, in whose stages no edit of a run before is found solved
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(shutil.copytree(motion.parent.parent, Path(folder) / "out")) / name / "motion.npz"
                people = len(load(copy).people)
                rows += [[people, *row] for row in measured(copy, options.cache / f"{name}.mp4")]
    report.table(
        "One edit of a motion of 300 frames, seconds",
        ["people", "what", "first", "processor", "again, elsewhere", "processor"],
        rows,
        "From the page's request to the answer with the new motion, written; without the browser. The clock's seconds "
        "depend on what else runs, the processor's little",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
