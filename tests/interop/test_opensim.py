"""OpenSim reads our files as they stand, and its inverse kinematics of our markers finds our angles."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import world_takes
from osim_model import write_model
from readers import mot_columns

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.skin_points import MARKERS
from vibe.export.export import export
from vibe.export.tables import coordinates
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL

SOLVER = Path(__file__).with_name("ik_in_opensim.py")
READER = Path(__file__).with_name("in_opensim.py")


def test_markers_of_trc_files_are_our_joints_to_a_millimetre(opensim_python, given, body, tmp_path):
    done = export(given, tmp_path / "all", "trc", body=body)
    for path, character in zip(done.files, build_scene(given, body, SceneOptions()).characters, strict=True):
        out = tmp_path / "found.npz"
        ran = subprocess.run([opensim_python, READER, path, out], capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr[-2000:]
        with np.load(out) as found:
            assert found["names"].tolist() == [*SMPL, *MARKERS] and str(found["units"]) == "m"
            assert np.abs(found["joints"][:, : len(SMPL)] - character.joints).max() < 0.001
            times = (character.first + np.arange(len(character.joints))) / given.clip.fps
            assert np.abs(found["times"] - times).max() < 1e-5


def test_coordinates_of_mot_files_are_what_opensim_finds_from_our_trc(opensim_python, shared, tmp_path):
    body = load_body()
    (tmp_path / "take").mkdir()
    walk = world_takes.walkers(tmp_path / "take", shared / "data" / "motion")
    result = walk.result(tmp_path / "clip.mp4", 0)
    for form in ("trc", "mot"):
        export(result, tmp_path / f"ours.{form}", form, body=body, person=1)
    write_model(tmp_path / "person.osim", as_numpy(body), result.people[0].smpl.betas)
    command = [opensim_python, SOLVER, "person.osim", "ours.trc", "found.mot", ",".join(SMPL)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr[-2000:]
    ours, found = (mot_columns(tmp_path / f"{name}.mot")[1] for name in ("ours", "found"))
    assert np.abs(ours["time"] - found["time"]).max() < 1e-5, "to the last frame"
    off = {name: (ours[name] - found[name] + 180) % 360 - 180 for name in coordinates() if name in found}
    rms = {name: float(np.sqrt((each**2).mean())) for name, each in off.items()}
    assert len(rms) == len(coordinates()) - 2, "all but the toes"
    assert np.sqrt(np.mean(np.square([*rms.values()]))) < 2
    # how a nearly straight arm is turned about itself, points of the skin and the elbow tell differently
    assert {name: each for name, each in rms.items() if each > (4 if name.startswith(("arm_rot", "pro")) else 3)} == {}


def test_opensim_reads_our_mot_as_it_stands(opensim_python, given, body, tmp_path):
    done = export(given, tmp_path / "all", "mot", body=body)
    for path in done.files:
        out = tmp_path / "found.npz"
        ran = subprocess.run([opensim_python, READER, path, out], capture_output=True, text=True, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr[-2000:]
        columns = mot_columns(path)[1]
        with np.load(out) as found:
            assert ["time", *found["names"].tolist()] == list(columns) and str(found["units"]) == "yes"
            assert np.abs(found["joints"].T - list(columns.values())[1:]).max() < 1e-4
