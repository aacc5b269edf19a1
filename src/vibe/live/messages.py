"""What others are told of live motion: JSON, a line for the start and one for every answer, or packets."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Iterator
from typing import Any

import cv2
import roma
import torch
from torch import Tensor

from vibe import __version__
from vibe.arrays import as_numpy
from vibe.body.record import Body
from vibe.live.person import LivePose
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame
from vibe.records import Camera, Weights
from vibe.skeletons import SMPL, SMPL_PARENTS
from vibe.viewer.motion_json import at_rest

DIGITS = 5
"""After the point: a hundredth of a millimetre."""


def start_json(source: str, camera: Camera, delay: int, body: Weights, weights: Weights) -> str:
    """The first line: what does not change."""
    return _text(
        {
            "type": "start",
            "vibe": __version__,
            "source": source,
            "width": camera.width,
            "height": camera.height,
            "K_px": _rounded(camera.K_px),
            "frames_back": delay,
            "joint_names": SMPL,
            "parents": SMPL_PARENTS,
            "body": body.name,
            "weights": weights.name,
        }
    )


def poses_json(poses: LivePoses, delay_ms: float) -> str:
    """The line of one answer."""
    return _text(
        {
            "type": "frame",
            "frame": poses.index,
            "time": round(poses.time, DIGITS),
            "delay_ms": round(delay_ms, 1),
            "people": [_person(pose) for pose in poses.people],
        }
    )


def _person(pose: LivePose) -> dict[str, Any]:
    return {
        "number": pose.number,
        "confidence": round(pose.confidence, 3),
        "trans": _rounded(pose.trans),
        "rotations": _rounded(roma.rotmat_to_rotvec(pose.rotmat)),
        "betas": _rounded(pose.betas),
        "joints": _rounded(pose.joints),
    }


def _rounded(numbers: Tensor) -> list:
    """Numbers, or lists of them."""
    return [_rounded(row) for row in numbers] if numbers.dim() > 1 else [round(x, DIGITS) for x in numbers.tolist()]


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), allow_nan=False)


LONGEST_PX = 960
"""Longer side of a picture for the page."""
QUALITY = 75
"""Of its JPEG, out of 100."""
SAME_SHAPE = 0.3
"""Distance of betas up to which a page keeps the surface that it has: some millimetres."""


class Packet:
    """One answer, with its picture."""

    def __init__(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        self.poses = poses
        self._frame, self._delay_ms = frame, delay_ms
        self._making = threading.Lock()
        self._text: str | None = None
        self._packet: bytes | None = None

    @property
    def text(self) -> str:
        """The line of JSON."""
        with self._making:
            if self._text is None:
                self._text = poses_json(self.poses, self._delay_ms)
            return self._text

    def packet(self) -> bytes:
        """The line's length (four bytes, little-endian), the line, and the picture as JPEG."""
        text = self.text.encode()
        with self._making:
            if self._packet is None:
                self._packet = struct.pack("<I", len(text)) + text + _jpeg(self._frame)
            return self._packet


class Packets:
    """The newest answer, and everybody's shape."""

    def __init__(self, body: Body) -> None:
        """`body` is the one that a page shows."""
        self.newest: Packet | None = None
        self._body = as_numpy(body)
        self._shapes: dict[int, tuple[Tensor, str]] = {}

    def take(self, poses: LivePoses, frame: LiveFrame, delay_ms: float) -> None:
        """An answer, in place of the last one."""
        self.newest = Packet(poses, frame, delay_ms)

    def shapes(self, poses: LivePoses, known: dict[int, Tensor]) -> Iterator[str]:
        """What a page has to be told before an answer: surfaces of those whom it doesn't know so; notes them there."""
        for pose in poses.people:
            told = known.get(pose.number)
            if told is None or float(torch.dist(told, pose.betas)) > SAME_SHAPE:
                known[pose.number], text = self._shape(pose.number, pose.betas)
                yield text
        here = {pose.number for pose in poses.people}
        self._shapes = {number: held for number, held in self._shapes.items() if number in here}

    def _shape(self, number: int, betas: Tensor) -> tuple[Tensor, str]:
        """The message of a shape; the last one of this person, where it is near enough."""
        held = self._shapes.get(number)
        if held is None or float(torch.dist(held[0], betas)) > SAME_SHAPE / 2:
            betas = betas.clone()
            shape = {"type": "shape", **at_rest(number, betas.numpy(), self._body)}
            held = betas, json.dumps(shape, separators=(",", ":"))
            self._shapes = {**self._shapes, number: held}
        return held


def _jpeg(frame: LiveFrame) -> bytes:
    """The picture, made smaller where it is large."""
    rgb = frame.rgb
    scale = LONGEST_PX / max(rgb.shape[:2])
    if scale < 1:
        rgb = cv2.resize(rgb, (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale)), interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
