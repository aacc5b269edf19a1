"""The open benchmark's protocol: whole clips, read, fitted and smoothed as in the product, against their truth."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from numpy import ndarray as Array

from vibe.arrays import as_tensors
from vibe.assets.archives import read_npz
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.cameras import default_camera
from vibe.data.motion import FPS
from vibe.evaluate.metrics import HIPS, PosedBodies, surface_errors_mm
from vibe.evaluate.open_benchmark_clips import ARRAYS, MANIFEST, clips_checksum
from vibe.evaluate.scores import JOINTS, Compared, Report, System, Tallies, Tally, all_scores
from vibe.inference import estimate
from vibe.models.network import Network
from vibe.parallel import one_thread
from vibe.records import Clip, Progress, SmplParams, Track
from vibe.tracking.appearance import box_px
from vibe.tracking.postprocess import PostprocessConfig, tidy_keypoints
from vibe.tracking.tracklets import Tracklet

PROTOCOL = "open-benchmark"
EVIDENCE = ("clean", "noisy")
SEEN = ("R_cam_world", "t_cam_world", "betas", "picture", *EVIDENCE)
"""Arrays of a view."""
BOXES = "of the keypoints"
SMPL24, COMMON14 = "24 joints about the pelvis", "common14 about the hips"
"""SMPL's joints of the open body, and its 14 evaluation joints about the mean of the hips as published."""


@dataclass(frozen=True)
class BenchmarkClip:
    """One held-out clip before one camera."""

    clip: str
    smpl: SmplParams
    """Betas [10]."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    keypoints_px: Mapping[str, Float[Array, "time 17 3"]]
    """By kind of evidence."""


def open_benchmark(data: Path, network: Network, after: Sequence[System], progress: Progress | None = None) -> Report:
    """Score a keypoint network, with each of the systems after it, on the benchmark in a folder.

    Works on one thread, clip by clip, so that the numbers do not depend on the machine's load. Raises FileNotFoundError
    or ValueError for a folder that `build` did not finish, another body, or weights that read pictures.
    """
    if network.evidence == "images":
        raise ValueError(f"the weights {network.about.name} read pictures, the open benchmark has keypoints only")
    body = load_body()
    manifest, arrays = read_folder(data)
    if manifest["body"]["sha256"] != body.origin.sha256:
        raise ValueError(f"{data} was made with another open body: run `vibe prepare open-benchmark -o {data}` anew")
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        total = len(manifest["clips"]) * manifest["views"]
        for done, shot in enumerate(shots(arrays, manifest["clips"], manifest["views"])):
            if progress:
                progress("views", done, total)
            _score(shot, network, body, after, tallies)
    return Report(PROTOCOL, BOXES, manifest["sha256"], (FPS,), network.about, body.origin, all_scores(tallies))


def read_folder(data: Path) -> tuple[dict, dict[str, Array]]:
    """Manifest and arrays of a benchmark's folder, checked against each other; raises FileNotFoundError, ValueError."""
    for name in (MANIFEST, ARRAYS):
        if not (data / name).is_file():
            raise FileNotFoundError(f"{data} has no {name}: run `vibe prepare open-benchmark -o {data}`")
    manifest = json.loads((data / MANIFEST).read_text(encoding="utf-8"))
    arrays = read_npz(data / ARRAYS)
    if (seen := clips_checksum(arrays)) != manifest["sha256"]:
        raise ValueError(
            f"{data / ARRAYS} has SHA-256 {seen[:12]}, its manifest says {manifest['sha256'][:12]}: it was changed, "
            f"run `vibe prepare open-benchmark -o {data}` anew"
        )
    return manifest, arrays


def shots(arrays: Mapping[str, Array], clips: Sequence[str], views: int) -> Iterator[BenchmarkClip]:
    """Every clip before each of its cameras."""
    for clip in clips:
        rotvec = torch.from_numpy(arrays[f"{clip}/poses"].astype(np.float64)).unflatten(-1, (-1, 3))
        rotmat, trans = roma.rotvec_to_rotmat(rotvec), torch.from_numpy(arrays[f"{clip}/trans"].astype(np.float64))
        for view in range(views):
            seen = {name: arrays[f"{clip}/{view}/{name}"] for name in SEEN}
            R_cam_world, t_cam_world = (torch.from_numpy(seen[f"{name}_cam_world"]) for name in "Rt")
            root = R_cam_world @ rotmat[:, 0]
            smpl = SmplParams(
                torch.cat([root[:, None], rotmat[:, 1:]], 1).float(),
                torch.from_numpy(seen["betas"]).float(),
                (trans @ R_cam_world.mT + t_cam_world).float(),
            )
            width, height = (int(side) for side in seen["picture"][1:])
            yield BenchmarkClip(clip, smpl, width, height, {name: seen[name] for name in EVIDENCE})


def benchmark_track(keypoints_px: Float[Array, "time 17 3"]) -> tuple[Track, Clip]:
    """What the product makes of a detector's keypoints: flips undone, spikes doubted, gaps filled, boxes smoothed."""
    frames = np.flatnonzero(keypoints_px[..., 2].any(1))
    times = np.arange(len(keypoints_px)) / FPS
    seen = keypoints_px[frames]
    around = box_px(seen)
    region = np.concatenate([around[:, :2], 1.25 * around[:, 2:].max(1, keepdims=True), np.zeros((len(seen), 1))], 1)
    track, _ = tidy_keypoints(Tracklet(frames, times[frames], seen, region), times, PostprocessConfig())
    return track, Clip(Path("benchmark"), FPS, 0, 0, torch.from_numpy(times), 0)


def _score(shot: BenchmarkClip, network: Network, body: Body, after: Sequence[System], tallies: Tallies) -> None:
    camera = default_camera(shot.width, shot.height)
    truth = joints_and_keypoints(body, shot.smpl.rotmat, shot.smpl.betas, "common14")
    true = PosedBodies(body, shot.smpl)
    for evidence in EVIDENCE:
        track, clip = benchmark_track(shot.keypoints_px[evidence])
        assert len(track.frames) == len(shot.smpl.rotmat), "every frame is scored"
        how = [system.refinement for system in after]
        motions = estimate.estimate_track(track, clip, camera, network, body, how)
        for system, motion in zip(after, motions, strict=True):
            smpl, row = as_tensors(motion.smpl_shaped), (evidence, system.name)
            joints, common = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "common14")
            off = surface_errors_mm(PosedBodies(body, smpl), true)
            whole = Compared(joints, truth[0], track.frames, FPS, [0], surface_mm=off)
            tallies[(*row, SMPL24, shot.clip)].add(whole, (*JOINTS, "pve_mm"))
            few = Compared(common, truth[1], track.frames, FPS, HIPS)
            tallies[(*row, COMMON14, shot.clip)].add(few)
