"""Windows of a store: as many frames in a row as wanted, never across a gap or a recording's end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from vibe.data.store import Store


@dataclass(frozen=True)
class Runs:
    """Rows without a gap: each run goes on from `starts` to before `stops`."""

    starts: Int[ndarray, "run"]
    stops: Int[ndarray, "run"]


@dataclass(frozen=True)
class Windows:
    """Rows from `starts`, `lengths` of them."""

    starts: Int[ndarray, "window"]
    lengths: Int[ndarray, "window"]

    def __len__(self) -> int:
        return len(self.starts)


def find_runs(store: Store, split: str | None = None, where: Bool[ndarray, "row"] | None = None) -> Runs:
    """The gapless runs of a split (of all, if None); rows that are not `where` count as missing."""
    rows = len(store)
    breaks = np.ones(rows + 1, bool)
    allowed = np.ones(rows, bool) if where is None else where.copy()
    for sequence in store.sequences:
        inside = slice(sequence.start + 1, sequence.stop)
        breaks[inside] = np.diff(store.frames[sequence.rows]) > sequence.step
        if split is not None and sequence.split != split:
            allowed[sequence.rows] = False
    breaks[:-1] |= ~allowed
    breaks[1:] |= ~allowed
    edges = np.flatnonzero(breaks)
    starts, stops = edges[:-1], edges[1:]
    kept = allowed[starts]
    return Runs(starts[kept], stops[kept])


def tile(runs: Runs, frames: int, stride: int | None = None, tails: bool = False) -> Windows:
    """Windows of `frames` rows, one every `stride` rows of each run; without a stride they do not overlap.

    With tails, what is left at a run's end, or of a run too short for one window, makes a last, shorter window.
    Raises ValueError for less than one frame or a stride that leaves frames out.
    """
    stride = frames if stride is None else stride
    if not 1 <= stride <= frames:
        raise ValueError(f"windows of {frames} frames, one every {stride}: give 1 frame or more, and no longer stride")
    sizes = runs.stops - runs.starts
    whole = np.where(sizes >= frames, (sizes - frames) // stride + 1, 0)
    covered = np.where(whole > 0, (whole - 1) * stride + frames, 0)
    count = whole + (tails & (covered < sizes))
    place = np.arange(count.sum()) - np.repeat(count.cumsum() - count, count)
    starts = np.repeat(runs.starts, count) + place * stride
    return Windows(starts, np.minimum(frames, np.repeat(runs.stops, count) - starts))


@dataclass(frozen=True)
class Places:
    """Every place where a window of `frames` rows may begin, for random windows."""

    frames: int
    firsts: Int[ndarray, "run"]
    ends: Int[ndarray, "run"]
    """How many places there are up to each run's last."""

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0


def find_places(runs: Runs, frames: int) -> Places:
    """Where windows may begin; runs too short for one have no place."""
    sizes = runs.stops - runs.starts - frames + 1
    fits = sizes > 0
    return Places(frames, runs.starts[fits], sizes[fits].cumsum())


def draw(places: Places, count: int, random: np.random.Generator) -> Int[ndarray, "{count}"]:
    """First rows of random windows, each place as likely as any other; raises ValueError if there is none."""
    if len(places) == 0:
        raise ValueError(f"nowhere are there {places.frames} frames in a row: take shorter windows, or more data")
    drawn = random.integers(len(places), size=count)
    run = np.searchsorted(places.ends, drawn, side="right")
    return places.firsts[run] + drawn - np.where(run > 0, places.ends[run - 1], 0)


def gather(column: ndarray, starts: Int[ndarray, "window"], frames: int, out: ndarray | None = None) -> ndarray:
    """Whole windows of a column, [window, frames, ...]; into `out` if given, which saves its allocation."""
    plain = column.view(ndarray)
    if out is None:
        out = np.empty((len(starts), frames, *column.shape[1:]), column.dtype)
    for place, start in enumerate(starts.tolist()):
        out[place] = plain[start : start + frames]
    return out


def gather_held(column: ndarray, windows: Windows, frames: int) -> ndarray:
    """Windows of a column, [window, frames, ...]; a shorter one is held at its last row."""
    reach = np.minimum(np.arange(frames), windows.lengths[:, None] - 1)
    return column[windows.starts[:, None] + reach]
