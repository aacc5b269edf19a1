import pytest
import torch

from vibe import skeletons
from vibe.skeletons import COMMON14, H36M17, JOINT_SETS, SPIN49, convert_joints, index

TAKEN = {
    "insta25": {0: 14, 1: 12, 2: 8, 3: 7, 4: 6, 5: 9, 6: 10, 7: 11, 9: 2, 10: 1, 11: 24, 12: 3, 13: 4, 14: 23, 15: 16,
                16: 15, 17: 18, 18: 17, 19: 19, 20: 21, 21: 5, 22: 20, 23: 22, 24: 0, 38: 13},
    "posetrack17": {25: 16, 26: 14, 27: 12, 28: 11, 29: 13, 30: 15, 31: 10, 32: 8, 33: 6, 34: 5, 35: 7, 36: 9, 37: 1,
                    38: 2, 44: 0, 47: 3, 48: 4},
    "mpii3d28": {25: 25, 26: 24, 27: 23, 28: 18, 29: 19, 30: 20, 31: 16, 32: 15, 33: 14, 34: 9, 35: 10, 36: 11, 37: 5,
                 38: 7, 39: 4, 41: 3, 43: 6},
    "mpii3d_test17": {25: 10, 26: 9, 27: 8, 28: 11, 29: 12, 30: 13, 31: 4, 32: 3, 33: 2, 34: 5, 35: 6, 36: 7, 37: 1,
                      38: 0, 39: 14, 41: 15, 43: 16},
}  # fmt: skip
"""Which joint of a data set the published code puts at each of the 49 places."""


def test_parents_come_before_their_children() -> None:
    assert all(parent < joint for joint, parent in enumerate(skeletons.SMPL_PARENTS))


@pytest.mark.parametrize("names", [*JOINT_SETS.values(), skeletons.LIMBS], ids=[*JOINT_SETS, "limbs"])
def test_a_mirror_exchanges_sides_and_undoes_itself(names: list[str]) -> None:
    order = skeletons.mirrored(names)
    assert [order[other] for other in order] == list(range(len(names)))
    assert all(("left" in name) == ("right" in names[other]) for name, other in zip(names, order, strict=True))


@pytest.mark.parametrize("name", JOINT_SETS)
def test_a_set_has_as_many_joints_as_its_name_says_and_each_once(name: str) -> None:
    assert len(set(JOINT_SETS[name])) == len(JOINT_SETS[name])
    assert name.endswith(str(len(JOINT_SETS[name])))


def test_the_limb_joints_are_in_both_sets() -> None:
    for names in (skeletons.SMPL, skeletons.COCO):
        assert [names[place] for place in skeletons.index(names, skeletons.LIMBS)] == skeletons.LIMBS


def test_the_evaluation_joints_are_the_published_rows_of_the_regressor_and_of_the_49() -> None:
    assert index(H36M17, COMMON14) == [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    assert index(SPIN49, COMMON14) == list(range(25, 39))


@pytest.mark.parametrize("name", TAKEN)
def test_the_joints_of_a_data_set_go_where_the_published_code_puts_them(name: str) -> None:
    points = torch.rand(2, 5, len(JOINT_SETS[name]), 3) + 1
    found = convert_joints(points, name, "spin49")
    expected = torch.zeros(2, 5, 49, 3)
    for place, joint in TAKEN[name].items():
        expected[..., place, :] = points[..., joint, :]
    torch.testing.assert_close(found, expected, atol=0, rtol=0)


def test_shorter_ways_to_the_49_and_to_the_14() -> None:
    assert convert_joints(torch.ones(21, 3), "staf21", "spin49")[:, 2].nonzero().flatten().tolist() == [
        *range(19),
        37,
        38,
    ]
    places = torch.arange(13.0)[:, None].expand(13, 3)
    assert convert_joints(places, "penn13", "common14")[:, 0].tolist() == [12, 10, 8, 7, 9, 11, 6, 4, 2, 1, 3, 5, 0, 0]
    places = torch.arange(14.0)[:, None].expand(14, 3)
    assert convert_joints(places, "3dpw14", "common14")[:12, 0].tolist() == [10, 9, 8, 11, 12, 13, 4, 3, 2, 5, 6, 7]


def test_there_and_back_keeps_what_both_sets_have() -> None:
    points = torch.rand(17, 3)
    torch.testing.assert_close(convert_joints(convert_joints(points, "h36m17", "spin49"), "spin49", "h36m17"), points)


def test_an_unknown_set_and_a_wrong_number_of_points_are_named() -> None:
    with pytest.raises(ValueError, match="no joint set 'body25'.*spin49"):
        convert_joints(torch.zeros(25, 3), "body25", "spin49")
    with pytest.raises(ValueError, match="16 points for a set of 17 joints"):
        convert_joints(torch.zeros(16, 3), "coco17", "spin49")
