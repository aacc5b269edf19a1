"""Every reader of files of strangers: small files that it reads, and how to let it read one that was damaged."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import time
import zipfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Reader:
    """Something that reads files; imports happen when it is set up."""

    set_up: Callable[[Path], tuple[list[Path], Read]]
    """Writes files into a folder; those to damage, and what reads one of them that was damaged, in its place."""
    share: int
    """Of the inputs, against that of the others: a reader that is fast, or of a format of ours, gets more."""


def _alone(write: Callable[[Path], Iterable[Path]], find: Callable[[], Read], share: int) -> Reader:
    """A reader of single files."""
    return Reader(lambda folder: (list(write(folder)), find()), share)


def _set(
    name: str, write: Callable[[Any, Path], object], patterns: str, share: int, tests: str | None = None
) -> Reader:
    """A data set's reader, by its module and name, from the files of a raw folder that fit one of the patterns.

    `write` makes the raw folder with the module of the set's own tests, `tests` where that has another name.
    """

    def set_up(folder: Path) -> tuple[list[Path], Read]:
        module, _, attribute = name.partition(".")
        raw, raw_set = folder / "raw", getattr(import_module(f"vibe.data.sets.{module}"), attribute)
        raw.mkdir()
        write(import_module(f"data.sets.test_{tests or module}"), raw)
        paths = sorted({path for pattern in patterns.split() for path in raw.rglob(pattern)})
        absent = {name for name, path in raw_set.files(raw) if not path.exists()}

        def read(path: Path) -> None:
            """All recordings; what a file says, as `vibe prepare` does: behind the file's name."""
            failed = []
            for name, file in raw_set.files(raw):
                if name in absent:
                    continue
                try:
                    for _ in raw_set.read(raw, name, file):
                        pass
                except (ValueError, OSError) as error:
                    failed.append(f"{name}: {error}")
            if failed:
                raise ValueError(f"{path.name}: {failed[0]}")

        return paths, read

    return Reader(set_up, share)


def _videos(folder: Path) -> Iterable[Path]:
    import av

    kinds = [
        ("a.mp4", "libx264", "aac"),
        ("a.avi", "mpeg4", "mp3"),
        ("a.mkv", "mpeg4", "pcm_s16le"),
        ("a.webm", "libvpx", None),
    ]
    kinds += [("a.mov", "mjpeg", None), ("a.gif", "gif", None), ("a.ts", "mpeg2video", "mp2"), ("a.flv", "flv", None)]
    for name, codec, sound in kinds:
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=25)
            stream.width, stream.height = 48, 32
            stream.pix_fmt = {"gif": "rgb8", "mjpeg": "yuvj420p"}.get(codec, "yuv420p")
            audio = container.add_stream(sound, rate=48000, layout="mono") if sound else None
            for index in range(5):
                rgb = np.full((32, 48, 3), 40 * index, np.uint8)
                rgb[index : index + 9, 5:9] = 255
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode(None))
            if audio:
                block = av.AudioFrame.from_ndarray(np.zeros((1, 9600), np.int16), format="s16", layout="mono")
                block.sample_rate, block.pts = 48000, 0
                container.mux(audio.encode(block))
                container.mux(audio.encode(None))
        yield folder / name


def _read_video() -> Read:
    from vibe.video.read import count_frames, open_video
    from vibe.video.sound import has_sound

    def read(path: Path) -> None:
        """The pictures of two seconds' work: a damaged file may well announce, and hold, thousands of large ones."""
        began = time.monotonic()
        with open_video(path) as video:
            for _ in video:
                if time.monotonic() - began > 2:
                    break
            video.clip()
            _ = video.notes
        count_frames(path)
        has_sound(path)

    return read


def _copied_with_sound() -> Read:
    """The sound of a damaged video, copied beside a picture as the overlay does it."""
    from vibe.video.read import open_video
    from vibe.video.write import VideoWriter

    def read(path: Path) -> None:
        with open_video(path) as video:
            with VideoWriter(path.with_name("copy.mp4"), 32, 32, 25, video) as writer:
                writer.write(np.zeros((32, 32, 3), np.uint8), 0.0)

    return read


def _motion(folder: Path) -> Iterable[Path]:
    from motion import test_npz

    whole = _result(test_npz)
    for name, result in (("motion.npz", whole), ("world.npz", test_npz.in_world(whole))):
        result.save(folder / name)
        yield folder / name


def _result(known: Any) -> Any:
    import numpy as np

    from vibe.motion import Result
    from vibe.records import Camera, Clip, Weights

    clip = Clip(Path("clip.mp4"), 29.97, 64, 48, known.TIMES, 0)
    K_px = np.float32([[80, 0, 32], [0, 80, 24], [0, 0, 1]])  # pyright: ignore[reportArgumentType]
    people = (known.motion(), known.motion(3, 0))
    body = known.BODY
    return Result(clip, Camera(K_px, 64, 48), people, body, Weights("open", "cd" * 32, "free"), ())


def _load_motion() -> Read:
    import vibe
    from vibe.motion.npz import arrays_checksum

    def read(path: Path) -> None:
        """With the checksum that its arrays have, but for every fourth file."""
        content = path.read_bytes()
        with suppress(Exception):
            if len(content) % 4 and (zipfile.is_zipfile(path)):
                with np.load(path, allow_pickle=False) as archive:
                    arrays = {name: archive[name] for name in archive.files if name != "sha256"}
                np.savez_compressed(path, allow_pickle=False, **arrays, sha256=np.array(arrays_checksum(arrays)))
        vibe.load(path)

    return read


def _body(folder: Path) -> Iterable[Path]:
    from body import test_load

    yield test_load.saved(folder)


def _open_body(folder: Path) -> Iterable[Path]:
    from vibe.assets.weights import OPEN_BODY

    (folder / "open.npz").write_bytes(OPEN_BODY.read_bytes())
    yield folder / "open.npz"


def _load_body() -> Read:
    from vibe.body import load_body

    return load_body


def _given_files(folder: Path) -> Iterable[Path]:
    """What `vibe assets add` takes: bodies, regressors, mean parameters, mixtures, weights."""
    import torch
    from assets import test_smpl_files
    from official_files import Foreign, chumpy, old_pickle, small_generator, sparse

    small = {"v_template": np.zeros((4, 3)), "shapedirs": chumpy(np.zeros((4, 3, 10))), "posedirs": np.zeros((4, 3, 9))}
    small |= {"J_regressor": sparse(np.eye(24, 4)), "weights": np.eye(4, 24), "f": np.zeros((2, 3), np.uint32)}
    small |= {"kintree_table": np.zeros((2, 24), np.int64), "other": Foreign("chumpy.ch", "Ch", {"x": np.eye(2)})}
    (folder / "other.pkl").write_bytes(old_pickle(small))
    for protocol in (0, 2, 4):
        mixture = {
            "means": np.zeros((2, 69)),
            "covars": np.tile(np.eye(69), (2, 1, 1)),
            "weights": np.array([0.5, 0.5]),
        }
        (folder / f"gmm{protocol}.pkl").write_bytes(pickle.dumps(mixture, protocol))
    np.savez(folder / "mean.npz", pose=np.zeros(144), shape=np.zeros(10), cam=np.zeros(3))
    np.save(folder / "regressor.npy", np.zeros((9, 6890), np.int8))
    test_smpl_files.npz(folder / "SMPL_NEUTRAL.npz", test_smpl_files.body())
    torch.manual_seed(0)
    state = {"gen_state_dict": small_generator(), "performance": np.float64(50.0), "epoch": 3}
    torch.save(state, folder / "new.pth.tar")
    torch.save(state, folder / "old.pth.tar", _use_new_zipfile_serialization=False)
    (folder / "weights.safetensors").write_bytes(_weights())
    yield from sorted(path for path in folder.iterdir() if path.is_file())


def _add() -> Read:
    from vibe import convert

    def read(path: Path) -> None:
        (answer,) = convert.add([path])
        if isinstance(answer, convert.Refused):
            raise ValueError(answer.reason)

    return read


def _pickles(folder: Path) -> Iterable[Path]:
    from official_files import old_pickle

    values = {"a": [1, 2.5, "x", None, True, (3,), {"b": b"bytes"}], "array": np.arange(6.0).reshape(2, 3)}
    for protocol in range(6):
        (folder / f"{protocol}.pkl").write_bytes(pickle.dumps(values, protocol))
    (folder / "old.pkl").write_bytes(old_pickle(values))
    yield from sorted(folder.iterdir())


def _read_pickle() -> Read:
    from vibe.data.sets.annotations import read_annotation_pickle

    return lambda path: read_annotation_pickle(path, (), "a set", 1 << 28)


def _weights(recipe: dict | None = None) -> bytes:
    """A keypoint network as small as can be, as a weights file."""
    import torch
    from safetensors.torch import save

    from vibe.models.gru import EncoderConfig
    from vibe.models.keypoint_embedding import EmbeddingConfig
    from vibe.models.network import NetworkConfig, build_network
    from vibe.models.regressor import RegressorConfig

    torch.manual_seed(0)
    sizes = {
        "embedding": {"features": 4},
        "encoder": {"features": 4, "hidden": 4},
        "regressor": {"features": 4, "hidden": 4},
    }
    config = NetworkConfig(
        EmbeddingConfig(features=4), EncoderConfig(features=4, hidden=4), RegressorConfig(features=4, hidden=4)
    )
    whole = recipe or {"network": sizes, "synthesis": {"frames": 4}, "body": "open"}
    about = {"name": "small", "licence": "free", "recipe": json.dumps(whole)}
    return save({name: value.contiguous() for name, value in build_network(config).state_dict().items()}, about)


def _networks(folder: Path) -> Iterable[Path]:
    (folder / "weights.safetensors").write_bytes(_weights())
    yield folder / "weights.safetensors"


def _load_network() -> Read:
    from vibe.models.network import load_network

    return load_network


def _priors(folder: Path) -> Iterable[Path]:
    from models import test_priors

    from vibe.train.priors import PRIOR_RECIPES

    for kind, sizes in test_priors.SIZES.items():
        recipe = replace(PRIOR_RECIPES[kind], name="small", prior=sizes)
        test_priors.saved(folder / f"{kind}.safetensors", recipe)
        yield folder / f"{kind}.safetensors"


def _load_prior() -> Read:
    from vibe.models.priors import load_prior

    return load_prior.__wrapped__


def _run(folder: Path) -> tuple[list[Path], Read]:
    """A training run's folder: checkpoint, run.json and log."""
    import torch

    from vibe.train import checkpoints
    from vibe.train.priors import PRIOR_RECIPES

    checkpoints.source = lambda: "here"
    recipe, layer = PRIOR_RECIPES["vposer"], torch.nn.Linear(2, 2)
    parts = {"network": layer, "optimiser": torch.optim.Adam(layer.parameters())}
    checkpoints.open_run_folder(folder, recipe, {"a": "b"})
    checkpoints.save_checkpoint(folder / "last.pt", recipe, parts, 3, 0.5)
    (folder / checkpoints.LOG).write_text('{"step": 1, "loss": 0.5}\n{"step": 2, "loss": 0.25}\n')

    def read(path: Path) -> None:
        """With the checksum that a checkpoint has, but for every fourth one."""
        content = path.read_bytes()
        if len(content) % 4 and content[-66:-64] == b"\x40\0":
            digest = hashlib.sha256(content[:-66] + b"\0\0").hexdigest()
            path.write_bytes(content[:-64] + digest.encode())
        checkpoints.open_run_folder(folder, recipe, {"a": "b"}, writes=False)
        checkpoints.cut_log(folder / checkpoints.LOG, 2)
        checkpoints.load_checkpoint(folder / "last.pt", recipe, parts)

    return [folder / "last.pt", folder / checkpoints.ABOUT, folder / checkpoints.LOG], read


def _store(folder: Path) -> tuple[list[Path], Read]:
    """A store of clips."""
    from data import test_store

    from vibe.data.store import open_store

    test_store.written(folder / "store", test_store.invented("a"), test_store.with_theta("b"))

    def read(path: Path) -> None:
        store = open_store(folder / "store")
        for column in store.columns.values():
            column.sum(dtype=float) if column.dtype.kind in "fiub" else None
        for sequence in store.sequences:
            store.images(sequence.rows)

    return sorted(path for path in (folder / "store").iterdir() if path.suffix in (".json", ".parquet", ".npy")), read


def _clips_of_motion(folder: Path) -> Iterable[Path]:
    poses = np.zeros((9, 72), np.float32)
    about = {"seq_offsets": np.array([0, 4, 9]), "names": np.array(["cmu_05_01", "aist_1"]), "fps": np.array(30.0)}
    np.savez(folder / "clips.npz", poses=poses, trans=np.zeros((9, 3), np.float32), **about)  # pyright: ignore[reportArgumentType]
    yield folder / "clips.npz"


def _load_motions() -> Read:
    from vibe.data.motion import load_motions

    return lambda path: load_motions([path], held_out=False)


def _characters(folder: Path) -> Iterable[Path]:
    """A character on two rigs, whose skin is small, and a map of bones."""
    import performers
    import torch

    from vibe.arrays import as_numpy
    from vibe.body import load_body
    from vibe.export.gltf import write_glb
    from vibe.export.rigs import RIGS
    from vibe.motion.scene import SceneOptions, build_scene
    from vibe.skeletons import SMPL

    body = as_numpy(load_body(detail="low"))
    given = performers.show(body, performers.performer(body, torch.arange(2)))
    for rig in ("vrm", "ue5"):
        write_glb(folder / f"{rig}.glb", build_scene(given, body, SceneOptions()), body, rig=rig)
        yield folder / f"{rig}.glb"
    (folder / "map.json").write_text(json.dumps({name: RIGS["ue5"].bones[name] for name in SMPL[:22]}))
    yield folder / "map.json"


def _put_onto() -> Read:
    """A motion of two frames onto a damaged character, or by a damaged map onto a whole one."""
    import performers

    from vibe.arrays import as_numpy
    from vibe.body import load_body
    from vibe.export.onto import write_onto
    from vibe.motion.scene import SceneOptions, build_scene

    body = as_numpy(load_body(detail="low"))
    scene = build_scene(performers.show(body, performers.standing(body, 2)), body, SceneOptions())

    def read(path: Path) -> None:
        onto, bones = (path.with_name("ue5.glb"), path) if path.suffix == ".json" else (path, None)
        write_onto(path.with_name("out.glb"), scene, scene.characters[0], body, onto, bones)

    return read


def _models(folder: Path) -> Iterable[Path]:
    import onnx
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 8]
    given, made = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("in", "out"))
    graph = helper.make_graph([helper.make_node("Relu", ["in"], ["out"])], "small", [given], [made])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, str(folder / "model.onnx"))
    yield folder / "model.onnx"


def _open_model() -> Read:
    from vibe.tracking.onnx_models import open_session

    return open_session


def _pictures(folder: Path) -> Iterable[Path]:
    import cv2

    for name in ("a.jpg", "a.png", "a.bmp", "a.webp", "a.tiff"):
        cv2.imwrite(str(folder / name), np.random.default_rng(0).integers(0, 255, (9, 12, 3), np.uint8))
        yield folder / name


def _decode() -> Read:
    from vibe.data.pictures import decode_picture

    return lambda path: decode_picture(path.read_bytes())


def _bvh(folder: Path) -> Iterable[Path]:
    from data.sets import test_bvh

    yield test_bvh.written(folder, order="ZXY", everywhere=False)


def _read_bvh() -> Read:
    from vibe.data.sets.bvh import read_bvh

    return partial(read_bvh, unit=0.01)


def _acclaim(folder: Path) -> tuple[list[Path], Read]:
    from data.sets import test_acclaim

    from vibe.data.sets.cmu import read_amc, read_asf

    asf, amc = test_acclaim.written(folder)
    return [asf, amc], lambda path: read_amc(amc, read_asf(asf), 120.0)


def _human36m(test: Any, raw: Path) -> None:
    test.write(raw, "S1", "Directions.54138969", test.person(0))
    test.write(raw, "S11", "Walking.58860488", test.person(1), mono=False)
    rows = test.person(1).reshape(test.COUNT, 96)
    test.write_cdf(raw / "S11/MyPoseFeatures/D3_Positions/Walking.cdf", rows)
    test.write_metadata(raw / "metadata.xml")
    (raw / "S1/SMPL").mkdir()
    count = test.COUNT
    known = {"poses": np.zeros((count, 72)), "betas": np.zeros(10), "trans": np.zeros((count, 3)), "gender": "male"}
    np.savez(raw / "S1/SMPL/Directions.54138969.npz", **known, frames=np.arange(count))


def _mpi(test: Any, raw: Path) -> None:
    from raw_files import write_images

    test.write_train(raw, 1, 1)
    test.write_test(raw, 1)
    for camera in range(14):
        folder = raw / f"S1/Seq1/imageFrames/video_{camera}"
        write_images(folder, [f"{frame:06d}.jpg" for frame in range(test.COUNT)])
    names = [f"img_{frame:06d}.jpg" for frame in range(1, test.TEST_COUNT + 1)]
    if not (raw / "mpi_inf_3dhp_test_set/TS1/imageSequence").exists():
        write_images(raw / "mpi_inf_3dhp_test_set/TS1/imageSequence", names)


def _posetrack(test: Any, raw: Path) -> None:
    test.write_2018(raw, "train", "000001_bonn_train", {0: [1, 2], 7: [1]}, 3, range(3))
    test.write_2017(raw, "val", "02_mpii", {0: [1, 2]}, 2)


def _insta(test: Any, raw: Path) -> None:
    people = [test.person(2, 1, 16), test.person(1, 2, 16, scaled=False, toes=False)]
    test.write_records(raw / "train" / "insta_00.tfrecord", people)


def _threedpw(test: Any, raw: Path) -> None:
    import invented

    home, random = Path(os.environ["VIBE_HOME"]), np.random.default_rng(1)
    invented.write_bodies(home)
    for path in home.glob("smpl_*.npz"):
        coco = random.dirichlet(np.ones(invented.VERTICES), 17)
        np.savez(path, **np.load(path), coco_regressor=coco)
    np.savez(home / "j_regressor_extra.npz", regressor=random.dirichlet(np.ones(invented.VERTICES), 9))
    camera = test.cameras(0)
    for split in ("train", "validation", "test"):
        person = test.person(3, "m", camera)
        test.write(raw, split, f"{split}_road_00", [person], camera)


def _emdb(test: Any, raw: Path) -> None:
    test.write_home(Path(os.environ["VIBE_HOME"]))
    test.write(raw, test.annotation(0, "female", (1, 2)))


def _cmu(test: Any, raw: Path) -> None:
    test.amc(raw, "05_01", 12, 1)
    test.bvh(raw, "06_01", 12, 1)


def _one_clip(test: Any, raw: Path) -> None:
    test.smpl_h(raw / "CMU/01/01_01_poses.npz", 120, 21)
    test.smpl_x(raw / "b/PosePrior/03099/lar1_stageii.npz", 120, 21)


def _penn(test: Any, raw: Path) -> None:
    test.write(raw, "0001", 1, 3, seed=1)


def _style(test: Any, raw: Path) -> None:
    raw.rmdir()
    test.raw(raw)


def _matlab(folder: Path) -> Iterable[Path]:
    from raw_files import write_matlab73
    from scipy import io as matlab

    cells = np.empty((2, 1), object)
    cells[:, 0] = np.eye(2), np.arange(3.0)
    matlab.savemat(folder / "v5.mat", {"a": np.eye(3), "cells": cells, "text": "x"})
    matlab.savemat(folder / "packed.mat", {"a": np.eye(3), "cells": cells}, do_compression=True)
    write_matlab73(folder / "v73.mat", {"a": np.eye(3), "cells": cells})
    yield from sorted(folder.iterdir())


def _read_matlab() -> Read:
    from vibe.data.sets.matlab import read_matlab

    return lambda path: read_matlab(path, ["a", "cells"])


def _stage(folder: Path) -> Iterable[Path]:
    import torch

    from vibe.cache import StageCache

    with StageCache(folder, {}) as shelf:
        shelf.put("motion", "motion", {"a": torch.eye(3), "b": torch.arange(4)}, {"x": [1, 2.5, None], "y": "z"})
    yield folder / "motion" / "motion.safetensors"


def _load_stage() -> Read:
    from vibe.cache import StageCache

    def read(path: Path) -> None:
        shelf = StageCache(path.parents[1], {})
        shelf.get("motion", "motion")
        if shelf.notes:
            raise ValueError(shelf.notes[0])

    return read


def _signed(path: Path) -> None:
    """Make the checksum right that a stage's file has, so that what is wrong with its content is met."""
    import safetensors.torch

    from vibe.cache import _digest

    content = path.read_bytes()
    try:
        tensors = safetensors.torch.load(content)
        about = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["about"]
    except Exception:
        return
    path.write_bytes(safetensors.torch.save(tensors, {"about": about, "sha256": _digest(tensors, about)}))


def _state(folder: Path) -> tuple[list[Path], Read]:
    """The state of a first pass that was ended in the middle, on a film without anybody in it."""
    import shutil

    from raw_files import write_video

    from vibe.inference import track
    from vibe.tracking.detector import Detections

    film, place = folder / "film.mp4", folder / "state"
    place.mkdir()
    write_video(film, 30, 25)

    def nobody(rgb: object) -> Detections:
        return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))

    def end(stage: str, done: float, total: float | None) -> None:
        if done == 20:
            raise EndedError

    track.EVERY = 0.0
    with suppress(EndedError):
        track.track_video(film, nobody, _Landmarks(), place, end)  # pyright: ignore[reportArgumentType]
    track.EVERY = 1000.0
    kept = {path.relative_to(place): path.read_bytes() for path in place.rglob("*") if path.is_file()}

    def read(path: Path) -> None:
        _signed(path)
        try:
            notes = track.track_video(film, nobody, _Landmarks(), place).notes  # pyright: ignore[reportArgumentType]
        finally:
            shutil.rmtree(place, ignore_errors=True)
            for name, content in kept.items():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                (place / name).write_bytes(content)
        if told := [note for note in notes if "followed" in note]:
            raise ValueError(f"{path.name}: {told[0]}")

    return sorted(path for path in place.rglob("*") if path.is_file()), read


class EndedError(Exception):
    """The first pass is ended."""


class _Landmarks:
    """A pose model that is never asked."""


def _summary(folder: Path) -> Iterable[Path]:
    keys = {"motion.npz": "ab" * 32, "overlay.mp4": "cd" * 32}
    about = {name: {"name": "open", "licence": "free", "sha256": "ab" * 32} for name in ("body", "weights")}
    summary = {
        "source": {"sha256": "ab" * 32, "path": "a.mp4", "stamp": ""},
        "sha256": dict.fromkeys(keys, "ef" * 32),
        "keys": keys,
    }
    summary |= {"bytes": {"motion.npz": 100}, "notes": ["x"], "frames": 9, "stages": True, **about}
    people = [{"person": 1, "frames": 9, "coverage": 1.0, "confidence": 0.5}]
    (folder / "summary.json").write_text(json.dumps(summary | {"people": people}))
    yield folder / "summary.json"


def _understand() -> Read:
    from vibe.batch import manifest, report

    def read(path: Path) -> None:
        """A summary that is damaged is as good as none."""
        known = manifest.read_manifest_summary("a", path.read_bytes())
        if known is None:
            raise ValueError(f"{path} tells of no results")
        report.report_json([report.found_outcome("a.mp4", "a", known)])
        report.report_csv([report.found_outcome("a.mp4", "a", known)])

    return read


def _list(folder: Path) -> Iterable[Path]:
    for name in ("a.mp4", "b.mkv"):
        (folder / name).write_bytes(b"x")
    (folder / "list.txt").write_text("# videos\na.mp4\n*.mkv\n\nb.mkv\n", encoding="utf-8-sig")
    yield folder / "list.txt"


def _find() -> Read:
    from vibe.batch.sources import find_videos

    return lambda path: find_videos([str(path)], str(path.with_name("out")))


def _edits(folder: Path) -> Iterable[Path]:
    from vibe.edits.file import write_edits
    from vibe.edits.record import Edit, EditedVideo, Edits

    stretch = {"person": 1, "first": 5, "last": 20}
    moved = {"person": 1, "frame": 7, "point": "left_wrist", "x_px": 10.5, "y_px": 20.0}
    edits = (Edit("swap_sides", stretch), Edit("move_point", moved), Edit("name", {"person": 2, "name": "Ann"}))
    write_edits(folder / "edits.json", Edits(EditedVideo("ab" * 32, 60, 640, 480), edits))
    yield folder / "edits.json"


def _correct() -> Read:
    from vibe.edits.apply import apply_edits
    from vibe.edits.file import read_edits
    from vibe.edits.record import Corrected, EditedVideo

    made = import_module("edits.test_apply")

    def read(path: Path) -> None:
        """Two people, corrected; the command puts the file's name before what does not fit them."""
        edits = read_edits(path, EditedVideo("ab" * 32, 60, 640, 480)).edits
        try:
            apply_edits([Corrected.of(made.TRACKS, made.TIMES)], edits)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return read


def _calibrations(folder: Path) -> Iterable[Path]:
    for name, text in import_module("lenses").WRITTEN.items():
        (folder / name).write_text(text, encoding="utf-8")
        yield folder / name


def _read_calibration() -> Read:
    from vibe.calibration import calibrated_lens, read_cameras

    def read(path: Path) -> None:
        """All cameras, at the size that they were calibrated at."""
        for camera in read_cameras(path):
            calibrated_lens(f"{path}:{camera.name}", Path("a.mp4"), *(camera.size_px or (1280, 720)))

    return read


def _phone_films(folder: Path) -> Iterable[Path]:
    lenses = import_module("lenses")
    for number, plain in enumerate((True, False)):
        content = lenses.phone_film(lenses.keyed(1, b"26.00mm", plain=plain), lenses.keyed(21, bytes([0, 0, 0, 24])))
        (folder / f"{number}.mov").write_bytes(content)
        yield folder / f"{number}.mov"
    (folder / "gopro.mp4").write_bytes(lenses.phone_film(film=lenses.gopro(92.0)))
    yield folder / "gopro.mp4"
    (folder / "photo.jpg").write_bytes(lenses.exif({0xA405: 26}))
    yield folder / "photo.jpg"


def _focal_length() -> Read:
    from vibe.video.lens import file_focal_px

    return lambda path: file_focal_px(path, 1920, 1080)


READERS: dict[str, Reader] = {
    "video": _alone(_videos, _read_video, 70),
    "focal length": _alone(_phone_films, _focal_length, 30),
    "calibration": _alone(_calibrations, _read_calibration, 40),
    "sound": _alone(_videos, _copied_with_sound, 20),
    "motion.npz": _alone(_motion, _load_motion, 120),
    "body file": _alone(_body, _load_body, 80),
    "open body": _alone(_open_body, _load_body, 4),
    "assets add": _alone(_given_files, _add, 120),
    "pickle": _alone(_pickles, _read_pickle, 120),
    "weights": _alone(_networks, _load_network, 60),
    "prior": _alone(_priors, _load_prior, 20),
    "training run": Reader(_run, 40),
    "kept stage": _alone(_stage, _load_stage, 30),
    "state of a pass": Reader(_state, 20),
    "summary": _alone(_summary, _understand, 30),
    "edits": _alone(_edits, _correct, 40),
    "list of videos": _alone(_list, _find, 4),
    "store": Reader(_store, 50),
    "motion clips": _alone(_clips_of_motion, _load_motions, 50),
    "character": _alone(_characters, _put_onto, 60),
    "onnx model": _alone(_models, _open_model, 15),
    "picture": _alone(_pictures, _decode, 40),
    "bvh": _alone(_bvh, _read_bvh, 80),
    "asf and amc": Reader(_acclaim, 60),
    "matlab": _alone(_matlab, _read_matlab, 50),
    "AMASS": _set("amass.AMASS", _one_clip, "*.npz", 20),
    "AIST++": _set("aist.AIST", lambda test, raw: test.annotations(raw), "*.pkl *.txt", 15),
    "AIST++ videos": _set("aist.AIST_VIDEOS", lambda test, raw: test.with_videos(raw), "*.json *.txt ?d/*.pkl", 5),
    "Bandai": _set("bvh.BANDAI", lambda test, raw: test.raw(raw), "*.bvh", 5, "bandai"),
    "CMU": _set("cmu.CMU", _cmu, "*.bvh *.amc *.asf", 20),
    "100STYLE": _set("bvh.STYLE100", _style, "*.csv Angry_ID.bvh", 8, "style100"),
    "Human3.6M": _set("human36m.HUMAN36M", _human36m, "*.cdf *.xml *.npz", 20),
    "InstaVariety": _set("insta_variety.INSTA_VARIETY", _insta, "*.tfrecord", 40),
    "MPI-INF-3DHP": _set("mpi_inf_3dhp.MPI_INF_3DHP", _mpi, "*.mat *.calibration", 15),
    "Penn Action": _set("penn_action.PENN_ACTION", _penn, "*.mat", 20),
    "PoseTrack": _set("posetrack.POSETRACK", _posetrack, "*.json", 40),
    "3DPW": _set("threedpw.THREEDPW", _threedpw, "train_road_00.pkl", 10),
    "EMDB": _set("emdb.EMDB_2", _emdb, "*_data.pkl", 15),
}  # fmt: skip
