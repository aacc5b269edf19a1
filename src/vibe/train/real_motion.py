"""Real motion for the discriminator, from stores of the data sets or from files of motion capture (section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.data.motion import clip_weights, draw_windows, find_motion, load_motions
from vibe.data.store import MANIFEST, Store
from vibe.data.windows import draw_window, find_places, find_runs, gather_windows

Motion = Callable[[int, torch.Generator], Float[Tensor, "real time 24 3 3"]]
"""So many random windows of rotations."""


def real_motion(names: Sequence[str], stores: Mapping[str, Store], frames: int) -> Motion:
    """Draws windows of the training motion of these stores and motion files, each as often as it is long.

    Raises FileNotFoundError for a name that is neither, and ValueError for a store in which no window fits.
    """
    sources = [_stored(stores[name], frames) if name in stores else _filed(name, stores, frames) for name in names]
    sizes = torch.tensor([float(size) for size, _ in sources])

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        chosen = torch.multinomial(sizes, count, replacement=True, generator=seed).bincount(minlength=len(sizes))
        return torch.cat([some(int(n), seed) for (_, some), n in zip(sources, chosen, strict=True) if n])

    return motion


def motion_files(names: Sequence[str], stores: Mapping[str, Store]) -> dict[str, Path]:
    """The file that tells each source apart from another of its name."""
    return {name: stores[name].folder / MANIFEST if name in stores else find_motion(name) for name in names}


def numpy_stream(seed: torch.Generator) -> np.random.Generator:
    """NumPy's random numbers that follow from torch's."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=seed)))


def _stored(store: Store, frames: int) -> tuple[int, Motion]:
    """How many windows a store has, and what draws them."""
    places = find_places(find_runs(store, "train", np.array(store.column("has_theta"))), frames)
    poses = store.column("poses")

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        found = gather_windows(poses, draw_window(places, count, numpy_stream(seed)), frames)
        return roma.rotvec_to_rotmat(torch.from_numpy(found).unflatten(-1, (24, 3)))

    if len(places) == 0:
        raise ValueError(f"{store.folder} has no {frames} frames of known poses in a row in its split 'train'")
    return len(places), motion


def _filed(name: str, stores: Mapping[str, Store], frames: int) -> tuple[int, Motion]:
    """The same of a file of motion capture."""
    try:
        motions = load_motions([find_motion(name)], held_out=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"real motion: {name} is none of the stores ({', '.join(stores)}); {error}") from error
    weights = clip_weights(motions)

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        return roma.unitquat_to_rotmat(draw_windows(motions, weights, count, frames, 1.0, seed)[0])

    return int(motions.lengths.sum()), motion
