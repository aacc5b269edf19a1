"""MOT: OpenSim's head and coordinates, each under its name; TRC is in test_tables."""

import numpy as np
import performers
import pytest
import torch
from readers import mot_columns

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.export.opensim import coordinates, write_mot
from vibe.motion.joint_angles import angle_names
from vibe.motion.scene import SceneOptions, build_scene


@pytest.mark.parametrize("up", ["y", "z"])
def test_coordinates_are_the_motion_s_angles_and_places_with_y_up(up, tmp_path):
    body = as_numpy(load_body(detail="low"))
    given = performers.filmed(
        performers.show(body, performers.performer(body, torch.arange(10, 40))), performers.still_world()
    )
    scene = build_scene(given, body, SceneOptions(up))
    write_mot(tmp_path / "x.mot", scene, scene.characters[0])
    head, columns = mot_columns(tmp_path / "x.mot")
    assert head[:5] == ["Coordinates", "version=1", "nRows=30", f"nColumns={len(columns)}", "inDegrees=yes"]
    assert list(columns)[:8] == [
        "time", "pelvis_tilt", "pelvis_list", "pelvis_rotation", "pelvis_tx", "pelvis_ty", "pelvis_tz", "hip_flexion_r"
    ]  # fmt: skip
    motion = given.people[0]
    angles = motion.joint_angles(body)
    for name, angle in coordinates().items():
        if name == angle and name.startswith("pelvis"):
            continue  # in another order; the laws of both are in tests/motion/test_joint_angles.py
        assert np.abs(columns[name] - angles[angle].values[:, 0]).max() < 1e-3, name
    x, y, z = motion.pelvis_world.T
    place = np.stack([columns[f"pelvis_t{axis}"] for axis in "xyz"], 1)
    assert np.abs(place - np.stack([x, z, -y], 1)).max() < 1e-4
    assert np.allclose(columns["time"], np.arange(30) / given.clip.fps)
    assert set(coordinates().values()) < set(angle_names())
