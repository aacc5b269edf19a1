"""CSV and TRC: every number under its name."""

import csv
from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe.body.skin_points import MARKERS, marker_places
from vibe.export.tables import write_csv, write_gait, write_trc
from vibe.motion.gait import FootContact, Gait
from vibe.motion.joint_angles import angle_names
from vibe.motion.scene import Scene, SceneOptions, build_scene
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def given(body):
    people = performers.performer(body, torch.arange(30)), performers.performer(body, torch.arange(10, 25), 1)
    return performers.show(body, *people)


def test_a_spreadsheet_has_a_row_for_each_person_and_frame(body, given, tmp_path):
    scene = build_scene(given, body, SceneOptions("z", start=0.2))
    write_csv(tmp_path / "x.csv", scene)
    with (tmp_path / "x.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for character in scene.characters:
        mine = [row for row in table if row["person"] == str(character.number)]
        assert [int(row["frame"]) for row in mine] == list(
            range(character.first, character.first + len(character.joints))
        )
        assert float(mine[0]["time_s"]) == pytest.approx(0.2 + character.first / performers.FPS)
        for joint in ("pelvis", "left_wrist", "head"):
            found = [[float(row[f"{joint}_{axis}_m"]) for axis in ("x", "y", "z_up")] for row in mine]
            assert np.abs(np.array(found) - character.joints[:, SMPL.index(joint)]).max() < 1e-4


def test_deviations_are_columns_where_they_are_known(body, given, tmp_path):
    one = replace(given.people[0], joints_std=np.full((30, 24, 2), [0.02, 0.05], np.float32))
    scene = build_scene(replace(given, people=(one, given.people[1])), body, SceneOptions())
    write_csv(tmp_path / "x.csv", scene)
    with (tmp_path / "x.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for row in table:
        cells = row["left_knee_std_across_m"], row["left_knee_std_along_m"]
        assert cells == (("0.02000", "0.05000") if row["person"] == "1" else ("", ""))


def test_opensim_s_table_has_its_head_and_the_joints_as_markers(body, given, tmp_path):
    scene = build_scene(given, body, SceneOptions())
    character = scene.characters[1]
    write_trc(tmp_path / "x.trc", scene, character, body)
    lines, names = (tmp_path / "x.trc").read_text().splitlines(), [*SMPL, *MARKERS]
    assert lines[0].split("\t") == ["PathFileType", "4", "(X/Y/Z)", "x.trc"]
    assert dict(zip(lines[1].split("\t"), lines[2].split("\t"))) == {
        "DataRate": "25", "CameraRate": "25", "NumFrames": "15", "NumMarkers": str(len(names)), "Units": "m",
        "OrigDataRate": "25", "OrigDataStartFrame": "1", "OrigNumFrames": "15",
    }  # fmt: skip
    assert lines[3].split("\t")[2::3][: len(names)] == names
    assert lines[3] == "Frame#\tTime\t" + "".join(f"{name}\t\t\t" for name in names), "as OpenSim 4.6 writes it"
    assert lines[4] == "\t\t" + "".join(f"X{n}\tY{n}\tZ{n}\t" for n in range(1, len(names) + 1)) and lines[5] == ""
    rows = np.array([line.split("\t") for line in lines[6:]], float)
    assert np.allclose(rows[:, 0], np.arange(1, 16)) and np.allclose(rows[:, 1], np.arange(10, 25) / 25)
    true = np.concatenate([character.joints, marker_places(body, character.smpl)], 1)
    assert np.abs(rows[:, 2:].reshape(true.shape) - true).max() < 1e-4


def test_every_angle_is_a_column_under_its_name(body, given, tmp_path):
    scene = build_scene(given, body, SceneOptions())
    write_csv(tmp_path / "x.csv", scene)
    with (tmp_path / "x.csv").open(newline="") as file:
        table = [row for row in csv.DictReader(file) if row["person"] == "1"]
    angles = scene.angles_deg(scene.characters[0])
    for column, name in enumerate(angle_names()):
        assert np.abs(np.array([float(row[f"{name}_deg"]) for row in table]) - angles[:, column]).max() < 1e-4


def test_the_table_of_a_walk_has_a_row_for_each_stance(body, given, tmp_path, monkeypatch):
    stances = FootContact("left", 0.25, 0.9), FootContact("right", 0.8, None, 0.55, 0.7, 0.1)
    monkeypatch.setattr(Scene, "gait", lambda self, one: Gait(stances if one.number == 1 else ()))
    scene = build_scene(given, body, SceneOptions(start=0.2))
    write_gait(tmp_path / "gait.csv", scene)
    assert (tmp_path / "gait.csv").read_text().splitlines() == [
        "person,side,strike_s,off_s,step_time_s,step_length_m,step_width_m",
        "1,left,0.4500,1.1000,,,",
        "1,right,1.0000,,0.5500,0.7000,0.1000",
    ]


def test_a_gait_is_asked_of_a_motion_that_knows_which_feet_stand(body, given, tmp_path):
    with pytest.raises(ValueError, match="does not say where in the world feet stand"):
        write_gait(tmp_path / "gait.csv", build_scene(given, body, SceneOptions()))
    assert not (tmp_path / "gait.csv").exists()
