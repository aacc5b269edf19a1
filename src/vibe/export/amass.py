"""SMPL's own parameters: AMASS's .npz, for Blender's add-on and aitviewer; JSON with the smplx package's names."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import __version__, assets
from vibe.body.record import Body
from vibe.motion.scene import Character, Scene
from vibe.records import SmplParams
from vibe.rotations import rotvec_from_rotmat

BODY_JOINTS = 22
"""Joints that SMPL, SMPL-H and SMPL-X share: pelvis to wrists."""
COLUMNS = 156
"""Of a pose in SMPL-H: 52 joints; those of the fingers are 0 of who has none."""


def in_smpl(scene: Scene, character: Character, body: Body) -> tuple[SmplParams, Float[ndarray, "3"], str]:
    """The person as SMPL's software takes them, the place of the pelvis at rest, and the gender.

    Betas are zero, and the pelvis at rest is the mean body's, where the motion was made with a body whose betas mean
    other shapes. The translation that SMPL adds to a posed body (`transl`, AMASS's `trans`) is the pelvis minus that.
    """
    if not scene.body.name.lower().startswith("smpl"):
        smpl = SmplParams(character.smpl.rotmat, np.zeros_like(character.smpl.betas), character.smpl.pelvis)
        return smpl, body.J_template[0], "neutral"
    words = scene.body.name.lower().split()
    return character.smpl, character.rest[0], next((word for word in ("female", "male") if word in words), "neutral")


def write_amass(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, written whole or not at all; raises OSError."""
    smpl, pelvis_at_rest, gender = in_smpl(scene, character, body)
    poses = np.zeros((len(smpl.rotmat), COLUMNS))
    poses[:, : 3 * BODY_JOINTS] = rotvec_from_rotmat(smpl.rotmat[:, :BODY_JOINTS]).reshape(len(poses), -1)
    if character.fingers is not None:
        poses[:, 3 * BODY_JOINTS :] = rotvec_from_rotmat(character.fingers).reshape(len(poses), -1)
    content = io.BytesIO()
    contacts: dict[str, Any] = {} if character.contacts is None else {"contacts": character.contacts}
    np.savez(
        content,
        poses=poses.astype(np.float32),
        betas=smpl.betas.astype(np.float32),
        trans=(smpl.pelvis - pelvis_at_rest).astype(np.float32),
        pelvis=smpl.pelvis.astype(np.float32),
        pelvis_at_rest=pelvis_at_rest.astype(np.float32),
        gender=np.array(gender),
        mocap_framerate=np.array(scene.fps),
        mocap_frame_rate=np.array(scene.fps),
        surface_model_type=np.array("smplh"),
        axes=np.array(f"right-handed, {scene.up} up; metres, radians"),
        space=np.array(scene.space),
        start_seconds=np.array(scene.start + character.first / scene.fps),
        confidence=character.confidence.astype(np.float32),
        body=np.array([scene.body.name, scene.body.sha256]),
        body_betas=character.smpl.betas.astype(np.float32),
        vibe_version=np.array(__version__),
        **contacts,
    )
    assets.write_whole(path, content.getvalue())


def write_smplx_json(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person's motion, a row a frame, written whole or not at all; raises OSError.

    `transl` is for a body whose pelvis rests at `pelvis_at_rest`: for another, SMPL-X's among them, it is `pelvis`
    minus that body's own.
    """
    smpl, pelvis_at_rest, gender = in_smpl(scene, character, body)
    poses = rotvec_from_rotmat(smpl.rotmat[:, :BODY_JOINTS])
    content = {
        "gender": gender,
        "betas": _rounded(smpl.betas),
        "fps": scene.fps,
        "start_seconds": scene.start + character.first / scene.fps,
        "units": "metres, seconds, radians",
        "axes": f"right-handed, {scene.up} up",
        "space": scene.space,
        "body": {"name": scene.body.name, "sha256": scene.body.sha256, "betas": _rounded(character.smpl.betas)},
        "vibe_version": __version__,
        "global_orient": _rounded(poses[:, 0]),
        "body_pose": _rounded(poses[:, 1:].reshape(len(poses), -1)),
        "transl": _rounded(smpl.pelvis - pelvis_at_rest),
        "pelvis": _rounded(smpl.pelvis),
        "pelvis_at_rest": _rounded(pelvis_at_rest),
        **({} if character.contacts is None else {"contacts": _rounded(character.contacts)}),
        **_hands(character),
    }
    assets.write_whole(path, (json.dumps(content) + "\n").encode())


def _hands(character: Character) -> dict[str, list]:
    """A row a frame of either hand; nothing of who has no fingers."""
    if character.fingers is None:
        return {}
    flat = rotvec_from_rotmat(character.fingers).reshape(len(character.fingers), 2, -1)
    return {f"{side}_hand_pose": _rounded(flat[:, hand]) for hand, side in enumerate(("left", "right"))}


def _rounded(numbers: ndarray) -> list:
    """The numbers, the finest step a hundredth of a millimetre or of a milliradian."""
    return numbers.astype(np.float64).round(5).tolist()
