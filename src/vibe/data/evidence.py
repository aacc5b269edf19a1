"""Evidence for a whole store: ResNet-50's features or 2D keypoints of every row's crop, as columns added to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from vibe.data.batches import Batch, cut_batches, rows_with_pictures
from vibe.data.column import ColumnWriter
from vibe.data.prepare import complaint
from vibe.data.readers import COLUMNS, Answer, Order, begin, recipe_of
from vibe.data.recording import column_layout
from vibe.data.store import Store, open_store
from vibe.records import Progress
from vibe.spread import Spread


@dataclass(frozen=True)
class Added:
    """What became of a store's rows."""

    rows: int
    """With evidence."""
    without: int
    """Rows of no picture or no box, for which nothing can be read."""
    dropped: Mapping[str, str]
    """Recordings of which pictures could not be read: how many, and why if this run tried."""


def add_evidence(
    folder: Path,
    order: Order,
    spread: Spread[Batch, Answer],
    strict: bool = False,
    progress: Progress | None = None,
) -> Added:
    """Add a kind of evidence to a finished store; goes on where it was killed.

    The batches, and each one's numbers, are the same however the work is spread. What can't be read gets zeros, or with
    `strict` is a ValueError at the end and tried again by the next run. Raises FileNotFoundError for a missing store,
    raw folder or model, ValueError if the store has no boxes or such evidence of another model.
    """
    store = open_store(folder)
    if not order.raw.is_dir():
        raise FileNotFoundError(f"{order.raw} is not there: give the raw folder that {folder} was prepared from")
    writers = _writers(store, order)
    wanted = rows_with_pictures(store)
    reasons: dict[str, str] = {}
    if not all(writer.finished for writer in writers):
        _write(writers, np.flatnonzero(~wanted & ~_done(writers)), None)
        for batch, answer in _answers(store, order, _done(writers), spread, progress):
            if answer.reason:
                reasons[batch.source] = answer.reason
            if not (strict and answer.reason):
                _write(writers, batch.rows, answer)
        if strict and reasons:
            raise ValueError(complaint(reasons))
        for writer in writers:
            writer.finish()
    added = _report(open_store(folder), order, wanted, reasons)
    if strict and added.dropped:
        raise ValueError(complaint(added.dropped))
    return added


def _answers(
    store: Store, order: Order, done: Bool[ndarray, "row"], spread: Spread[Batch, Answer], progress: Progress | None
) -> Iterator[tuple[Batch, Answer]]:
    """What the workers find in each batch that is not done."""
    batches = [batch for batch in cut_batches(store) if not done[batch.rows].all()]
    rows, left = 0, sum(len(batch.rows) for batch in batches)
    if progress:
        progress(order.kind, 0, left)
    for number, answer in spread(partial(begin, order), batches) if batches else ():
        yield batches[number], answer
        rows += len(batches[number].rows)
        if progress:
            progress(order.kind, rows, left)


def _writers(store: Store, order: Order) -> list[ColumnWriter]:
    """One for each column; raises ValueError if the set itself came with it."""
    names = COLUMNS[order.kind]
    recipe = recipe_of(order)
    for name in names:
        if name in store.columns and "recipe" not in store.manifest["columns"][name]:
            raise ValueError(f"{store.folder} came with {name} of its own: there is nothing to add")
    return [ColumnWriter(store.folder, name, recipe) for name in names]


def _done(writers: Sequence[ColumnWriter]) -> Bool[ndarray, "row"]:
    return np.all([writer.done() for writer in writers], axis=0)


def _write(writers: Sequence[ColumnWriter], rows: Int[ndarray, "n"], answer: Answer | None) -> None:
    """The rows of every column, runs of neighbours together; zeros without an answer."""
    order = np.argsort(rows)
    for part in np.split(order, np.flatnonzero(np.diff(rows[order]) > 1) + 1):
        for writer in writers:
            if len(part) and not writer.finished:
                dtype, shape = column_layout(writer.name)
                values = np.zeros((len(part), *shape), dtype)
                if answer is not None:
                    values = answer.seen[part] if dtype == "bool" else answer.values[part]
                writer.write(int(rows[part[0]]), values)


def _report(store: Store, order: Order, wanted: Bool[ndarray, "row"], reasons: Mapping[str, str]) -> Added:
    """What the store has now."""
    values = store.column(COLUMNS[order.kind][-1])
    within = tuple(range(1, values.ndim))
    dropped, all_lost = {}, 0
    for sequence in store.sequences:
        rows = np.arange(sequence.start, sequence.stop)[wanted[sequence.rows]]
        if lost := len(rows) - int(np.count_nonzero(values[rows].any(within))):
            why = f" ({reasons[sequence.source]})" if sequence.source in reasons else ""
            dropped[sequence.name] = f"{lost} of {len(rows)} frames have no {order.kind}{why}"
            all_lost += lost
    return Added(int(np.count_nonzero(wanted)) - all_lost, int(np.count_nonzero(~wanted)), dropped)
