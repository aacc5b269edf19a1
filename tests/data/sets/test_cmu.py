from pathlib import Path

import captures
import numpy as np
import pytest
import roma
import torch

from vibe.data.prepare import prepare
from vibe.data.sets import cmu, mocap
from vibe.data.store import open_store

BONES = [
    ("root", "Hips", "", (0, 0, 0)),
    ("lhipjoint", "LHipJoint", "root", (0, 0, 0)),
    ("lfemur", "LeftUpLeg", "lhipjoint", (0.09, -0.1, 0.04)),
    ("ltibia", "LeftLeg", "lfemur", (0.14, -0.38, 0)),
    ("lfoot", "LeftFoot", "ltibia", (0.15, -0.42, 0)),
    ("ltoes", "LeftToeBase", "lfoot", (0.01, -0.03, 0.12)),
    ("rhipjoint", "RHipJoint", "root", (0, 0, 0)),
    ("rfemur", "RightUpLeg", "rhipjoint", (-0.09, -0.1, 0.04)),
    ("rtibia", "RightLeg", "rfemur", (-0.14, -0.38, 0)),
    ("rfoot", "RightFoot", "rtibia", (-0.15, -0.42, 0)),
    ("rtoes", "RightToeBase", "rfoot", (-0.01, -0.03, 0.12)),
    ("lowerback", "LowerBack", "root", (0, 0, 0)),
    ("upperback", "Spine", "lowerback", (0, 0.11, 0.003)),
    ("thorax", "Spine1", "upperback", (0, 0.11, 0.005)),
    ("lowerneck", "Neck", "thorax", (0, 0.1, 0.004)),
    ("upperneck", "Neck1", "lowerneck", (0, 0.1, 0.003)),
    ("head", "Head", "upperneck", (0, 0.1, -0.03)),
    ("lclavicle", "LeftShoulder", "thorax", (0, 0.1, 0.004)),
    ("lhumerus", "LeftArm", "lclavicle", (0.16, 0.08, 0.01)),
    ("lradius", "LeftForeArm", "lhumerus", (0.3, 0, 0)),
    ("lwrist", "LeftHand", "lradius", (0.18, 0, 0)),
    ("lhand", "LeftFingerBase", "lwrist", (0.03, 0, 0)),
    ("rclavicle", "RightShoulder", "thorax", (0, 0.1, 0.004)),
    ("rhumerus", "RightArm", "rclavicle", (-0.16, 0.08, 0.01)),
    ("rradius", "RightForeArm", "rhumerus", (-0.3, 0, 0)),
    ("rwrist", "RightHand", "rradius", (-0.18, 0, 0)),
    ("rhand", "RightFingerBase", "rwrist", (-0.03, 0, 0)),
]  # fmt: skip
ASF = captures.person([(name, parent, offset) for name, _, parent, offset in BONES])
BVH = captures.Person(tuple(name for _, name, *_ in BONES), ASF.parents, ASF.offsets)
FIXED = ("lhipjoint", "rhipjoint")
DOF = {name: "rx ry rz" for name in ASF.names if name not in FIXED}
AXES = torch.linspace(-80, 80, 3 * len(BONES), dtype=torch.float64).reshape(-1, 3)
AXES[0] = 0


def motion(frames: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    local, root = captures.motion(len(BONES), frames, 120, 0.3, seed)
    for name in FIXED:
        local[:, ASF.names.index(name)] = torch.eye(3, dtype=torch.float64)
    return local, root


def amc(folder: Path, trial: str, frames: int, seed: int) -> None:
    subject = trial.split("_")[0]
    captures.write_asf(folder / subject / f"{subject}.asf", ASF, DOF, AXES)
    captures.write_amc(folder / subject / f"{trial}.amc", ASF, DOF, AXES, *motion(frames, seed))


def bvh(folder: Path, trial: str, frames: int, seed: int) -> Path:
    """With the T-pose that conversions begin with."""
    first = " ".join(["0.1 17.5 0.9 0 0 0", *["0 0 0"] * (len(BONES) - 1)])
    return captures.write_bvh(
        folder / f"{trial}.bvh", BVH, *motion(frames, seed), 1 / 0.0083333, cmu.UNIT, "ZYX", first=first
    )


def test_both_forms_of_a_trial_give_the_same_motion(tmp_path):
    amc(tmp_path / "amc/all_asfamc/subjects", "05_01", 121, 1)
    amc(tmp_path / "amc/all_asfamc/subjects", "05_02", 61, 2)
    bvh(tmp_path / "bvh/01-09", "05_01", 121, 1)
    bvh(tmp_path / "bvh/01-09", "05_02", 61, 2)
    for name in ("amc", "bvh"):
        done = prepare("cmu", cmu.CMU, tmp_path / name, tmp_path / f"out_{name}")
        assert done.dropped == {} and len(done.kept) == 2 and done.rows == 31 + 16
    first, second = (open_store(tmp_path / f"out_{name}") for name in ("amc", "bvh"))
    theirs, ours = (
        roma.rotvec_to_rotmat(torch.from_numpy(np.array(store.column("poses"))).reshape(-1, 24, 3))
        for store in (first, second)
    )
    assert float(roma.rotmat_geodesic_distance(theirs, ours).rad2deg().max()) < 0.1
    assert np.allclose(first.column("trans"), second.column("trans"), atol=1e-5)


def test_lengths_are_metres_and_the_pelvis_is_where_the_root_was(tmp_path):
    amc(tmp_path / "raw", "05_01", 121, 1)
    bvh(tmp_path / "raw", "07_03", 121, 2)
    prepare("cmu", cmu.CMU, tmp_path / "raw", tmp_path / "out")
    store = open_store(tmp_path / "out")
    rest = mocap.pelvis_at_rest().numpy()
    for sequence, seed in zip(store.sequences, (1, 2)):
        path = motion(121, seed)[1].numpy()
        assert np.allclose(store.column("trans")[sequence.rows] + rest, path[::4], atol=1e-5)


def test_subjects_on_whom_no_weights_are_trained_are_the_test(tmp_path):
    for trial in ("03_01", "05_01", "9_2", "55_04"):
        bvh(tmp_path / "raw", trial, 20, 1)
    prepare("cmu", cmu.CMU, tmp_path / "raw", tmp_path / "out")
    splits = {sequence.name: (sequence.subject, sequence.split) for sequence in open_store(tmp_path / "out").sequences}
    assert splits == {
        "cmu_03_01": ("cmu_03", "test"),
        "cmu_05_01": ("cmu_05", "train"),
        "cmu_09_02": ("cmu_09", "test"),
        "cmu_55_04": ("cmu_55", "test"),
    }


def test_of_a_trial_in_both_forms_the_original_is_taken_and_slow_subjects_are_not_sped_up(tmp_path):
    amc(tmp_path / "raw", "60_01", 61, 1)
    bvh(tmp_path / "raw/converted", "60_01", 400, 1)
    bvh(tmp_path / "raw/converted", "61_01", 61, 1)
    bvh(tmp_path / "raw/converted", "somebody_01", 61, 1)
    prepare("cmu", cmu.CMU, tmp_path / "raw", tmp_path / "out")
    lengths = {sequence.name: sequence.stop - sequence.start for sequence in open_store(tmp_path / "out").sequences}
    assert lengths == {"cmu_60_01": 31, "cmu_61_01": 31}


def test_what_is_wrong_is_said_by_name_and_costs_no_other(tmp_path):
    raw = tmp_path / "raw"
    amc(raw, "05_01", 20, 1)
    for trial in ("06_01", "08_01"):
        amc(raw, trial, 20, 1)
    (raw / "06/06.asf").unlink()
    path = raw / "08/08_01.amc"
    path.write_text(path.read_text().replace("ltibia ", "ltibia nan ", 1).replace("ltibia nan ", "ltibia nan #", 1))
    path = bvh(raw, "10_01", 20, 1)
    path.write_text(path.read_text()[:-500])
    path = bvh(raw, "11_01", 20, 1)
    path.write_text(path.read_text().replace("LowerBack", "abdomen"))
    done = prepare("cmu", cmu.CMU, raw, tmp_path / "out")
    assert len(done.kept) == 1
    said = {"06": "06.asf", "08": "08_01.amc", "10": "cut off", "11": "MotionBuilder-friendly"}
    assert {name: said[name[4:6]] in reason for name, reason in done.dropped.items()} == {
        f"cmu_{subject}_01": True for subject in said
    }


def test_an_empty_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(FileNotFoundError, match="SUBJECT.asf"):
        prepare("cmu", cmu.CMU, tmp_path, tmp_path / "out")
