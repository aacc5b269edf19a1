"""What travels between the stages: frozen records with shapes, units and frames.

Frames: the camera's (x right, y down, z forward, metres) and the upright picture's (pixels, origin at the
outer corner of the top left pixel). Arrays are PyTorch's tensors up to a finished motion, NumPy's in a `Result`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from jaxtyping import Float, Int, Int32

from vibe.arrays import Array

Progress = Callable[[str, float, float | None], None]
"""Told what is under way, how much of it is done, and of how much if that is known."""
Function = TypeVar("Function", bound=Callable[..., Any])


def takes_options(record: type) -> Callable[[Function], Function]:
    """Shows the fields of a record in the signature of a function in place of its `**options`."""

    def shown(function: Function) -> Function:
        whole = inspect.signature(function)
        parameters = [each for each in whole.parameters.values() if each.kind is not each.VAR_KEYWORD]
        options = [
            inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
            for each in fields(record)
            if each.default is not MISSING
        ]
        function.__signature__ = whole.replace(parameters=parameters + options)  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return shown


@dataclass(frozen=True)
class Camera:
    """The camera of the upright picture: a pinhole, and how its lens bends what a pinhole would show."""

    K_px: Float[Array, "3 3"]
    """Intrinsic matrix."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    distortion: Float[Array, "coefficient"] | None = None
    """In OpenCV's order: k1, k2, p1, p2, k3, k4, k5, k6, or k1 to k4 of a fisheye; None where lines are straight."""
    fisheye: bool = False
    """Whether the distortion is OpenCV's of a fisheye."""
    source: str = "default"
    """Where the focal length is from: a key of `vibe.cameras.LENS_SOURCES`."""


@dataclass(frozen=True)
class Lens:
    """What is known of a video's camera before anybody is looked at."""

    camera: Camera
    notes: tuple[str, ...] = ()
    """What there is to remark on the focal length."""
    up_cam: Float[Array, "3"] | None = None
    """Unit vector against gravity in the camera's frame, where a calibration tells it."""
    height_m: float | None = None
    """Of the camera above the calibration's plane z = 0; None where it does not tell."""


@dataclass(frozen=True)
class Clip:
    """What one pass over a video found."""

    path: Path
    fps: float
    """Frame rate by the mean of the usual steps, without pauses; the truth is in `timestamps`."""
    width: int
    """Pixels of the upright picture."""
    height: int
    """Pixels of the upright picture."""
    timestamps: Float[Array, "frame"]
    """Seconds from the first frame, float64, increasing."""
    damaged: int
    """Packets that could not be decoded and were skipped."""


WORLD_CAMERA = {
    "still": "the camera stands still",
    "turning": "the camera turns as the background tells",
    "moving": "the camera moves as the background and standing feet tell",
    "unknown": "the camera's motion is not known, it is taken for still",
}
"""How the motion of a camera is known."""
WORLD_GRAVITY = {
    "people": "up is as people stand",
    "calibration": "up is the calibration's",
    "camera": "up is the picture's, for nobody stands",
}
"""What tells which way is up."""
WORLD_FLOOR = {"feet": "the floor is where feet stand", "none": "no floor is known, height 0 is the lowest foot's"}
"""What tells where the floor is."""
UNSURE = ("unknown", "camera", "none")
"""Of the camera, gravity and the floor: what says that it is not known."""


@dataclass(frozen=True)
class World:
    """Where the camera was in the people's world, frame by frame: `x_world = R_world_cam @ x_cam + t_world_cam`.

    The world is right-handed, z up, metres, the floor at height 0; x is where the first person faces at first, who
    starts above the origin.
    """

    R_world_cam: Float[Array, "frame 3 3"]
    t_world_cam: Float[Array, "frame 3"]
    """Place of the camera's centre in the world."""
    camera: str
    """A key of `WORLD_CAMERA`."""
    gravity: str
    """A key of `WORLD_GRAVITY`."""
    floor: str
    """A key of `WORLD_FLOOR`; with none, z = 0 is the height of the lowest foot, a convention."""
    tilt_error_deg: float
    """Expected error of the vertical (one standard deviation); NaN if unknown."""

    def __str__(self) -> str:
        """How it is known, as a sentence for people."""
        return world_sentence(self.about)

    @property
    def doubts(self) -> list[str]:
        """A sentence for each thing about it that could not be known."""
        parts = [WORLD_CAMERA[self.camera], WORLD_GRAVITY[self.gravity], WORLD_FLOOR[self.floor]]
        return [part for part, known in zip(parts, (self.camera, self.gravity, self.floor)) if known in UNSURE]

    @property
    def about(self) -> dict[str, str | float | None]:
        """How it is known, as files say it; None where the error of the vertical is unknown."""
        error_deg = None if math.isnan(self.tilt_error_deg) else round(self.tilt_error_deg, 2)
        known = {"camera": self.camera, "gravity": self.gravity, "floor": self.floor}
        return {**known, "tilt_error_deg": error_deg}


def world_sentence(about: Mapping[str, Any]) -> str:
    """What `World.about` says, for people; raises KeyError or TypeError for what it never says."""
    parts = [WORLD_CAMERA[about["camera"]], WORLD_GRAVITY[about["gravity"]], WORLD_FLOOR[about["floor"]]]
    if (error_deg := about["tilt_error_deg"]) is not None:
        parts[1] += f", give or take {error_deg:.1f} degrees"
    return "; ".join(parts)


BY_HAND = 2.0
"""Confidence of a keypoint that somebody put where it is; it falls to 1 in the frames around, which follow it."""


@dataclass(frozen=True)
class Track:
    """One person followed through a clip."""

    frames: Int[Array, "time"]
    """Indices into the clip; increasing, gaps allowed."""
    box_px: Float[Array, "time 4"]
    """Centre x, centre y, width, height."""
    keypoints_px: Float[Array, "time 17 3"]
    """COCO-17: x, y, confidence in [0, 1]. A frame that was filled in has confidence 0 throughout; a point that
    somebody put where it is has `BY_HAND`."""
    landmarks: Float[Array, "time 33 8"] | None = None
    """`skeletons.BLAZEPOSE`: x, y in pixels; x, y, z in metres from the middle of the hips, in axes of which z is the
    line of sight to the person; visibility, presence and heat in [0, 1]. None of a pose model that has COCO's alone."""

    @property
    def confidence(self) -> Float[Array, "time"]:
        """Mean keypoint confidence of each frame; 0 where the frame was filled in."""
        return self.keypoints_px[..., 2].mean(-1)


@dataclass(frozen=True)
class HandReadings:
    """What was seen of hands in a clip, one after the other, whosever they are; points in MediaPipe's order."""

    frames: Int[Array, "reading"]
    """Indices into the clip, not decreasing."""
    points_px: Float[Array, "reading 21 2"]
    places: Float[Array, "reading 21 3"]
    """Metres from about the middle finger's knuckle, in axes of which z is the line of sight to the hand."""
    presence: Float[Array, "reading"]
    """Probability that there is a hand."""
    right: Float[Array, "reading"]
    """Probability that it is a right one."""

    def at(self, rows: Any) -> HandReadings:
        """Some of them."""
        return HandReadings(*(each[rows] for each in vars(self).values()))


@dataclass(frozen=True)
class Observation:
    """The evidence of one person as the network reads it, frame by frame; points are `skeletons.DETECTED27`."""

    keypoints: Float[Array, "*b time 27 3"]
    """In the crop's own view: x, y in half crop sides from its centre, confidence. 0, 0, 0 if unseen."""
    places: Float[Array, "*b time 27 3"]
    """Where the pose model has them in space: from the middle of the hips, in the axes of the crop's view, metres;
    all 0 where it does not say."""
    box: Float[Array, "*b time 3"]
    """The crop in the camera: x and y of its centre ray (at z = 1), log of its half side (at unit distance)."""

    def at(self, rows: Any) -> Observation:
        """The evidence at some moments of one track."""
        return Observation(*(each[rows] for each in vars(self).values()))


@dataclass(frozen=True)
class SmplParams:
    """SMPL's parameters: the one record of them, for a moment, a track or a batch."""

    rotmat: Float[Array, "*b joint 3 3"]
    """`global_orient` first, then the 23 rotations of `body_pose`, each relative to its parent; of SMPL-H's 52 joints
    where fingers are meant too."""
    betas: Float[Array, "*#b 10"]
    """The shape; [10] where it is one throughout."""
    pelvis: Float[Array, "*b 3"]
    """Place of the pelvis joint in the camera's frame, metres; SMPL's `transl` is this minus the pelvis at rest."""

    def at(self, rows: Any) -> SmplParams:
        """The parameters at some moments; a shape that is one throughout stays so."""
        betas = self.betas if self.betas.ndim == 1 else self.betas[rows]
        return SmplParams(self.rotmat[rows], betas, self.pelvis[rows])


@dataclass(frozen=True)
class Prediction:
    """One person at moments in a row, as a network says or a fit found, with the 2D evidence of the same moments."""

    smpl: SmplParams
    """In the camera's frame; betas [moment 10] as a network says them, [10] once there is one shape for the track."""
    keypoints_px: Float[Array, "moment 17 3"]
    """COCO-17: x, y, confidence; confidence 0 where there is no evidence."""

    @property
    def confidence(self) -> Float[Array, "moment"]:
        """Mean over the keypoints."""
        return self.keypoints_px[..., 2].mean(-1)


@dataclass(frozen=True)
class ViewEvidence:
    """What another still camera saw of one person at moments in a row: `x_view = R_view_cam @ x_cam + t_view_cam`."""

    keypoints_px: Float[Array, "moment 17 3"]
    """COCO-17 as a pinhole shows them: x, y, confidence; confidence 0 where there is no evidence."""
    K_px: Float[Array, "3 3"]
    R_view_cam: Float[Array, "3 3"]
    t_view_cam: Float[Array, "3"]
    landmarks: Float[Array, "moment 33 6"] | None = None
    """The pose model's own points: x, y in pixels; x, y, z in metres; confidence."""

    def at(self, rows: Any) -> ViewEvidence:
        """The evidence at some of the moments."""
        landmarks = None if self.landmarks is None else self.landmarks[rows]
        return replace(self, keypoints_px=self.keypoints_px[rows], landmarks=landmarks)


@dataclass(frozen=True)
class View:
    """One of several still cameras before the same people: `x_view = R_view_ref @ x_ref + t_view_ref`."""

    clip: Clip
    camera: Camera
    R_view_ref: Float[Array, "3 3"]
    """From the frame of the first view, which is the result's own camera."""
    t_view_ref: Float[Array, "3"]
    """Metres."""
    offset_s: float
    """Added to a time of the first view's video gives that of the same moment in this one's."""


@dataclass(frozen=True)
class GeneratorOutput:
    """SMPL parameters and weak camera (the Theta of the paper), in the view of the crop."""

    rotmat: Float[Array, "*b time 24 3 3"]
    """`global_orient` first, then the 23 rotations of `body_pose`, each relative to its parent."""
    betas: Float[Array, "*b time 10"]
    pred_cam: Float[Array, "*b time 3"]
    """s, tx, ty: a body point X lies at s * (X + t), in half crop sides from the crop's centre."""


@dataclass(frozen=True)
class Weights:
    """What a set of parameters is and may be used for."""

    name: str
    sha256: str
    licence: str
    """One sentence: what it was trained on and what that allows."""


UNITS = 65536
"""Of points of the background, across the picture's longer side."""


@dataclass(frozen=True)
class Background:
    """Of the frames of a clip that were looked at: where the corners of a key frame are in them."""

    frames: Int32[Array, "sample"]
    """Indices into the clip, increasing."""
    kinds: Int32[Array, "sample"]
    """What each is: a kind of `vibe.world.background`."""
    keys: Int32[Array, "sample"]
    """Which of the samples is the key frame of each; its own number where there is none before it."""
    inliers: Int32[Array, "sample"]
    """How many of its pairs, the first ones, one homography explains."""
    ends: Int32[Array, "sample"]
    """Where its pairs end."""
    pairs: Int[Array, "pair 4"]
    """x, y in the key frame and x, y in the frame, from the picture's middle, in `UNITS` a longer side."""
