import numpy as np
import pytest

from vibe.data.prepare import StoreWriter
from vibe.data.recording import Recording
from vibe.data.store import Store, open_store
from vibe.data.windows import Windows, draw_clips, find_runs, gather_held, portion, tile


@pytest.fixture
def store(tmp_path) -> Store:
    """Rows numbered in `trans`: a gap after row 3, another recording from row 10, every second frame from row 16."""
    frames = {"a": [0, 1, 2, 3, 8, 9, 10, 11, 12, 13], "b": [0, 1, 2, 3, 4, 5], "c": [0, 2, 4, 6, 10]}
    row = 0
    with StoreWriter(tmp_path / "set", "Free.", {}, {}) as writer:
        for name, indices in frames.items():
            trans = np.repeat(np.arange(row, row + len(indices))[:, None], 3, 1).astype(float)
            split, step = ("test" if name == "b" else "train"), (2 if name == "c" else 1)
            columns = {"trans": trans, "features": np.repeat(trans[:, :1], 2048, 1)}
            writer.add(Recording(name, np.array(indices), 25.0, split=split, columns=columns, step=step))
            row += len(indices)
    return open_store(tmp_path / "set")


def pairs(runs: Windows) -> list[tuple[int, int]]:
    return list(zip(runs.starts.tolist(), (runs.starts + runs.lengths).tolist(), strict=True))


def test_runs_end_at_gaps_and_recordings_and_follow_each_recordings_own_step(store):
    assert pairs(find_runs(store)) == [(0, 4), (4, 10), (10, 16), (16, 20), (20, 21)]
    assert pairs(find_runs(store, split="test")) == [(10, 16)]
    where = np.ones(len(store), bool)
    where[[0, 6, 20]] = False
    assert pairs(find_runs(store, split="train", where=where)) == [(1, 4), (4, 6), (7, 10), (16, 20)]
    assert pairs(find_runs(store, where=np.zeros(21, bool))) == []


def test_windows_cover_every_run_once_with_tails_and_drop_them_without(store):
    runs = find_runs(store)
    whole, with_tails = tile(runs, 4), tile(runs, 4, tails=True)
    assert whole.starts.tolist() == [0, 4, 10, 16] and (whole.lengths == 4).all()
    rows = [row for start, length in zip(with_tails.starts, with_tails.lengths) for row in range(start, start + length)]
    assert rows == list(range(21)) and with_tails.lengths.tolist() == [4, 4, 2, 4, 2, 4, 1]


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
@pytest.mark.parametrize("tails", [True, False])
def test_windows_at_every_stride_equal_those_counted_one_by_one(store, frames, tails):
    runs = find_runs(store)
    for stride in range(1, frames + 1):
        found = []
        for start, stop in pairs(runs):
            at = start
            while at + frames <= stop:
                found.append((at, frames))
                at += stride
            covered = at - stride + frames if at > start else start
            if tails and covered < stop:
                found.append((at, stop - at))
        windows = tile(runs, frames, stride, tails)
        assert list(zip(windows.starts.tolist(), windows.lengths.tolist(), strict=True)) == found


def test_a_stride_that_leaves_frames_out_is_refused(store):
    with pytest.raises(ValueError, match="one every 5"):
        tile(find_runs(store), 4, 5)


def test_random_windows_lie_within_runs_and_every_place_is_as_likely(store):
    places, random = portion(store, 3), np.random.default_rng(0)
    drawn = np.concatenate([draw_clips([(1000, [places])], random).evidence[..., 0].numpy() for _ in range(14)])
    found, counts = np.unique(drawn[:, 0], return_counts=True)
    assert found.tolist() == places.starts.tolist() == [0, 1, 4, 5, 6, 7, 16, 17] and places.weight == 8
    assert np.abs(counts / 14_000 - 1 / 8).max() < 0.01
    assert np.array_equal(drawn, drawn[:, :1] + np.arange(3))
    with pytest.raises(ValueError, match="has nowhere 7 frames in a row"):
        portion(store, 7)


def test_a_shorter_window_is_held_at_its_last_row(store):
    windows = tile(find_runs(store, split="test"), 4, tails=True)
    assert gather_held(store.column("trans"), windows, 4)[..., 0].tolist() == [[10, 11, 12, 13], [14, 15, 15, 15]]
