"""JSON with the arguments of the smplx package's models, for scripts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy import ndarray

from vibe import __version__, assets
from vibe.body.record import Body
from vibe.export.amass import BODY_JOINTS, parameters
from vibe.motion.scene import Character, Scene


def write_smplx_json(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, a row a frame, written whole or not at all; raises OSError."""
    given = parameters(scene, character, body)
    content = {
        "gender": given.gender,
        "betas": _rounded(given.betas),
        "fps": scene.fps,
        "start_seconds": scene.start + character.first / scene.fps,
        "units": "metres, seconds, radians",
        "axes": f"right-handed, {scene.up} up",
        "body": {"name": scene.body.name, "sha256": scene.body.sha256, "betas": _rounded(character.smpl.betas)},
        "vibe_version": __version__,
        "global_orient": _rounded(given.poses[:, 0]),
        "body_pose": _rounded(given.poses[:, 1:BODY_JOINTS].reshape(len(given.poses), -1)),
        "transl": _rounded(given.transl),
    }
    assets.write_whole(path, (json.dumps(content) + "\n").encode())


def _rounded(numbers: ndarray) -> list:
    """The numbers, the finest step a hundredth of a millimetre or of a milliradian."""
    return numbers.astype(np.float64).round(5).tolist()
