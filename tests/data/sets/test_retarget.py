from dataclasses import replace
from pathlib import Path

import captures
import pytest
import roma
import torch

from vibe import body
from vibe.body import pose_joints
from vibe.data.sets import bvh, cmu, mocap
from vibe.data.sets.mocap import Capture
from vibe.skeletons import SMPL, SMPL_PARENTS

NO_SHAPE = torch.zeros(10, dtype=torch.float64)
LIMBS = {name: end for name, (end, _) in mocap.LIMB_DIRECTIONS.items()}
SPREAD, LOWERED = 20.0, 45.0


def turn(axis: str, degrees: float) -> torch.Tensor:
    return roma.euler_to_rotmat(axis, torch.tensor([degrees], dtype=torch.float64), degrees=True)


def open_body() -> body.Body:
    return body.load_body().to(dtype=torch.float64)


def t_pose(upright: bool = True) -> captures.Person:
    """The open body's skeleton, its trunk made upright, with limbs along the directions that the method knows."""
    rest = open_body().J_template
    steps = [rest[0], *(rest[joint] - rest[parent] for joint, parent in enumerate(SMPL_PARENTS) if parent >= 0)]
    steps[0] = torch.zeros(3, dtype=torch.float64)
    if upright:
        at = {name: index for index, name in enumerate(SMPL)}
        steps[at["neck"]] = steps[at["neck"]] + torch.tensor([0, 0, (rest[1] - rest[12])[2]])
        for name, (end, direction) in mocap.LIMB_DIRECTIONS.items():
            aim = torch.tensor(direction, dtype=torch.float64)
            steps[at[end]] = aim / aim.norm() * steps[at[end]].norm()
            assert name in at
    return captures.Person(tuple(SMPL), SMPL_PARENTS, torch.stack(steps))


def reference() -> dict[str, torch.Tensor]:
    """How far each joint has turned in a T-pose since a zero pose of spread, straight legs and lowered arms."""
    turns = dict.fromkeys(SMPL, torch.eye(3, dtype=torch.float64))
    for side, sign in (("left", 1), ("right", -1)):
        leg, arm = turn("Z", -sign * SPREAD), turn("Z", sign * LOWERED)
        shank = torch.tensor([0, -1, -0.08], dtype=torch.float64)
        straight = turn("X", float(torch.atan2(shank[2], -shank[1]).neg().rad2deg()))
        turns |= {f"{side}_hip": leg, f"{side}_knee": straight @ leg, f"{side}_ankle": leg, f"{side}_foot": leg}
        turns |= {f"{side}_{name}": arm for name in ("shoulder", "elbow", "wrist", "hand")}
    return turns


def smpl_motion(frames: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    rotmat, root = captures.motion(24, frames, 30, 0.6)
    rotmat[:, 22:] = torch.eye(3, dtype=torch.float64)
    return rotmat, root


def other_skeleton(who: captures.Person, rotmat: torch.Tensor) -> tuple[captures.Person, torch.Tensor]:
    """The same motion of the same bones, counted from the other zero pose."""
    ref = torch.stack([reference()[name] for name in SMPL])
    world = captures.turns(SMPL_PARENTS, rotmat) @ ref
    steps = [who.offsets[0], *(ref[SMPL_PARENTS[j]].mT @ who.offsets[j] for j in range(1, 24))]
    local = [world[:, 0], *(world[:, SMPL_PARENTS[j]].mT @ world[:, j] for j in range(1, 24))]
    return captures.Person(who.names, who.parents, torch.stack(steps)), torch.stack(local, 1)


SAME_NAMES = mocap.Rig({name: name for name in SMPL[:22]})


def error_mm(who: captures.Person, rotmat: torch.Tensor, found: torch.Tensor) -> float:
    """Largest distance of a joint, pelvis on pelvis, on this skeleton."""
    nowhere = torch.zeros(len(rotmat), 3, dtype=torch.float64)
    first, second = (captures.places(who, captures.turns(SMPL_PARENTS, each), nowhere) for each in (rotmat, found))
    return 1000 * float((first - second).norm(dim=-1).max())


def test_a_motion_of_another_zero_pose_comes_back(tmp_path):
    who, (rotmat, root) = t_pose(), smpl_motion()
    skeleton, local = other_skeleton(who, rotmat)
    path = captures.write_bvh(tmp_path / "a.bvh", skeleton, local, root, 30, 0.01)
    made = mocap.to_smpl(bvh.read_bvh(path, 0.01), SAME_NAMES)
    found, pelvis = made.rotmat, made.pelvis
    assert float(roma.rotmat_geodesic_distance(found, rotmat).rad2deg().max()) < 1e-3
    assert error_mm(who, rotmat, found) < 0.01
    assert torch.allclose(pelvis, root, atol=1e-7)


def test_on_the_open_body_itself_joints_are_off_by_its_lean_and_no_more(tmp_path):
    """Its neck lies 9 mm before its hips, which the method stands upright."""
    who, (rotmat, root) = t_pose(upright=False), smpl_motion()
    skeleton, local = other_skeleton(who, rotmat)
    path = captures.write_bvh(tmp_path / "a.bvh", skeleton, local, root, 30, 0.01)
    found = mocap.to_smpl(bvh.read_bvh(path, 0.01), SAME_NAMES).rotmat
    assert error_mm(who, rotmat, found) < 10


def test_limbs_of_the_open_body_lie_as_the_method_says():
    rest = open_body().J_template
    for name, (end, direction) in mocap.LIMB_DIRECTIONS.items():
        bone, aim = rest[SMPL.index(end)] - rest[SMPL.index(name)], torch.tensor(direction, dtype=torch.float64)
        assert float((bone / bone.norm() @ aim / aim.norm()).clamp(max=1).acos().rad2deg()) < 0.1


def random_capture(rig: mocap.Rig, chain: list[tuple[str, str]], offsets: dict[str, tuple[float, float, float]]):
    rows = [(name, parent, offsets.get(name, (0.0, 0.1, 0.0))) for name, parent in chain]
    who = captures.person(rows)
    local, root = captures.motion(len(rows), 12, 30, 0.8)
    world = captures.turns(who.parents, local)
    return Capture(who.names, who.parents, who.offsets, world, captures.places(who, world, root), 30.0, Path("a.bvh"))


def sides(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name.replace("*", s), parent.replace("*", s)) for s in ("L", "R") for name, parent in rows]


BANDAI = [("joint_Root", ""), ("Hips", "joint_Root"), ("Spine", "Hips"), ("Chest", "Spine"), ("Neck", "Chest"),
          ("Head", "Neck"), *sides([("Shoulder_*", "Chest"), ("UpperArm_*", "Shoulder_*"), ("LowerArm_*", "UpperArm_*"),
          ("Hand_*", "LowerArm_*"), ("UpperLeg_*", "Hips"), ("LowerLeg_*", "UpperLeg_*"), ("Foot_*", "LowerLeg_*"),
          ("Toes_*", "Foot_*")])]  # fmt: skip
BANDAI_STEPS = {"Spine": (0.16, 0, 0), "Chest": (0.09, 0, 0), "Neck": (0.16, 0, 0), "Head": (0.06, 0, 0)}
for _side, _sign in (("L", 1), ("R", -1)):
    BANDAI_STEPS |= {f"UpperLeg_{_side}": (-0.02, -0.07 * _sign, 0), f"Shoulder_{_side}": (0.13, 0, 0.05 * _sign)}
    for _bone, _length in (("UpperArm", 0.06), ("LowerArm", 0.25), ("Hand", 0.22), ("LowerLeg", 0.4), ("Foot", 0.41),
                           ("Toes", 0.12)):  # fmt: skip
        BANDAI_STEPS[f"{_bone}_{_side}"] = (_sign * _length, 0, 0)


def test_limbs_point_where_the_skeletons_do_even_if_its_zero_pose_is_no_pose():
    capture = random_capture(bvh.BANDAI_RIG, BANDAI, BANDAI_STEPS)
    rotmat = mocap.to_smpl(capture, bvh.BANDAI_RIG).rotmat
    _, joints = pose_joints(open_body(), rotmat, NO_SHAPE)
    for name, end in LIMBS.items():
        top, low = (capture.places[:, capture.find(bvh.BANDAI_RIG.drivers[at])] for at in (name, end))
        theirs, ours = low - top, joints[:, SMPL.index(end)] - joints[:, SMPL.index(name)]
        cosine = torch.cosine_similarity(theirs, ours, -1).clamp(max=1)
        assert float(cosine.acos().rad2deg().max()) < 0.2, name


def test_a_skeleton_that_stands_in_a_t_pose_gives_smpls():
    capture = random_capture(bvh.BANDAI_RIG, BANDAI, BANDAI_STEPS)
    stance = mocap.standing(capture, bvh.BANDAI_RIG)
    by_driver = {driver: stance[joint] for joint, driver in bvh.BANDAI_RIG.drivers.items()}
    still = [by_driver.get(name, torch.eye(3, dtype=torch.float64)) for name in capture.names]
    turns = torch.stack(still)[None].expand(3, -1, 3, 3)
    posed = replace(capture, turns=turns, places=capture.places[:3])
    rotmat = mocap.to_smpl(posed, bvh.BANDAI_RIG).rotmat
    assert torch.allclose(rotmat, torch.eye(3, dtype=torch.float64).expand_as(rotmat), atol=1e-9)


def test_how_somebody_faces_and_where_they_stand_does_not_change_the_pose():
    capture = random_capture(bvh.BANDAI_RIG, BANDAI, BANDAI_STEPS)
    about_y = turn("Y", 77.0)
    turned = replace(capture, turns=about_y @ capture.turns, places=capture.places @ about_y.mT + 1)
    first, second = (mocap.to_smpl(each, bvh.BANDAI_RIG) for each in (capture, turned))
    assert torch.allclose(first.rotmat[:, 1:], second.rotmat[:, 1:], atol=1e-9)
    assert torch.allclose(about_y @ first.rotmat[:, 0], second.rotmat[:, 0], atol=1e-9)
    assert torch.allclose(first.pelvis @ about_y.mT + 1, second.pelvis, atol=1e-9)


def test_another_kind_of_skeleton_is_refused_by_name():
    capture = random_capture(bvh.BANDAI_RIG, BANDAI, BANDAI_STEPS)
    for rig in (cmu.BVH, bvh.STYLE100_RIG):
        with pytest.raises(ValueError, match="a.bvh.*the skeleton has no joint"):
            mocap.to_smpl(capture, rig)
    upside_down = replace(capture, offsets=-capture.offsets)
    with pytest.raises(ValueError, match="a.bvh.*a bone"):
        mocap.to_smpl(upside_down, bvh.BANDAI_RIG)
