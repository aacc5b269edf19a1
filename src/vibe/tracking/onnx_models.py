"""A user's own ONNX models: a person detector and a COCO-17 pose model, run by onnxruntime (extra `onnx`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray as Array

from vibe.cameras import BOX_MARGIN
from vibe.errors import needs_extra
from vibe.tracking.detector import Detections, letterbox, suppress
from vibe.tracking.pose_model import MARGIN, Landmarks, crop_person, to_picture

MEAN_RGB = np.array([123.675, 116.28, 103.53], np.float32)
STD_RGB = np.array([58.395, 57.12, 57.375], np.float32)
"""ImageNet's, on 0 to 255: what pose models of the RTMPose family were trained with."""
PAD = 114
"""Grey beside a letterboxed picture: what detectors of the YOLOX family were trained with."""
STRIDES = (8, 16, 32)
SAME_PERSON = 0.65
"""Overlap of two boxes that are one person's."""
SURE = 0.3
"""Confidence from which a keypoint counts for the next region."""
PERSON = 0
"""Class of people, in COCO's order."""


Session = Any
"""An `onnxruntime.InferenceSession`, or what has its `get_inputs` and `run`."""


def open_session(path: Path) -> Session:
    """A model file, ready to run on the CPU; raises FileNotFoundError, ImportError or ValueError."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no ONNX model at {path}: give the path of a .onnx file")
    with needs_extra("an ONNX model", "onnxruntime", "onnx"):
        import onnxruntime
    try:
        return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    # What onnxruntime raises on damaged files is any kind: Fail, InvalidArgument, UnicodeDecodeError ...
    except Exception as error:
        raise ValueError(f"{path} is not an ONNX model that onnxruntime can run: {str(error)[:300]}") from error


class OnnxDetector:
    """A person detector: raw YOLOX output, or boxes with scores (and labels) as exported with their own NMS."""

    def __init__(self, model: Path | Session, min_score: float = 0.4) -> None:
        self._session = open_session(Path(model)) if isinstance(model, str | Path) else model
        self._name, (self._height, self._width) = _input(self._session, (640, 640))
        self._min_score = min_score

    def __call__(self, rgb: UInt8[Array, "height width 3"]) -> Detections:
        """All people, best first."""
        picture, scale, _ = letterbox(rgb, (self._width, self._height), PAD, centred=False)
        bgr = picture[..., ::-1].transpose(2, 0, 1)[None].astype(np.float32)
        outputs = self._session.run(None, {self._name: bgr})
        boxes, scores = boxes_of(outputs, self._width, self._height)
        keep = scores >= self._min_score
        boxes, scores = boxes[keep] / scale, scores[keep]
        best = [group[0] for group in suppress(boxes, scores, SAME_PERSON)]
        return Detections(boxes[best].astype(np.float32), scores[best].astype(np.float32).clip(0, 1))


class OnnxPose:
    """A COCO-17 pose model with SimCC output: for each keypoint a row of scores along x and one along y."""

    def __init__(self, model: Path | Session) -> None:
        self._session = open_session(Path(model)) if isinstance(model, str | Path) else model
        self._name, (self._height, self._width) = _input(self._session, (256, 192))

    def start(self, box_px: Float[Array, "4"], keypoints_px: Float[Array, "2 2"] | None) -> Float[Array, "4"]:
        """An upright region around the box, with the model's margin."""
        side = MARGIN * max(box_px[3], box_px[2] * self._height / self._width)
        return np.array([box_px[0], box_px[1], side, 0.0])

    def __call__(self, rgb: UInt8[Array, "height width 3"], region: Float[Array, "4"]) -> Landmarks:
        """The keypoints of the person in the region, whose side is the crop's height."""
        picture = (crop_person(rgb, region, (self._width, self._height)) - MEAN_RGB) / STD_RGB
        outputs = self._session.run(None, {self._name: picture.transpose(2, 0, 1)[None]})
        x, y = outputs[:2]
        points, confidence = from_simcc(x, y, self._width, self._height)
        picture_px = to_picture((points - (self._width / 2, self._height / 2)) / self._height + 0.5, region)
        keypoints = np.concatenate([picture_px, confidence[:, None]], 1)
        presence = float(np.sort(confidence)[-8:].mean())
        return Landmarks(keypoints, presence, region, self._follow(keypoints, region))

    def _follow(self, keypoints: Array, region: Array) -> Array:
        """The region around the keypoints that are sure; the same region where too few are."""
        sure = keypoints[keypoints[:, 2] >= SURE, :2]
        if len(sure) < 4:
            return region
        low, high = sure.min(0), sure.max(0)
        return self.start(np.array([*(low + high) / 2, *(high - low) * BOX_MARGIN]), None)


def boxes_of(outputs: Sequence[Array], width: int, height: int) -> tuple[Float[Array, "n 4"], Float[Array, "n"]]:
    """People's boxes (centre x, y, width, height, input pixels) and scores from a detector's outputs.

    Raises ValueError for outputs of a kind that is not known.
    """
    arrays = [np.asarray(output)[0] for output in outputs]
    cells = sum((width // stride) * (height // stride) for stride in STRIDES)
    first = arrays[0]
    if len(arrays) == 1 and first.ndim == 2 and first.shape[0] == cells and first.shape[1] >= 6:
        return from_yolox(first, width, height)
    boxes = next((each for each in arrays if each.ndim == 2 and each.shape[1] in (4, 5)), None)
    rest = [each for each in arrays if each is not boxes]
    if boxes is not None and boxes.shape[1] == 5:
        people = rest[0] == PERSON if rest else np.ones(len(boxes), bool)
        return _centred(boxes[people, :4]), boxes[people, 4]
    if boxes is not None and rest and len(rest[0]) == len(boxes):
        return _centred(boxes), rest[0].reshape(len(boxes), -1)[:, PERSON]
    shapes = ", ".join(str(np.shape(output)) for output in outputs)
    raise ValueError(
        f"the detector gave outputs of shapes {shapes}: expected YOLOX's [1, {cells}, 5 + classes], boxes with scores "
        "[1, n, 5], or boxes [1, n, 4] and scores [1, n]"
    )


def from_yolox(
    values: Float[Array, "cell _"], width: int, height: int
) -> tuple[Float[Array, "cell 4"], Float[Array, "cell"]]:
    """YOLOX's raw output: offsets from grid corners in strides, log sizes, objectness and class scores."""
    corners, strides = [], []
    for stride in STRIDES:
        columns, rows = np.meshgrid(np.arange(width // stride), np.arange(height // stride))
        corners.append(np.stack([columns, rows], -1).reshape(-1, 2))
        strides.append(np.full((columns.size, 1), stride))
    corner, stride = np.concatenate(corners), np.concatenate(strides)
    centre = (values[:, :2] + corner) * stride
    size = np.exp(np.clip(values[:, 2:4], -20, 20)) * stride
    return np.concatenate([centre, size], 1), values[:, 4] * values[:, 5 + PERSON]


def from_simcc(
    x: Float[Array, "1 joint column"], y: Float[Array, "1 joint row"], width: int, height: int
) -> tuple[Float[Array, "17 2"], Float[Array, "17"]]:
    """Keypoints in pixels of the input and their confidence in [0, 1]: the best place along each axis.

    Models of more joints keep COCO's 17 first, and these are taken. Raises ValueError for fewer.
    """
    if x.ndim != 3 or y.ndim != 3 or x.shape[1] != y.shape[1] or x.shape[1] < 17:
        raise ValueError(f"the pose model gave {x.shape} and {y.shape}: expected SimCC rows [1, 17, columns] twice")
    x, y = x[0, :17], y[0, :17]
    points = np.stack([x.argmax(-1) * (width / x.shape[-1]), y.argmax(-1) * (height / y.shape[-1])], -1)
    return points, np.minimum(x.max(-1), y.max(-1)).clip(0, 1)


def _centred(corners: Array) -> Array:
    """Boxes given as left, top, right, bottom by centre and size."""
    low, high = corners[:, :2], corners[:, 2:4]
    return np.concatenate([(low + high) / 2, high - low], 1)


def _input(session: Session, usual: tuple[int, int]) -> tuple[str, tuple[int, int]]:
    """Name, height and width of a model's picture input; `usual` where the model leaves them open."""
    first = session.get_inputs()[0]
    shape = tuple(first.shape)
    if len(shape) != 4:
        raise ValueError(f"the model's input has shape {shape}: expected [1, 3, height, width]")
    sides = [
        side if isinstance(side, int) and side > 0 else other for side, other in zip(shape[2:], usual, strict=True)
    ]
    return first.name, (sides[0], sides[1])
