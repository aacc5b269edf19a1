"""OpenSim's files: markers over time (TRC), and the coordinates of its models (MOT)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vibe import assets
from vibe.body.markers import MARKERS, marker_places
from vibe.body.record import Body
from vibe.export.tables import number_rows
from vibe.motion.joint_angles import PELVIS, SIDES, angle_names
from vibe.motion.scene import Character, Scene
from vibe.skeletons import SMPL

PLACE = ("pelvis_tx", "pelvis_ty", "pelvis_tz")
LEG = {
    "hip_flexion": "hip_flexion", "hip_adduction": "hip_adduction", "hip_rotation": "hip_rotation",
    "knee_angle": "knee_flexion", "ankle_angle": "ankle_dorsiflexion", "subtalar_angle": "ankle_inversion",
    "mtp_angle": "toes_extension",
}  # fmt: skip
"""OpenSim's coordinates of a leg, without `_r` or `_l`, and the angles that they are."""
LUMBAR = ("lumbar_extension", "lumbar_bending", "lumbar_rotation")
ARM = {
    "arm_flex": "shoulder_flexion", "arm_add": "shoulder_adduction", "arm_rot": "shoulder_rotation",
    "elbow_flex": "elbow_flexion", "pro_sup": "forearm_pronation", "wrist_flex": "wrist_flexion",
    "wrist_dev": "wrist_deviation",
}  # fmt: skip
"""Likewise of an arm."""
ABOUT = """
Angles are in degrees, lengths in metres, y points up.
Names and signs are those of the full-body model of Rajagopal et al. (2016): knees bend to positive angles.
The pelvis's place is the middle joint's of the hips.

"""


def coordinates() -> dict[str, str]:
    """OpenSim's coordinates that are angles, in the order of its models, and the angles that they are."""
    legs = {f"{name}_{side[0]}": f"{side}_{angle}" for side in SIDES for name, angle in LEG.items()}
    arms = {f"{name}_{side[0]}": f"{side}_{angle}" for side in SIDES for name, angle in ARM.items()}
    return {**{name: name for name in PELVIS.values()}, **legs, **{name: name for name in LUMBAR}, **arms}


def write_mot(path: Path, scene: Scene, character: Character) -> None:
    """One person's coordinates of a model as OpenSim's own, times from the scene's first frame; raises OSError.

    y points up in it, whatever axis does in the scene. Written whole or not at all.
    """
    names, wanted = angle_names(), coordinates()
    columns = [*PELVIS.values(), *PLACE, *list(wanted)[len(PELVIS) :]]
    angles = scene.angles_deg(character, "opensim")[:, [names.index(angle) for angle in wanted.values()]]
    place = character.smpl.pelvis @ scene.R_ground_scene.T
    frames = len(angles)
    times = (character.first + np.arange(frames)) / scene.fps
    head = f"Coordinates\nversion=1\nnRows={frames}\nnColumns={1 + len(columns)}\ninDegrees=yes\n{ABOUT}endheader\n"
    numbers = np.concatenate([times[:, None], angles[:, :3], place, angles[:, 3:]], 1)
    table = "\t".join(["time", *columns]) + "\n" + "".join(number_rows(numbers, "\t"))
    assets.write_whole(path, (head + table).encode())


def write_trc(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person, joints and `vibe.body.markers.MARKERS` as markers, in metres, times from the scene's first frame.

    Written whole or not at all; raises OSError.
    """
    names, places = [*SMPL, *MARKERS], np.concatenate([character.joints, marker_places(body, character.smpl)], 1)
    frames, rate = len(places), f"{scene.fps:.6f}".rstrip("0").rstrip(".")
    axes = "\t".join(f"{axis}{number}" for number in range(1, len(names) + 1) for axis in "XYZ")
    head = (
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}\n"
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames\n"
        f"{rate}\t{rate}\t{frames}\t{len(names)}\tm\t{rate}\t1\t{frames}\n"
        "Frame#\tTime\t" + "\t\t\t".join(names) + f"\t\t\t\n\t\t{axes}\t\n\n"  # the last tab as OpenSim writes it
    )
    rows = number_rows(places, "\t")
    lines = [f"{frame + 1}\t{(character.first + frame) / scene.fps:.6f}\t{line}" for frame, line in enumerate(rows)]
    assets.write_whole(path, (head + "".join(lines)).encode())
