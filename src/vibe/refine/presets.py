"""What can be chosen of smoothing and fitting, as plain numbers: loads neither PyTorch nor NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class OneEuro:
    """Cut-off frequencies, in cycles for each unit of time."""

    least: float = 0.004
    """Cut-off at rest."""
    beta: float = 0.7
    """How much the cut-off rises with the speed."""
    speed: float = 1.0
    """Cut-off for the speed itself."""


PER_FRAME = OneEuro()
"""The published demo's, where the unit of time is a frame."""
PER_SECOND = OneEuro(least=0.12, beta=0.7, speed=30.0)
"""The same at 30 frames a second, for times in seconds."""


@dataclass(frozen=True)
class Smoothing:
    """Standard deviations of the windows in seconds; 0 only resamples. What swings over 0.24 / sigma hertz fades."""

    limbs: float
    """Rotations from hips and shoulders outwards."""
    trunk: float
    """Rotations of pelvis, spine, collars, neck and head."""
    across: float
    """Position of the pelvis across the camera's view."""
    depth: float
    """Position of the pelvis along the camera's view, which a picture tells least well."""


SMOOTHING: dict[str, Smoothing | OneEuro] = {
    "none": Smoothing(limbs=0.0, trunk=0.0, across=0.0, depth=0.0),
    "light": Smoothing(limbs=0.04, trunk=0.06, across=0.05, depth=0.12),
    "strong": Smoothing(limbs=0.09, trunk=0.13, across=0.10, depth=0.25),
    "one-euro": PER_SECOND,
}
IGNORED = ("left_hip", "right_hip", "op_left_hip", "op_right_hip", "op_neck")
"""Points whose place no two sets agree on."""


PARTS = ("orientation", "pose", "shape", "place")
"""What a fit can move."""


@dataclass(frozen=True)
class FitStage:
    """One search by L-BFGS, its line search for the strong Wolfe conditions."""

    weights: Mapping[str, float]
    """Factor of each energy."""
    free: tuple[str, ...] = PARTS
    """What moves: the pelvis's rotation, the other rotations, the betas, the pelvis's position."""
    hips: bool = True
    """Whether the points in `IGNORED` count."""
    evaluations: int = 36
    """Of the energies, at most, but for the line search's last; those of the paper's code make about as many. More fit
    the detector's errors."""
    history: int = 12
    """Iterations that the search remembers."""


@dataclass(frozen=True)
class Hedging:
    """How far a network's bends lie towards the mean of all that fits the evidence (`refine.smplify.unhedged`).

    Chosen on clips of subjects that the weights were trained on (docs/diary.md).
    """

    straight_deg: float = 25.0
    """Knees and elbows that are bent by less become straighter: the share of this angle ..."""
    straightens: float = 0.7
    """... to this power is the factor of the bend."""
    bent_deg: float = 40.0
    """Those that are bent by more are bent further: what is beyond ..."""
    bends: float = 0.12
    """... grows by this share of itself."""


@dataclass(frozen=True)
class Fitting:
    """Stages, one after the other; the last one's energies are what the fit as a whole must lower."""

    stages: tuple[FitStage, ...]
    window: int = 300
    """Frames fitted at once."""
    overlap: int = 60
    """Frames that neighbouring windows share, where the one fades into the other."""
    bridged: bool = False
    """Whether frames without evidence follow their neighbours: for energies that look at each frame by itself."""
    points: str = "coco17"
    """The set in `skeletons.JOINT_SETS` whose points the body gives and the energies look at."""
    grounded: bool = False
    """Whether feet that stand are put onto the floor afterwards."""
    hedging: Hedging | None = None
    """What is taken back, before the first stage, of answers that a network reads from keypoints."""

    def __post_init__(self) -> None:
        if not self.stages:
            raise ValueError("a fit without a stage does nothing: give one or more")
        if not 3 <= self.window > self.overlap >= 0:
            raise ValueError(f"windows of {self.window} frames can't share {self.overlap}: let them share fewer")


OPEN = FitStage(
    weights={
        "reprojection": 1.0,
        "nearness": 0.06,
        "steadiness": 0.004,
        "joint_acceleration": 0.0002,
        "root_acceleration": 0.005,
        "straightness": 5.0,
        "shape": 0.01,
        "bone_depth": 0.1,
    },
    evaluations=45,
)
"""Everything at once, near what the network said; 1 is the price of a keypoint of confidence 1 missed by far."""
TOGETHER = replace(OPEN, weights={**OPEN.weights, "nearness": 0.02}, evaluations=80)
"""The same of several views, which are followed more closely: together they are surer than the network."""
CAMERA = FitStage(weights={"torso": 1.0, "depth": 100.0**2}, free=("orientation", "place"))
"""The paper's first stage: the torso is brought to where it is seen."""
BODY = FitStage(
    weights={
        "crop_reprojection": 1.0,
        "pose_prior": 4.78**2,
        "angle_prior": 15.2**2,
        "shape": 5.0**2,
        "smooth_picture": 0.01**2,
        "smooth_space": 1.0**2,
    },
    free=("orientation", "pose", "shape"),
    hips=False,
)
"""The paper's second stage, with the weights of its code; the camera stands still."""
FITTINGS = {
    "open": Fitting((OPEN,), points="detected27", grounded=True, hedging=Hedging()),
    "paper": Fitting((CAMERA, BODY), bridged=True, points="spin49"),
}
"""The recipes by name: ours for keypoint evidence, and the paper's Temporal SMPLify (sections 3.3 and 6.1)."""
