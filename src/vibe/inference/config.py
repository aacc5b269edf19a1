"""The settings of the whole method, settled once: what is loaded, checked and known by its checksum before a frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import torch

from vibe import __version__, assets, cameras
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.inference.network import Network, load_network
from vibe.inference.predict import knows_shapes
from vibe.inference.priors import load_prior, prior_energy
from vibe.refine.energies import Energy
from vibe.refine.energies_paper import mixture_prior
from vibe.refine.fitting import ENERGIES, FITTINGS, Fitting
from vibe.refine.mixture import load_mixture
from vibe.refine.one_euro import OneEuro
from vibe.refine.smooth import SMOOTHING, Smoothing
from vibe.tracking.detector import Detector, PoseDetector
from vibe.tracking.pose_model import PoseLandmarks, PoseModel

Smooth = Literal["none", "light", "strong", "one-euro"]
Runtime = Literal["torch", "openvino", "onnxruntime"]
MIXTURE = "mixture"
"""The prior of poses that the paper's fit uses by default, beside the learnt ones."""


@dataclass(frozen=True)
class Method:
    """Everything that a result depends on but the video, ready to run on as many videos as there are."""

    detector: Detector
    pose_model: PoseModel
    network: Network
    body: Body
    fov_deg: float | None
    """Angle of view across the picture's diagonal; None for the default camera's."""
    runtime: Runtime
    """What computes the features of pictures ..."""
    int8: bool
    """... and whether in 8-bit integers, whose ranges each video sets."""
    fitting: Fitting | None
    energies: Mapping[str, Energy]
    smoothing: Smoothing | OneEuro
    remarks: tuple[str, ...]
    """Notes that every result gets."""
    checksums: Mapping[str, str]
    """Of the files behind the detector, the pose model and the prior of poses."""

    def settings(self) -> dict[str, dict[str, Any]]:
        """Everything that matters to the result, stage by stage in their order, as plain JSON values.

        The device is none of it: results on another one differ by rounding.
        """
        sums = self.checksums
        fitting = asdict(self.fitting) | {"pose_prior": sums["pose_prior"]} if self.fitting else None
        eyes = {"backbone": self.network.backbone, "runtime": self.runtime, "int8": self.int8}
        return {
            "tracks": {"vibe": __version__, "detector": sums["detector"], "pose_model": sums["pose_model"]},
            "evidence": eyes if self.network.extractor else {},
            "motion": {
                "weights": self.network.about.sha256,
                "body": self.body.origin.sha256,
                "fov_deg": self.fov_deg,
            },
            "refinement": {"fitting": fitting},
            "result": {"smoothing": asdict(self.smoothing)},
        }


def settle(
    *,
    smoothing: Smooth | None = None,
    refine: bool | None = None,
    fitting: Literal["open", "paper"] = "open",
    prior: Path | str = MIXTURE,
    fov_deg: float | None = None,
    body: Path | str | None = None,
    weights: Path | str | None = None,
    runtime: Runtime = "torch",
    int8: bool = False,
    device: str | None = None,
    detector: Detector | Path | str | None = None,
    pose_model: PoseModel | Path | str | None = None,
) -> Method:
    """The method that these options, which are those of `vibe.estimate`, ask for: all is loaded and checked here.

    A detector or pose model may be given as the file of an ONNX model. Raises ValueError, FileNotFoundError or OSError
    for what does not fit or is not here, ImportError for a runtime that is not installed.
    """
    if prior != MIXTURE and fitting != "paper":
        raise ValueError(f"the {fitting} fit asks no prior of poses, {prior} was given: choose the fitting paper")
    if int8 and runtime == "torch":
        raise ValueError("PyTorch computes in floats only: choose the runtime openvino or onnxruntime for 8 bits")
    cameras.default_camera(16, 16, fov_deg)
    network = load_network(weights, _device(device), runtime)
    keypoints = network.evidence == "keypoints"
    if keypoints and runtime != "torch":
        raise ValueError(f"the weights {network.about.name} read keypoints, not images: leave the runtime out")
    if int8:
        network = load_network(weights, _device(device), "torch")
    shape, remarks = choose_body(body, network)
    looked, seen = _detector(detector), _pose_model(pose_model)
    fitted = FITTINGS[fitting] if (keypoints if refine is None else refine) else None
    if fitted and pose_model and fitted.points == "detected17":
        fitted = replace(fitted, points="coco17")
    terms, judge = _energies(prior)
    return Method(
        detector=looked[0],
        pose_model=seen[0],
        network=network,
        body=shape,
        fov_deg=fov_deg,
        runtime=runtime,
        int8=int8,
        fitting=fitted,
        energies=terms,
        smoothing=SMOOTHING[smoothing or ("light" if keypoints else "none")],
        remarks=tuple(remarks),
        checksums={"detector": looked[1], "pose_model": seen[1], "pose_prior": judge},
    )


def choose_body(body: Path | str | None, network: Network) -> tuple[Body, list[str]]:
    """The body asked for, by default the one whose shapes the network knows, or else the open one; with remarks.

    Raises FileNotFoundError or ValueError, with what to do, if a body that was asked for is not here.
    """
    if body is not None:
        chosen = load_body(body)
    else:
        try:
            chosen = load_body(network.body)
        except FileNotFoundError:
            chosen = load_body()
    if knows_shapes(network, chosen):
        return chosen, []
    return chosen, [
        f"the weights {network.about.name} know no shapes of the body {chosen.origin.name}: its mean is the start"
    ]


def energies(prior: Path | str = MIXTURE) -> Mapping[str, Energy]:
    """The energies of the fit, with a learnt prior of poses or motion, or the mixture, the user's own if it is here.

    Raises FileNotFoundError or ValueError for a prior that is not here or none.
    """
    return _energies(prior)[0]


def _energies(prior: Path | str) -> tuple[Mapping[str, Energy], str]:
    """The energies, and the checksum of the prior's file; `vibe` for the mixture that is shipped."""
    if prior != MIXTURE:
        learnt = load_prior(prior)
        return {**ENERGIES, "pose_prior": prior_energy(learnt)}, learnt.about.sha256
    try:
        own = assets.library("pose_mixture.npz")
    except FileNotFoundError:
        return ENERGIES, "vibe"
    return {**ENERGIES, "pose_prior": mixture_prior(load_mixture(own))}, assets.sha256(own)


def _device(wanted: str | None) -> str:
    """The device asked for, or the best one that is here; raises ValueError if it is not."""
    device = wanted or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {device} is not here: {' '.join(str(error).split())}") from error
    return device


def _detector(given: Detector | Path | str | None) -> tuple[Detector, str]:
    """What finds people, and the checksum of its file."""
    if given is None:
        return PoseDetector(), assets.MODELS["pose_detection.tflite"]
    if isinstance(given, Path | str):
        from vibe.tracking.onnx_models import OnnxDetector

        return OnnxDetector(Path(given)), assets.sha256(Path(given))
    return given, _nameless()


def _pose_model(given: PoseModel | Path | str | None) -> tuple[PoseModel, str]:
    """What reads keypoints, and the checksum of its file."""
    if given is None:
        return PoseLandmarks(), assets.MODELS["pose_landmark_full.tflite"]
    if isinstance(given, Path | str):
        from vibe.tracking.onnx_models import OnnxPose

        return OnnxPose(Path(given)), assets.sha256(Path(given))
    return given, _nameless()


def _nameless() -> str:
    """What stands for somebody's own code: unlike anything else, so that nothing kept is taken for its result."""
    return uuid4().hex
