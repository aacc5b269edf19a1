"""Scores: errors of one system on one kind of evidence, with all that is needed to read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.evaluate.metrics import about, acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.network import Network
from vibe.reading import Progress
from vibe.records import Weights
from vibe.refine.fitting import FITTINGS, Fitting
from vibe.refine.one_euro import OneEuro
from vibe.refine.smooth import SMOOTHING, Smoothing

WHOLE = "all"
"""The part of a score that is of everything."""


@dataclass(frozen=True)
class System:
    """What follows the network."""

    name: str
    smoothing: Smoothing | OneEuro
    fitting: Fitting | None


@dataclass(frozen=True)
class Score:
    """Means over frames, in millimetres; the acceleration's over all frames but the first and the last of a clip."""

    part: str
    """`WHOLE`, or a clip or view."""
    evidence: str
    system: str
    joints: str
    """The set of joints, and about what they are compared."""
    frames: int
    """Frames that the errors of position are means over."""
    pa_mpjpe_mm: float
    mpjpe_mm: float
    pve_mm: float | None
    """Distance of the vertices, compared about the pelvis joint; None where no surface is known."""
    acceleration_error_mm: float
    """Millimetres per frame squared."""
    acceleration_error_m_s2: float
    """The same in metres per second squared."""


@dataclass(frozen=True)
class Report:
    """What a protocol found."""

    protocol: str
    data: str
    """SHA-256 of the evidence and truth."""
    fps: float
    weights: Weights
    body: Weights
    scores: tuple[Score, ...]


Protocol = Callable[[Path, Network, Sequence[System], Progress | None], Report]
"""Reads its data in a folder, runs a network with each of the systems after it, and scores them."""


def systems(refine: bool = True, smoothing: str = "light") -> tuple[System, ...]:
    """The network alone and, unless nothing is asked for, what follows it in the product."""
    alone = System("network alone", SMOOTHING["none"], None)
    if not refine and smoothing == "none":
        return (alone,)
    name = " + ".join(["network", *(["fit"] if refine else []), *([smoothing] if smoothing != "none" else [])])
    return alone, System(name, SMOOTHING[smoothing], FITTINGS["open"] if refine else None)


@dataclass
class Tally:
    """Errors of frames, clip by clip, until they become a score."""

    errors: dict[str, list[Float[Tensor, "_"]]] = field(default_factory=dict)

    def add(
        self, predicted: Float[Tensor, "time joint 3"], truth: Float[Tensor, "time joint 3"], centre: Sequence[int],
        pve_mm: Float[Tensor, "time"] | None = None,
    ) -> None:  # fmt: skip
        """Count a clip: joints about the mean of the `centre` ones, and the error of the surface where it is known."""
        predicted, truth = about(predicted, centre), about(truth, centre)
        self._note("pa_mpjpe_mm", pa_mpjpe_mm(predicted, truth))
        self._note("mpjpe_mm", mpjpe_mm(predicted, truth))
        self._note("acceleration_error_mm", acceleration_error_mm(predicted, truth))
        if pve_mm is not None:
            self._note("pve_mm", pve_mm)

    def _note(self, name: str, errors: Float[Tensor, "_"]) -> None:
        self.errors.setdefault(name, []).append(errors)

    def score(self, part: str, evidence: str, system: str, joints: str, fps: float) -> Score:
        """The means over all frames counted so far."""
        means = {name: float(torch.cat(errors).mean()) for name, errors in self.errors.items()}
        return Score(
            part=part,
            evidence=evidence,
            system=system,
            joints=joints,
            frames=sum(len(errors) for errors in self.errors["mpjpe_mm"]),
            pa_mpjpe_mm=means["pa_mpjpe_mm"],
            mpjpe_mm=means["mpjpe_mm"],
            pve_mm=means.get("pve_mm"),
            acceleration_error_mm=means["acceleration_error_mm"],
            acceleration_error_m_s2=means["acceleration_error_mm"] * fps**2 / 1000,
        )


def joined(tallies: Sequence[Tally]) -> Tally:
    """All that several tallies counted."""
    whole = Tally()
    for tally in tallies:
        for name, errors in tally.errors.items():
            whole.errors.setdefault(name, []).extend(errors)
    return whole


def all_scores(tallies: Mapping[tuple[str, str, str, str], Tally], fps: float) -> tuple[Score, ...]:
    """Scores of tallies by evidence, system, joints and part: of everything first, then of each part."""
    rows: dict[tuple[str, str, str], list[Tally]] = {}
    for (evidence, system, joints, _), tally in tallies.items():
        rows.setdefault((evidence, system, joints), []).append(tally)
    whole = [joined(parts).score(WHOLE, *row, fps) for row, parts in rows.items()]
    parts = [
        tally.score(part, evidence, system, joints, fps) for (evidence, system, joints, part), tally in tallies.items()
    ]
    return (*whole, *parts)
