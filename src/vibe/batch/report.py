"""What came of each video: for the screen, and as report.csv and report.json."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vibe.batch.manifest import MOTION, SUMMARY, Manifest, told_world
from vibe.errors import redact

State = Literal["done", "skipped", "failed", "left"]
"""`left`: the run was interrupted before."""
COLUMNS = ("video", "state", "reason", "results", "people", "frames", "seconds", "key")


@dataclass(frozen=True)
class Outcome:
    """What came of a video."""

    video: str
    """Its path or URL."""
    state: State
    reason: str = ""
    results: str = ""
    """Folder or URL."""
    rows: tuple[Mapping[str, Any], ...] = ()
    """Person, frames, coverage and confidence of each person, as in summary.json."""
    frames: int = 0
    """Of the video."""
    seconds: float = 0.0
    """That the work took this time."""
    key: str = ""
    """What the motion depends on."""
    files: tuple[str, ...] = ()
    world: str = ""
    """How the world is known, as a sentence; empty if none is."""
    notes: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Its path or URL without passwords."""
        return redact(self.video)

    def columns(self) -> dict[str, Any]:
        """A row of the report."""
        said = self.label, self.state, self.reason, redact(self.results)
        values = *said, len(self.rows), self.frames, round(self.seconds, 3), self.key
        return dict(zip(COLUMNS, values, strict=True))


def failed_outcome(video: str, reason: str) -> Outcome:
    """A video that could not be read, or over which something else went wrong."""
    label = redact(video)
    return Outcome(video, "failed", reason if label in reason else f"{label}: {reason}")


def found_outcome(
    video: str, results: str, manifest: Manifest, state: State = "skipped", reason: str = "done before"
) -> Outcome:
    """A video whose results are there, with what their summary tells."""
    summary = manifest.summary
    return Outcome(
        video,
        state,
        reason,
        results,
        rows=tuple(summary["people"]),
        frames=summary["frames"],
        key=manifest.keys[MOTION],
        files=(*manifest.bytes, SUMMARY),
        world=told_world(summary),
        notes=tuple(map(str, summary["notes"])),
        licences=tuple(f"{what} {summary[what]['name']}: {summary[what]['licence']}" for what in ("weights", "body")),
    )


def count_states(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many videos came to each state."""
    states = Counter(outcome.state for outcome in outcomes)
    return {state: states[state] for state in get_args(State) if states[state] or state != "left"}


def report_csv(outcomes: Sequence[Outcome]) -> bytes:
    """The report as a table, UTF-8."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    formula = ("=", "+", "-", "@", "\t", "\r")
    for outcome in outcomes:
        cells = outcome.columns().values()
        table.writerow(f"'{cell}" if isinstance(cell, str) and cell.startswith(formula) else cell for cell in cells)
    return text.getvalue().encode("utf-8", "backslashreplace")


def report_json(outcomes: Sequence[Outcome]) -> bytes:
    """The report with its counts, UTF-8."""
    content = {**count_states(outcomes), "videos": [outcome.columns() for outcome in outcomes]}
    return (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
