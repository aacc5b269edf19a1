"""OpenSim's own reader finds the joints of a TRC file where they were, under their names and at their times."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from vibe.body.markers import MARKERS
from vibe.export.export import export
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL

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
