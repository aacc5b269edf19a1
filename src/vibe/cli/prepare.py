"""`vibe prepare`, `vibe evidence` and `vibe make-clip`: data to train and to evaluate on, and the demo's video."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, print_error, print_info, print_lines, usage_error
from vibe.cli.progress import ProgressLine

if TYPE_CHECKING:
    from vibe.data.recording import RawSet

LONGEST = 60
"""Seconds of a made clip; each takes some of computing."""
BENCHMARK, WORLD, EVIDENCE = "open-benchmark", "open-world", "rendered-evidence"
NAMED = 50
"""Drops and notes that are told; the manifest has them all."""


def prepare(
    name: Annotated[Positional[str], arg(metavar="[NAME|list]")] = "list",
    raw: Annotated[Positional[Path | None], arg(metavar="[RAW_DIR]", help_behavior_hint="")] = None,
    /,
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="DIR", help_behavior_hint="")] = None,
    workers: Annotated[int, arg(metavar="N")] = 1,
    strict: Annotated[bool, FlagCreatePairsOff, arg(help_behavior_hint="")] = False,
    windows: Annotated[int, arg(metavar="N")] = 1000,
    seed: Annotated[int, arg(metavar="N")] = 0,
    subjects: Annotated[str, arg(metavar="held-out|training")] = "held-out",
    procedural: Annotated[float, arg(metavar="SHARE")] = 0.0,
) -> int:
    """Make a store of clips from a data set's original downloads.

    With `list`, or alone: the names of the sets, whose they are, and what their raw folders have to look like.

    What can't be read is left out, and named at the end with the reason. A run that was stopped goes on where it was;
    one that is finished changes nothing.

    Three need no RAW_DIR, but motion capture in the folder that the environment variable VIBE_MOTION names.
    open-benchmark: people whom no weights are trained on before still cameras, as keypoints, the same everywhere.
    open-world: videos of such people before cameras that stand still, turn and travel; takes half an hour. With a
    RAW_DIR of still cameras' videos, virtual pans of those, too.
    rendered-evidence: what the shipped detector says of rendered people, to train on (docs/train.md).

    Exit code: 0 done, 1 nothing could be made, or with --strict not all, 2 wrong usage.

    Args:
        name: The data set.
        raw: Folder of its original files.
        out: Folder to write to; made if absent.
        workers: Processes; the store is the same however many there are.
        strict: Fail if anything had to be left out; once the raw files are mended the same command goes on.
        windows: With rendered-evidence: how many windows of 48 frames, about, beside those to validate on.
        seed: With rendered-evidence: another number gives other windows.
        subjects: With open-world: people whom no weights are trained on, to report; or others, to choose settings on.
        procedural: With rendered-evidence: share of those to train on whose motion is by rule (squats, one leg, floor).
    """
    from vibe.data.sets.catalogue import SETS

    if name == "list":
        if raw or out:
            return usage_error("to make a store, say `vibe prepare NAME RAW_DIR -o DIR`")
        return _list_sets()
    if name in (BENCHMARK, WORLD, EVIDENCE) and (out is None or (raw and name != WORLD)):
        return usage_error(f"say `vibe prepare {name} -o DIR`")
    if name in (BENCHMARK, WORLD) and out is not None:
        return _benchmark(name, out, subjects, raw)
    if name not in (*SETS, EVIDENCE):
        known = ", ".join([*SETS, BENCHMARK, WORLD, EVIDENCE])
        return usage_error(f"no data set is called {name}: choose one of {known}")
    if workers < 1 or windows < 1:
        return usage_error(f"there can't be {workers} workers and {windows} windows: choose 1 or more")
    raw_set, raw = _evidence_set(windows, seed, procedural) if name == EVIDENCE else (SETS[name], raw)
    if raw is None or out is None:
        return usage_error(f"say `vibe prepare {name} RAW_DIR -o DIR`; RAW_DIR holds {raw_set.layout}")
    return _prepare(name, raw_set, raw, out, workers, strict)


def _list_sets() -> int:
    from vibe.data.sets.catalogue import SETS

    for each in SETS:
        print_lines(f"{each}: {SETS[each].title}\n  {SETS[each].licence}\n  {SETS[each].layout}\n")
    print_info(f"{BENCHMARK}, {WORLD}, {EVIDENCE}: need no raw folder")
    return DONE


def _benchmark(name: str, out: Path, subjects: str, videos: Path | None) -> int:
    from vibe.evaluate.open_benchmark_clips import build_open_benchmark
    from vibe.evaluate.open_world_clips import SHOTS, build_open_world

    if subjects not in SHOTS:
        return usage_error(f"there are no subjects called {subjects}: choose one of {', '.join(SHOTS)}")
    with ProgressLine(name) as progress:
        if name == BENCHMARK:
            made = f"SHA-256 {build_open_benchmark(out, progress=progress)}"
        else:
            made = f"{build_open_world(out, subjects, progress, videos)} clips of {subjects} subjects"
    print_info(f"{out}: {name}, {made}")
    return DONE


def _evidence_set(windows: int, seed: int, procedural: float) -> tuple[RawSet, Path]:
    """The set of rendered evidence for the recipe `open`, and the folder of its motion."""
    from vibe.data.motion import find_motion
    from vibe.synthetic.rendered_evidence import rendered_evidence
    from vibe.train.recipes import OPEN

    (motion,) = OPEN.motion
    return rendered_evidence(windows, seed, motion, OPEN.set_aside, procedural), find_motion(motion).parent


def _prepare(name: str, raw_set: RawSet, raw: Path, out: Path, workers: int, strict: bool) -> int:
    from vibe.assets import keep_inputs
    from vibe.data import prepare

    keep_inputs([out], raw)
    with ProgressLine(name) as progress:
        made = prepare.prepare(name, raw_set, raw, out, strict, progress, workers)
    tell(made.dropped, "dropped")
    tell(made.notes, "note on")
    print_info(
        f"{out}: {name}, kept {len(made.kept)} recordings of {made.rows} frames, {len(made.dropped)} dropped",
    )
    return DONE


def tell(reasons: Mapping[str, str], what: str) -> None:
    """A line on stderr for each thing that was left out or noted, up to many."""
    print_error(*(f"{what} {name}: {reason}" for name, reason in list(reasons.items())[:NAMED]))
    if len(reasons) > NAMED:
        print_error(f"{what} {len(reasons) - NAMED} more: the manifest has them all")


def evidence(
    kind: Annotated[Positional[Literal["features", "keypoints"]], arg(metavar="{features,keypoints}")],
    store: Annotated[Positional[Path], arg(metavar="DIR")],
    raw: Annotated[Positional[Path], arg(metavar="RAW_DIR")],
    /,
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: official-frame)")] = None,
    workers: Annotated[int, arg(metavar="N")] = 1,
    ray: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="")] = None,
    device: Annotated[str, arg(metavar="DEVICE")] = "cpu",
    strict: Annotated[bool, FlagCreatePairsOff, arg(help_behavior_hint="")] = False,
) -> int:
    """Add what the network reads to a store that `vibe prepare` made.

    features: ResNet-50's 2048 numbers of the crop around each box. keypoints: COCO's 17 keypoints of the person in
    each box, by the detector that ships (`vibe fetch`).

    The same numbers however many workers there are. Where one dies its batch is done again; a run that was stopped
    goes on where it was; one that is finished changes nothing. Pictures that can't be read are named at the end.

    Exit code: 0 done, 1 failed, or with --strict some pictures could not be read, 2 wrong usage.

    Args:
        kind: What to compute.
        store: Folder of the store.
        raw: The raw folder that it was prepared from, for the pictures.
        weights: With features: the weights whose ResNet-50 makes them.
        workers: Processes on this machine, or with --ray actors; each computes on one thread and takes about 1 GB.
        ray: Address of a Ray cluster whose machines see DIR's pictures under the same path; `local` starts one here.
        device: With features: where ResNet-50 runs: cpu, cuda, mps.
        strict: Fail if a picture could not be read; once the raw files are mended the same command goes on.
    """
    if workers < 1:
        return usage_error(f"there can't be {workers} workers: choose 1 or more")
    if kind == "keypoints" and (weights is not None or device != "cpu"):
        return usage_error(
            "keypoints are read by the detector that ships, on the CPU: leave --weights and --device out"
        )
    from vibe.assets import keep_inputs, weights_path
    from vibe.assets.weights import BACKBONE
    from vibe.data.columns import ReadOptions, add_evidence
    from vibe.data.pictures import read_pictures
    from vibe.data.sets.catalogue import SETS
    from vibe.data.store import open_store

    keep_inputs([store], raw)
    known = SETS.get(open_store(store).manifest["recipe"].get("set", ""))
    pictures = (known and known.pictures) or read_pictures
    path = weights_path(weights or BACKBONE) if kind == "features" else None
    with ProgressLine(store.name) as progress:
        options = ReadOptions(kind, raw, pictures, path, device)
        added = add_evidence(store, options, workers if workers > 1 else 0, ray, strict, progress)
    tell(added.dropped, "dropped")
    without = f", {added.without} without a picture or a box" if added.without else ""
    print_info(f"{store}: {kind} of {added.rows} frames{without}, {len(added.dropped)} recordings not whole")
    return DONE


def make_clip(out: Annotated[Positional[Path], arg(metavar="OUT.mp4")], /, seconds: float = 4.0) -> int:
    """Make the short video of the demo: the open body walks and turns in front of a painted background.

    Args:
        out: The video file to write; replaced if it is there.
        seconds: How long it is, at most 60.
    """
    from vibe.synthetic import clips

    if not 0 < seconds <= LONGEST:
        return usage_error(f"a clip of {seconds:g} seconds can't be made: choose --seconds between 0 and {LONGEST}")
    out.parent.mkdir(parents=True, exist_ok=True)
    clips.make_clip(out, seconds)
    print_info(out)
    return DONE
