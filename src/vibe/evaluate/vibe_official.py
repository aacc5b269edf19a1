"""The published program's evaluator on 3DPW, its quirks included, so that old numbers can be compared.

What it does otherwise than the protocol `3dpw`: the network reads pieces of 16 frames that know nothing of each other,
and what is left of a recording is dropped; accelerations are taken over all pieces laid end to end, across boundaries
and gaps, in millimetres per frame squared; the truth is the neutral body in the gendered body's shape, in 16-bit
numbers with the joints at their place in space; vertices are compared as they stand. One difference stays: frames whose
camera is not known are in no store, and the published preparation keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.record import Body
from vibe.data.store import open_store
from vibe.evaluate.metrics import HIPS
from vibe.evaluate.people import EvaluatedEvidence, EvaluatedPerson, evaluated_people
from vibe.evaluate.protocols import VIBE_OFFICIAL, Protocol
from vibe.evaluate.scores import Compared, Report, Score, Tally, systems
from vibe.evaluate.with_true_boxes import BOXES, both, compared, measurable, motions, report
from vibe.inference import config
from vibe.models.network import Network
from vibe.parallel import one_thread
from vibe.records import Progress, Track

ALONE = systems(refine=False, smoothing="none")
"""Nothing follows the network."""
SURFACE = "pve_unaligned_mm"


def vibe_official(
    data: Path, network: Network, progress: Progress | None = None, protocol: Protocol = VIBE_OFFICIAL
) -> Report:
    """Score a network alone on the store of 3DPW in a folder, as the published evaluator would.

    Raises FileNotFoundError or ValueError, with what to do, for a folder that is no store or lacks what is needed.
    """
    store, body = open_store(data), config.choose_body(None, network)[0]
    what = ""
    parts: list[Compared] = []
    wanted: list[str] = []
    with one_thread():
        for person, seen in evaluated_people(store, protocol, network.evidence == "images", progress):
            what, wanted = seen.what, measurable(protocol, person, body)
            parts += pieces(person, seen, network, body, protocol)
    if not parts:
        raise ValueError(
            f"{data} has no recording of {protocol.window} frames: {protocol.name} reads so many at a time"
        )
    whole = Tally()
    whole.add(official_end_to_end(parts), wanted)
    tallies = {(what, ALONE[0].name, protocol.says, protocol.split): whole}
    return report(store, protocol, BOXES, network, body, tallies)


def official_score(
    predicted: Float[Tensor, "frame 14 3"], truth: Float[Tensor, "frame 14 3"],
    pve_mm: Float[Tensor, "frame"] | None = None,
) -> Score:  # fmt: skip
    """What the published evaluator says of arrays of joints, metres, that lie end to end."""
    surface = {} if pve_mm is None else {SURFACE: pve_mm}
    whole = Tally()
    whole.add(
        official_end_to_end([Compared(predicted, truth, torch.arange(len(truth)), 1.0, HIPS, surface_mm=surface)]),
        [name for name in VIBE_OFFICIAL.metrics if surface or name != SURFACE],
    )
    return whole.score(VIBE_OFFICIAL.split, "arrays", ALONE[0].name, VIBE_OFFICIAL.says)


def pieces(
    person: EvaluatedPerson, seen: EvaluatedEvidence, network: Network, body: Body, protocol: Protocol
) -> Iterator[Compared]:
    """One person's frames, as many at a time as the protocol's window, each piece read by itself."""
    assert protocol.window is not None
    size, sequence = protocol.window, person.sequence
    its, mine = both(person.rows, seen.rows)
    at = torch.arange(size)
    for start in range(0, len(its) - size + 1, size):
        part = mine[start : start + size]
        track = Track(at * sequence.step, seen.track.box_px[part], seen.track.keypoints_px[part])
        features = None if seen.features is None else seen.features[part]
        piece = EvaluatedEvidence(at, track, features, seen.what)
        for motion in motions(sequence, piece, network, body, ALONE).values():
            yield compared(person, its[start : start + size], motion, at, body, protocol)


def official_end_to_end(parts: Sequence[Compared]) -> Compared:
    """Pieces as if they were one clip."""
    first = parts[0]
    return replace(
        first,
        predicted=torch.cat([part.predicted for part in parts]),
        truth=torch.cat([part.truth for part in parts]),
        frames=torch.arange(sum(len(part.frames) for part in parts)),
        surface_mm={name: torch.cat([part.surface_mm[name] for part in parts]) for name in first.surface_mm},
    )
