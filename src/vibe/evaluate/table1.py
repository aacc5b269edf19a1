"""The paper's Table 1, and a network's own numbers beside it where the user has the data."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe.data.store import MANIFEST
from vibe.evaluate.measure import evaluate_protocol
from vibe.evaluate.protocols import PROTOCOLS
from vibe.evaluate.scores import WHOLE, Report, Score, System
from vibe.evaluate.tables import note, piped, tabular
from vibe.models.network import Network
from vibe.records import Progress


@dataclass(frozen=True)
class Column:
    """One column: a metric by a protocol, and what the paper calls it."""

    group: str
    heading: str
    protocol: str
    metric: str


COLUMNS = (
    Column("3DPW", "PA-MPJPE", "vibe-official", "pa_mpjpe_mm"),
    Column("3DPW", "MPJPE", "vibe-official", "mpjpe_mm"),
    Column("3DPW", "PVE", "vibe-official", "pve_unaligned_mm"),
    Column("3DPW", "Accel", "vibe-official", "acceleration_error_mm"),
    Column("MPI-INF-3DHP", "PA-MPJPE", "mpi-inf-3dhp", "pa_mpjpe_mm"),
    Column("MPI-INF-3DHP", "MPJPE", "mpi-inf-3dhp", "mpjpe_mm"),
    Column("MPI-INF-3DHP", "PCK", "mpi-inf-3dhp", "pck"),
    Column("H36M", "PA-MPJPE", "h36m-p2", "pa_mpjpe_mm"),
    Column("H36M", "MPJPE", "h36m-p1", "mpjpe_mm"),
)
"""As the paper orders them; mm but for Accel, mm per frame squared, and PCK, %."""
PUBLISHED: Mapping[str, tuple[float | None, ...]] = {
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
"""The paper's rows, in the order of `COLUMNS`."""


UNITS = (
    "PA-MPJPE, MPJPE and PVE in mm, Accel in mm per frame squared, PCK at 150 mm in %. Accel of measured rows is the "
    "error of the acceleration; the paper's 27.1 is its program's acceleration itself, whose error it gives as 28.0."
)


@dataclass(frozen=True)
class Cell:
    """One number, and for ours the score that it is from."""

    value: float
    report: Report | None = None
    score: Score | None = None


@dataclass(frozen=True)
class Line:
    """One row of the table."""

    name: str
    cells: tuple[Cell | None, ...]
    """In the order of `COLUMNS`; None where there is nothing."""


@dataclass(frozen=True)
class Table1:
    """The paper's rows, then ours, and what ours were measured on."""

    published: tuple[Line, ...]
    ours: tuple[Line, ...]
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
    chosen = {column: _protocol(column, raw is not None) for column in COLUMNS}
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
        Line(name, tuple(None if value is None else Cell(value) for value in values))
        for name, values in PUBLISHED.items()
    )
    rows = dict.fromkeys(score.system for found in reports.values() for score in found.scores)
    ours = [
        Line(
            f"{network.about.name}, {system}",
            tuple(_measured(reports.get(chosen[column]), system, column.metric) for column in COLUMNS),
        )
        for system in rows
    ]
    return Table1(published, tuple(ours), tuple(reports.values()), tuple(missing))


def table1_markdown(table: Table1) -> str:
    """The table, and what our rows were measured on."""
    lines = ["## Table 1 of the paper", "", *piped(_head(), _cells(table)), ""]
    return "\n".join([*lines, "\n\n".join(_notes(table))]) + "\n"


def table1_latex(table: Table1) -> str:
    """The same as a LaTeX table."""
    groups = {name: sum(column.group == name for column in COLUMNS) for name in dict.fromkeys(c.group for c in COLUMNS)}
    above = " & " + " & ".join(f"\\multicolumn{{{count}}}{{c}}{{{name}}}" for name, count in groups.items()) + r" \\"
    head = ["", *(column.heading for column in COLUMNS)]
    return tabular(head, _cells(table), " ".join(_notes(table)), 1, above)


def table1_csv(table: Table1) -> str:
    """One line for each number: whose, of which set and metric, and all that is needed to read ours."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    told = ("protocol", "joints", "boxes", "weights", "weights_sha256", "data_sha256", "frames")
    writer.writerow(["row", "origin", "set", "metric", "value", *told])
    for origin, lines in (("paper", table.published), ("measured", table.ours)):
        for line in lines:
            for column, cell in zip(COLUMNS, line.cells, strict=True):
                if cell is not None:
                    writer.writerow([line.name, origin, column.group, column.heading, cell.value, *_told(cell)])
    return text.getvalue()


def table1_json(table: Table1) -> str:
    """The same lines as JSON."""
    return json.dumps(list(csv.DictReader(io.StringIO(table1_csv(table)))), indent=1) + "\n"


def _protocol(column: Column, whole_method: bool) -> str:
    return "3dpw" if whole_method and column.protocol == "vibe-official" else column.protocol


def _measured(report: Report | None, system: str, metric: str) -> Cell | None:
    """A system's number over everything; None if the set or the metric is not there."""
    for score in report.scores if report else ():
        if (score.part, score.system) == (WHOLE, system) and metric in score.errors:
            return Cell(score.errors[metric], report, score)
    return None


def _told(cell: Cell) -> list[str]:
    """What is needed to read a number of ours."""
    if cell.report is None or cell.score is None:
        return [""] * 7
    report, score = cell.report, cell.score
    about = [report.protocol, score.joints, report.boxes, report.weights.name, report.weights.sha256, report.data]
    return [*about, str(score.frames)]


def _head() -> list[str]:
    return ["", *(f"{column.group} {column.heading}" for column in COLUMNS)]


def _cells(table: Table1) -> list[list[str]]:
    """Rows of text: the paper's dash where it has no number, blank where we have no data."""
    return [
        [line.name, *(blank if cell is None else f"{cell.value:.1f}" for cell in line.cells)]
        for blank, lines in (("-", table.published), ("", table.ours))
        for line in lines
    ]


def _notes(table: Table1) -> list[str]:
    """What our rows were measured on, set by set, and what is not there."""
    lines = [UNITS]
    for report in table.reports:
        frames = sorted({score.frames for score in report.scores if score.part == WHOLE})
        joints = sorted({score.joints for score in report.scores})
        lines.append(f"{', '.join(joints)}, {' or '.join(map(str, frames))} frames. {note(report)}")
    return lines + ([f"No store of {', '.join(table.missing)}."] if table.missing else [])
