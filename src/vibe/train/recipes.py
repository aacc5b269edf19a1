"""Recipes: everything that decides what a training run makes, as values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from vibe.model.discriminator import PAPER, DiscriminatorConfig
from vibe.network import NetworkConfig
from vibe.train.labels import LabelConfig
from vibe.train.losses import LossConfig
from vibe.train.synthesis import SynthesisConfig


@dataclass(frozen=True)
class AdversarialConfig:
    """The motion discriminator D_M (section 3.2), which learns beside the generator."""

    weight: float = 0.0
    """L_adv, equation 2, beside the other losses; 0 trains without a discriminator."""
    rate: float = 1e-4
    """Learning rate of its Adam (section 4.2); it follows the generator's schedule."""
    decay: float = 0.0
    """Weight decay; the published configuration has 1e-4."""
    smoothing: float = 0.1
    """Most that the target of a real motion falls short of 1 (appendix 6.1)."""


@dataclass(frozen=True)
class PriorConfig:
    """A frozen prior of motion or poses that the generator has to please (the paper's L_MPoser)."""

    weight: float = 0.0
    """Of the length of z, averaged over the frames; 0 trains without a prior."""
    weights: str = "mposer"
    """A file that `vibe train mposer` or `vibe train vposer` wrote, or its name."""


@dataclass(frozen=True)
class Recipe:
    """One training run of the generator."""

    name: str
    """What the weights are called."""
    licence: str
    """One sentence on what the weights were trained on and what that allows; kept in their file."""
    motion: tuple[str, ...]
    """Files of motion capture."""
    steps: int = 6000
    """Batches that the network learns from."""
    rate: float = 1.5e-3
    """Highest learning rate of AdamW; what becomes of it says `schedule`."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """cosine: rises for `warmup` steps, then falls to a fiftieth. plateau: a tenth after 5 epochs without gain."""
    warmup: int = 300
    """Steps until the rate of the cosine is at its highest and the average moves slowly."""
    decay: float = 0.01
    """Weight decay; with 0 AdamW is Adam."""
    clip: float = 1.0
    """Largest norm of each network's gradient; inf clips nothing."""
    average: float = 0.998
    """Decay of the moving average of the parameters, which is what ships; 0 ships the parameters themselves."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """In which the network computes on a graphics card; elsewhere always float32."""
    save_every: int = 250
    """Steps from checkpoint to checkpoint."""
    validate_every: int = 250
    """Steps of an epoch, after which it validates on held-out subjects."""
    log_every: int = 50
    """Steps from line to line of the log."""
    seed: int = 0
    """Of everything that is random."""
    start: str | None = None
    """Weights to begin from, a file or a name: those of its parts that the network has too, the rest is fresh."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    labels: LabelConfig = field(default_factory=LabelConfig)
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    discriminator: DiscriminatorConfig = PAPER
    """Its sizes, and how it pools the frames (table 3), where `adversarial` has a weight."""
    prior: PriorConfig = field(default_factory=PriorConfig)


ACKNOWLEDGEMENT = (
    "Trained on motion capture of the CMU Graphics Lab (mocap.cs.cmu.edu, created with funding from NSF EIA-0196217), "
    "of ACCAD, The Ohio State University (Open Motion Project, CC BY 3.0), and on CC0 clips of Mesh2Motion and "
    "Quaternius"
)
OPEN = Recipe(
    name="open",
    licence=f"{ACKNOWLEDGEMENT}; free for every use with this acknowledgement.",
    motion=("open_30fps.npz",),
)
OPEN_NC = replace(
    OPEN,
    name="open-nc",
    licence=f"{ACKNOWLEDGEMENT}; and on the Bandai-Namco-Research-Motiondataset (CC BY-NC 4.0): "
    "for non-commercial use only.",
    motion=("open_30fps.npz", "bandai_30fps_cc_by_nc.npz"),
)
FRAME = replace(OPEN, name="frame", network=replace(OPEN.network, encoder=None))
"""Each frame by itself: the single-frame regressor on the same evidence."""
ADVERSARIAL = replace(OPEN, name="adversarial", adversarial=AdversarialConfig(weight=0.5))
"""Generator and motion discriminator (G + D_M of table 2)."""
WITH_PRIOR = replace(OPEN, name="with-prior", prior=PriorConfig(weight=0.01))
"""Generator and MPoser's prior in the discriminator's place (table 2)."""
RECIPES = {recipe.name: recipe for recipe in (OPEN, OPEN_NC, FRAME, ADVERSARIAL, WITH_PRIOR)}
