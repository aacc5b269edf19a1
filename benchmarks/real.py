"""Error on the balancing clip, whose 3D truth is known, beside MediaPipe's own world landmarks on the same frames.

    python benchmarks/real.py [--weights NAME|PATH] [--no-refine] [--smooth none|light|strong] \
        [--quality fast|standard|best] [--table FILE]

Reads `../shared/data/videos/balancing`. 12 limb joints, 60 frames a second; only the frames in which MediaPipe saw the
person, where `vibe evaluate real` counts all. The truth was triangulated from 2D
detections and has an error of 2 to 3 cm of its own. Nothing here is ever tuned on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import report
import torch
import tyro
from jaxtyping import Float, Int
from torch import Tensor
from watcher import Watcher

from vibe import cameras, skeletons
from vibe.arrays import as_numpy, as_tensors
from vibe.body.load import load_body
from vibe.evaluate import end_to_end
from vibe.evaluate.scores import WHOLE, Compared, Tally
from vibe.inference import config, estimate
from vibe.inference.track import load_pose_model
from vibe.inference.world import place_in_world
from vibe.models.network import load_network
from vibe.records import Lens
from vibe.refine.presets import FITTINGS, SMOOTHING
from vibe.world.camera_motion import standing_camera

ALONE = "vibe --no-world"
FOLDER = Path("../shared/data/videos/balancing")
MEDIAPIPE = {"shoulder": 11, "elbow": 13, "wrist": 15, "hip": 23, "knee": 25, "ankle": 27}
"""Where the left joint stands among the 33 landmarks; the right one follows it."""


@dataclass(frozen=True)
class Options:
    weights: str | None = None
    refine: bool = True
    smooth: Literal["none", "light", "strong"] = "light"
    quality: config.Quality = "standard"
    table: Path | None = None
    """Also write the table here."""


def limbs_of_landmarks(world: Float[Tensor, "time 33 3"]) -> Float[Tensor, "time 12 3"]:
    """The 12 limb joints among MediaPipe's landmarks."""
    index = []
    for name in skeletons.LIMBS:
        side, joint = name.split("_")
        index.append(MEDIAPIPE[joint] + (side == "right"))
    return world[:, index]


def errors(
    predicted: Float[Tensor, "time 12 3"], truth: Float[Tensor, "time 12 3"], frames: Int[Tensor, "time"]
) -> list[float]:
    """PA-MPJPE, MPJPE about the mid-hip (mm), acceleration error (mm/frame^2)."""
    tally = Tally()
    tally.add(Compared(predicted, truth, frames, end_to_end.BALANCING_FPS, end_to_end.LIMB_HIPS))
    found = tally.score(WHOLE, "video", "", end_to_end.LIMBS12).errors
    return [found["pa_mpjpe_mm"], found["mpjpe_mm"], found["acceleration_error_mm"]]


def main(options: Options) -> None:
    network = load_network(options.weights)
    body = load_body()
    limbs = skeletons.index(skeletons.SMPL, skeletons.LIMBS)
    rows = []
    for camera in end_to_end.BALANCING_VIEWS:
        truth = end_to_end.truth_of(FOLDER, camera)
        watcher = Watcher(load_pose_model(options.quality))
        clip, track = end_to_end.follow_tallest(FOLDER / f"{camera}.mp4", watcher)
        view = cameras.default_camera(clip.width, clip.height)
        fitting = FITTINGS["open"] if options.refine else None
        how = config.Refinement(SMOOTHING[options.smooth], fitting, config.energies())
        [motion] = estimate.estimate_track(track, clip, view, network, body, [how])
        clip, lens, still = as_numpy(clip), Lens(as_numpy(view)), standing_camera(len(clip.timestamps))
        [standing], *_ = place_in_world([motion], clip, lens, body, still, how)
        rival = watcher.nearest(dict(zip(track.frames.tolist(), track.keypoints_px.numpy(), strict=True)))
        frames = sorted(rival)
        mine = torch.isin(track.frames, torch.tensor(frames))
        world = torch.from_numpy(np.stack([rival[frame].whole[:, 2:5] for frame in frames])).float()
        at = torch.tensor(frames)
        for name, joints in (
            ("vibe", as_tensors(standing.joints_cam)[mine][:, limbs]),
            (ALONE, as_tensors(motion.joints_cam)[mine][:, limbs]),
            ("MediaPipe world landmarks", limbs_of_landmarks(world)),
        ):
            rows.append([camera, name, len(frames), *errors(joints, truth[frames], at)])
    for system in ("vibe", ALONE, "MediaPipe world landmarks"):
        both = np.array([row[3:] for row in rows if row[1] == system]).mean(0)
        rows.append(["mean", system, sum(row[2] for row in rows if row[1] == system), *both])
    report.table(
        "Balancing clip (12 limb joints, 60 fps)",
        ["view", "system", "frames", "PA-MPJPE mm", "MPJPE mm", "acceleration error mm/frame^2"],
        rows,
        f"weights {network.about.name} {network.about.sha256[:12]}, refine {options.refine}, smooth {options.smooth}, "
        f"quality {options.quality}",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
