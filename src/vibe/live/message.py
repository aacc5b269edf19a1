"""What others are told of live motion: JSON, a line for the start and one for every answer.

Metres, radians and seconds in the camera's frame (x right, y down, z forward); docs/live.md has every name.
"""

from __future__ import annotations

import json
from typing import Any

import roma
from torch import Tensor

from vibe import __version__
from vibe.live.crowd import Moment
from vibe.live.person import Pose
from vibe.records import Camera, Weights
from vibe.skeletons import SMPL, SMPL_PARENTS

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


def moment_json(moment: Moment, delay_ms: float) -> str:
    """The line of one answer."""
    return _text(
        {
            "type": "frame",
            "frame": moment.index,
            "time": round(moment.time, DIGITS),
            "delay_ms": round(delay_ms, 1),
            "people": [_person(pose) for pose in moment.people],
        }
    )


def _person(pose: Pose) -> dict[str, Any]:
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
