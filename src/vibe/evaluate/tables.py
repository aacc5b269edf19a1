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
from pathlib import Path
from typing import Any

import torch

from vibe import __version__
from vibe.data.store import MANIFEST
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.scores import COVERAGE, METRICS, WHOLE, Report, Score, System
from vibe.models.network import Network
from vibe.records import Progress

HEAD = ("evidence", "system", "joints", "frames")
"""What stands before the errors."""

FEW = 3
"""Clips or views that a table still shows, where there is more than one."""
LATEX = str.maketrans({"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}"})
"""What LaTeX takes for its own."""


def scores_markdown(report: Report) -> str:
    """The table of the scores of everything, of its parts too if they are few, and what they were measured on."""
    title = f"## {report.protocol}, {report.boxes} boxes: {report.weights.name} {report.weights.sha256[:12]}"
    return "\n".join([title, "", *markdown_table(*_report_table(report)), "", report_note(report)]) + "\n"


def scores_latex(report: Report) -> str:
    """The same as a LaTeX table, which needs no package."""
    return latex_table(*_report_table(report), report_note(report))


def scores_csv(report: Report) -> str:
    """All scores, those of single clips too, as comma-separated values with a line of headings."""
    about = _about(report) | {"fps": " ".join(f"{rate:g}" for rate in report.fps)}
    columns = [*about, "part", *HEAD, *measured_metrics(report.scores)]
    return _csv(columns, [about | _row(score) for score in report.scores])


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def scores_json(report: Report) -> str:
    """All scores, those of single clips too; each row says all that is needed to read it."""
    about = _about(report) | {"fps": report.fps}
    return json.dumps([about | _row(score) for score in report.scores], indent=1) + "\n"


def report_note(report: Report) -> str:
    """What a report's numbers were measured on, in one paragraph."""
    made = f"vibe {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    rates = " and ".join(f"{rate:g}" for rate in report.fps)
    told = " ".join([*report.notes, ""])
    return (
        f"{told}Protocol {report.protocol}, {report.boxes} boxes, data {report.data[:12]}, {rates} frames a second, "
        f"means over frames; weights {report.weights.name} {report.weights.sha256[:12]}, "
        f"body {report.body.name} {report.body.sha256[:12]}. {made}, {platform.system()} {platform.machine()}."
    )


def measured_metrics(scores: Sequence[Score]) -> list[str]:
    """The names of all that was measured, in the order of the columns."""
    return [name for name in (*METRICS, COVERAGE) if any(name in score.errors for score in scores)]


def heading(name: str) -> str:
    """A metric's name and unit as tables have it."""
    return METRICS[name].heading if name in METRICS else "coverage %"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def latex_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, words: int = len(HEAD) - 1, above: str = ""
) -> str:
    """A LaTeX table whose first columns are words, with a finished line above its headings or none."""
    lines = [" & ".join(cell.translate(LATEX) for cell in row) + r" \\" for row in (head, *rows)]
    columns = "".join("l" if index < words else "r" for index in range(len(head)))
    body = ["\\hline", *([above] if above else []), lines[0], "\\hline", *lines[1:], "\\hline"]
    begin = ["\\begin{table}", "\\centering", f"\\begin{{tabular}}{{{columns}}}"]
    return (
        "\n".join([*begin, *body, "\\end{tabular}", f"\\caption{{{caption.translate(LATEX)}}}", "\\end{table}"]) + "\n"
    )


def _about(report: Report) -> dict[str, Any]:
    """What all rows of a report have in common."""
    return {
        "protocol": report.protocol,
        "boxes": report.boxes,
        "data_sha256": report.data,
        "weights": report.weights.name,
        "weights_sha256": report.weights.sha256,
        "body": report.body.name,
        "body_sha256": report.body.sha256,
    }


def _row(score: Score) -> dict[str, Any]:
    """A score laid out flat."""
    about = {"part": score.part, "evidence": score.evidence, "system": score.system}
    return about | {"joints": score.joints, "frames": score.frames} | dict(score.errors)


def _report_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Headings and cells: the scores of everything, and those of the parts if they are few."""
    names, rows = measured_metrics(report.scores), []
    few = 1 < len({score.part for score in report.scores} - {WHOLE}) <= FEW
    for score in report.scores:
        if few or score.part == WHOLE:
            seen = score.evidence if score.part == WHOLE else f"{score.evidence} {score.part}"
            digits = [METRICS[name].digits if name in METRICS else 1 for name in names]
            errors = [score.errors.get(name) for name in names]
            shown = ["" if error is None else f"{error:.{count}f}" for error, count in zip(errors, digits, strict=True)]
            rows.append([seen, score.system, score.joints, str(score.frames), *shown])
    return [*HEAD, *map(heading, names)], rows


@dataclass(frozen=True)
class Table1Column:
    """One column: a metric by a protocol, and what the paper calls it."""

    group: str
    heading: str
    protocol: str
    metric: str


TABLE1_COLUMNS = (
    Table1Column("3DPW", "PA-MPJPE", "vibe-official", "pa_mpjpe_mm"),
    Table1Column("3DPW", "MPJPE", "vibe-official", "mpjpe_mm"),
    Table1Column("3DPW", "PVE", "vibe-official", "pve_unaligned_mm"),
    Table1Column("3DPW", "Accel", "vibe-official", "acceleration_error_mm"),
    Table1Column("MPI-INF-3DHP", "PA-MPJPE", "mpi-inf-3dhp", "pa_mpjpe_mm"),
    Table1Column("MPI-INF-3DHP", "MPJPE", "mpi-inf-3dhp", "mpjpe_mm"),
    Table1Column("MPI-INF-3DHP", "PCK", "mpi-inf-3dhp", "pck"),
    Table1Column("H36M", "PA-MPJPE", "h36m-p2", "pa_mpjpe_mm"),
    Table1Column("H36M", "MPJPE", "h36m-p1", "mpjpe_mm"),
)
"""As the paper orders them; mm but for Accel, mm per frame squared, and PCK, %."""
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


@dataclass(frozen=True)
class Table1:
    """The paper's numbers, then ours, and what ours were measured on."""

    numbers: tuple[Mapping[str, Any], ...]
    """One for each cell: row, origin (paper or measured), set, metric, value, and of ours `PROVENANCE`."""
    reports: tuple[Report, ...]
    missing: tuple[str, ...]
    """The sets that the user has no store of."""


def table1(
    data: Path, network: Network, after: Sequence[System], progress: Progress | None = None, raw: Path | None = None
) -> Table1:
    """Measure a network by the table's protocols on the stores in a folder: `3dpw`, `mpi-inf-3dhp` and `h36m`.

    A set whose store is not there stays blank. With `raw`, where each set's downloads lie in a folder of the same name,
    the whole method is measured (3DPW then by the protocol `3dpw`, since the published evaluator has true boxes).
    Raises FileNotFoundError if there is no store at all, and what `measure` does.
    """
    whole = {"vibe-official": "3dpw"} if raw else {}
    chosen = {column: whole.get(column.protocol, column.protocol) for column in TABLE1_COLUMNS}
    stores = sorted({PROTOCOLS[name].store for name in chosen.values()})
    missing = [store for store in stores if not (data / store / MANIFEST).is_file()]
    if missing == stores:
        raise FileNotFoundError(
            f"{data} holds no store called {' or '.join(stores)}: make one there with `vibe prepare NAME RAW_DIR -o "
            f"{data}/NAME`"
        )
    reports: dict[str, Report] = {}
    for name in dict.fromkeys(chosen.values()):
        if (store := PROTOCOLS[name].store) not in missing:
            pictures = raw / store if raw else None
            reports[name] = evaluate_protocol(name, data / store, network, after, progress, pictures)
    numbers = [
        {"row": name, "origin": "paper", "set": column.group, "metric": column.heading, "value": value}
        for name, values in TABLE1_PUBLISHED.items()
        for column, value in zip(TABLE1_COLUMNS, values, strict=True)
        if value is not None
    ]
    for system in dict.fromkeys(score.system for found in reports.values() for score in found.scores):
        row = {"row": f"{network.about.name}, {system}", "origin": "measured"}
        for column, report in ((column, reports[name]) for column, name in chosen.items() if name in reports):
            for score in report.scores:
                if (score.part, score.system) == (WHOLE, system) and column.metric in score.errors:
                    about = _about(report) | {"joints": score.joints, "frames": score.frames}
                    cell = {"set": column.group, "metric": column.heading, "value": score.errors[column.metric]}
                    numbers.append(row | cell | {name: about[name] for name in PROVENANCE})
    return Table1(tuple(numbers), tuple(reports.values()), tuple(missing))


def table1_markdown(table: Table1) -> str:
    """The table, and what our rows were measured on."""
    head = ["", *(f"{column.group} {column.heading}" for column in TABLE1_COLUMNS)]
    lines = ["## Table 1 of the paper", "", *markdown_table(head, _table1_cells(table)), ""]
    return "\n".join([*lines, "\n\n".join(_table1_notes(table))]) + "\n"


def table1_latex(table: Table1) -> str:
    """The same as a LaTeX table."""
    groups = Counter(column.group for column in TABLE1_COLUMNS)
    above = " & " + " & ".join(f"\\multicolumn{{{count}}}{{c}}{{{name}}}" for name, count in groups.items()) + r" \\"
    head = ["", *(column.heading for column in TABLE1_COLUMNS)]
    return latex_table(head, _table1_cells(table), " ".join(_table1_notes(table)), 1, above)


def table1_csv(table: Table1) -> str:
    """One line for each number: whose, of which set and metric, and all that is needed to read ours."""
    return _csv(["row", "origin", "set", "metric", "value", *PROVENANCE], table.numbers)


def table1_json(table: Table1) -> str:
    """The same lines as JSON."""
    return json.dumps(list(csv.DictReader(io.StringIO(table1_csv(table)))), indent=1) + "\n"


def _table1_cells(table: Table1) -> list[list[str]]:
    """Rows of text: the paper's dash where it has no number, blank where we have no data."""
    cells = {(each["row"], each["set"], each["metric"]): f"{each['value']:.1f}" for each in table.numbers}
    measured = dict.fromkeys(each["row"] for each in table.numbers if each["origin"] == "measured")
    return [
        [row, *(cells.get((row, column.group, column.heading), blank) for column in TABLE1_COLUMNS)]
        for blank, rows in (("-", TABLE1_PUBLISHED), ("", measured))
        for row in rows
    ]


def _table1_notes(table: Table1) -> list[str]:
    """What our rows were measured on, set by set, and what is not there."""
    lines = [TABLE1_UNITS]
    for report in table.reports:
        frames = sorted({score.frames for score in report.scores if score.part == WHOLE})
        joints = sorted({score.joints for score in report.scores})
        lines.append(f"{', '.join(joints)}, {' or '.join(map(str, frames))} frames. {report_note(report)}")
    return lines + ([f"No store of {', '.join(table.missing)}."] if table.missing else [])


REPORT_FORMATS: Mapping[str, Callable[[Report], str]] = {
    "markdown": scores_markdown, "csv": scores_csv, "latex": scores_latex, "json": scores_json,
}  # fmt: skip
TABLE1_FORMATS: Mapping[str, Callable[[Table1], str]] = {
    "markdown": table1_markdown, "csv": table1_csv, "latex": table1_latex, "json": table1_json,
}  # fmt: skip
"""What writes a report, and Table 1, in each form."""
