"""The options of the whole method: one record, of which the Python signature, the flags and the cache's keys are made.

Nothing here loads PyTorch before a model is asked for, so that a result that is there already is known without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

from tyro.conf import FlagCreatePairsOff, Suppress, arg

from vibe import __version__
from vibe.cache import key
from vibe.features.runtimes import RUNTIMES
from vibe.refine.presets import FITTINGS, SMOOTHING, Fitting, OneEuro, Smoothing

DETECTORS = {"blazepose": "pose_detection.tflite"}
POSE_MODELS = {
    "fast": "pose_landmark_lite.tflite",
    "standard": "pose_landmark_full.tflite",
    "best": "pose_landmark_heavy.tflite",
}
"""The models that `vibe fetch` gets, those of poses by quality; any other name is the path of an ONNX model."""
if TYPE_CHECKING:
    from vibe.body.record import Body
    from vibe.models.network import Network
    from vibe.models.priors import LearntPrior
    from vibe.refine.energies import Energy

    Runtime = Smooth = FittingName = Quality = str
else:
    Runtime, Smooth, FittingName = Literal[tuple(RUNTIMES)], Literal[tuple(SMOOTHING)], Literal[tuple(FITTINGS)]
    Quality = Literal[tuple(POSE_MODELS)]
MIXTURE = "mixture"
"""The prior of poses that the paper's fit uses by default, beside the learnt ones."""
FIDELITY = 70.0
"""Price of the squared distance (Frobenius) between rotations and what a learnt prior makes of them, in the fit.

With it, jitter of 0.1 radian raises the energy of held-out motion under MPoser about as much as under the mixture of
Gaussians whose place it takes (`benchmarks/results/priors.md`).
"""


def _named(choices: Mapping[str, Any]) -> str:
    return "{" + ",".join(choices) + "}"


@dataclass(frozen=True)
class EstimatorConfig:
    """Everything that a result depends on but the video."""

    weights: Annotated[str | Path | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None
    """open; official, official-3dpw (the paper's) or official-frame (its single-frame baseline), which need files that
    `vibe assets` lists; or the name or .safetensors file of your own."""
    body: Annotated[str | Path | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: the weights' own)")] = (
        None
    )
    """open, smpl (the neutral one), smpl-male, smpl-female, or an .npz file in SMPL's layout."""
    refine: Annotated[bool | None, Suppress] = None
    """Whether to fit the motion to the 2D keypoints after the network; None for what the weights' evidence asks."""
    fitting: Annotated[FittingName | None, arg(metavar=_named(FITTINGS), help_behavior_hint="(default: open)")] = None
    """How to fit: open (our own energies) or paper (Temporal SMPLify as published). Asks for --refine too."""
    prior: Annotated[str | Path | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: mixture)")] = None
    """What judges poses in --fitting paper: mixture (of Gaussians, as published), mposer (our prior of motion), vposer
    (of single poses), or a file that `vibe train mposer` or `vibe train vposer` wrote."""
    smoothing: Annotated[
        Smooth | None,
        arg(
            name="smooth",
            metavar=_named(SMOOTHING),
            help_behavior_hint="(default: light with weights that read keypoints, none with those that read images)",
        ),
    ] = None
    """How much jitter to take out over time; one-euro is the published filter."""
    fov_deg: Annotated[
        float | None, arg(name="fov", metavar="DEG", help_behavior_hint="(default: as the file says, or 53.1)")
    ] = None
    """The lens's angle of view across the picture's diagonal, degrees, 5 to 150. At 53.1 the focal length is as long as
    the diagonal."""
    camera_file: Annotated[str | Path | None, arg(name="camera", metavar="FILE[:CAMERA]", help_behavior_hint="")] = None
    """The camera's calibration: Pose2Sim's .toml, OpenCV's or ROS's .yaml, COLMAP's cameras.txt. Of several cameras the
    one with the video's name, or the one named behind a colon."""
    world: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = True
    """One world for everybody: up, the floor, feet that stand on it, the camera's path. Without it (--no-world)
    everybody is where a single view of them has them, in the camera's frame only."""
    hands: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = True
    """Fingers, of hands that are large enough in the picture; others hang relaxed, without it (--no-hands) all."""
    height_m: Annotated[float | None, arg(name="height", metavar="M", help_behavior_hint="(default: a guess)")] = None
    """How tall everybody in view is, barefoot, metres, 0.5 to 2.5: a picture hardly tells."""
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="(default: 30)")] = None
    """Pictures a second of a folder of numbered pictures; videos tell it themselves."""
    runtime: Runtime = "torch"
    """What runs the image network of weights that read images."""
    int8: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False
    """Run it in 8-bit integers: faster, and less exact by what a note says. Needs another --runtime than torch."""
    detector: Annotated[Any, arg(constructor=Path, metavar="PATH", help_behavior_hint="")] = None
    """An ONNX person detector (YOLOX) in place of the default one."""
    pose_model: Annotated[Any, arg(constructor=Path, metavar="PATH", help_behavior_hint="")] = None
    """An ONNX COCO-17 pose model (RTMPose's SimCC output) in place of the default one."""
    quality: Annotated[Quality | None, arg(metavar=_named(POSE_MODELS), help_behavior_hint="(default: standard)")] = (
        None
    )
    """How much work the 2D keypoints are worth: fast has a smaller model and leaves frames out where little moves from
    one to the next; best is slower and closer, and needs `vibe fetch --quality best`."""
    device: Annotated[str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if it is here)")] = None
    """Where the networks run: cpu, cuda, cuda:1, mps."""
    checksums: Annotated[Mapping[str, str], Suppress] = field(default_factory=dict)
    """SHA-256 of the files that decide the result, by what they are for, that of a calibration with the camera's name
    behind it; filled in by `resolved`."""

    def resolved(self) -> EstimatorConfig:
        """The same with all that was left open filled in, by the recipe of the weights and the files that are here.

        Raises ValueError, FileNotFoundError or OSError for what does not fit or is not here.
        """
        from vibe import assets

        if self.checksums:
            return self
        self._check()
        weights = assets.weights_path(self.weights)
        recipe = assets.load_recipe(weights)
        images = recipe.get("evidence") == "images"
        if not images and self.runtime != "torch":
            raise ValueError(f"the weights {weights.stem} read keypoints, not images: leave the runtime out")
        refine = (not images or self.fitting is not None) if self.refine is None else self.refine
        pose_model = self.quality or ("standard" if self.pose_model is None else self.pose_model)
        body = _body(self.body, str(recipe.get("body", "open")))
        filled = replace(
            self,
            weights=weights,
            body=body,
            refine=refine,
            fitting=(self.fitting or "open") if refine else None,
            prior=self.prior or MIXTURE,
            smoothing=self.smoothing or ("none" if images else "light"),
            detector="blazepose" if self.detector is None else self.detector,
            pose_model=pose_model,
        )
        return replace(filled, checksums=_checksums(filled, images))

    def _check(self) -> None:
        """Raises ValueError for options that are none, or exclude each other."""
        for name, value, choices in (
            ("smoothing", self.smoothing, SMOOTHING),
            ("fitting", self.fitting, FITTINGS),
            ("runtime", self.runtime, RUNTIMES),
            ("quality", self.quality, POSE_MODELS),
        ):
            if value is not None and value not in choices:
                raise ValueError(f"there is no {name} {value!r}: choose {', '.join(choices)}")
        if self.quality and self.pose_model not in [None, *POSE_MODELS]:
            raise ValueError(f"{self.quality} is a quality of the shipped models: leave it out, or your own pose model")
        if self.refine is False and self.fitting:
            raise ValueError(f"the fit {self.fitting} was chosen and no refinement: leave one of them out")
        if self.prior not in (None, MIXTURE) and self.fitting != "paper":
            kind = self.fitting or "open"
            raise ValueError(f"the {kind} fit asks no prior of poses, {self.prior} was given: choose the fitting paper")
        if self.int8 and self.runtime == "torch":
            raise ValueError("PyTorch computes in floats only: choose the runtime openvino or onnxruntime for 8 bits")
        if self.fov_deg is not None and self.camera_file is not None:
            raise ValueError("a calibration tells the angle of view: leave --fov or --camera out")
        if self.fov_deg is not None and not 5 <= self.fov_deg <= 150:
            raise ValueError(f"the angle of view is {self.fov_deg:g} degrees: give one from 5 to 150")
        if self.height_m is not None and not 0.5 <= self.height_m <= 2.5:
            raise ValueError(f"nobody is {self.height_m:g} m tall here: give a height from 0.5 to 2.5 metres")
        if self.fps is not None and not 0.1 <= self.fps <= 1000:
            raise ValueError(f"there can't be {self.fps:g} pictures a second: give a rate from 0.1 to 1000")

    def settings(self) -> dict[str, dict[str, Any]]:
        """Of a resolved configuration: all that matters to the result, stage by stage in order, as plain JSON values.

        The device is none of it: results on another one differ by rounding.
        """
        sums = self.checksums
        fitting = asdict(FITTINGS[self.fitting]) if self.fitting else None
        if fitting and "pose_prior" in sums:
            fitting |= {"pose_prior": sums["pose_prior"]}
        models = {name: sums[name] for name in ("detector", "pose_model")}
        tracks = {"vibe": __version__, **models, "background": True, "sparing": self.leaves_out_frames}
        if "hands" in sums:
            tracks["hands"] = sums["hands"]
        features = {"backbone": sums.get("backbone"), "runtime": self.runtime, "int8": self.int8}
        motion = {"weights": sums["weights"], "body": sums["body"], "fov_deg": self.fov_deg}
        if "camera" in sums:
            motion["camera"] = sums["camera"]
        refinement = {"fitting": fitting, "points": self.fitted_points, "height_m": self.height_m, "world": self.world}
        return {
            "tracks": tracks if self.fps is None else tracks | {"fps": self.fps},
            "evidence": features if "backbone" in sums else {},
            "motion": motion,
            "refinement": refinement,
            "result": {"smoothing": asdict(SMOOTHING[self.smoothing or "none"])},
        }

    def keys(self, content: str) -> dict[str, str]:
        """What each stage's result depends on, in order: its own settings and the stage before, down to the video.

        `content` is the video's `vibe.cache.content_key`. Two results whose key is the same are the same.
        """
        found, before = {}, content
        for stage, settings in self.settings().items():
            found[stage] = before = key(stage, before, settings)
        return found

    @property
    def leaves_out_frames(self) -> bool:
        """Whether keypoints are read in every other frame where that does (`tracking.active_track.SPARING`)."""
        return "fast" in (self.quality, self.pose_model)

    @property
    def wants_hands(self) -> bool:
        """Of a resolved configuration: whether fingers are found once the models of hands are here.

        `checksums` have those where they are.
        """
        return self.hands and self.body == "open" and self.pose_model in list(POSE_MODELS)

    @property
    def fitted_points(self) -> str:
        """The point set that the fit compares: another pose model's keypoints lie where COCO's do."""
        points = FITTINGS[self.fitting].points if self.fitting else ""
        return "coco17" if points == "detected27" and self.pose_model not in POSE_MODELS else points


@dataclass(frozen=True)
class Refinement:
    """What follows the network."""

    smoothing: Smoothing | OneEuro
    fitting: Fitting | None
    energies: Mapping[str, Energy]
    """What the fit lowers, by the names that its stages use."""
    height_m: float | None = None
    """Of the person, where it is known."""


def _body(wanted: Path | str | None, known: str) -> str:
    """The body that was chosen, by default the one whose shapes the network knows, or else the open one."""
    from vibe import assets

    if wanted is not None:
        return str(wanted)
    try:
        assets.body_path(known)
    except FileNotFoundError:
        return "open"
    return known


def _checksums(config: EstimatorConfig, images: bool) -> dict[str, str]:
    """Of all files that a resolved configuration names."""
    from vibe import assets
    from vibe.assets.weights import BACKBONE, tensor_names

    assert config.weights is not None and config.body is not None
    weights = Path(config.weights)
    sums = {
        "detector": _model_sum(config.detector, DETECTORS),
        "pose_model": _model_sum(config.pose_model, POSE_MODELS),
        "weights": assets.sha256(weights),
        "body": assets.sha256(assets.body_path(config.body)),
    }
    if images:
        own = "conv1.weight" in tensor_names(weights)
        sums["backbone"] = sums["weights"] if own else assets.sha256(assets.weights_path(BACKBONE))
    if config.camera_file is not None:
        from vibe.calibration import read_cameras, split_name

        calibration, name = split_name(config.camera_file)
        read_cameras(calibration)  # what is wrong with it is found before the work
        sums["camera"] = " ".join([assets.sha256(calibration), *([name] if name else [])])
    if config.wants_hands and all(map(assets.lying, assets.HAND_MODELS)):
        sums["hands"] = " ".join(assets.MODEL_SHA256[name] for name in assets.HAND_MODELS)
    if config.fitting == "paper":
        sums["pose_prior"] = _prior_sum(config.prior or MIXTURE)
    return sums


def _model_sum(model: Any, shipped: Mapping[str, str]) -> str:
    """Of a model's file; for somebody's own code unlike anything else, so that no other result is taken for its own."""
    from vibe import assets

    if model in list(shipped):
        return assets.MODEL_SHA256[shipped[model]]
    return assets.sha256(Path(model)) if isinstance(model, Path | str) else uuid4().hex


def _prior_sum(prior: Path | str) -> str:
    """Of a prior's file; `vibe` for the mixture that is shipped."""
    from vibe import assets

    if prior != MIXTURE:
        return assets.sha256(assets.weights_path(prior))
    try:
        return assets.sha256(assets.library("pose_mixture.npz"))
    except FileNotFoundError:
        return "vibe"


def choose_body(body: Path | str | None, network: Network) -> tuple[Body, list[str]]:
    """The body asked for, by default the one whose shapes the network knows, or else the open one; with remarks.

    Raises FileNotFoundError or ValueError, with what to do, if a body that was asked for is not here.
    """
    from vibe.body.load import load_body
    from vibe.models.network import knows_shapes

    chosen = load_body(_body(body, network.body))
    if knows_shapes(network, chosen):
        return chosen, []
    return chosen, [
        f"the weights {network.about.name} know no shapes of the body {chosen.origin.name}: its mean is the start"
    ]


def energies(prior: Path | str = MIXTURE) -> Mapping[str, Energy]:
    """The energies of the fit, with a learnt prior of poses or motion, or the mixture, the user's own if it is here.

    Raises FileNotFoundError or ValueError for a prior that is not here or none.
    """
    from vibe import assets
    from vibe.models.priors import load_prior
    from vibe.refine.energies_paper import load_mixture, mixture_prior
    from vibe.refine.smplify import ENERGIES

    if prior != MIXTURE:
        return {**ENERGIES, "pose_prior": prior_energy(load_prior(prior))}
    try:
        own = assets.library("pose_mixture.npz")
    except FileNotFoundError:
        return ENERGIES
    return {**ENERGIES, "pose_prior": mixture_prior(load_mixture(own))}


def prior_energy(prior: LearntPrior) -> Energy:
    """The energy of the body's rotations under a learnt prior, to take the place of the mixture's in the fit.

    Both are minus the logarithm of a density, but for a constant, and with FIDELITY they weigh alike.
    """
    from vibe.models.priors import pose_energy

    unlikely = pose_energy(prior.model, FIDELITY)
    return lambda pose, seen: unlikely(pose.smpl.rotmat[:, 1:])
