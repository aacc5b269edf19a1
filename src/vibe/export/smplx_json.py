"""JSON with the arguments of the smplx package's models, for scripts."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from vibe import __version__, assets
from vibe.body import Body
from vibe.export.amass import BODY_JOINTS, parameters
from vibe.motion.scene import Character, Scene


def write_smplx_json(path: Path, stage: Scene, actor: Character, body: Body) -> None:
    """One person's motion, a row a frame, written whole or not at all; raises OSError."""
    given = parameters(stage, actor, body)
    content = {
        "gender": given.gender,
        "betas": _rounded(given.betas),
        "fps": stage.fps,
        "start_seconds": stage.start + actor.first / stage.fps,
        "units": "metres, seconds, radians",
        "axes": f"right-handed, {stage.up} up",
        "body": {"name": stage.body.name, "sha256": stage.body.sha256, "betas": _rounded(actor.betas)},
        "vibe_version": __version__,
        "global_orient": _rounded(given.poses[:, 0]),
        "body_pose": _rounded(given.poses[:, 1:BODY_JOINTS].flatten(1)),
        "transl": _rounded(given.trans),
    }
    assets.write_whole(path, (json.dumps(content) + "\n").encode())


def _rounded(numbers: Tensor) -> list:
    """The numbers, the finest step a hundredth of a millimetre or of a milliradian."""
    return (numbers.double() * 1e5).round().div(1e5).tolist()
