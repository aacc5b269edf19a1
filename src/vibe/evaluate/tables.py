"""Reports as Markdown, CSV, LaTeX and JSON, and the paper's Table 1 beside measured rows.

Every number comes with its protocol, joints, boxes, weights and frames.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch

from vibe import __version__
from vibe.data.store import MANIFEST
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.scores import COVERAGE, METRICS, WHOLE, Report, System
from vibe.models.network import Network
from vibe.records import Progress

HEAD = ("evidence", "system", "joints", "frames")
"""What stands before the errors."""
FEW = 3
"""Clips or views that a table still shows, where there is more than one."""
LATEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}"})
"""What LaTeX takes for its own."""


@dataclass(frozen=True)
class ScoreTable:
    """Numbers for people, and all of them for programs."""

    title: str
    head: Sequence[str]
    cells: Sequence[Sequence[str]]
    notes: Sequence[str]
    """What the numbers were measured on, a paragraph each."""
    columns: Sequence[str]
    """Of the rows, all of them."""
    rows: Sequence[Mapping[str, Any]]
    """For programs; each says all that is needed to read it, and nothing where there is no number."""
    words: int = len(HEAD) - 1
    """Columns before the numbers."""
    groups: Sequence[str] = ()
    """What stands above each heading, if anything does."""


def markdown(table: ScoreTable) -> str:
    """The numbers for people with their notes, as Markdown."""
    head = [f"{group} {name}".strip() for group, name in zip_longest(table.groups, table.head, fillvalue="")]
    lines = ["| " + " | ".join(row) + " |" for row in (head, *table.cells)]
    lines.insert(1, "|" + " --- |" * len(table.head))
    return "\n".join([table.title, "", *lines, "", "\n\n".join(table.notes)]) + "\n"


def latex(table: ScoreTable) -> str:
    """The same as a LaTeX table, which needs no package."""
    head, *lines = [" & ".join(cell.translate(LATEX) for cell in row) + r" \\" for row in (table.head, *table.cells)]
    columns = "l" * table.words + "r" * (len(table.head) - table.words)
    groups = [name and f"\\multicolumn{{{count}}}{{c}}{{{name}}}" for name, count in Counter(table.groups).items()]
    above = [" & ".join(groups) + r" \\"] if groups else []
    body = ["\\hline", *above, head, "\\hline", *lines, "\\hline"]
    begin = ["\\begin{table}", "\\centering", f"\\begin{{tabular}}{{{columns}}}"]
    end = ["\\end{tabular}", f"\\caption{{{' '.join(table.notes).translate(LATEX)}}}", "\\end{table}"]
    return "\n".join([*begin, *body, *end]) + "\n"


def comma_separated(table: ScoreTable) -> str:
    """The rows for programs with a line of headings."""
    text = io.StringIO()
    writer = csv.DictWriter(text, table.columns, restval="", lineterminator="\n")
    writer.writeheader()
    for row in table.rows:
        rates = {"fps": " ".join(f"{rate:g}" for rate in row["fps"])} if "fps" in row else {}
        writer.writerow({**row, **rates})
    return text.getvalue()


FORMATS: Mapping[str, Callable[[ScoreTable], str]] = {
    "markdown": markdown,
    "csv": comma_separated,
    "latex": latex,
    "json": lambda table: json.dumps(table.rows, indent=1) + "\n",
}
"""What writes a table in each form."""


def heading(name: str) -> str:
    """A metric's name and unit as tables have it."""
    return METRICS[name].heading if name in METRICS else "coverage %"


def report_table(report: Report) -> ScoreTable:
    """The scores of everything, of its parts too if they are few; for programs, those of all parts."""
    names = [name for name in (*METRICS, COVERAGE) if any(name in score.errors for score in report.scores)]
    about = {
        "protocol": report.protocol,
        "boxes": report.boxes,
        "data_sha256": report.data,
        "weights": report.weights.name,
        "weights_sha256": report.weights.sha256,
        "body": report.body.name,
        "body_sha256": report.body.sha256,
        "fps": report.fps,
    }
    few = 1 < len({score.part for score in report.scores} - {WHOLE}) <= FEW
    cells, rows = [], []
    for score in report.scores:
        means = (score.evidence, score.system, score.joints, score.frames)
        rows.append(about | {"part": score.part} | dict(zip(HEAD, means, strict=True)) | dict(score.errors))
        if few or score.part == WHOLE:
            seen = score.evidence if score.part == WHOLE else f"{score.evidence} {score.part}"
            digits = {name: METRICS[name].digits if name in METRICS else 1 for name in names}
            errors = [f"{score.errors[name]:.{digits[name]}f}" if name in score.errors else "" for name in names]
            cells.append([seen, score.system, score.joints, str(score.frames), *errors])
    title = f"## {report.protocol}, {report.boxes} boxes: {report.weights.name} {report.weights.sha256[:12]}"
    columns = [*about, "part", *HEAD, *names]
    return ScoreTable(title, [*HEAD, *map(heading, names)], cells, [_note(report)], columns, rows)


def _note(report: Report) -> str:
    made = f"vibe {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    rates = " and ".join(f"{rate:g}" for rate in report.fps)
    told = " ".join([*report.notes, ""])
    return (
        f"{told}Protocol {report.protocol}, {report.boxes} boxes, data {report.data[:12]}, {rates} frames a second, "
        f"means over frames; weights {report.weights.name} {report.weights.sha256[:12]}, "
        f"body {report.body.name} {report.body.sha256[:12]}. {made}, {platform.system()} {platform.machine()}."
    )


TABLE1_COLUMNS = {
    ("3DPW", "PA-MPJPE"): ("vibe-official", "pa_mpjpe_mm"),
    ("3DPW", "MPJPE"): ("vibe-official", "mpjpe_mm"),
    ("3DPW", "PVE"): ("vibe-official", "pve_unaligned_mm"),
    ("3DPW", "Accel"): ("vibe-official", "acceleration_error_mm"),
    ("MPI-INF-3DHP", "PA-MPJPE"): ("mpi-inf-3dhp", "pa_mpjpe_mm"),
    ("MPI-INF-3DHP", "MPJPE"): ("mpi-inf-3dhp", "mpjpe_mm"),
    ("MPI-INF-3DHP", "PCK"): ("mpi-inf-3dhp", "pck"),
    ("H36M", "PA-MPJPE"): ("h36m-p2", "pa_mpjpe_mm"),
    ("H36M", "MPJPE"): ("h36m-p1", "mpjpe_mm"),
}
"""Set and name as the paper orders them, and by which protocol and metric; mm but for Accel, mm per frame squared, and
PCK, %."""
TABLE1_PUBLISHED: Mapping[str, tuple[float | None, ...]] = {
    "HMR, Kanazawa et al. 2018": (76.7, 130.0, None, 37.4, 89.8, 124.2, 72.9, 56.8, None),
    "NBF, Omran et al. 2018": (None, None, None, None, None, None, None, 59.9, None),
    "Pavlakos et al. 2018": (None, None, None, None, None, None, None, 75.9, None),
    "CMR, Kolotouros et al. 2019": (70.2, None, None, None, None, None, None, 50.1, None),
    "Arnab et al. 2019": (72.2, None, None, None, None, None, None, 54.3, 77.8),
    "SPIN, Kolotouros et al. 2019": (59.2, 96.9, 116.4, 29.8, 67.5, 105.2, 76.4, 41.1, None),
    "Temporal HMR, Kanazawa et al. 2019": (72.6, 116.5, 139.3, 15.2, None, None, None, 56.9, None),
    "Doersch et al. 2019": (74.7, None, None, None, None, None, None, None, None),
    "Sun et al. 2019": (69.5, None, None, None, None, None, None, 42.4, 59.1),
    "VIBE (direct comp.)": (56.5, 93.5, 113.4, 27.1, 63.4, 97.7, 89.0, 41.5, 65.9),
    "VIBE": (51.9, 82.9, 99.1, 23.4, 64.6, 96.6, 89.3, 41.4, 65.6),
}
"""The paper's rows, in the order of `TABLE1_COLUMNS`."""
TABLE1_UNITS = (
    "PA-MPJPE, MPJPE and PVE in mm, Accel in mm per frame squared, PCK at 150 mm in %. Accel of measured rows is the "
    "error of the acceleration; the paper's 27.1 is its program's acceleration itself, whose error it gives as 28.0."
)
PROVENANCE = ("protocol", "joints", "boxes", "weights", "weights_sha256", "data_sha256", "frames")
"""What is needed to read a number of ours."""


def table1(
    data: Path, network: Network, after: Sequence[System], progress: Progress | None = None, raw: Path | None = None
) -> ScoreTable:
    """The paper's numbers, and a network's by the table's protocols on the stores 3dpw, mpi-inf-3dhp, h36m in a folder.

    A set whose store is not there stays blank. With `raw`, where each set's downloads lie in a folder of the same name,
    the whole method is measured (3DPW then by the protocol `3dpw`, since the published evaluator has true boxes).
    Raises FileNotFoundError if there is no store at all, and what `measure` does.
    """
    whole = {"vibe-official": "3dpw"} if raw else {}
    chosen = {column: (whole.get(name, name), metric) for column, (name, metric) in TABLE1_COLUMNS.items()}
    stores = sorted({PROTOCOLS[name].store for name, _ in chosen.values()})
    missing = [store for store in stores if not (data / store / MANIFEST).is_file()]
    if missing == stores:
        raise FileNotFoundError(
            f"{data} holds no store called {' or '.join(stores)}: make one there with `vibe prepare NAME RAW_DIR -o "
            f"{data}/NAME`"
        )
    found: dict[str, ScoreTable] = {}
    for name in dict.fromkeys(name for name, _ in chosen.values()):
        if (store := PROTOCOLS[name].store) not in missing:
            pictures = raw / store if raw else None
            found[name] = report_table(evaluate_protocol(name, data / store, network, after, progress, pictures))
    ours = [row for name in found for row in found[name].rows if row["part"] == WHOLE]
    numbers = [
        {"row": name, "origin": "paper", "set": group, "metric": called, "value": value}
        for name, values in TABLE1_PUBLISHED.items()
        for (group, called), value in zip(TABLE1_COLUMNS, values, strict=True)
        if value is not None
    ] + [
        {"row": f"{network.about.name}, {system}", "origin": "measured", "set": group, "metric": called}
        | {"value": row[metric], **{each: row[each] for each in PROVENANCE}}
        for system in dict.fromkeys(row["system"] for row in ours)
        for (group, called), (name, metric) in chosen.items()
        for row in ours
        if (row["protocol"], row["system"]) == (name, system) and metric in row
    ]
    columns = ["row", "origin", "set", "metric", "value", *PROVENANCE]
    shown = {(each["row"], each["set"], each["metric"]): f"{each['value']:.1f}" for each in numbers}
    # the paper's dash where it has no number, blank where we have no data
    blanks = {each["row"]: "-" if each["origin"] == "paper" else "" for each in numbers}
    cells = [[row, *(shown.get((row, *column), blank) for column in TABLE1_COLUMNS)] for row, blank in blanks.items()]
    return ScoreTable(
        title="## Table 1 of the paper",
        head=["", *(called for _, called in TABLE1_COLUMNS)],
        cells=cells,
        notes=[TABLE1_UNITS, *map(_table1_note, found.values())]
        + ([f"No store of {', '.join(missing)}."] if missing else []),
        columns=columns,
        rows=[{name: str(each.get(name, "")) for name in columns} for each in numbers],
        words=1,
        groups=["", *(group for group, _ in TABLE1_COLUMNS)],
    )


def _table1_note(found: ScoreTable) -> str:
    frames = sorted({row["frames"] for row in found.rows if row["part"] == WHOLE})
    joints = sorted({row["joints"] for row in found.rows})
    return f"{', '.join(joints)}, {' or '.join(map(str, frames))} frames. {found.notes[0]}"
