"""Reports as Markdown, CSV, LaTeX and JSON, and the paper's Table 1 beside measured rows.

Every number comes with its protocol, joints, boxes, weights and frames.
"""

from __future__ import annotations

import csv
import io
import json
import platform
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
LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}"}
"""What LaTeX takes for its own."""


def scores_markdown(report: Report) -> str:
    """The table of the scores of everything, of its parts too if they are few, and what they were measured on."""
    lines = [f"## {report.protocol}, {report.boxes} boxes: {report.weights.name} {report.weights.sha256[:12]}", ""]
    names = measured_metrics(report.scores)
    lines += markdown_table(
        [*HEAD, *(heading(name) for name in names)], [_report_cells(score, names) for score in table_scores(report)]
    )
    return "\n".join([*lines, "", report_note(report)]) + "\n"


def scores_latex(report: Report) -> str:
    """The same as a LaTeX table, which needs no package."""
    names = measured_metrics(report.scores)
    head = [*HEAD, *(heading(name) for name in names)]
    return latex_table(head, [_report_cells(score, names) for score in table_scores(report)], report_note(report))


def scores_csv(report: Report) -> str:
    """All scores, those of single clips too, as comma-separated values with a line of headings."""
    about = _about(report) | {"fps": " ".join(f"{rate:g}" for rate in report.fps)}
    names = measured_metrics(report.scores)
    rows = [about | _row(score) for score in report.scores]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*about, "part", *HEAD, *names], lineterminator="\n")
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


def table_scores(report: Report) -> list[Score]:
    """The scores that a table has: those of everything, and those of the parts if they are few."""
    few = 1 < len({score.part for score in report.scores} - {WHOLE}) <= FEW
    return [score for score in report.scores if few or score.part == WHOLE]


def measured_metrics(scores: Sequence[Score]) -> list[str]:
    """The names of all that was measured, in the order of the columns."""
    return [name for name in (*METRICS, COVERAGE) if any(name in score.errors for score in scores)]


def heading(name: str) -> str:
    """A metric's name and unit as tables have it."""
    return METRICS[name].heading if name in METRICS else "coverage %"


def number(name: str, value: float | None) -> str:
    """A metric's value with its digits; empty where there is none."""
    return "" if value is None else f"{value:.{METRICS[name].digits if name in METRICS else 1}f}"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def latex_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, words: int = len(HEAD) - 1, above: str = ""
) -> str:
    """A LaTeX table whose first columns are words, with a finished line above its headings or none."""
    lines = [" & ".join(_escaped(cell) for cell in row) + r" \\" for row in (head, *rows)]
    columns = "".join("l" if index < words else "r" for index in range(len(head)))
    body = ["\\hline", *([above] if above else []), lines[0], "\\hline", *lines[1:], "\\hline"]
    begin = ["\\begin{table}", "\\centering", f"\\begin{{tabular}}{{{columns}}}"]
    return "\n".join([*begin, *body, "\\end{tabular}", f"\\caption{{{_escaped(caption)}}}", "\\end{table}"]) + "\n"


def _escaped(text: str) -> str:
    return "".join(LATEX.get(letter, letter) for letter in text)


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


def _report_cells(score: Score, names: Sequence[str]) -> list[str]:
    seen = score.evidence if score.part == WHOLE else f"{score.evidence} {score.part}"
    errors = [number(name, score.errors.get(name)) for name in names]
    return [seen, score.system, score.joints, str(score.frames), *errors]


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


@dataclass(frozen=True)
class Table1Cell:
    """One number, and for ours the score that it is from."""

    value: float
    report: Report | None = None
    score: Score | None = None


@dataclass(frozen=True)
class Table1Row:
    """One row of the table."""

    name: str
    cells: tuple[Table1Cell | None, ...]
    """In the order of `TABLE1_COLUMNS`; None where there is nothing."""


@dataclass(frozen=True)
class Table1:
    """The paper's rows, then ours, and what ours were measured on."""

    published: tuple[Table1Row, ...]
    ours: tuple[Table1Row, ...]
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
    chosen = {column: _protocol(column, raw is not None) for column in TABLE1_COLUMNS}
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
            reports[name] = evaluate_protocol(
                name, data / store, network, after, progress, raw / store if raw else None
            )
    published = tuple(
        Table1Row(name, tuple(None if value is None else Table1Cell(value) for value in values))
        for name, values in TABLE1_PUBLISHED.items()
    )
    rows = dict.fromkeys(score.system for found in reports.values() for score in found.scores)
    ours = [
        Table1Row(
            f"{network.about.name}, {system}",
            tuple(_measured(reports.get(chosen[column]), system, column.metric) for column in TABLE1_COLUMNS),
        )
        for system in rows
    ]
    return Table1(published, tuple(ours), tuple(reports.values()), tuple(missing))


def table1_markdown(table: Table1) -> str:
    """The table, and what our rows were measured on."""
    lines = ["## Table 1 of the paper", "", *markdown_table(_table1_head(), _table1_cells(table)), ""]
    return "\n".join([*lines, "\n\n".join(_table1_notes(table))]) + "\n"


def table1_latex(table: Table1) -> str:
    """The same as a LaTeX table."""
    groups = {
        name: sum(column.group == name for column in TABLE1_COLUMNS)
        for name in dict.fromkeys(c.group for c in TABLE1_COLUMNS)
    }
    above = " & " + " & ".join(f"\\multicolumn{{{count}}}{{c}}{{{name}}}" for name, count in groups.items()) + r" \\"
    head = ["", *(column.heading for column in TABLE1_COLUMNS)]
    return latex_table(head, _table1_cells(table), " ".join(_table1_notes(table)), 1, above)


def table1_csv(table: Table1) -> str:
    """One line for each number: whose, of which set and metric, and all that is needed to read ours."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    told = ("protocol", "joints", "boxes", "weights", "weights_sha256", "data_sha256", "frames")
    writer.writerow(["row", "origin", "set", "metric", "value", *told])
    for origin, lines in (("paper", table.published), ("measured", table.ours)):
        for line in lines:
            for column, cell in zip(TABLE1_COLUMNS, line.cells, strict=True):
                if cell is not None:
                    writer.writerow([line.name, origin, column.group, column.heading, cell.value, *_provenance(cell)])
    return text.getvalue()


def table1_json(table: Table1) -> str:
    """The same lines as JSON."""
    return json.dumps(list(csv.DictReader(io.StringIO(table1_csv(table)))), indent=1) + "\n"


def _protocol(column: Table1Column, whole_method: bool) -> str:
    return "3dpw" if whole_method and column.protocol == "vibe-official" else column.protocol


def _measured(report: Report | None, system: str, metric: str) -> Table1Cell | None:
    """A system's number over everything; None if the set or the metric is not there."""
    for score in report.scores if report else ():
        if (score.part, score.system) == (WHOLE, system) and metric in score.errors:
            return Table1Cell(score.errors[metric], report, score)
    return None


def _provenance(cell: Table1Cell) -> list[str]:
    """What is needed to read a number of ours."""
    if cell.report is None or cell.score is None:
        return [""] * 7
    report, score = cell.report, cell.score
    about = [report.protocol, score.joints, report.boxes, report.weights.name, report.weights.sha256, report.data]
    return [*about, str(score.frames)]


def _table1_head() -> list[str]:
    return ["", *(f"{column.group} {column.heading}" for column in TABLE1_COLUMNS)]


def _table1_cells(table: Table1) -> list[list[str]]:
    """Rows of text: the paper's dash where it has no number, blank where we have no data."""
    return [
        [line.name, *(blank if cell is None else f"{cell.value:.1f}" for cell in line.cells)]
        for blank, lines in (("-", table.published), ("", table.ours))
        for line in lines
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
