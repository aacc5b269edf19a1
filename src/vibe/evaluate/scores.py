"""Scores: errors of one system on one kind of evidence, with all that is needed to read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vibe.evaluate import metrics, world_metrics
from vibe.evaluate.metrics import ANGLES
from vibe.evaluate.world_metrics import WorldCompared
from vibe.inference.config import Refinement, energies
from vibe.models.network import Network
from vibe.records import Progress, Weights
from vibe.refine.presets import FITTINGS, SMOOTHING

WHOLE = "all"
"""The part of a score that is of everything."""
JOINTS = ("pa_mpjpe_mm", "mpjpe_mm", "acceleration_error_mm", "acceleration_error_m_s2")
"""What is measured of any joints."""
WORLD = ("w_mpjpe_mm", "wa_mpjpe_mm", "rte_percent", "jitter_10_m_s3", "foot_sliding_mm")
"""What is published of motion in the world."""
COVERAGE = "coverage"


@dataclass(frozen=True)
class System:
    """What follows the network."""

    name: str
    refinement: Refinement


@dataclass(frozen=True)
class Compared:
    """A clip as it was predicted and as it was, row by row, in one frame of reference; metres."""

    predicted: Float[Tensor, "time joint 3"]
    truth: Float[Tensor, "time joint 3"]
    frames: Int[Tensor, "time"]
    """Places in the video; what is measured over several frames needs neighbours."""
    fps: float
    """The true frame rate."""
    centre: Sequence[int]
    """The joints whose mean is the root."""
    feet: Sequence[int] = ()
    """The joints that stand on the floor."""
    surface_mm: Mapping[str, Float[Tensor, "time"]] = field(default_factory=dict)
    """Errors of the surface (`vibe.evaluate.metrics`), where it is known."""
    world: WorldCompared | None = None
    """The same in the world, where it is known."""
    angles_deg: Mapping[str, Float[Tensor, "_"]] = field(default_factory=dict)
    """Errors of joint angles (`vibe.evaluate.metrics`), where the truth has rotations."""
    events: Mapping[str, Float[Tensor, "_"]] = field(default_factory=dict)
    """Likewise of strikes and offs of feet."""

    @property
    def in_world(self) -> WorldCompared:
        """What is known in the world; only metrics of those who know it ask."""
        assert self.world is not None
        return self.world

    @property
    def joints(self) -> tuple[Float[Tensor, "time joint 3"], Float[Tensor, "time joint 3"]]:
        """Prediction and truth seen from their roots."""
        return metrics.root_centred(self.predicted, self.centre), metrics.root_centred(self.truth, self.centre)


@dataclass(frozen=True)
class Metric:
    """One column of the tables."""

    heading: str
    of: Callable[[Compared], Float[Tensor, "_"]]
    """One number for each frame; NaN where there is none."""
    digits: int = 1
    root: bool = False
    """Whether the numbers are squares, of whose mean the root is told."""


METRICS: dict[str, Metric] = {
    "pa_mpjpe_mm": Metric("PA-MPJPE mm", lambda clip: metrics.pa_mpjpe_mm(*clip.joints)),
    "mpjpe_mm": Metric("MPJPE mm", lambda clip: metrics.mpjpe_mm(*clip.joints)),
    "pve_mm": Metric("PVE mm", lambda clip: clip.surface_mm["pve_mm"]),
    "pve_unaligned_mm": Metric("PVE unaligned mm", lambda clip: clip.surface_mm["pve_unaligned_mm"]),
    "pck": Metric("PCK %", lambda clip: metrics.pck(*clip.joints)),
    "auc": Metric("AUC %", lambda clip: metrics.auc(*clip.joints)),
    "acceleration_mm": Metric(
        "acceleration mm/frame^2", lambda clip: metrics.acceleration_mm(clip.joints[0], clip.frames), 2
    ),
    "acceleration_error_mm": Metric(
        "acceleration error mm/frame^2", lambda clip: metrics.acceleration_error_mm(*clip.joints, clip.frames), 2
    ),
    "acceleration_error_m_s2": Metric(
        "acceleration error m/s^2",
        lambda clip: metrics.acceleration_error_mm(*clip.joints, clip.frames) * clip.fps**2 / 1000,
        2,
    ),
    "jitter_m_s3": Metric(
        "jitter m/s^3", lambda clip: metrics.jitter_mm(clip.joints[0], clip.frames) * clip.fps**3 / 1000
    ),
    "foot_slide_mm": Metric(
        "foot slide mm/frame",
        lambda clip: metrics.foot_slide_mm(
            clip.predicted[:, list(clip.feet)], clip.truth[:, list(clip.feet)], clip.fps, clip.frames
        ),
    ),
    "w_mpjpe_mm": Metric("W-MPJPE mm", lambda clip: world_metrics.w_mpjpe_mm(*clip.in_world.joints)),
    "wa_mpjpe_mm": Metric("WA-MPJPE mm", lambda clip: world_metrics.wa_mpjpe_mm(*clip.in_world.joints)),
    "rte_percent": Metric("RTE %", lambda clip: world_metrics.rte_percent(*clip.in_world.roots), 2),
    "jitter_10_m_s3": Metric(
        "jitter 10 m/s^3", lambda clip: world_metrics.jitter_10_m_s3(clip.in_world.joints[0], clip.fps)
    ),
    "foot_sliding_mm": Metric(
        "foot sliding mm/frame", lambda clip: world_metrics.foot_sliding_mm(*clip.in_world.feet, clip.fps)
    ),
    "penetration_mm": Metric("penetration mm", lambda clip: world_metrics.penetration_mm(clip.in_world.soles)),
    "floating_mm": Metric(
        "floating mm", lambda clip: world_metrics.floating_mm(clip.in_world.soles, clip.in_world.stands)
    ),
    "floor_tilt_deg": Metric(
        "floor tilt deg", lambda clip: world_metrics.floor_tilt_deg(*clip.in_world.R_world_cam), 2
    ),
    "camera_rotation_deg": Metric(
        "camera rotation deg", lambda clip: world_metrics.camera_rotation_deg(*clip.in_world.R_world_cam), 3
    ),
    "contact_f1": Metric(
        "contact F1 %", lambda clip: world_metrics.contact_f1(clip.in_world.contacts, clip.in_world.stands)
    ),
    **{
        f"{name}_rms_deg": Metric(
            f"{name.replace('_', ' ')} RMS deg", lambda clip, name=name: clip.angles_deg[name] ** 2, root=True
        )
        for name in ANGLES
    },
    "event_frames": Metric("strikes and offs frames", lambda clip: clip.events["frames"]),
    "event_f1": Metric("strikes and offs F1 %", lambda clip: clip.events["f1"]),
}  # fmt: skip
"""By name, in the order of the columns; `COVERAGE` is counted apart, over the true person-frames."""


@dataclass(frozen=True)
class Score:
    """Means over frames; what is measured over several frames, over all that have their neighbours."""

    part: str
    """`WHOLE`, or a clip or view."""
    evidence: str
    system: str
    joints: str
    """The set of joints, and about what they are compared."""
    frames: int
    """Frames that the errors of position are means over."""
    errors: Mapping[str, float]
    """By the names of `METRICS` and `COVERAGE`; one that nothing could be said of is left out."""


@dataclass(frozen=True)
class Report:
    """What a protocol found."""

    protocol: str
    boxes: str
    """Where people's boxes came from."""
    data: str
    """SHA-256 of the evidence and truth."""
    fps: tuple[float, ...]
    """All the clips' frame rates."""
    weights: Weights
    body: Weights
    scores: tuple[Score, ...]
    notes: tuple[str, ...] = ()
    """One sentence for each thing to know about these numbers."""


Measure = Callable[[Path, Network, Sequence[System], Progress | None], Report]
"""Reads its data in a folder, runs a network with each of the systems after it, and scores them."""


def systems(refine: bool = True, smoothing: str = "light") -> tuple[System, ...]:
    """The network alone and, unless nothing is asked for, what follows it in the product."""
    terms = energies()
    alone = System("network alone", Refinement(SMOOTHING["none"], None, terms))
    if not refine and smoothing == "none":
        return (alone,)
    name = " + ".join(["network", *(["fit"] if refine else []), *([smoothing] if smoothing != "none" else [])])
    return alone, System(name, Refinement(SMOOTHING[smoothing], FITTINGS["open"] if refine else None, terms))


@dataclass
class Tally:
    """Errors of frames, clip by clip, until they become a score."""

    frames: int = 0
    errors: dict[str, list[Float[Tensor, "_"]]] = field(default_factory=dict)
    found: list[Bool[Tensor, "_"]] = field(default_factory=list)
    """Which of the true person-frames have a result."""

    def add(self, clip: Compared, wanted: Sequence[str] = JOINTS) -> None:
        """Count what is wanted of a clip."""
        self.frames += len(clip.frames)
        for name in wanted if len(clip.frames) else ():
            self.errors.setdefault(name, []).append(METRICS[name].of(clip))

    def score(self, part: str, evidence: str, system: str, joints: str) -> Score:
        """The means over all frames counted so far."""
        means = {name: float(torch.cat(errors).nanmean()) for name, errors in self.errors.items()}
        means = {name: mean**0.5 if METRICS[name].root else mean for name, mean in means.items()}
        if self.found:
            means[COVERAGE] = float(torch.cat(self.found).double().mean() * 100)
        known = {name: mean for name, mean in means.items() if mean == mean}
        return Score(part, evidence, system, joints, self.frames, known)


Tallies = defaultdict[tuple[str, str, str, str], Tally]
"""By evidence, system, joints and part."""


def joined_scores(tallies: Sequence[Tally]) -> Tally:
    """All that several tallies counted."""
    whole = Tally()
    for tally in tallies:
        whole.frames += tally.frames
        whole.found += tally.found
        for name, errors in tally.errors.items():
            whole.errors.setdefault(name, []).extend(errors)
    return whole


def all_scores(tallies: Mapping[tuple[str, str, str, str], Tally]) -> tuple[Score, ...]:
    """Scores of everything first, then of each part."""
    rows = defaultdict(list)
    for (*row, _), tally in tallies.items():
        rows[tuple(row)].append(tally)
    whole = [joined_scores(parts).score(WHOLE, *row) for row, parts in rows.items()]
    return (*whole, *(tally.score(part, *row) for (*row, part), tally in tallies.items()))
