"""Any protocol by its name, on any network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vibe.data.store import MANIFEST
from vibe.evaluate import open_benchmark
from vibe.evaluate.end_to_end import BALANCING, BOXES, balancing_clip, end_to_end
from vibe.evaluate.protocols import PROTOCOLS, VIBE_OFFICIAL
from vibe.evaluate.scores import Measure, Report, System
from vibe.evaluate.with_true_boxes import vibe_official, with_true_boxes
from vibe.evaluate.world_end_to_end import OPEN_WORLD, open_world, world_end_to_end
from vibe.models.network import Network
from vibe.records import Progress

OWN: dict[str, tuple[Measure, str]] = {
    open_benchmark.PROTOCOL: (open_benchmark.open_benchmark, open_benchmark.BOXES),
    OPEN_WORLD: (open_world, BOXES),
    BALANCING: (balancing_clip, BOXES),
}
"""The protocols that have data of their own, and where their boxes come from."""
NAMES = (*PROTOCOLS, *OWN)


def evaluate_protocol(
    name: str, data: Path, network: Network, after: Sequence[System], progress: Progress | None = None,
    raw: Path | None = None,
) -> Report:  # fmt: skip
    """Score a network, with each of the systems after it, by the protocol of a name.

    `data` is the store, or a folder of stores in which it has its set's name, or what a protocol of its own reads. With
    `raw`, the folder of a set's own downloads, the whole method is measured from its pictures; without, people are read
    in their true boxes. Raises FileNotFoundError or ValueError, with what to do.
    """
    if name in OWN:
        run, boxes = OWN[name]
        if raw is not None:
            raise ValueError(f"{name} has {boxes} boxes and data of its own: leave --boxes and --raw out")
        return run(data, network, after, progress)
    protocol = PROTOCOLS[name]
    if not (data / MANIFEST).is_file() and (data / protocol.store).is_dir():
        data = data / protocol.store
    if protocol.world:
        if raw is None:
            raise ValueError(f"{name} is of motion in the world, which takes pictures: give --boxes detected --raw DIR")
        return world_end_to_end(data, raw, protocol, network, after, progress)
    if raw is not None:
        return end_to_end(data, raw, protocol, network, after, progress)
    if name == VIBE_OFFICIAL.name:
        return vibe_official(data, network, progress)
    return with_true_boxes(data, protocol, network, after, progress)
