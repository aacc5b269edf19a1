"""Reports as Markdown, CSV, LaTeX and JSON; every number with its protocol, joints, boxes, weights and frames."""

from __future__ import annotations

import csv
import io
import json
import platform
from collections.abc import Sequence
from typing import Any

import torch

from vibe import __version__
from vibe.evaluate.scores import COVERAGE, METRICS, WHOLE, Report, Score

HEAD = ("evidence", "system", "joints", "frames")
"""What stands before the errors."""

FEW = 3
"""Clips or views that a table still shows, where there is more than one."""
LATEX = {"&": r"\&", "%": r"\%", "_": r"\_", "#": r"\#", "$": r"\$", "^": r"\textasciicircum{}"}
"""What LaTeX takes for its own."""


def markdown(report: Report) -> str:
    """The table of the scores of everything, of its parts too if they are few, and what they were measured on."""
    lines = [f"## {report.protocol}, {report.boxes} boxes: {report.weights.name} {report.weights.sha256[:12]}", ""]
    names = measured(report.scores)
    lines += piped([*HEAD, *(heading(name) for name in names)], [_cells(score, names) for score in shown_value(report)])
    return "\n".join([*lines, "", note(report)]) + "\n"


def latex(report: Report) -> str:
    """The same as a LaTeX table, which needs no package."""
    names = measured(report.scores)
    head = [*HEAD, *(heading(name) for name in names)]
    return tabular(head, [_cells(score, names) for score in shown_value(report)], note(report))


def as_csv(report: Report) -> str:
    """All scores, those of single clips too, as comma-separated values with a line of headings."""
    about = _about(report) | {"fps": " ".join(f"{rate:g}" for rate in report.fps)}
    names = measured(report.scores)
    rows = [about | _row(score) for score in report.scores]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*about, "part", *HEAD, *names], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_json(report: Report) -> str:
    """All scores, those of single clips too; each row says all that is needed to read it."""
    about = _about(report) | {"fps": report.fps}
    return json.dumps([about | _row(score) for score in report.scores], indent=1) + "\n"


def note(report: Report) -> str:
    """What a report's numbers were measured on, in one paragraph."""
    made = f"vibe {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    rates = " and ".join(f"{rate:g}" for rate in report.fps)
    told = " ".join([*report.notes, ""])
    return (
        f"{told}Protocol {report.protocol}, {report.boxes} boxes, data {report.data[:12]}, {rates} frames a second, "
        f"means over frames; weights {report.weights.name} {report.weights.sha256[:12]}, "
        f"body {report.body.name} {report.body.sha256[:12]}. {made}, {platform.system()} {platform.machine()}."
    )


def shown_value(report: Report) -> list[Score]:
    """The scores that a table has: those of everything, and those of the parts if they are few."""
    few = 1 < len({score.part for score in report.scores} - {WHOLE}) <= FEW
    return [score for score in report.scores if few or score.part == WHOLE]


def measured(scores: Sequence[Score]) -> list[str]:
    """The names of all that was measured, in the order of the columns."""
    return [name for name in (*METRICS, COVERAGE) if any(name in score.errors for score in scores)]


def heading(name: str) -> str:
    """A metric's name and unit as tables have it."""
    return METRICS[name].heading if name in METRICS else "coverage %"


def number(name: str, value: float | None) -> str:
    """A metric's value with its digits; empty where there is none."""
    return "" if value is None else f"{value:.{METRICS[name].digits if name in METRICS else 1}f}"


def piped(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def tabular(
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


def _cells(score: Score, names: Sequence[str]) -> list[str]:
    seen = score.evidence if score.part == WHOLE else f"{score.evidence} {score.part}"
    errors = [number(name, score.errors.get(name)) for name in names]
    return [seen, score.system, score.joints, str(score.frames), *errors]
