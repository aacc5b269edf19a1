from vibe import skeletons


def test_parents_come_before_their_children() -> None:
    assert all(parent < joint for joint, parent in enumerate(skeletons.SMPL_PARENTS))


def test_a_mirror_exchanges_sides_and_undoes_itself() -> None:
    for names in (skeletons.SMPL, skeletons.COCO, skeletons.LIMBS):
        order = skeletons.mirrored(names)
        assert [order[other] for other in order] == list(range(len(names)))
        assert all(("left" in name) == ("right" in names[other]) for name, other in zip(names, order, strict=True))


def test_the_limb_joints_are_in_both_sets() -> None:
    for names in (skeletons.SMPL, skeletons.COCO):
        assert [names[place] for place in skeletons.index(names, skeletons.LIMBS)] == skeletons.LIMBS
