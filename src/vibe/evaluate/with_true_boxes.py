"""A network over a store of clips, in boxes that are true: its errors by a protocol, or the published evaluator's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from vibe import assets
from vibe.arrays import as_tensors
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.data.store import MANIFEST, SequenceRows, Store, open_store
from vibe.evaluate.metrics import PosedBodies, has_one_mesh, surface_errors_mm
from vibe.evaluate.people import (
    EvaluatedEvidence,
    EvaluatedPerson,
    evaluated_people,
    made_of,
    points_of,
    sequences_of,
)
from vibe.evaluate.protocols import VIBE_OFFICIAL, Protocol
from vibe.evaluate.scores import Compared, Report, System, Tallies, Tally, all_scores, systems
from vibe.inference import config, estimate
from vibe.models.network import Network
from vibe.motion import Motion
from vibe.parallel import one_thread
from vibe.records import Camera, Clip, Progress, Track

BOXES = "true"


def with_true_boxes(
    data: Path, protocol: Protocol, network: Network, after: Sequence[System], progress: Progress | None = None
) -> Report:
    """Score a network, with each of the systems after it, on the store in a folder.

    Works on one thread, person by person, so that the numbers do not depend on the machine's load. Raises
    FileNotFoundError or ValueError, with what to do, for a folder that is no store or lacks what the protocol needs.
    """
    store, body = open_store(data), config.choose_body(None, network)[0]
    tallies: Tallies = defaultdict(Tally)
    with one_thread():
        for person, seen in evaluated_people(store, protocol, network.evidence == "images", progress):
            found = torch.isin(person.rows, seen.rows)
            made = motions(person.sequence, seen, network, body, after)
            for system in after:
                tally = tallies[seen.what, system.name, protocol.says, person.sequence.name]
                tally.found.append(found)
                if system.name in made:
                    its, mine = both(person.rows, seen.rows)
                    clip = compared(person, its, made[system.name], mine, body, protocol)
                    tally.add(clip, measurable(protocol, person, body))
    return report(store, protocol, BOXES, network, body, tallies)


def motions(
    sequence: SequenceRows, seen: EvaluatedEvidence, network: Network, body: Body, after: Sequence[System]
) -> dict[str, Motion]:
    """What the network says of one person, by the name of the system after it; nothing where nothing is read."""
    if not len(seen.rows):
        return {}
    rate, camera = sequence.fps * sequence.step, camera_of(sequence, network)
    # the video behind a recording, as far as the store tells: its times, and no picture
    times = torch.arange(int(seen.track.frames[-1]) + 1, dtype=torch.float64) / rate
    clip = Clip(Path(sequence.source), rate, 0, 0, times, 0)
    how, read = [system.refinement for system in after], None if seen.features is None else seen.features.__getitem__
    motions = estimate.estimate_track(seen.track, clip, camera, network, body, how, read)
    return {system.name: motion for system, motion in zip(after, motions, strict=True)}


def camera_of(sequence: SequenceRows, network: Network) -> Camera:
    """The recording's own camera.

    Features of pictures need none for poses, and get a stand-in where it is not known; keypoints do: ValueError.
    """
    if sequence.K_px is not None:
        return Camera(torch.from_numpy(sequence.K_px).float(), 0, 0)
    if network.evidence == "keypoints":
        raise ValueError(
            f"the camera of {sequence.name} is not known, and {network.about.name} reads keypoints in it: prepare the "
            "set with its intrinsics, or measure with --boxes detected"
        )
    return Camera(torch.tensor([[1e3, 0.0, 0.0], [0.0, 1e3, 0.0], [0.0, 0.0, 1.0]]), 0, 0)


def both(one: Int[Tensor, "_"], other: Int[Tensor, "_"]) -> tuple[Int[Tensor, "common"], Int[Tensor, "common"]]:
    """Where the numbers that both lists hold stand in each; both increase."""
    return torch.isin(one, other).nonzero()[:, 0], torch.isin(other, one).nonzero()[:, 0]


def compared(
    person: EvaluatedPerson,
    its: Int[Tensor, "row"],
    motion: Motion,
    mine: Int[Tensor, "row"],
    body: Body,
    protocol: Protocol,
) -> Compared:
    """Rows of a motion beside those rows of the truth, in the camera's frame."""
    smpl = as_tensors(motion.smpl_shaped).at(mine)
    posed = PosedBodies(body, smpl)
    placed = points_of(posed, protocol.joints) - rest_joints(body, smpl.betas)[..., :1, :] + smpl.pelvis[:, None]
    surface, true = {}, person.posed
    if true is not None and has_one_mesh(body, true.body):
        surface = surface_errors_mm(posed, replace(true, smpl=true.smpl.at(its)))
    return Compared(
        placed, person.points[its], person.numbers[its], person.sequence.fps, protocol.centre, protocol.ground, surface
    )


def measurable(protocol: Protocol, person: EvaluatedPerson, body: Body) -> list[str]:
    """The protocol's metrics but for those of surfaces that can't be compared, and of places without a camera."""
    meshes = person.posed is not None and has_one_mesh(body, person.posed.body)
    unknown = () if person.sequence.K_px is not None else ("foot_slide_mm",)
    surfaces = () if meshes else ("pve_mm", "pve_unaligned_mm")
    return [name for name in protocol.metrics if name not in (*unknown, *surfaces)]


def report(
    store: Store, protocol: Protocol, boxes: str, network: Network, body: Body,
    tallies: Tallies,
) -> Report:  # fmt: skip
    """The scores with all that is needed to read them."""
    made = (made_of(store, column) for column in dict.fromkeys(evidence for evidence, *_ in tallies))
    notes = (f"Counted: {protocol.frames}.", *filter(None, made))
    if protocol.joints != "smpl24" and "h36m17" not in body.regressors:
        near = f"its {protocol.joints} joints stand near the published places, some centimetres off."
        notes += (f"The body {body.origin.name} has no H36M regressor: {near}",)
    rates = tuple(sorted({sequence.fps for sequence in sequences_of(store, protocol)}))
    data = assets.sha256(store.folder / MANIFEST)
    return Report(protocol.name, boxes, data, rates, network.about, body.origin, all_scores(tallies), notes)


ALONE = systems(refine=False, smoothing="none")
"""Nothing follows the network."""
SURFACE = "pve_unaligned_mm"


def vibe_official(data: Path, network: Network, progress: Progress | None = None) -> Report:
    """Score a network alone on the store of 3DPW in a folder, as the published evaluator would.

    Raises FileNotFoundError or ValueError, with what to do, for a folder that is no store or lacks what is needed.
    """
    store, body = open_store(data), config.choose_body(None, network)[0]
    protocol, size, what = VIBE_OFFICIAL, VIBE_OFFICIAL.window, ""
    assert size is not None
    parts: list[Compared] = []
    wanted: list[str] = []
    with one_thread():
        for person, seen in evaluated_people(store, protocol, network.evidence == "images", progress):
            what, wanted = seen.what, measurable(protocol, person, body)
            its, mine = both(person.rows, seen.rows)
            at = torch.arange(size)
            for start in range(0, len(its) - size + 1, size):
                part = mine[start : start + size]
                track = Track(at * person.sequence.step, seen.track.box_px[part], seen.track.keypoints_px[part])
                piece = EvaluatedEvidence(at, track, None if seen.features is None else seen.features[part], what)
                (motion,) = motions(person.sequence, piece, network, body, ALONE).values()
                parts.append(compared(person, its[start : start + size], motion, at, body, protocol))
    if not parts:
        raise ValueError(f"{data} has no recording of {size} frames: {protocol.name} reads so many at a time")
    whole = Tally()
    whole.add(official_end_to_end(parts), wanted)
    tallies: Tallies = defaultdict(Tally, {(what, ALONE[0].name, protocol.says, protocol.split): whole})
    return report(store, protocol, BOXES, network, body, tallies)


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
