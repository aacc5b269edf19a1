"""The motion of any skeleton, as the readers of motion capture files give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST = 1 << 26
"""Bytes of a file; the largest in these sets have some tens of megabytes."""
MOST_JOINTS = 512
MOST_FRAMES = 1_000_000


@dataclass(frozen=True)
class Capture:
    """What the joints of one skeleton did, in a world whose y points up; metres.

    A skeleton stands in its zero pose where all of its angles are 0.
    """

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """Before their children; -1 for the root."""
    offsets: Float[Tensor, "joint 3"]
    """From the parent to the joint in the zero pose."""
    turns: Float[Tensor, "time joint 3 3"]
    """How each joint has turned in the world since the zero pose (R_world_zero)."""
    places: Float[Tensor, "time joint 3"]
    """Where the joints are."""
    fps: float
    path: Path
    """The file that it was read from."""

    def find(self, name: str) -> int:
        """The index of a joint; raises ValueError if there is none of that name."""
        if name not in self.names:
            raise ValueError(f"the skeleton has no joint {name!r} but {', '.join(self.names[:12])} ...")
        return self.names.index(name)


def part(capture: Capture, frames: slice) -> Capture:
    """Some of its frames."""
    return replace(capture, turns=capture.turns[frames], places=capture.places[frames])


def chain(
    parents: Sequence[int], local: Float[Tensor, "time joint 3 3"], steps: Float[Tensor, "time joint 3"]
) -> tuple[Float[Tensor, "time joint 3 3"], Float[Tensor, "time joint 3"]]:
    """Turns in the world and places, from each joint's own turn and its step from the parent in the parent's axes."""
    turns, places = torch.empty_like(local), torch.empty_like(steps)
    for joint, parent in enumerate(parents):
        if parent < 0:
            turns[:, joint], places[:, joint] = local[:, joint], steps[:, joint]
            continue
        turns[:, joint] = turns[:, parent] @ local[:, joint]
        places[:, joint] = places[:, parent] + (turns[:, parent] @ steps[:, joint, :, None])[..., 0]
    return turns, places


def read_text(path: Path) -> str:
    """The text of a motion capture file; raises OSError, or ValueError for one that is too large to be one."""
    size = path.stat().st_size
    if size > LARGEST:
        raise ValueError(
            f"{path} has {size >> 20} MB, and {LARGEST >> 20} are read at most: it is no capture of a clip"
        )
    return path.read_text(encoding="latin-1")
