"""`vibe train`, `vibe evaluate`, `vibe bench`: weights by a recipe, any of whose fields can be given another value;
their errors where the truth is known; how fast this machine is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar

from tyro.conf import AvoidSubcommands, FlagConversionOff, FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, parse_arguments, print_info, print_lines, print_table, usage_error
from vibe.cli.progress import ProgressLine

if TYPE_CHECKING:
    from vibe.evaluate.tables import ScoreTable

R = TypeVar("R")
FORM = (AvoidSubcommands, FlagConversionOff)
"""Every field takes a value, True or False too."""
Trainer = Callable[[Any, Path, str, ProgressLine | None], Iterator[dict[str, float]]]


@dataclass(frozen=True)
class TrainOptions(Generic[R]):
    """Train weights by a recipe. The numbers below are its own; each can be given another value."""

    recipe: Annotated[R, arg(name="")]
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="RUN", help_behavior_hint="(default: runs/RECIPE)")] = None
    """Folder of the run: weights.safetensors, best.safetensors, log.jsonl and what it goes on from."""
    epochs: Annotated[int | None, arg(metavar="N", help_behavior_hint="")] = None
    """Train for so many epochs (of validate-every steps), in place of the recipe's steps."""
    device: Annotated[str, arg(metavar="DEVICE")] = "cpu"
    """Where the network learns: cpu, cuda, cuda:1, mps."""


def train(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    /,
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="RUN", help_behavior_hint="(default: runs/RECIPE)")] = None,
) -> int:
    """Train weights by a recipe.

    A run that was stopped goes on from its last checkpoint, to the same weights, if it is started again.

    Every field of a recipe can be given another value after its name, as in `vibe train open -o RUN --epochs 2
    --adversarial.weight 0.5 --discriminator.pooling concat`; `vibe train RECIPE --help` lists them.

    The recipes read motion capture from the folder in the environment variable VIBE_MOTION.

    Args:
        recipe: Name of the recipe: open (free for all uses), open-nc (adds motion for non-commercial use), frame (each
            frame by itself), adversarial (with the motion discriminator), with-prior (with MPoser); paper and released
            (the published network, on the stores of clips in --data DIR), sun and temporal-hmr (what it is compared
            with: Sun et al. and Kanazawa et al. 2019); paper-keypoints (the same on the stores of rendered evidence in
            --rendered DIR ...); ablation-ROW (a row of the ablations' table; a wrong name is answered with all right
            ones); mposer and vposer (the priors themselves); simulator (of the shipped detector, on --rendered DIR
            ...).
        out: Folder of the run: log.jsonl, checkpoint.pt and weights.safetensors (for `vibe estimate --weights`).
    """
    return train_by(recipe, [] if out is None else ["--out", str(out)])


def train_by(name: str, options: Sequence[str]) -> int:
    """Train by the recipe of that name, with the options that follow it on the command line; the exit code."""
    from vibe.assets import keep_inputs

    offers = _offers()
    if name not in offers:
        return usage_error(f"no recipe is called {name}: choose one of {', '.join(offers)}")
    recipe, trainer = offers[name]
    kind, given = TrainOptions[type(recipe)], TrainOptions(recipe)
    order = parse_arguments(kind, options, prog=f"vibe train {name}", default=given, config=FORM)
    out = order.out or Path("runs") / name
    wanted: Any = order.recipe
    if order.epochs is not None:
        wanted = replace(wanted, steps=order.epochs * wanted.validate_every)
    keep_inputs([out], getattr(wanted, "data", None), *getattr(wanted, "rendered", ()))
    # `simulator` of a simulator's own recipe is its settings, not a file
    weights = (getattr(wanted, name, None) for name in ("start", "simulator"))
    keep_inputs(out.glob("*.safetensors"), *(path for path in weights if isinstance(path, str)))
    if os.environ.get("RANK", "0") != "0":
        for _ in trainer(wanted, out, order.device, None):
            pass
        return DONE
    _show(name, out, lambda progress: trainer(wanted, out, order.device, progress))
    return DONE


def _offers() -> Mapping[str, tuple[Any, Trainer]]:
    """Each recipe, and what trains by it."""
    from vibe.train import loop, priors, recipes, simulator

    rows = {each.name: each for each in recipes.ABLATIONS.values()}
    generators: Mapping[str, Any] = recipes.RECIPES | recipes.PAPER_RECIPES | rows
    offers: dict[str, tuple[Any, Trainer]] = {name: (each, loop.train_generator) for name, each in generators.items()}
    offers |= {name: (each, priors.train_prior) for name, each in priors.PRIOR_RECIPES.items()}
    return offers | {"simulator": (simulator.SIMULATOR_RECIPE, simulator.train_simulator)}


def _show(name: str, out: Path, begin: Callable[[ProgressLine], Iterator[dict[str, float]]]) -> None:
    """Print each record of a run, under it a bar on a terminal, and at the end where the weights are."""
    lines = None if sys.stdout.isatty() else sys.stdout
    with ProgressLine(name) as progress:
        for record in begin(progress):
            numbers = "  ".join(f"{key} {value:.6g}" for key, value in record.items())
            print(numbers, file=lines, flush=True)
    print_info(out / "weights.safetensors")


TABLE1 = "table1"
METAVAR = (
    "{3dpw,3dpw-smpl24,emdb-1,emdb-2,mpi-inf-3dhp,h36m-p1,h36m-p2,vibe-official,open-benchmark,open-world,real,table1}"
)
DETECTED = "detected"
SMOOTH = arg(
    metavar="{none,light,strong,one-euro}",
    help_behavior_hint="(default: light with weights that read keypoints, none with those that read images)",
)


def evaluate(
    protocol: Annotated[Positional[str], arg(metavar=METAVAR)],
    /,
    data: Annotated[Path, arg(metavar="DIR")],
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None,
    boxes: Annotated[
        Literal["true", "detected"] | None, arg(metavar="{true,detected}", help_behavior_hint="(default: true)")
    ] = None,
    raw: Annotated[Path | None, arg(metavar="RAW_DIR", help_behavior_hint="")] = None,
    no_refine: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    smooth: Annotated[Literal["none", "light", "strong", "one-euro"] | None, SMOOTH] = None,
    table: Annotated[Path | None, arg(metavar="FILE.md", help_behavior_hint="")] = None,
    csv: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    latex: Annotated[Path | None, arg(metavar="FILE.tex", help_behavior_hint="")] = None,
    json: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
) -> int:
    """Measure the errors of weights where the truth is known.

    Prints a table: the network alone, then with the fit and the smoothing that follow it; what the protocol measures,
    over named joints, with the frames counted. The same numbers every time.

    3dpw (14 joints by the H36M regressor), 3dpw-smpl24 (the set's own 24), emdb-1, mpi-inf-3dhp (17 joints, PCK, AUC),
    h36m-p1, h36m-p2 (the frontal camera) and vibe-official (the published evaluator, quirks included) read the test
    part of a store that `vibe prepare` made; emdb-2 (motion in the world) its pictures, too. open-benchmark, open-world
    (rendered videos, many by moving cameras) and real (the balancing clip) have data of their own. table1 is the
    paper's Table 1 with these weights beside it, blank where a store is missing.

    Args:
        protocol: How it is measured.
        data: Folder of the stores (3dpw, emdb-1, h36m ...), or the protocol's store itself; of their own data for
            open-benchmark, open-world and real.
        weights: open; official, official-3dpw or official-frame (the paper's); or a .safetensors file.
        boxes: Read people in their true boxes, or find them in the pictures as `vibe estimate` does, and tell the
            coverage beside the errors.
        raw: For detected boxes: the folder of the set's own downloads; for table1, one that holds those of each set.
        no_refine: Leave the fit to the keypoints out, which only follows weights that read keypoints.
        smooth: How much jitter to take out after the network.
        table: Write the table here, too (Markdown).
        csv: Write all scores here, those of single clips too.
        latex: Write the table here as LaTeX.
        json: Write all scores here, those of single clips too.
    """
    from vibe.assets import keep_inputs, write_whole
    from vibe.evaluate.measure import NAMES, OWN
    from vibe.evaluate.tables import FORMATS

    if protocol not in (*NAMES, TABLE1):
        return usage_error(f"no protocol is called {protocol}: choose one of {', '.join(NAMES)}, {TABLE1}")
    if protocol in OWN and (boxes or raw):
        return usage_error(f"{protocol} has {OWN[protocol][1]} boxes: leave --boxes and --raw out")
    if (boxes == DETECTED) != (raw is not None):
        return usage_error("detected boxes need pictures: give --boxes detected and --raw RAW_DIR, or neither")
    keep_inputs([table, csv, latex, json], data, raw, weights)
    found = _measured(protocol, data, weights, boxes == DETECTED, no_refine, smooth, raw)
    text = FORMATS["markdown"](found)
    for form, path in (("markdown", table), ("csv", csv), ("latex", latex), ("json", json)):
        if path is not None:
            write_whole(path, FORMATS[form](found).encode())
    print_lines(text)
    return DONE


def _measured(
    protocol: str, data: Path, weights: str | None, pictures: bool, no_refine: bool, smooth: str | None,
    raw: Path | None,
) -> ScoreTable:  # fmt: skip
    """What a protocol measured of the network alone and of what follows it."""
    from vibe.evaluate import tables
    from vibe.evaluate.measure import OWN, evaluate_protocol
    from vibe.evaluate.scores import systems
    from vibe.features.extractor import load_extractor
    from vibe.models.network import load_network

    network = load_network(weights)
    keypoints = network.evidence == "keypoints"
    if not keypoints and (pictures or (protocol in OWN and OWN[protocol][1] == DETECTED)):
        network = replace(network, extractor=load_extractor(weights))
    after = systems(keypoints and not no_refine, smooth or ("light" if keypoints else "none"))
    with ProgressLine(protocol) as progress:
        if protocol == TABLE1:
            return tables.table1(data, network, after, progress, raw)
        return tables.report_table(evaluate_protocol(protocol, data, network, after, progress, raw))


def bench(
    video: Annotated[Positional[Path | None], arg(metavar="[VIDEO]", help_behavior_hint="")] = None,
    /,
    json: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    device: Annotated[str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if it is here)")] = None,
    mediapipe: Annotated[Path | None, arg(metavar="PYTHON", help_behavior_hint="")] = None,
) -> int:
    """Measure how fast this machine estimates motion, in one to two minutes.

    Prints a table: a whole run and its parts, the overlay, memory, and several workers at once.

    Args:
        video: A video of yours, of which the first 10 seconds are taken; without one, 6 seconds of somebody who walks
            are drawn for it, 1080x1920.
        json: Write the figures to this file, too.
        device: Where the networks run: cpu, cuda, cuda:1, mps.
        mediapipe: A Python that has MediaPipe (0.10.21 or older): its own pose solution, which finds one person and no
            body, is measured on the same video.
    """
    from vibe.assets import keep_inputs, write_whole
    from vibe.bench.measure import bench as measure

    keep_inputs([json], video, mediapipe)
    with ProgressLine("bench") as progress:
        found = measure(video, device, mediapipe, progress)
    rows = ((row.what, f"{row.value:.1f}", row.unit, row.note) for row in found.rows)
    print_table({"what": "left", "value": "right", "unit": "left", "": "left"}, rows)
    print_info(f"on {found.machine}; networks on {found.device}")
    print_info(", ".join(f"{name} {version}" for name, version in found.versions.items()))
    if json is not None:
        write_whole(json, (dumps(asdict(found), indent=2) + "\n").encode())
    return DONE
