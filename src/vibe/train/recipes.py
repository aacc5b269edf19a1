"""Recipes: everything that decides what a training run makes, as values; also those of the ablations' tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from vibe.models.attention import AttentionConfig, TransformerConfig
from vibe.models.convolutional import ConvolutionalConfig
from vibe.models.discriminator import PAPER, RELEASED, DiscriminatorConfig
from vibe.models.encoders import AnyEncoderConfig
from vibe.models.gru import EncoderConfig
from vibe.models.network import WIDTH, NetworkConfig
from vibe.models.regressor import RegressorConfig
from vibe.synthetic.examples import SynthesisConfig
from vibe.synthetic.poses import CAPTURED_POSES, PoseConfig
from vibe.train.labels import LabelConfig
from vibe.train.losses import LossConfig, LossWeights, TemporalConfig

Precision = Literal["float32", "bfloat16"]
"""In which a network computes while it learns."""


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
    loss: Literal["squares", "logistic"] = "squares"
    """Of scores against targets: equations 2 and 3, or the logarithm of the odds (Goodfellow et al. 2014)."""
    penalty: float = 0.0
    """Weight of the squared gradient of real motions' scores (R1 of Mescheder et al. 2018); its half enters."""


@dataclass(frozen=True)
class PriorConfig:
    """A frozen prior of motion or poses that the generator has to please (the paper's L_MPoser)."""

    weight: float = 0.0
    """Of the length of z, averaged over the frames; 0 trains without a prior."""
    weights: str = "mposer"
    """A file that `vibe train mposer` or `vibe train vposer` wrote, or its name."""


@dataclass(frozen=True, kw_only=True)
class TrainRecipe:
    """What every training run decides, whatever it trains."""

    name: str
    """What the weights are called."""
    licence: str
    """One sentence on what the weights were trained on and what that allows; kept in their file."""
    steps: int = 6000
    """Batches that the network learns from."""
    rate: float = 1.5e-3
    """Highest learning rate of Adam."""
    warmup: int = 300
    """Steps in which a rate along a cosine rises; from then on it falls, to a fiftieth."""
    clip: float = 1.0
    """Largest norm of each network's gradient; 0 clips nothing."""
    precision: Precision = "float32"
    """In which the network computes: bfloat16 is faster where the device has it, and slower on other processors. Losses
    and parameters are in float32."""
    save_every: int = 250
    """Steps from checkpoint to checkpoint."""
    validate_every: int = 250
    """Steps of an epoch, after which it validates on what it is not trained on."""
    log_every: int = 50
    """Steps from line to line of the log."""
    seed: int = 0
    """Of everything that is random."""


@dataclass(frozen=True, kw_only=True)
class AveragedRecipe(TrainRecipe):
    """Of a network that learns by AdamW, and whose moving average ships."""

    decay: float = 0.01
    """Weight decay; with 0 AdamW is Adam."""
    average: float = 0.998
    """Decay of the moving average of the parameters, which is what ships, after `warmup`; until then it is 0.9 at most.
    0 ships the parameters themselves."""


@dataclass(frozen=True, kw_only=True)
class GeneratorRecipe(AveragedRecipe):
    """What every training run of a generator decides."""

    schedule: Literal["cosine", "plateau"] = "cosine"
    """cosine: rises for `warmup` steps, then falls to a fiftieth. plateau: a tenth after 5 epochs without gain."""
    start: str | None = None
    """Weights to begin from, a file or a name: those of its parts that the network has too, the rest is fresh."""
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    discriminator: DiscriminatorConfig = PAPER
    """Its sizes, and how it pools the frames (table 3), where `adversarial` has a weight."""
    prior: PriorConfig = field(default_factory=PriorConfig)
    temporal: TemporalConfig = field(default_factory=TemporalConfig)
    """Losses of the methods that the paper compares with."""


@dataclass(frozen=True, kw_only=True)
class Recipe(GeneratorRecipe):
    """Training of the network that reads keypoints, on motion capture seen by imitated cameras."""

    motion: tuple[str, ...]
    """Files of motion capture."""
    set_aside: tuple[str, ...] = ()
    """Subjects that validate and are not trained on; without any, those held out, of whom the benchmarks are made."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    rendered: tuple[str, ...] = ()
    """Stores of `vibe prepare rendered-evidence`: `synthesis.rendered` of the windows are theirs, and some validate."""
    simulator: str | None = None
    """Weights of `vibe train simulator`: `synthesis.simulated` of the windows have its answers."""
    synthesis: SynthesisConfig = field(default_factory=SynthesisConfig)
    losses: LossConfig | LossWeights = field(default_factory=LossConfig)
    """Those of keypoints, or the paper's."""
    labels: LabelConfig = field(default_factory=LabelConfig)


@dataclass(frozen=True, kw_only=True)
class PaperRecipe(GeneratorRecipe):
    """Training of the network that reads ResNet-50's features, on clips of data sets (the paper, section 4)."""

    data: str = "data"
    """Folder of the stores that `vibe prepare` made, a folder each."""
    sets: tuple[tuple[str, float], ...] = ()
    """Stores that clips are of, each with its weight among the 2D or the 3D ones; none: all with features, each window
    as likely as any other of its kind, as published."""
    validation: tuple[str, ...] = ()
    """Stores whose validation split decides; none: all that have one with features and 3D joints."""
    motion: tuple[str, ...] = ("amass",)
    """Real motion for the discriminator: stores, or files of motion capture."""
    batch: int = 32
    """Clips of a step; as many windows of real motion."""
    frames: int = 16
    """Of a clip (T)."""
    ratio: float = 0.6
    """Share of the clips that have no 3D labels, rounded down to whole clips."""
    body: Literal["smpl", "open"] = "smpl"
    """Whose parameters the data sets and the generator speak of; SMPL's is the user's own file."""
    evidence: Literal["images"] = "images"
    """What the network reads; in the file of the weights it says how to run them."""
    encoder: AnyEncoderConfig | None = EncoderConfig()
    """Sizes as published: one direction, although the paper's text says both."""
    regressor: RegressorConfig = RegressorConfig()
    losses: LossWeights = field(default_factory=LossWeights)
    labels: LabelConfig = field(default_factory=LabelConfig)


ACKNOWLEDGEMENT = (
    "Trained on motion capture of the CMU Graphics Lab (mocap.cs.cmu.edu, created with funding from NSF EIA-0196217), "
    "of ACCAD, The Ohio State University (Open Motion Project, CC BY 3.0), and on CC0 clips of Mesh2Motion and "
    "Quaternius"
)
FREE_LICENCE = f"{ACKNOWLEDGEMENT}; free for every use with this acknowledgement."
"""Of weights that learnt from that motion alone."""
OPEN = Recipe(
    name="open",
    licence=FREE_LICENCE,
    motion=("open2_30fps.npz",),
    set_aside=("cmu_02", "cmu_16", "cmu_69", "cmu_91"),
    network=NetworkConfig(
        encoder=EncoderConfig(features=WIDTH, hidden=352, bidirectional=True),
        regressor=RegressorConfig(features=WIDTH, hidden=704, dropout=0.0, activation="relu"),
    ),
    synthesis=SynthesisConfig(batch=48, frames=48, exact=(0.25, 0.1), poses=PoseConfig(limb=0.15, wobble=0.25)),
)
OPEN_NC = replace(
    OPEN,
    name="open-nc",
    licence=f"{ACKNOWLEDGEMENT}; and on the Bandai-Namco-Research-Motiondataset (CC BY-NC 4.0): "
    "for non-commercial use only.",
    motion=("open2_30fps.npz", "bandai_30fps_cc_by_nc.npz"),
)
FRAME = replace(OPEN, name="frame", network=replace(OPEN.network, encoder=None))
"""Each frame by itself: the single-frame regressor on the same evidence."""
ADVERSARIAL = replace(OPEN, name="adversarial", adversarial=AdversarialConfig(weight=0.5))
"""Generator and motion discriminator (G + D_M of table 2)."""
WITH_PRIOR = replace(OPEN, name="with-prior", prior=PriorConfig(weight=0.01))
"""Generator and MPoser's prior in the discriminator's place (table 2)."""
PAPER_RECIPE = PaperRecipe(
    name="paper",
    licence="Trained on data sets that their owners licence for research only: for non-commercial research, with SMPL.",
    steps=15_000,
    rate=5e-5,
    schedule="plateau",
    warmup=0,
    decay=0.0,
    clip=0.0,
    average=0.0,
    save_every=500,
    validate_every=500,
    adversarial=AdversarialConfig(weight=2.0, decay=1e-4),
)
"""Sections 4.1 and 4.2 and appendix 6.1, 30 epochs of 500 steps."""
RELEASED_RECIPE = replace(
    PAPER_RECIPE, name="released",
    adversarial=AdversarialConfig(weight=0.5, decay=1e-4, smoothing=0.0), discriminator=RELEASED,
)  # fmt: skip
"""What the published configuration trains, where that differs: labels are not smoothed, D_M has another attention."""
SUN = replace(
    PAPER_RECIPE, name="sun", encoder=AttentionConfig(), adversarial=AdversarialConfig(),
    temporal=TemporalConfig(order=1.0),
)  # fmt: skip
"""The temporal half of Sun et al. 2019: self-attention, taught by the order of shuffled frames; their skeleton features
are ResNet's here."""
TEMPORAL_HMR = replace(
    PAPER_RECIPE, name="temporal-hmr", encoder=ConvolutionalConfig(), adversarial=AdversarialConfig(),
    temporal=TemporalConfig(dynamics=1.0, hallucination=1.0),
)  # fmt: skip
"""Kanazawa et al. 2019: temporal convolutions, poses five frames ago and ahead, a hallucinator; without their
discriminator of single poses."""
PAPER_RECIPES = {recipe.name: recipe for recipe in (PAPER_RECIPE, RELEASED_RECIPE, SUN, TEMPORAL_HMR)}
"""Those that learn from clips of data sets."""
PAPER_KEYPOINTS = replace(
    OPEN, name="paper-keypoints", losses=PAPER_RECIPE.losses, adversarial=PAPER_RECIPE.adversarial,
    network=NetworkConfig(replace(OPEN.network.embedding, features=2048), EncoderConfig(), RegressorConfig()),
    synthesis=SynthesisConfig(batch=32, frames=16, rendered=1.0, labelled=13 / 32, poses=CAPTURED_POSES),
    **{name: getattr(PAPER_RECIPE, name) for name in (
        "steps", "rate", "schedule", "warmup", "decay", "clip", "average", "save_every", "validate_every"
    )},
)  # fmt: skip
"""The paper's recipe on rendered evidence as if it were a data set: sizes, losses, discriminator, schedule and share of
clips in 2D alone are those of `paper`; an embedding of keypoints is in the place of ResNet-50's features."""
RECIPES = {
    recipe.name: recipe for recipe in (OPEN, OPEN_NC, FRAME, ADVERSARIAL, WITH_PRIOR, PAPER_KEYPOINTS)
}  # fmt: skip
"""Those that learn from imitated examples, or from the shipped detector's answers."""


ABLATION_BATCH, ABLATION_FRAMES = 32, 16
"""A batch, as published; longer windows are fewer, so that every row sees as many frames."""
LABELLED_SHARE = 0.4
"""Share of the windows with 3D labels; of the others the detected keypoints are known, as in the published mixture."""
DISCRIMINATOR_UNITS = 256
"""Of a GRU layer of the discriminator, a quarter of the published ones: its steps would be most of the budget."""
ADVERSARIAL_WEIGHT, ADVERSARIAL_RATE = 0.1, 1e-3
"""Of the adversarial loss and of the discriminator's Adam: of 0.1, 0.5 and 2, and 1e-4, 5e-4 and 1e-3, the pair with
which the discriminator learnt to tell motions apart and did no harm within 400 steps of the first seed."""


def ablation_base(recipe: Recipe, **changes: object) -> Recipe:
    """The recipe with the ablations' batch, most of it without 3D labels, as published.

    Poses are as they were captured: what the generator learns is as real as what the discriminator is shown.
    """
    synthesis = replace(
        recipe.synthesis, batch=ABLATION_BATCH, frames=ABLATION_FRAMES, exact=(0.0, 0.0), labelled=LABELLED_SHARE,
        poses=CAPTURED_POSES,
    )  # fmt: skip
    return replace(recipe, synthesis=synthesis, average=0.99, **changes)  # pyright: ignore[reportArgumentType]


def with_discriminator(weight: float = ADVERSARIAL_WEIGHT, rate: float = ADVERSARIAL_RATE, **sizes: object) -> Recipe:
    """Generator and discriminator, of these sizes."""
    discriminator = DiscriminatorConfig(hidden=DISCRIMINATOR_UNITS, **sizes)  # pyright: ignore[reportArgumentType]
    adversarial = replace(ADVERSARIAL.adversarial, weight=weight, rate=rate)
    return ablation_base(ADVERSARIAL, adversarial=adversarial, discriminator=discriminator)


def with_encoder(encoder: AnyEncoderConfig) -> Recipe:
    return ablation_base(OPEN, network=replace(OPEN.network, encoder=encoder))


def window_recipe(frames: int) -> Recipe:
    base, batch = ablation_base(OPEN), ABLATION_BATCH * ABLATION_FRAMES // frames
    return replace(base, synthesis=replace(base.synthesis, batch=batch, frames=frames))


_ROWS: Mapping[str, Recipe] = {
    "frame": ablation_base(FRAME),
    "g": ablation_base(OPEN),
    "g-dm": with_discriminator(),
    "g-mposer": ablation_base(WITH_PRIOR),
    "g-dm-smplify": replace(with_discriminator(), labels=LabelConfig(fit=True)),
    "g-dm-published": with_discriminator(weight=0.5, rate=1e-4),
    "dm-concat": with_discriminator(pooling="concat"),
    "dm-attention-2x512": with_discriminator(attention_units=512),
    "dm-attention-3x1024": with_discriminator(attention_layers=3),
    "dm-attention-3x512": with_discriminator(attention_layers=3, attention_units=512),
    "convolutional": with_encoder(ConvolutionalConfig(features=WIDTH)),
    "attention": with_encoder(AttentionConfig(features=WIDTH, hidden=256)),
    "transformer": with_encoder(TransformerConfig(features=WIDTH, hidden=256)),
    "one-direction": with_encoder(EncoderConfig(features=WIDTH, hidden=224)),
    "t-32": window_recipe(32),
    "t-64": window_recipe(64),
}
ABLATIONS = {row: replace(recipe, name=f"ablation-{row}") for row, recipe in _ROWS.items()}
"""What each row trains."""
