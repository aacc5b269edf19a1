"""The open benchmark's clips by what a mean over joints hides: speeds, bends of knees, directions of feet and hands.

    python benchmarks/open_motion.py [--data FOLDER] [--weights NAME|PATH ...] [--every 1] [--table FILE]

FOLDER is what `vibe prepare open-benchmark -o FOLDER` made; `vibe evaluate open-benchmark` has its other errors.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import motion_errors
import report
import torch
import tyro

from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.cameras import default_camera
from vibe.data.motion import FPS
from vibe.evaluate import open_benchmark
from vibe.evaluate.scores import Compared, Tally, systems
from vibe.inference import estimate
from vibe.models.network import load_network
from vibe.parallel import one_thread
from vibe.skeletons import SMPL

HEAD = ["weights", "evidence", "system", "frames", "PA-MPJPE mm", "MPJPE mm", "acceleration error mm/frame^2",
        *motion_errors.HEAD]  # fmt: skip


@dataclass(frozen=True)
class Options:
    data: Path = Path("runs/open-benchmark")
    weights: tuple[str, ...] = ("open",)
    every: int = 1
    """Every so many views of clips."""
    table: Path | None = None


def main(options: Options) -> None:
    body, after = load_body(), systems()
    manifest, arrays = open_benchmark.read_folder(options.data)
    rows = []
    for weights in options.weights:
        network = load_network(weights)
        tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
        others: dict[tuple[str, str], list[dict[str, torch.Tensor]]] = defaultdict(list)
        with one_thread():
            views = open_benchmark.shots(arrays, manifest["clips"], manifest["views"])
            for shot in islice(views, 0, None, options.every):
                camera = default_camera(shot.width, shot.height)
                truth = joints_and_keypoints(body, shot.smpl.rotmat, shot.smpl.betas, "common14")[0][..., :24, :]
                for evidence, keypoints_px in shot.keypoints_px.items():
                    track, clip = open_benchmark.benchmark_track(keypoints_px)
                    how = [system.refinement for system in after]
                    motions = estimate.estimate_track(track, clip, camera, network, body, how)
                    for system, motion in zip(after, motions, strict=True):
                        found = as_tensors(motion.joints_cam).float()
                        true = truth - truth[:, :1] + found[:, :1]
                        row = evidence, system.name
                        tallies[row].add(Compared(found, true, track.frames, FPS, [0]))
                        others[row].append(motion_errors.motion_errors(found, true))
        for (evidence, system), tally in tallies.items():
            score = tally.score("", "", system, "")
            shown = [score.errors["pa_mpjpe_mm"], score.errors["mpjpe_mm"]]
            shown += [f"{score.errors['acceleration_error_mm']:.2f}"]
            cells = motion_errors.table_cells(others[evidence, system])
            rows.append(
                [f"{network.about.name} {network.about.sha256[:12]}", evidence, system, score.frames, *shown, *cells]
            )
    note = f"Every {options.every}. view; {len(SMPL)} joints about the pelvis; data {manifest['sha256'][:12]}"
    report.table("Motion on the open benchmark", HEAD, rows, note, options.table)


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
