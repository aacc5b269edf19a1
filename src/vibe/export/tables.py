"""Tables for spreadsheets: positions and angles of the joints, and the steps of who walks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from vibe import assets
from vibe.motion.gait import UNKNOWN
from vibe.motion.joint_angles import angle_names
from vibe.motion.scene import Scene
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
