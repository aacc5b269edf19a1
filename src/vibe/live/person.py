"""One person followed live: what was seen of them lately, and their pose now, from nothing that comes later.

Each answer is what the offline method says of the last second, cut at the newest frame: the same cleaning, the same
reading by the same network, the same place by the keypoints. What earlier answers said is kept only as one shape and
the state of the causal filters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from vibe.body import pose_joints
from vibe.body.record import Body
from vibe.records import Camera, Prediction, Track
from vibe.refine.one_euro import OneEuroFilter, RotationFilter
from vibe.refine.presets import OneEuro, Smoothing
from vibe.refine.smooth import one_shape, smooth
from vibe.refine.translation import place_pelvis
from vibe.tracking.pose_model import Landmarks
from vibe.tracking.postprocess import PostprocessConfig, tidy_keypoints
from vibe.tracking.tracklets import Tracklet


@dataclass(frozen=True)
class LiveConfig:
    """Windows and filters of live motion; times in seconds."""

    memory: float = 2.4
    """Of evidence that is cleaned together: left and right that a detector exchanged are told by what was before."""
    window: float = 1.2
    """Of evidence that the network reads for each answer; the offline method reads 2.4."""
    smoothing: Smoothing = Smoothing(limbs=0.04, trunk=0.06, across=0.05, depth=0.12)
    """Within the window; the offline method's light one."""
    turns: OneEuro | None = OneEuro(least=6.0, beta=8.0, speed=1.0)
    """The filter over the rotations that are answered."""
    depths: OneEuro | None = OneEuro(least=2.0, beta=4.0, speed=1.0)
    """The filter over the logarithm of the pelvis's depth; where it is in the picture needs none."""
    settled: int = 300
    """Answers over which the shape becomes steady: each new one then counts for so little."""


@dataclass(frozen=True)
class LivePose:
    """One person in one frame."""

    number: int
    """The same as long as the person is followed, and for a while after a loss."""
    rotmat: Float[Tensor, "24 3 3"]
    """`global_orient` first, in the camera's frame."""
    betas: Float[Tensor, "10"]
    trans: Float[Tensor, "3"]
    """Pelvis in the camera's frame, metres."""
    joints: Float[Tensor, "24 3"]
    """SMPL's, in the camera's frame, metres."""
    keypoints_px: Float[Tensor, "17 3"]
    """COCO-17 as detected: x, y, confidence."""
    box_px: Float[Tensor, "4"]
    """Centre x, centre y, width, height."""

    @property
    def confidence(self) -> float:
        """Mean confidence of the keypoints."""
        return float(self.keypoints_px[:, 2].mean())


@dataclass(frozen=True)
class KeypointSample:
    """The tracker's output for one person in one frame."""

    index: int
    time: float
    keypoints_px: Float[ndarray, "17 3"]
    region: Float[ndarray, "4"]
    look: Float[ndarray, "128"]
    """Appearance, as measured last."""


class LivePerson:
    """One person's last second of evidence, shape so far, and filters."""

    def __init__(self, number: int, config: LiveConfig) -> None:
        self.number = number
        self._config = config
        self._seen: deque[KeypointSample] = deque()
        self.since = 0.0
        """When they were seen first, seconds."""
        self._betas = torch.zeros(10)
        self._answers = 0
        self._turns = RotationFilter(config.turns) if config.turns else None
        self._depths = OneEuroFilter(config.depths) if config.depths else None

    @property
    def last(self) -> KeypointSample:
        """The newest."""
        return self._seen[-1]

    def add(self, index: int, time: float, landmarks: Landmarks, look: Float[ndarray, "128"] | None) -> None:
        """One more frame in which the person was seen; their look is wanted in the first and every now and then."""
        if not self._seen:
            assert look is not None
            self.since = time
        look = self.last.look if look is None else look
        self._seen.append(KeypointSample(index, time, landmarks.keypoints_px, landmarks.follow, look))
        while self._seen[0].time <= time - self._config.memory + 1e-6:
            self._seen.popleft()

    def piece(self, first: int = 0) -> Tracklet:
        """What was seen lately; frames counted from `first`."""
        return Tracklet(
            np.array([one.index - first for one in self._seen]),
            np.array([one.time for one in self._seen]),
            np.stack([one.keypoints_px for one in self._seen]).astype(np.float64),
            np.stack([one.region for one in self._seen]).astype(np.float64),
            np.stack([one.look for one in self._seen]).astype(np.float64),
        )

    def track_at(
        self, at: int, indices: Sequence[int], times: Sequence[float]
    ) -> tuple[Track, Float[Tensor, "time"]] | None:
        """What was seen lately, cleaned, with its times in seconds; None if they were not seen around frame `at`.

        `indices` and `times` are those of the latest frames, in step and without a hole.
        """
        first = self._seen[0].index
        if not first <= at <= self.last.index:
            return None
        clock = np.array(times[first - indices[0] :])
        whole, _ = tidy_keypoints(self.piece(first), clock, PostprocessConfig())
        lately = torch.from_numpy(clock)[whole.frames] > clock[-1] - self._config.window + 1e-6
        frames = whole.frames[lately]
        if at - first not in frames.tolist():
            return None
        return Track(frames + first, whole.box_px[lately], whole.keypoints_px[lately]), torch.from_numpy(clock)[frames]

    @torch.no_grad()
    def pose(
        self, at: int, track: Track, when: Float[Tensor, "moment"], read: Prediction, time: float, camera: Camera,
        body: Body,
    ) -> LivePose:  # fmt: skip
        """The pose in frame `at`, at `time`, of what the network read of their `track_at` at some moments; seconds."""
        row, now = track.frames.tolist().index(at), torch.tensor([time], dtype=torch.float64)
        self._answers += 1
        shape = one_shape(read.smpl.betas, read.confidence)
        # The mean of all answers' shapes, those of long ago fading.
        betas = self._betas + (shape - self._betas) / min(self._answers, self._config.settled)
        self._betas = betas
        pelvis = place_pelvis(replace(read.smpl, betas=betas), read.keypoints_px, camera.K_px, when, body)
        rotmat, trans = smooth(read.smpl.rotmat, pelvis, when, now, self._config.smoothing, read.confidence)
        turned, moved = rotmat[0], trans[0]
        if self._turns:
            turned = self._turns.step(turned, float(now))
        if self._depths:
            depth = moved[2].clamp_min(0.01)
            moved = moved / depth * self._depths.step(depth.log(), float(now)).exp()
        joints = pose_joints(body, turned, betas)[1]
        places = joints - joints[0] + moved
        return LivePose(self.number, turned, betas, moved, places, track.keypoints_px[row], track.box_px[row])
