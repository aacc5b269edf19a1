"""Reports as Markdown and JSON; every number with its protocol, joints, weights and frames."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict

import torch

from vibe import __version__
from vibe.evaluate.scores import WHOLE, Report, Score

HEAD = (
    "evidence", "system", "joints", "frames", "PA-MPJPE mm", "MPJPE mm", "PVE mm", "acceleration error mm/frame^2",
    "acceleration error m/s^2",
)  # fmt: skip

FEW = 3
"""Clips or views that a table still shows, where there is more than one."""


def markdown(report: Report) -> str:
    """The table of the scores of everything, of its parts too if they are few, and what they were measured on."""
    lines = [f"## {report.protocol}: {report.weights.name} {report.weights.sha256[:12]}", ""]
    lines += ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    few = 1 < len({score.part for score in report.scores} - {WHOLE}) <= FEW
    lines += ["| " + " | ".join(_cells(score)) + " |" for score in report.scores if few or score.part == WHOLE]
    return "\n".join([*lines, "", note(report)]) + "\n"


def note(report: Report) -> str:
    """What a report's numbers were measured on, in one paragraph."""
    made = f"vibe {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    return (
        f"Protocol {report.protocol}, data {report.data[:12]}, {report.fps:g} frames a second, means over frames; "
        f"weights {report.weights.name} {report.weights.sha256[:12]}, "
        f"body {report.body.name} {report.body.sha256[:12]}. {made}, {platform.system()} {platform.machine()}."
    )


def as_json(report: Report) -> str:
    """All scores, those of single clips too; each row says all that is needed to read it."""
    about = {
        "protocol": report.protocol,
        "data_sha256": report.data,
        "fps": report.fps,
        "weights": report.weights.name,
        "weights_sha256": report.weights.sha256,
        "body": report.body.name,
        "body_sha256": report.body.sha256,
    }
    return json.dumps([about | asdict(score) for score in report.scores], indent=1) + "\n"


def _cells(score: Score) -> list[str]:
    pve = "" if score.pve_mm is None else f"{score.pve_mm:.1f}"
    return [
        *(
            score.evidence if score.part == WHOLE else f"{score.evidence} {score.part}",
            score.system,
            score.joints,
            str(score.frames),
        ),
        *(f"{score.pa_mpjpe_mm:.1f}", f"{score.mpjpe_mm:.1f}", pve),
        *(f"{score.acceleration_error_mm:.2f}", f"{score.acceleration_error_m_s2:.2f}"),
    ]
