"""C3D as two libraries of others read it, and the head and coordinates of OpenSim's MOT; TRC is in test_tables."""

from dataclasses import replace

import numpy as np
import performers
import pytest
import torch
from readers import mot_columns

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.skin_points import MARKERS, marker_places
from vibe.export import tables as written
from vibe.export.tables import coordinates, write_c3d, write_mot
from vibe.motion.gait import FootContact, Gait
from vibe.motion.joint_angles import angle_names
from vibe.motion.scene import Scene, SceneOptions, build_scene
from vibe.skeletons import SMPL

ezc3d = pytest.importorskip("ezc3d")
LEGS = {
    f"{name}_{side[0]}": f"{side}_{angle}"
    for side in ("left", "right")
    for name, angle in {
        "hip_flexion": "hip_flexion", "hip_adduction": "hip_adduction", "hip_rotation": "hip_rotation",
        "knee_angle": "knee_flexion", "ankle_angle": "ankle_dorsiflexion", "subtalar_angle": "ankle_inversion",
    }.items()
}  # fmt: skip
EVENTS = [
    (0.5 + 0.25 * number, side, kind) for number, (side, kind) in enumerate([("left", "strike"), ("right", "off")])
]


@pytest.fixture(scope="module")
def body():
    return as_numpy(load_body())


@pytest.fixture(scope="module")
def scene(body):
    seen = torch.tensor([frame for frame in range(40) if not 20 < frame < 25])
    people = performers.performer(body, torch.arange(30)), performers.performer(body, seen + 10, 1)
    return build_scene(performers.show(body, *people, fps=30000 / 1001), body, SceneOptions("z"))


@pytest.fixture
def late(scene, body, tmp_path, monkeypatch):
    """The second person, who begins later and is hidden for a time, and their file."""
    contacts = [FootContact("left", EVENTS[0][0], None), FootContact("right", None, EVENTS[1][0])]
    monkeypatch.setattr(Scene, "gait", lambda self, _: Gait(tuple(contacts)))
    write_c3d(tmp_path / "x.c3d", scene, scene.characters[1], body)
    return scene.characters[1], tmp_path / "x.c3d"


def test_ezc3d_reads_what_was_written(late, scene, body):
    character, path = late
    read = ezc3d.c3d(str(path))
    point, places_mm = read["parameters"]["POINT"], read["data"]["points"][:3].transpose(2, 1, 0)
    seen = character.confidence > 0
    true = np.concatenate([character.joints, marker_places(body, character.smpl)], 1)
    assert np.abs(places_mm[seen] / 1000 - true[seen]).max() < 1e-5
    residuals = read["data"]["meta_points"]["residuals"][0]
    assert (residuals[:, ~seen] == -1).all() and (residuals[:, seen] == 0).all() and (~seen).sum() == 4
    assert point["LABELS"]["value"] == [*SMPL, *MARKERS] and point["UNITS"]["value"] == ["mm"]
    assert point["RATE"]["value"][0] == pytest.approx(scene.fps) and point["Y_SCREEN"]["value"] == ["+Z"]
    assert read["header"]["points"]["first_frame"] == character.first == 10


def test_events_are_in_minutes_and_seconds_with_their_sides(late):
    event = ezc3d.c3d(str(late[1]))["parameters"]["EVENT"]
    assert event["LABELS"]["value"] == ["Foot Strike", "Foot Off"] and event["CONTEXTS"]["value"] == ["Left", "Right"]
    assert event["USED"]["value"][0] == 2
    np.testing.assert_allclose(event["TIMES"]["value"], [[0, 0], [EVENTS[0][0], EVENTS[1][0]]], atol=1e-6)


def test_c3d_reads_the_same(late, body):
    other = pytest.importorskip("c3d")
    character, path = late
    with path.open("rb") as file, pytest.warns(UserWarning, match="No analog data"):
        reader = other.Reader(file)
        frames = {number: points for number, points, _ in reader.read_frames()}
    assert [label.strip() for label in reader.point_labels] == [*SMPL, *MARKERS]
    assert reader.get("POINT:UNITS").string_value.strip() == "mm"
    assert min(frames) == character.first + 1 and len(frames) == len(character.joints)
    places = np.stack([frames[number] for number in sorted(frames)])
    seen = character.confidence > 0
    assert np.abs(places[seen, :24, :3] / 1000 - character.joints[seen]).max() < 1e-5
    assert (places[~seen, :, 3] == -1).all() and (places[seen, :, 3] >= 0).all()


def test_more_events_than_a_file_can_hold_are_left_out(scene, body, tmp_path, monkeypatch):
    many = Gait(tuple(FootContact("left", 0.01 * number, None) for number in range(400)))
    monkeypatch.setattr(Scene, "gait", lambda self, _: many)
    write_c3d(tmp_path / "x.c3d", scene, scene.characters[0], body)
    event = ezc3d.c3d(str(tmp_path / "x.c3d"))["parameters"]["EVENT"]
    assert event["TIMES"]["value"].shape == (2, written.MOST_EVENTS) and len(event["LABELS"]["value"]) == 255


def test_a_motion_without_steps_has_no_events_and_too_long_a_one_is_refused(scene, body, tmp_path, monkeypatch):
    write_c3d(tmp_path / "x.c3d", scene, scene.characters[0], body)
    assert "EVENT" not in ezc3d.c3d(str(tmp_path / "x.c3d"))["parameters"]
    monkeypatch.setattr(written, "MOST_FRAMES", 20)
    with pytest.raises(ValueError, match="take a part, by --start"):
        write_c3d(tmp_path / "y.c3d", scene, replace(scene.characters[0], first=5), body)
    assert not (tmp_path / "y.c3d").exists()


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
    hinged = dict(zip(angle_names(), scene.angles_deg(scene.characters[0], "opensim").T))
    for name, angle in coordinates().items():
        if name in LEGS:  # knees as hinges: their laws are in tests/motion/test_joint_angles.py
            assert np.abs(columns[name] - hinged[LEGS[name]]).max() < 1e-3, name
        elif not name.startswith("pelvis"):
            assert np.abs(columns[name] - angles[angle].values[:, 0]).max() < 1e-3, name
    x, y, z = motion.pelvis_world.T
    place = np.stack([columns[f"pelvis_t{axis}"] for axis in "xyz"], 1)
    assert np.abs(place - np.stack([x, z, -y], 1)).max() < 1e-4
    assert np.allclose(columns["time"], np.arange(30) / given.clip.fps)
    assert set(coordinates().values()) < set(angle_names())
