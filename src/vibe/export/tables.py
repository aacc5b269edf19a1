"""Tables: for spreadsheets positions and angles of the joints, and the steps of who walks; for biomechanics C3D by
ezc3d, and OpenSim's markers over time (TRC) and coordinates of its models (MOT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import __version__, assets
from vibe.body.record import Body
from vibe.body.skin_points import MARKERS, marker_places
from vibe.errors import needs_extra
from vibe.motion.gait import UNKNOWN
from vibe.motion.joint_angles import PELVIS, SIDES, angle_names
from vibe.motion.scene import Character, Scene
from vibe.skeletons import CONTACTS, SMPL

MAYBE = {
    "contacts": [f"contact_{point}" for point in CONTACTS],
    "joints_std": [f"{joint}_std_{way}_m" for joint in SMPL for way in ("across", "along")],
}
"""Columns of what not everybody has, by its name in `Character`."""


def number_rows(numbers: Float[ndarray, "row *column"], between: str) -> list[str]:
    """One line for each row, numbers to the fifth decimal, each line ended."""
    flat = numbers.reshape(len(numbers), -1)
    line = between.join(["%.5f"] * flat.shape[1]) + "\n"
    return [line % tuple(row.tolist()) for row in flat]


def write_csv(path: Path, scene: Scene) -> None:
    """Everybody, a row for each person and frame, written whole or not at all; raises OSError.

    Columns: person, frame of the export, time in the video (s), confidence, then x, y, z of each joint in metres, with
    the axis that points up in the name of its column: `pelvis_y_up_m`; then joint angles such as
    `right_knee_flexion_deg`; then `contact_left_heel` and so on, and `pelvis_std_across_m`, `pelvis_std_along_m` and so
    on, where anybody has them, empty of those who have not; deviations are empty too in frames that are filled in.
    """
    axes = [axis + ("_up" if axis == scene.up else "") for axis in "xyz"]
    names = ["person", "frame", "time_s", "confidence", *(f"{joint}_{axis}_m" for joint in SMPL for axis in axes)]
    names += [f"{angle}_deg" for angle in angle_names()]
    more = [name for name in MAYBE if any(getattr(each, name) is not None for each in scene.characters)]
    names += [column for name in more for column in MAYBE[name]]
    text = [",".join(names) + "\n"]
    for character in scene.characters:
        frames = character.first + np.arange(len(character.joints))
        times = scene.start + frames / scene.fps
        unknown = {name: np.full((len(frames), len(MAYBE[name])), np.nan) for name in more}
        known = {name: array for name in more if (array := getattr(character, name)) is not None}
        parts = [character.joints, scene.angles_deg(character), *(unknown | known).values()]
        lines = number_rows(np.concatenate([part.reshape(len(frames), -1) for part in parts], 1), ",")
        lines = [line.replace("nan", "") for line in lines]
        rows = zip(frames, times, character.confidence, lines, strict=True)
        text += [f"{character.number},{frame},{time:.6f},{sure:.3f},{line}" for frame, time, sure, line in rows]
    assets.write_whole(path, "".join(text).encode())


def write_gait(path: Path, scene: Scene) -> None:
    """The stances of everybody who walks, one a row, written whole or not at all.

    Columns: person, side, strike_s and off_s in the video, then the step to it: step_time_s, step_length_m,
    step_width_m; empty where it is not known. Raises OSError, and ValueError where nobody's feet are known to stand.
    """
    walks = [(character.number, scene.gait(character)) for character in scene.characters]
    if all(walk is None for _, walk in walks):
        raise ValueError(UNKNOWN)
    text = ["person,side,strike_s,off_s,step_time_s,step_length_m,step_width_m\n"]
    for number, walk in walks:
        for one in [] if walk is None else walk.contacts:
            times = [None if time is None else scene.start + time for time in (one.strike, one.off)]
            numbers = [*times, one.step_time, one.step_length, one.step_width]
            cells = ",".join("" if each is None else f"{each:.4f}" for each in numbers)
            text.append(f"{number},{one.side},{cells}\n")
    assets.write_whole(path, "".join(text).encode())


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
    """One person, joints and `vibe.body.skin_points.MARKERS` as markers, in metres, times from the scene's first frame.

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


MOST_FRAMES = 65535
"""What the head of a file can count to."""
MOST_EVENTS = 255
"""What a parameter can hold: two minutes of walking; the table of a gait has all."""
EVENTS = {"strike": "Foot Strike", "off": "Foot Off"}
SCREEN = {"y": "+Y", "z": "+Z"}


def write_c3d(path: Path, scene: Scene, character: Character, body: Body) -> None:
    """One person, SMPL's joints and `MARKERS` as points, millimetres, the scene's rate; raises OSError.

    Frames count from the scene's first, so that the files of several people go together. Where the person was not seen
    points are 0 with the residual -1, else it is 0. The first 255 strikes and offs of feet are events. Written whole or
    not at all; raises ValueError for more frames than a file can hold, ImportError without ezc3d.
    """
    with needs_extra("C3D", "ezc3d", "c3d"):
        import ezc3d
    if character.first + len(character.joints) > MOST_FRAMES:
        raise ValueError(
            f"person {character.number} has {len(character.joints)} frames and C3D holds {MOST_FRAMES}: take a part, "
            "by --start and --end, or fewer frames a second by --fps"
        )
    points_mm = 1000 * np.concatenate([character.joints, marker_places(body, character.smpl)], 1)
    unseen = character.confidence == 0
    points_mm[unseen] = 0
    content: Any = ezc3d.c3d()
    homogeneous = np.concatenate([points_mm, np.ones_like(points_mm[..., :1])], -1)
    content["data"]["points"] = homogeneous.transpose(2, 1, 0).astype(np.float64)
    content["data"]["meta_points"]["residuals"] = np.tile(np.where(unseen, -1.0, 0.0), (1, points_mm.shape[1], 1))
    content["header"]["points"]["first_frame"] = character.first
    own = content["parameters"]["POINT"]
    own["RATE"]["value"], own["UNITS"]["value"] = [scene.fps], ["mm"]
    own["LABELS"]["value"] = [*SMPL, *MARKERS]
    own["DESCRIPTIONS"]["value"] = ["joint of SMPL"] * len(SMPL) + ["virtual marker on the skin"] * len(MARKERS)
    content.add_parameter("POINT", "X_SCREEN", ["+X"])
    content.add_parameter("POINT", "Y_SCREEN", [SCREEN[scene.up]])
    content.add_parameter("MANUFACTURER", "SOFTWARE", ["vibe"])
    content.add_parameter("MANUFACTURER", "VERSION_LABEL", [__version__])
    content.add_parameter("SUBJECTS", "NAMES", [f"person {character.number}"])
    walk = scene.gait(character)
    if walk is not None and walk.events:
        _add_events(content, walk.events[:MOST_EVENTS], f"person {character.number}")
    with TemporaryDirectory() as folder:
        part = Path(folder) / "part.c3d"
        content.write(str(part))
        assets.write_whole(path, part.read_bytes())


def _add_events(content: Any, events: Sequence[tuple[float, str, str]], subject: str) -> None:
    """Times as minutes and seconds, sides as contexts."""
    minutes_seconds = np.array([divmod(time, 60) for time, _, _ in events]).T
    content.add_parameter("EVENT", "USED", len(events))
    content.add_parameter("EVENT", "TIMES", minutes_seconds)
    content.add_parameter("EVENT", "CONTEXTS", [side.capitalize() for _, side, _ in events])
    content.add_parameter("EVENT", "LABELS", [EVENTS[kind] for _, _, kind in events])
    content.add_parameter("EVENT", "SUBJECTS", [subject] * len(events))
    content.add_parameter("EVENT", "ICON_IDS", [1 + list(EVENTS).index(kind) for _, _, kind in events])
