import json
import multiprocessing
import os
import signal
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vibe.data.columns import ColumnWriter
from vibe.data.prepare import StoreWriter
from vibe.data.recording import Recording
from vibe.data.store import open_store

LICENCE = "Invented numbers, free for all."
RECIPE = {"crop": 1.1, "sets": ["spin49"]}
SOURCES = {"annot.mat": "0" * 64}


def invented(name: str, count: int = 5, seed: int = 0, **known) -> Recording:
    """A recording whose every number is known."""
    random = np.random.default_rng(seed)
    both = {
        "keypoints_px.spin49": random.random((count, 49, 3), np.float32),
        "box_px": random.random((count, 4), np.float32),
    }
    return Recording(name, np.arange(count) + 3, 25.0, both | known.pop("columns", {}), **known)


def with_theta(name: str, count: int = 4, seed: int = 1) -> Recording:
    random = np.random.default_rng(seed)
    columns = {
        "poses": random.random((count, 72)),
        "betas": random.random((count, 10)),
        "trans": random.random((count, 3)),
        "points.spin49": random.random((count, 49, 3)),
        "points.common14": random.random((count, 14, 3)),
        "has_theta": np.arange(count) % 2 == 0,
    }
    return invented(
        name, count, seed, columns=columns, subject="S1", split="test", gender="female", source="S1/a.avi",
        K_px=np.array([[900.0, 0, 500], [0, 901, 510], [0, 0, 1]]),
    )  # fmt: skip


def writer(folder, **other) -> StoreWriter:
    return StoreWriter(folder, **({"licence": LICENCE, "recipe": RECIPE, "sources": SOURCES} | other))


def written(folder, *recordings: Recording):
    with writer(folder) as store:
        for recording in recordings:
            store.add(recording)
    return open_store(folder)


def contents(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_store_gives_back_what_was_written_and_marks_what_is_not_known(tmp_path):
    one, two, three = invented("a"), with_theta("b"), invented("c", seed=2)
    store = written(tmp_path / "set", one, two, three)
    assert [sequence.name for sequence in store.sequences] == ["a", "b", "c"] and len(store) == 14
    for sequence, recording in zip(store.sequences, (one, two, three), strict=True):
        assert np.array_equal(store.frames[sequence.rows], recording.frames)
        found = store.column("keypoints_px.spin49")[sequence.rows]
        assert np.array_equal(found, recording.columns["keypoints_px.spin49"]) and found.dtype == np.float32
    second = store.sequences[1]
    assert (second.subject, second.split, second.gender, second.source) == ("S1", "test", "female", "S1/a.avi")
    assert second.K_px is not None and two.K_px is not None and np.array_equal(second.K_px, two.K_px)
    assert store.sequences[0].K_px is None
    assert np.allclose(store.column("poses")[second.rows], two.columns["poses"]) and not store.column("poses")[:5].any()
    assert store.column("points.common14").shape == (14, 14, 3)
    assert store.column("has_theta").tolist() == [False] * 5 + [True, False, True, False] + [False] * 5
    assert store.column("has_points").tolist() == [False] * 5 + [True] * 4 + [False] * 5
    assert store.column("valid").all()


def test_plain_numpy_and_pandas_read_a_store(tmp_path):
    written(tmp_path / "set", with_theta("b"), invented("a", images=tuple(f"{i}.jpg" for i in range(5))))
    index = pd.read_parquet(tmp_path / "set" / "index.parquet")
    boxes = np.load(tmp_path / "set" / "box_px.npy", mmap_mode="r")
    chosen = index["sequence"] == "a"
    assert np.array_equal(boxes[chosen], invented("a").columns["box_px"])
    assert index[chosen]["frame"].tolist() == [3, 4, 5, 6, 7] and index[chosen]["image"].iloc[1] == "1.jpg"
    assert index["subject"].tolist() == ["S1"] * 4 + [""] * 5 and index["fps"].eq(25).all()
    store = open_store(tmp_path / "set")
    assert store.images(store.sequences[1].rows)[4] == "4.jpg" and store.images(store.sequences[0].rows) == [""] * 4


def test_a_second_run_changes_nothing_and_an_interrupted_one_ends_up_the_same(tmp_path):
    recordings = [invented("a"), with_theta("b"), invented("c", seed=2)]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    with writer(whole) as store:
        store.add(recordings[0])
        store.drop("bad", "it holds NaN")
        store.add(recordings[1])
        store.add(recordings[2])
    with pytest.raises(RuntimeError, match="power"), writer(broken) as store:
        store.add(recordings[0])
        store.drop("bad", "it holds NaN")
        raise RuntimeError("power")
    with pytest.raises(FileNotFoundError, match="not finished"):
        open_store(broken)
    with writer(broken) as store:
        assert "a" in store and "bad" in store and "b" not in store and store.rows == 5
        for recording in recordings:
            store.add(recording)
    assert contents(whole) == contents(broken)
    with writer(whole) as store:
        assert store.finished and "c" in store and dict(store.dropped) == {"bad": "it holds NaN"}
        for recording in recordings:
            store.add(recording)
        with pytest.raises(ValueError, match="finished without recording 'd'"):
            store.add(invented("d"))
    assert contents(whole) == contents(broken)


def test_what_a_kill_left_of_a_recording_is_cut_off(tmp_path):
    recordings = [invented("a"), with_theta("b"), invented("c", seed=2)]
    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt), writer(folder) as store:
        store.add(recordings[0])
        raise KeyboardInterrupt
    for name in ("box_px", "poses"):
        with (folder / f"{name}.npy").open("ab") as file:
            file.write(b"half a recording")
    with (folder / "unfinished.jsonl").open("ab") as file:
        file.write(b'{"name": "b", "fra')
    written(folder, *recordings)
    written(tmp_path / "whole", *recordings)
    assert contents(folder) == contents(tmp_path / "whole")


def _write_slowly(folder, number):
    with writer(folder) as store:
        for seed in range(200):
            store.add(invented(f"r{seed}", seed=seed))
            number.value = seed


def test_killing_the_writer_at_any_moment_changes_nothing(tmp_path):
    for wait in (3, 40):
        context = multiprocessing.get_context("fork")
        number = context.Value("i", 0)
        process = context.Process(target=_write_slowly, args=(tmp_path / f"killed{wait}", number))
        process.start()
        while number.value < wait and process.is_alive():
            pass
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        written(tmp_path / f"killed{wait}", *(invented(f"r{seed}", seed=seed) for seed in range(200)))
    assert contents(tmp_path / "killed3") == contents(tmp_path / "killed40")


def test_bad_recordings_are_refused_by_name_and_leave_no_trace(tmp_path):
    nan = invented("nan")
    nan.columns["keypoints_px.spin49"][2, 4] = np.nan
    bad = {
        "NaN or a number too large for float32, first in row 2": nan,
        "box_px has the shape": invented("short", columns={"box_px": np.zeros((4, 4))}),
        "too large for float16": invented("large", columns={"features": np.full((5, 2048), 1e6)}),
        "only one of poses and betas": invented("half", columns={"poses": np.zeros((5, 72))}),
        "not increasing": Recording("backwards", np.array([3, 2, 5]), 25.0),
        "no column 'points.mine'": invented("joints", columns={"points.mine": np.zeros((5, 49, 3))}),
        "choose from train, validation, test": invented("split", split="val"),
        "5 images|2 images": invented("images", images=("a", "b")),
        "nothing was given": invented("mask", columns={"has_theta": np.ones(5, bool)}),
    }
    with writer(tmp_path / "set") as store:
        for message, recording in bad.items():
            with pytest.raises(ValueError, match=message):
                store.add(recording)
        store.add(invented("a"))
        with pytest.raises(ValueError, match="'a' comes twice"):
            store.add(invented("a"))
    assert [sequence.name for sequence in open_store(tmp_path / "set").sequences] == ["a"]


def test_a_store_from_other_sources_or_another_recipe_is_refused(tmp_path):
    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt), writer(folder):
        raise KeyboardInterrupt
    with pytest.raises(ValueError, match="another recipe"), writer(folder, recipe={}):
        pass
    written(folder, invented("a"))
    with pytest.raises(ValueError, match="another sources .*none here"), writer(folder, sources={}):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    with pytest.raises(ValueError, match="thesis.doc"), writer(tmp_path / "other"):
        pass


def test_damaged_stores_are_refused_and_say_what_is_wrong(tmp_path):
    folder = tmp_path / "set"
    written(folder, invented("a"))
    with pytest.raises(FileNotFoundError, match="not there"):
        open_store(tmp_path / "nowhere")
    size = (folder / "box_px.npy").stat().st_size
    os.truncate(folder / "box_px.npy", size - 4)
    with pytest.raises(ValueError, match="box_px.npy is damaged"):
        open_store(folder)
    np.save(folder / "box_px.npy", np.zeros((5, 4)))
    with pytest.raises(ValueError, match="<f8"):
        open_store(folder)
    (folder / "box_px.npy").unlink()
    with pytest.raises(FileNotFoundError, match="box_px.npy is missing"):
        open_store(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"schema": 2}))
    with pytest.raises(ValueError, match="schema 2"):
        open_store(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(ValueError, match="no manifest"):
        open_store(folder)


def test_a_column_is_added_in_batches_and_taken_up_where_it_was_left(tmp_path):
    folder = tmp_path / "set"
    store = written(folder, invented("a"), invented("b"))
    features = np.random.default_rng(0).random((len(store), 2048)).astype(np.float16)
    first = ColumnWriter(folder, "features", {"weights": "abc"})
    first.write(np.arange(6, 10), features[6:])
    with pytest.raises(ValueError, match="NaN"):
        first.write(np.arange(2), features[:2] * np.nan)
    with pytest.raises(ValueError, match="6 rows of features are not written"):
        first.finish()
    assert "features" not in open_store(folder).columns
    with pytest.raises(ValueError, match="features comes from another recipe"):
        ColumnWriter(folder, "features", {"weights": "other"})
    second = ColumnWriter(folder, "features", {"weights": "abc"})
    assert second.done().tolist() == [False] * 6 + [True] * 4
    second.write(np.arange(6), features[:6])
    second.finish()
    assert np.array_equal(open_store(folder).column("features"), features)
    before = contents(folder)
    third = ColumnWriter(folder, "features", {"weights": "abc"})
    assert third.finished and third.done().all()
    third.finish()
    assert contents(folder) == before


def test_a_column_killed_between_its_file_and_the_manifest_is_finished_later(tmp_path):
    folder = tmp_path / "set"
    written(folder, invented("a"))
    first = ColumnWriter(folder, "features", {})
    first.write(np.arange(5), np.zeros((5, 2048)))
    (folder / ".features.npy.part").replace(folder / "features.npy")
    second = ColumnWriter(folder, "features", {})
    assert second.done().all() and not second.finished
    second.finish()
    assert open_store(folder).column("features").dtype == np.float16


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("manifest.json", b'{"schema": 1}'),
        ("manifest.json", b'{"schema": 1, "rows": true, "columns": {}}'),
        ("manifest.json", b'{"schema": 1, "rows": 5, "columns": {"../x": {}}}'),
        ("manifest.json", b"[" * 100_000),
        ("manifest.json", b'{"schema": "' + b"x" * 9000 + b'"}'),
        ("box_px.npy", b"\x93NUMPY\x01\x00\x06\x00{((((("),
        (
            "box_px.npy",
            b"\x93NUMPY\x01\x00\x46\x00{'descr': [('a',(], 'fortran_order': False, 'shape': (5, 4), }" + b" " * 9,
        ),
        ("index.parquet", b"PAR1PAR1"),
    ],
)
def test_whatever_a_file_of_a_store_holds_the_complaint_names_it(tmp_path, name, content):
    folder = tmp_path / "set"
    written(folder, invented("a"))
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=name) as caught:
        open_store(folder)
    assert len(str(caught.value)) < 500


def test_a_second_writer_of_a_store_is_refused_while_the_first_is_at_work_and_harms_nothing(tmp_path):
    with writer(tmp_path / "set") as first:
        first.add(invented("a"))
        with pytest.raises(OSError, match="another run is at work in .*set: "), writer(tmp_path / "set"):
            pass
        first.add(invented("b"))
    written(tmp_path / "alone", invented("a"), invented("b"))
    assert contents(tmp_path / "set") == contents(tmp_path / "alone")


@pytest.mark.parametrize("lost", [1, 300, None])
def test_a_column_that_is_shorter_than_its_journal_is_refused_and_not_filled_with_zeros(tmp_path, lost):
    folder = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt), writer(folder) as store:
        store.add(with_theta("a"))
        raise KeyboardInterrupt
    path = folder / "poses.npy"
    if lost is None:
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size - lost)
    with pytest.raises(ValueError, match=r"poses\.npy does not hold the 4 rows .*prepare the set again"):
        written(folder, with_theta("a"), invented("b"))
    assert not (folder / "manifest.json").exists()


def index(path, rows: int, **changes) -> None:
    """An index in few bytes, of so many rows that all are alike."""
    arrays = {"number": pa.repeat(pa.scalar(0, pa.int32()), rows), "frame": pa.repeat(0, rows)}
    arrays |= {name: pa.repeat("a", rows) for name in ("sequence", "image", "subject", "split", "source", "gender")}
    arrays |= {"fps": pa.repeat(25.0, rows), "step": pa.repeat(pa.scalar(1, pa.int32()), rows)}
    arrays |= {f"K_px_{row}{column}": pa.repeat(1.0, rows) for row in range(3) for column in range(3)}
    arrays |= {name: pa.repeat(value, rows).dictionary_encode() for name, value in changes.items()}
    pq.write_table(pa.table(arrays), path, compression="zstd")


@pytest.mark.parametrize("changes", [{"rows": 1_000_000}, {"rows": 5, "sequence": "x" * 10_000_000}])
def test_an_index_is_looked_at_before_its_rows_are_decoded(tmp_path, changes):
    folder = tmp_path / "set"
    written(folder, invented("a"))
    index(folder / "index.parquet", **changes)
    assert (folder / "index.parquet").stat().st_size < 1 << 20
    before, began = pa.total_allocated_bytes(), time.process_time()
    with pytest.raises(ValueError, match=r"index\.parquet is no index of a store"):
        open_store(folder)
    assert time.process_time() - began < 0.5 and pa.total_allocated_bytes() - before < 1 << 26
