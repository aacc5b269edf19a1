"""aitviewer's own loader of AMASS files puts the joints where they were, with a body in SMPL-H's layout."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from vibe.body import Body
from vibe.export.export import export
from vibe.motion.scene import SceneOptions, build_scene
from vibe.skeletons import SMPL_PARENTS

READER = Path(__file__).with_name("in_aitviewer.py")
FINGERS, VERTICES = 15, 6890
"""Of each hand; what the reader's list of landmarks on SMPL's skin reaches to."""


def write_smplh(path: Path, body: Body) -> None:
    """The body's joints as a model in SMPL-H's layout: a vertex stands for each joint, fingers lie in the wrist."""
    parents = [*SMPL_PARENTS[:22]]
    for wrist in (20, 21):
        for finger in range(FINGERS):
            parents.append(wrist if finger % 3 == 0 else len(parents) - 1)
    source = [*range(22), *[20] * FINGERS, *[21] * FINGERS]
    count = len(parents)
    template, shapedirs = np.zeros((VERTICES, 3)), np.zeros((VERTICES, 3, 10))
    template[:count], shapedirs[:count] = body.J_template.numpy()[source], body.J_shapedirs.numpy()[source]
    regressor, weights = np.zeros((count, VERTICES)), np.zeros((VERTICES, count))
    regressor[range(count), range(count)] = 1
    weights[:, 0], weights[range(count)] = 1, np.eye(count)
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        v_template=template,
        shapedirs=shapedirs,
        posedirs=np.zeros((VERTICES, 3, 9 * (count - 1))),
        J_regressor=regressor,
        weights=weights,
        f=np.array([[0, 1, 2]]),
        kintree_table=np.array([[2**32 - 1, *parents[1:]], range(count)], np.int64),
        hands_componentsl=np.eye(3 * FINGERS),
        hands_componentsr=np.eye(3 * FINGERS),
        hands_meanl=np.zeros(3 * FINGERS),
        hands_meanr=np.zeros(3 * FINGERS),
    )


def test_joints_of_amass_files_are_ours_to_a_millimetre(aitviewer_python, given, body, tmp_path):
    write_smplh(tmp_path / "models" / "smplh" / "SMPLH_FEMALE.npz", body)
    done = export(given, tmp_path / "all", "amass", body=body)
    for path, character in zip(done.files, build_scene(given, body, SceneOptions()).characters, strict=True):
        out = tmp_path / "found.npz"
        ran = subprocess.run([aitviewer_python, READER, tmp_path / "models", path, out], capture_output=True, text=True)
        assert ran.returncode == 0, ran.stderr[-2000:]
        with np.load(out) as found:
            assert np.abs(found["joints"][:, :22] - character.joints[:, :22]).max() < 0.001
            assert np.allclose(found["betas"], character.smpl.betas)
