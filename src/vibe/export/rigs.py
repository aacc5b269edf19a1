"""The rigs that motions are exported on: names, hierarchy, rest pose and bone axes as other programs expect them."""

from __future__ import annotations

from dataclasses import dataclass, field

SIDES = ("left", "right")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
LIMBS = ("hip", "knee", "ankle", "foot", "collar", "shoulder", "elbow", "wrist")
"""Joints of each side."""
NEXT = {"spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head"} | {
    f"{side}_{joint}": f"{side}_{following}"
    for side in SIDES
    for joint, following in [
        *[("collar", "shoulder"), ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "middle1")],
        *[("hip", "knee"), ("knee", "ankle"), ("ankle", "foot")],
        *[(f"{finger}{number}", f"{finger}{number + 1}") for finger in FINGERS for number in (1, 2)],
    ]
}
"""The joint that a joint's bone points at."""
GROUPS = {"hip": "leg", "knee": "leg", "ankle": "leg", "foot": "toe", "collar": "collar"}
GROUPS |= dict.fromkeys(("shoulder", "elbow", "wrist", "hand"), "arm")
GROUPS |= {f"{finger}{number}": "finger" for finger in FINGERS for number in (1, 2, 3)}
"""The part of a body that the joints of a side belong to; all others are of the trunk."""


@dataclass(frozen=True)
class Between:
    """A bone that lies on the way from one joint to the next."""

    joint: str
    """Whose bone it is part of."""
    share: float
    """Of the way, where it begins."""
    twist: str | None = None
    """None: a link of the chain, which moves with the joint. own: beside the bone, turned by this share of how far the
    joint twists about it. next: beside the bone, turned by this share of how far the next joint does."""
    to: str | None = None
    """The next joint where it is not that of `NEXT`."""


@dataclass(frozen=True)
class RigSpec:
    """A skeleton that programs know by its names."""

    bones: dict[str, str]
    """The bone of each joint of SMPL-H; a joint that is left out hands its skin to the one above."""
    between: dict[str, Between] = field(default_factory=dict)
    """Further bones by name; those on the way to a finger exist where the fingers do."""
    axes: dict[str, str] = field(default_factory=dict)
    """For each part of the body (`GROUPS`, with the side before it where both differ): the bone's axis along the bone,
    another of its axes, and the direction, in the body's axes in the T-pose, that this one is nearest to. Without any,
    bones have the body's own axes."""
    arms_down_deg: float = 0.0
    """0: rests in a T-pose; else in an A-pose, the arms this far below it."""
    root: str | None = None
    """A bone on the floor below the pelvis, which it carries; None: the pelvis's bone is the root."""
    on_soles: bool = True
    """Whether the rest pose stands on height 0; else its pelvis is where the body has it."""
    parents: dict[str, str] = field(default_factory=dict)
    """The bones that hang elsewhere than SMPL-H's joints do."""

    @property
    def about(self) -> dict[str, str]:
        """What a file says of its bones."""
        (name,) = (name for name, rig in RIGS.items() if rig is self)
        return {} if name == "smpl" else {"joints": f"the bones of {name}"}


def _named(trunk: str, limbs: str, limb: str, fingers: dict[str, str], sides: tuple[str, str]) -> dict[str, str]:
    """Bones of SMPL-H's joints: names in the order of `TRUNK` and `LIMBS`, the latter put into a pattern of side and
    name."""
    bones: dict[str, str] = dict(zip(TRUNK, trunk.split(), strict=True))
    for side, word in zip(SIDES, sides, strict=True):
        bones |= {f"{side}_{joint}": limb.format(word, name) for joint, name in zip(LIMBS, limbs.split(), strict=True)}
        bones |= {f"{side}_{joint}": limb.format(word, name) for joint, name in fingers.items()}
    return bones


def _fingers(pattern: str, **names: str) -> dict[str, str]:
    """Names of the finger joints by a pattern of finger and number."""
    return {
        f"{each}{number}": pattern.format(names.get(each, each), number) for each in FINGERS for number in (1, 2, 3)
    }


def _sided(between: dict[str, Between], limb: str, sides: tuple[str, str]) -> dict[str, Between]:
    """The same for both sides."""
    return {
        limb.format(word, name): Between(
            f"{side}_{each.joint}", each.share, each.twist, each.to and f"{side}_{each.to}"
        )
        for side, word in zip(SIDES, sides, strict=True)
        for name, each in between.items()
    }


_TITLES = {finger: finger.title() for finger in FINGERS}
_PHALANGES = {"1": "Proximal", "2": "Intermediate", "3": "Distal"}
_VRM_FINGERS = {
    f"{finger}{number}": {"pinky": "Little"}.get(finger, finger.title()) + name
    for finger in FINGERS
    for number, name in _PHALANGES.items()
} | {"thumb1": "ThumbMetacarpal", "thumb2": "ThumbProximal"}
_UE5_BETWEEN = {
    "upperarm_twist_01": Between("shoulder", 0.0, "own"),
    "upperarm_twist_02": Between("shoulder", 0.5, "own"),
    "lowerarm_twist_02": Between("elbow", 1 / 3, "next"),
    "lowerarm_twist_01": Between("elbow", 2 / 3, "next"),
    "thigh_twist_01": Between("hip", 0.0, "own"),
    "thigh_twist_02": Between("hip", 0.5, "own"),
    "calf_twist_02": Between("knee", 1 / 3, "next"),
    "calf_twist_01": Between("knee", 2 / 3, "next"),
    **{f"{finger}_metacarpal": Between("wrist", 0.3, to=f"{finger}1") for finger in FINGERS if finger != "thumb"},
}
_PALMS = ("index", "middle", "ring", "pinky")
_SMPL_BONES = {joint: joint for joint in TRUNK} | {
    f"{side}_{joint}": f"{side}_{joint}" for side in SIDES for joint in (*LIMBS, "hand", *_fingers("{0}{1}"))
}
RIGS: dict[str, RigSpec] = {
    "smpl": RigSpec(_SMPL_BONES, on_soles=False),
    "mixamo": RigSpec(
        {
            joint: f"mixamorig:{bone}"
            for joint, bone in _named(
                "Hips Spine Spine1 Spine2 Neck Head",
                "UpLeg Leg Foot ToeBase Shoulder Arm ForeArm Hand",
                "{0}{1}",
                _fingers("Hand{0}{1}", **_TITLES),
                ("Left", "Right"),
            ).items()
        },
        axes={
            "trunk": "y z z", "leg": "y x -x", "toe": "y x -x",
            "collar": "y z -y", "arm": "y z -y", "finger": "y z -y",
        },
    ),
    "ue5": RigSpec(
        _named(
            "pelvis spine_01 spine_03 spine_05 neck_01 head",
            "thigh calf foot ball clavicle upperarm lowerarm hand",
            "{1}_{0}",
            _fingers("{0}_0{1}"),
            ("l", "r"),
        ),
        {"spine_02": Between("spine1", 0.5), "spine_04": Between("spine2", 0.5), "neck_02": Between("neck", 0.5)}
        | _sided(_UE5_BETWEEN, "{1}_{0}", ("l", "r")),
        axes={
            "trunk": "x z -x",
            "left_leg": "-x z -x", "right_leg": "x z -x",
            "left_toe": "-x z -x", "right_toe": "x z -x",
            "left_collar": "x z y", "left_arm": "x z y", "left_finger": "x z y",
            "right_collar": "-x z -y", "right_arm": "-x z -y", "right_finger": "-x z -y",
        },
        arms_down_deg=45.0,
        root="root",
    ),
    "vrm": RigSpec(
        _named(
            "hips spine chest upperChest neck head",
            "UpperLeg LowerLeg Foot Toes Shoulder UpperArm LowerArm Hand",
            "{0}{1}",
            _VRM_FINGERS,
            SIDES,
        ),
    ),
    "rigify": RigSpec(
        _named(
            "spine spine.001 spine.002 spine.003 spine.004 spine.006",
            "thigh shin foot toe shoulder upper_arm forearm hand",
            "{1}.{0}",
            _fingers("f_{0}.0{1}") | {f"thumb{number}": f"thumb.0{number}" for number in (1, 2, 3)},
            ("L", "R"),
        ),
        {"spine.005": Between("neck", 0.5)}
        | _sided(
            {f"palm.0{number}": Between("wrist", 0.3, to=f"{each}1") for number, each in enumerate(_PALMS, start=1)},
            "{1}.{0}",
            ("L", "R"),
        ),
        axes={
            "trunk": "y z z", "leg": "y x x", "toe": "y x -x",
            "collar": "y z y", "arm": "y z z", "finger": "y z -y",
        },
        arms_down_deg=30.0,
        parents={"thumb.01.L": "palm.01.L", "thumb.01.R": "palm.01.R"},
    ),
}  # fmt: skip
"""By the name that `--rig` takes. Axes are those of the published skeletons as far as they are public; Rigify's are its
human metarig's."""
