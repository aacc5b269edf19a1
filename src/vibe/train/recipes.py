"""Recipes: everything that decides what a training run makes, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from vibe.network import NetworkConfig
from vibe.train.losses import LossConfig
from vibe.train.synthesis import SynthesisConfig


@dataclass(frozen=True)
class Recipe:
    """One training run."""

    name: str
    licence: str
    """One sentence on what the weights were trained on and what that allows; kept in their file."""
    motion: tuple[str, ...]
    """Files of motion capture."""
    steps: int = 6000
    rate: float = 1.5e-3
    """Highest learning rate of AdamW; it rises for `warmup` steps and falls along a cosine to a fiftieth."""
    warmup: int = 300
    decay: float = 0.01
    """Weight decay."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    average: float = 0.998
    """Decay of the moving average of the parameters, which is what ships."""
    save_every: int = 250
    validate_every: int = 250
    seed: int = 0
    network: NetworkConfig = field(default_factory=NetworkConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    losses: LossConfig = field(default_factory=LossConfig)


ACKNOWLEDGEMENT = (
    "Trained on motion capture of the CMU Graphics Lab (mocap.cs.cmu.edu, created with funding from NSF EIA-0196217), "
    "of ACCAD, The Ohio State University (Open Motion Project, CC BY 3.0), and on CC0 clips of Mesh2Motion and "
    "Quaternius"
)
RECIPES = {
    "open": Recipe(
        name="open",
        licence=f"{ACKNOWLEDGEMENT}; free for every use with this acknowledgement.",
        motion=("open_30fps.npz",),
    ),
    "open-nc": Recipe(
        name="open-nc",
        licence=f"{ACKNOWLEDGEMENT}; and on the Bandai-Namco-Research-Motiondataset (CC BY-NC 4.0): "
        "for non-commercial use only.",
        motion=("open_30fps.npz", "bandai_30fps_cc_by_nc.npz"),
    ),
}
