"""`vibe evidence`: what the network reads, computed for a whole store."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.prepare import tell_dropped
from vibe.cli.say import DONE, refuse, say


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
        return refuse(f"there can't be {workers} workers: choose 1 or more")
    if kind == "keypoints" and (weights is not None or device != "cpu"):
        return refuse("keypoints are read by the detector that ships, on the CPU: leave --weights and --device out")
    from vibe.assets import weights_path
    from vibe.data.catalogue import SETS
    from vibe.data.evidence import add_evidence
    from vibe.data.pictures import read_pictures
    from vibe.data.readers import Order
    from vibe.data.store import open_store
    from vibe.network import BACKBONE
    from vibe.spread import here, in_processes
    from vibe.spread.cluster import in_ray

    known = SETS.get(open_store(store).manifest["recipe"].get("set", ""))
    pictures = (known and known.pictures) or read_pictures
    path = weights_path(weights or BACKBONE) if kind == "features" else None
    spread = here if workers == 1 else partial(in_processes, workers=workers)
    if ray is not None:
        spread = partial(in_ray, workers=workers, address=ray, gpus=float(device.startswith("cuda")))
    with Meter(Console(stderr=True), store.name) as meter:
        added = add_evidence(store, Order(kind, raw, pictures, path, device), spread, strict, meter)
    tell_dropped(added.dropped)
    without = f", {added.without} without a picture or a box" if added.without else ""
    say(Console(), f"{store}: {kind} of {added.rows} frames{without}, {len(added.dropped)} recordings not whole")
    return DONE
