"""What was answered, kept for a motion file."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from vibe.arrays import as_numpy
from vibe.inference.estimate import Estimator
from vibe.live.person import LivePose
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame
from vibe.motion import Result
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track


class Recorder:
    """Everybody's answers, about 0.6 kB a person and index."""

    def __init__(self) -> None:
        self._times: dict[int, float] = {}
        self._people: dict[int, list[tuple[int, tuple[Tensor, ...]]]] = {}

    @property
    def frames(self) -> int:
        """How many there were."""
        return len(self._times)

    def put(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """Take an answer."""
        index = len(self._times)
        self._times[index] = poses.time
        for pose in poses.people:
            self._people.setdefault(pose.number, []).append((index, _few(pose)))

    def result(self, name: str, camera: Camera, estimator: Estimator) -> Result:
        """The motion as of a video of the frames that were answered for."""
        times = torch.tensor(list(self._times.values()), dtype=torch.float64)
        times = times - times[:1]
        fps = (len(times) - 1) / float(times[-1]) if len(times) > 1 else 30.0
        clip = Clip(Path("live") / name, fps, camera.width, camera.height, times, 0)
        people = []
        for _, rows in sorted(self._people.items()):
            frames = torch.tensor([index for index, _ in rows])
            rotmat, betas, trans, keypoints_px, box_px = (torch.stack(each) for each in zip(*(row for _, row in rows)))
            track = Track(frames, box_px, keypoints_px)
            shape = betas.mean(0)
            people.append(to_motion(SmplParams(rotmat, shape, trans), track, times[frames], camera, estimator.body))
        notes = ("made live: each index was told without what came later, and frames were left out for speed",)
        origin = estimator.body.origin
        notes = (*notes, *estimator.remarks)
        return Result(as_numpy(clip), as_numpy(camera), tuple(people), origin, estimator.network.about, notes)


def _few(pose: LivePose) -> tuple[Tensor, ...]:
    return pose.rotmat, pose.betas.clone(), pose.trans, pose.keypoints_px, pose.box_px
