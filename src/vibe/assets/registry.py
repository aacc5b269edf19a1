"""Every file that can be used but does not come with the package: what for, whose, on what terms, and is it here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vibe.assets.paths import lying

SMPL_TERMS = (
    "SMPL model licence of the Max Planck Society: non-commercial research only, no passing on; commercial use is "
    "licensed by Meshcapade"
)
SMPLIFY_TERMS = "SMPLify licence of the Max Planck Society: non-commercial research only, no passing on"
VIBE_TERMS = "VIBE licence of the Max Planck Society: non-commercial research only, no passing on"
SPIN_TERMS = "terms of the SPIN repository; trained on data that are for non-commercial research only"
SMPL_SITE = "smpl.is.tue.mpg.de, after registration"
SMPLIFY_SITE = "smplify.is.tue.mpg.de, after registration"
VIBE_SITE = "github.com/mkocabas/VIBE, in vibe_data.zip"
SPIN_SITE = "github.com/nkolot/SPIN, and github.com/mkocabas/VIBE in vibe_data.zip"


@dataclass(frozen=True)
class Entry:
    """One file that can be used."""

    name: str
    """What it is called in `places.home`, once converted."""
    given: str
    """What its owner calls it."""
    purpose: str
    licence: str
    owner: str
    """Where its owner offers it."""
    path: Path | None
    """Where it lies; None if it is not here."""


WHEEL_OWNER, NPM_OWNER = "the Python package mediapipe", "the npm package @mediapipe/pose"
FETCHED = {
    "pose_detection.tflite": ("finds people in a picture", WHEEL_OWNER),
    "pose_landmark_full.tflite": ("finds a person's 2D keypoints", WHEEL_OWNER),
    "hand_recrop.tflite": ("finds a person's hands", WHEEL_OWNER),
    "hand_landmark_full.tflite": ("finds the fingers' joints", WHEEL_OWNER),
    "pose_landmark_lite.tflite": ("the same, for --quality fast", NPM_OWNER),
    "pose_landmark_heavy.tflite": ("the same, for --quality best", NPM_OWNER),
}
"""Purpose, and whose it is."""
CONVERTED: dict[str, tuple[str, str, str, str]] = {
    "smpl_neutral.npz": ("SMPL_NEUTRAL.pkl or .npz", "SMPL's neutral body (--body smpl)", SMPL_TERMS, SMPLIFY_SITE),
    "smpl_male.npz": ("SMPL_MALE.pkl or .npz", "SMPL's male body", SMPL_TERMS, SMPL_SITE),
    "smpl_female.npz": ("SMPL_FEMALE.pkl or .npz", "SMPL's female body", SMPL_TERMS, SMPL_SITE),
    "smpl_mean_params.npz": (
        "smpl_mean_params.npz",
        "mean pose, shape and camera, where the regressor starts; only for checkpoints that lack them",
        SPIN_TERMS,
        SPIN_SITE,
    ),
    "j_regressor_extra.npz": ("J_regressor_extra.npy", "nine of the 49 joints of SPIN", SPIN_TERMS, SPIN_SITE),
    "j_regressor_h36m.npz": ("J_regressor_h36m.npy", "Human3.6M's 17 joints, 14 are evaluated", SPIN_TERMS, SPIN_SITE),
    "pose_mixture.npz": ("gmm_08.pkl", "SMPLify's prior of poses (--fitting paper)", SMPLIFY_TERMS, SMPLIFY_SITE),
    "official.safetensors": (
        "vibe_model_wo_3dpw.pth.tar",
        "the published generator, trained without 3DPW (--weights official)",
        VIBE_TERMS,
        VIBE_SITE,
    ),
    "official-3dpw.safetensors": (
        "vibe_model_w_3dpw.pth.tar",
        "the published generator, trained with 3DPW (--weights official-3dpw)",
        VIBE_TERMS,
        VIBE_SITE,
    ),
    "official-frame.safetensors": (
        "spin_model_checkpoint.pth.tar",
        "ResNet-50, which all image evidence needs, and the single-frame baseline (--weights official-frame)",
        SPIN_TERMS,
        SPIN_SITE,
    ),
}
"""By the name in `places.home`: its owner's name for it, purpose, licence, where its owner offers it."""


def catalogue() -> tuple[Entry, ...]:
    """Every file that the package can use and does not hold: the fetched models, then the user's own files."""
    models = {name: (name, purpose, "Apache-2.0", owner) for name, (purpose, owner) in FETCHED.items()}
    return tuple(Entry(name, *about, lying(name)) for name, about in (models | CONVERTED).items())
