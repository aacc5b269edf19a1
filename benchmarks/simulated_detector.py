"""What the detector's simulator says of windows set aside, beside what the detector said of the same ones.

    python benchmarks/simulated_detector.py --rendered STORE [STORE ...] --simulator FILE [--weights open]
        [--table FILE]

The windows of `vibe prepare rendered-evidence` that validate, whose subjects neither the simulator nor weights are
trained on. Errors in the picture at the joint's distance; and the error of a network that reads either, which sums up
how hard the answers are. The imitation by rule (`vibe.synthetic.keypoint_noise`) has no places in space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import report
import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.models.network import Network, load_network
from vibe.parallel import one_thread
from vibe.skeletons import COCO, DETECTED27, SMPL, index
from vibe.synthetic.detector_simulator import POINTS, ViewedPoints, answers_of, load_simulator, simulate
from vibe.synthetic.examples import example_points
from vibe.synthetic.keypoint_noise import imitate_detector, imitate_ends
from vibe.synthetic.rendered_evidence import RenderedWindows, load_rendered, rendered_example
from vibe.train.recipes import OPEN
from vibe.train.trainer import seeded_generator

SHOWN = {"shoulders": "shoulder", "wrists": "wrist", "hips": "hip", "knees": "knee", "ankles": "ankle"}
HEAD = ("steady", "within a window", "from frame to frame", "place along the line of sight", "confidence")


@dataclass(frozen=True)
class Options:
    rendered: tuple[str, ...]
    """Stores."""
    simulator: Path
    weights: str | None = None
    table: Path | None = None


def errors(answers: Float[Tensor, "window time answer"]) -> Sequence[Sequence[str]]:
    """Rows of joints: medians of the steady error, of the change from frame to frame and of the place's error along the
    line of sight, root mean square of what changes within a window, all in mm; mean confidence. Of windows in which
    somebody is seen in each frame."""
    answers = answers[(answers[..., -1] < 0).all(-1)]
    picture = 1000 * answers[..., : 2 * POINTS].unflatten(-1, (POINTS, 2))
    depth = 1000 * answers[..., 2 * POINTS : 5 * POINTS].unflatten(-1, (POINTS, 3))[..., 2].abs()
    sure = answers[..., 5 * POINTS : 6 * POINTS].sigmoid()
    steady, steps = picture.mean(1), picture.diff(dim=1).norm(dim=-1)
    rows = []
    for name, joint in SHOWN.items():
        pair = index(DETECTED27, [f"{side}_{joint}" for side in ("left", "right")])
        within = (picture - steady[:, None])[:, :, pair].square().sum(-1).mean().sqrt()
        medians = [each[..., pair].median() for each in (steady.norm(dim=-1), steps, depth)]
        shown = [medians[0], within, medians[1], medians[2]]
        rows.append([name, *(f"{float(each):.0f}" for each in shown), f"{float(sure[..., pair].mean()):.2f}"])
    return rows


def read_by(network: Network, windows: RenderedWindows, body: Body) -> list[float]:
    """PA-MPJPE, MPJPE and acceleration error, mm, of a network that reads these windows."""
    batch = rendered_example(windows, body, OPEN.synthesis, seeded_generator(0, 0), plain=True)
    with torch.no_grad():
        found = network.model(batch.evidence)
    predicted = example_points(body, found.rotmat, found.betas)[..., : len(SMPL), :]
    truth = batch.points[..., : len(SMPL), :]
    return [float(each(predicted, truth).mean()) for each in (pa_mpjpe_mm, mpjpe_mm, acceleration_error_mm)]


def imitated(windows: RenderedWindows, viewed: ViewedPoints) -> RenderedWindows:
    """The same windows, marked by the imitation."""
    seed, core = seeded_generator(0, 1), len(COCO)
    near = viewed.truth[:, :, :core], viewed.metre[:, :, :core]
    keypoints = imitate_detector(*near, windows.half_picture, OPEN.synthesis.noise, seed)
    ends = imitate_ends(viewed.truth, keypoints, viewed.metre, OPEN.synthesis.noise, seed)
    points = torch.zeros_like(windows.points)
    points[..., [0, 1, 5]] = torch.cat([keypoints, ends], 2)
    return replace(windows, points=points)


def main(options: Options) -> None:
    body, network = load_body(), load_network(options.weights)
    simulator = load_simulator(options.simulator, OPEN.set_aside)
    real = load_rendered(options.rendered, "validation", OPEN.set_aside, OPEN.synthesis.frames, body)
    viewed, _ = answers_of(real, body)
    with one_thread():
        made = replace(real, points=simulate(simulator, viewed, torch.Generator().manual_seed(0)))
        rows = []
        whose = {"the detector": real, "its simulator": made, "the imitation": imitated(real, viewed)}
        for name, windows in whose.items():
            pa, mpjpe, acceleration = read_by(network, windows, body)
            whole = [f"{pa:.1f}", f"{mpjpe:.1f}", f"{acceleration:.1f}"]
            placed = bool(windows.points[..., 2:5].any())
            for at, row in enumerate(errors(answers_of(windows, body)[1])):
                rows.append([name, *row[:4], row[4] if placed else "-", row[5], *(["", "", ""] if at else whole)])
    report.table(
        f"Answers to {len(real.focal)} windows set aside",
        [
            "whose",
            "joints",
            *HEAD,
            "PA-MPJPE of a network that reads them mm",
            "MPJPE mm",
            "acceleration error mm/frame^2",
        ],
        rows,
        f"Millimetres; simulator {options.simulator.stem}, weights {network.about.name} {network.about.sha256[:12]}",
        options.table,
    )


if __name__ == "__main__":
    raise SystemExit(report.run(main, tyro.cli(Options, description=__doc__)))
