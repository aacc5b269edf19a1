"""What was answered, as a motion file has it, whatever ended the recording."""

import os
import signal
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

import vibe
from vibe import cameras
from vibe.cli.app import main
from vibe.live.outputs import ROW, Recorder, read_recording
from vibe.video.write import VideoWriter


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Half a minute of grey."""
    path = tmp_path_factory.mktemp("film") / "grey.mp4"
    with VideoWriter(path, 160, 120, 20) as writer:
        for index in range(600):
            writer.write(np.full((120, 160, 3), 128, np.uint8), index / 20)
    return path


@pytest.fixture
def recording(method, moment, shot, tmp_path):
    """Four answers, of which the third has one person and the others two."""
    path = tmp_path / "kept.npz.part"
    camera = cameras.default_camera(640, 480)
    keeper = Recorder(path, "camera 0", camera, method.body.origin, method.network.about, ("a remark",))
    for index in range(4):
        people = moment.people if index != 2 else moment.people[:1]
        keeper.put(replace(moment, index=3 * index, time=5.0 + index / 10, people=people), shot, 80.0)
    keeper.close()
    return path


def test_what_was_answered_is_what_the_motion_file_says(method, moment, recording, tmp_path):
    read_recording(recording, method.body).save(tmp_path / "kept.npz")
    kept = vibe.load(tmp_path / "kept.npz")
    assert np.allclose(kept.clip.timestamps, np.arange(4) / 10, atol=1e-6)
    assert [person.frames.tolist() for person in kept] == [[0, 1, 2, 3], [0, 1, 3]]
    assert kept.weights.sha256 == method.network.about.sha256
    for person, pose in zip(kept, moment.people, strict=True):
        assert np.allclose(person.joints().values[0], pose.joints, atol=1e-4)
        assert np.allclose(person.smpl.rotmat[0], pose.rotmat, atol=1e-4)


@pytest.mark.parametrize("lost", [1, ROW.itemsize - 1])
def test_a_recording_that_breaks_off_in_a_row_holds_all_before_it(method, recording, lost):
    recording.write_bytes(recording.read_bytes()[:-lost])
    assert [person.frames.tolist() for person in read_recording(recording, method.body).people] == [
        [0, 1, 2, 3],
        [0, 1],
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:50],
        lambda content: content[: content.index(b"\n") + 1],
        lambda content: content.replace(b'"width":640', b'"width":1e9'),
        lambda content: content.replace(b'"K_px":[', b'"K_px":[1,'),
        lambda content: content + content[-ROW.itemsize :],
        lambda content: content[:-4] + b"\xff\xff\xff\x7f",
        lambda content: b"[" * 100_000,
    ],
)
def test_what_is_no_recording_is_refused(method, recording, change):
    recording.write_bytes(change(recording.read_bytes()))
    with pytest.raises(ValueError, match=r"kept\.npz\.part"):
        read_recording(recording, method.body)


def test_a_recording_that_was_not_finished_is_kept_until_it_is(film, recording, tmp_path, capsys):
    out = tmp_path / "kept.npz"
    assert main(["live", str(film), "-o", str(out)]) == 1
    assert f"vibe live {recording} -o {out}" in capsys.readouterr().err
    assert main(["live", str(recording), "-o", str(out)]) == 0
    assert len(vibe.load(out)) == 2 and not recording.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_recording_as_the_end_of_the_film_does(film, tmp_path, capsys, name):
    part = tmp_path / "kept.npz.part"

    def send() -> None:
        while not part.exists() or part.stat().st_size < 8 * ROW.itemsize:
            time.sleep(0.02)
        os.kill(os.getpid(), getattr(signal, name))

    before = signal.getsignal(getattr(signal, name))
    threading.Thread(target=send, daemon=True).start()
    assert main(["live", str(film), "--seconds", "60", "-o", str(tmp_path / "kept.npz")]) == 0
    assert f"written to {tmp_path / 'kept.npz'}" in capsys.readouterr().err and not part.exists()
    assert len(vibe.load(tmp_path / "kept.npz").clip.timestamps) >= 5
    assert signal.getsignal(getattr(signal, name)) == before


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limits of a file's size")
def test_a_full_disk_keeps_what_was_recorded_until_there_is_room(film, tmp_path, capsys, monkeypatch):
    resource = pytest.importorskip("resource")
    out, part = tmp_path / "kept.npz", tmp_path / "kept.npz.part"
    monkeypatch.setattr("vibe.motion.Result.save", lambda self, path: (_ for _ in ()).throw(OSError(28, "no room")))
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10 * ROW.itemsize, before[1]))
        assert main(["live", str(film), "--seconds", "60", "-o", str(out)]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert f"the recording is in {part}" in capsys.readouterr().err and part.stat().st_size == 10 * ROW.itemsize
    monkeypatch.undo()
    assert main(["live", str(part), "-o", str(out)]) == 0
    assert len(vibe.load(out).clip.timestamps) >= 6 and not part.exists()
