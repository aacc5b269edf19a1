"""How motion is to be estimated, as the command line asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import FlagCreatePairsOff, arg

READS_KEYPOINTS = arg(help_behavior_hint="(default with weights that read keypoints)")
READS_IMAGES = arg(help_behavior_hint="(default with weights that read images)")
PRIOR = arg(metavar="NAME|PATH", help_behavior_hint="(default: mixture)")
FITTING = arg(metavar="{open,paper}", help_behavior_hint="(default: open)")
EITHER = arg(
    metavar="{none,light,strong,one-euro}",
    help_behavior_hint="(default: light with weights that read keypoints, none with those that read images)",
)


@dataclass(frozen=True)
class EstimateFlags:
    """The options of the method."""

    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None
    """open; official, official-3dpw (the paper's) or official-frame (its single-frame baseline), which need files that
    `vibe assets` lists; or the name or .safetensors file of your own."""
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: the weights' own)")] = None
    """open, smpl (the neutral one), smpl-male, smpl-female, or an .npz file in SMPL's layout."""
    refine: Annotated[FlagCreatePairsOff[bool], READS_KEYPOINTS] = False
    """Fit the motion to the 2D keypoints after the network; slower, closer to the picture."""
    no_refine: Annotated[FlagCreatePairsOff[bool], READS_IMAGES] = False
    """Take the network's answer as it is."""
    fitting: Annotated[Literal["open", "paper"] | None, FITTING] = None
    """How to fit: open (our own energies) or paper (Temporal SMPLify as published). Asks for --refine too."""
    prior: Annotated[str | None, PRIOR] = None
    """What judges poses in --fitting paper: mixture (of Gaussians, as published), mposer (our prior of motion), vposer
    (of single poses), or a file that `vibe train mposer` or `vibe train vposer` wrote."""
    smooth: Annotated[Literal["none", "light", "strong", "one-euro"] | None, EITHER] = None
    """How much jitter to take out over time; one-euro is the published filter."""
    fov: Annotated[float | None, arg(metavar="DEG", help_behavior_hint="(default: 53.1)")] = None
    """The lens's angle of view across the picture's diagonal, degrees, 5 to 150. At 53.1 the focal length is as long as
    the diagonal."""
    runtime: Literal["torch", "openvino", "onnxruntime"] = "torch"
    """What runs the image network of weights that read images."""
    int8: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False
    """Run it in 8-bit integers: faster, and less exact by what a note says. Needs another --runtime than torch."""
    detector: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None
    """An ONNX person detector (YOLOX) in place of the default one."""
    pose_model: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None
    """An ONNX COCO-17 pose model (RTMPose's SimCC output) in place of the default one."""
    device: Annotated[str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if it is here)")] = None
    """Where the networks run: cpu, cuda, cuda:1, mps."""

    def options(self) -> dict[str, Any]:
        """Those of `vibe.inference.config.settle`; raises ValueError for some that exclude each other."""
        if self.no_refine and (self.refine or self.fitting):
            raise ValueError(f"--no-refine excludes {'--refine' if self.refine else '--fitting'}: give one of them")
        if self.prior and self.fitting != "paper":
            raise ValueError("--prior is for the paper's fit: give --fitting paper as well")
        return {
            "refine": False if self.no_refine else (self.refine or self.fitting is not None) or None,
            "fitting": self.fitting or "open",
            "prior": self.prior or "mixture",
            "smoothing": self.smooth,
            "fov_deg": self.fov,
            **{name: getattr(self, name) for name in ("body", "weights", "runtime", "int8", "device")},
            **{name: getattr(self, name) for name in ("detector", "pose_model")},
        }
