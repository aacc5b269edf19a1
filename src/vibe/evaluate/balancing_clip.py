"""The balancing clip's protocol: a real video of two views whose 3D truth is known, from its pictures to its joints.

The truth was triangulated from 2D detections and has an error of 2 to 3 cm of its own. Nothing is ever tuned on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import assets, cameras, skeletons
from vibe.arrays import as_tensors
from vibe.cache import StageCache
from vibe.evaluate.scores import Compared, Report, System, Tallies, Tally, all_scores
from vibe.features.video_features import VideoFeatures
from vibe.inference import config, estimate
from vibe.inference import track as following
from vibe.models.network import Network
from vibe.parallel import one_thread
from vibe.records import Clip, Progress, Track
from vibe.tracking.tracker import Tracker
from vibe.video.read import open_video

PROTOCOL = "real"
BOXES = "detected"
VIEWS = ("cam01", "cam02")
FPS = 60.0
LIMBS12 = "12 limb joints about the hips"
HIPS = skeletons.index(skeletons.LIMBS, ["left_hip", "right_hip"])


def balancing_clip(data: Path, network: Network, after: Sequence[System], progress: Progress | None = None) -> Report:
    """Score a network, with each of the systems after it, on the clip in a folder; raises FileNotFoundError."""
    body = config.choose_body(None, network)[0]
    limbs = skeletons.index(skeletons.SMPL, skeletons.LIMBS)
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for view in VIEWS:
            truth = truth_of(data, view)
            clip, track = follow_tallest(data / f"{view}.mp4", Tracker(), progress)
            camera = cameras.default_camera(clip.width, clip.height)
            read, how = network.extractor, [system.refinement for system in after]
            with StageCache() as stages:
                features = read and partial(VideoFeatures(stages, clip, [track], read, progress).of, 0)
                motions = estimate.estimate_track(track, clip, camera, network, body, how, features)
            for system, motion in zip(after, motions, strict=True):
                places = as_tensors(motion.joints_cam)[:, limbs]
                tallies["video", system.name, LIMBS12, view].add(
                    Compared(places, truth[track.frames], track.frames, FPS, HIPS)
                )
    checksum = assets.sha256(data / "truth.npz")
    return Report(PROTOCOL, BOXES, checksum, (FPS,), network.about, body.origin, all_scores(tallies))


def follow_tallest(path: Path, follower: Tracker, progress: Progress | None = None) -> tuple[Clip, Track]:
    """The clip and the track of the person who is tallest in it: the one whose truth is known."""
    with open_video(_present(path)) as video:
        found = following.track_frames(video, follower, progress)
    return found.clip, max(found.tracks, key=lambda one: float(one.box_px[:, 3].median()))


def truth_of(data: Path, view: str) -> Float[Tensor, "time 12 3"]:
    """The 12 limb joints (`skeletons.LIMBS`) in a camera's frame, metres; raises FileNotFoundError without the file."""
    with np.load(_present(data / "truth.npz"), allow_pickle=False) as file:
        names = list(file["joint_names"])
        joints = torch.from_numpy(file[f"{view}.joints_cam"])
    limbs = (name.split("_") for name in skeletons.LIMBS)
    return joints[:, [names.index(side[0].upper() + joint.capitalize()) for side, joint in limbs]]


def _present(path: Path) -> Path:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not here: give the folder of the balancing clip with --data")
    return path
