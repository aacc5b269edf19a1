"""A program: many videos, some broken, whose work is killed again and again; is everything done once, and right?

`python tests/faults/many_videos.py --table benchmarks/results/many_videos.md`. The videos are short and made here: a
rendered walker, in ten places, turned about and lighter or darker. Of the broken ones there are ten kinds. A random
process of the run, the first one included, gets SIGKILL so many times; where that was the first, its workers have to
end with it, and the same command is given again. Exit code 1 if anything is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

import av
import numpy as np
from faults import kit

FPS = 15
PLACES = 10
ORPHANS = 15.0
"""Seconds in which workers have to end when who started them is killed."""


def write_videos(
    folder: Path, count: int, broken: int, seconds: float = 2.0, places: int = PLACES
) -> tuple[list[Path], list[Path]]:
    """So many videos in subfolders, and among them broken ones: those that are right, and the broken ones."""
    from vibe.synthetic.clips import make_clip
    from vibe.video.read import open_video

    bases = []
    with tempfile.TemporaryDirectory() as scratch:
        for place in range(places):
            path = Path(scratch) / f"{place}.mp4"
            make_clip(path, seconds, FPS, 320, 240, seed=place)
            with open_video(path) as video:
                bases.append(np.stack([frame.rgb for frame in video]))
    right, wrong = [], []
    for number in range(count - broken):
        path = folder / f"day{number % 4}" / f"walk{number:03d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        shown = bases[number % len(bases)]
        shown = shown[:, :, ::-1] if number // len(bases) % 2 else shown
        _encode(path, np.clip(shown.astype(np.int16) + number // len(bases) // 2 * 3, 0, 255).astype(np.uint8))
        right.append(path)
    for number in range(broken):
        kind = list(KINDS)[number % len(KINDS)]
        path = folder / f"day{number % 4}" / f"broken{number:03d}-{kind}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        KINDS[kind](path, right[number % len(right)].read_bytes(), random.Random(number))
        wrong.append(path)
    return right, wrong


def _encode(path: Path, shown: np.ndarray) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = (
            shown.shape[2],
            shown.shape[1],
            "yuv420p",
            800_000,
        )
        for picture in shown:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")))
        file.mux(stream.encode())


def _sound(path: Path, whole: bytes, dice: random.Random) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100, layout="mono")
        for start in range(dice.randrange(2, 9)):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 44100, start * 1024
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def _without_pictures(path: Path, whole: bytes, dice: random.Random) -> None:
    """The index is whole, but every picture's bytes are not."""
    start = whole.index(b"mdat") + 4
    length = int.from_bytes(whole[start - 8 : start - 4], "big") - 8
    path.write_bytes(whole[:start] + dice.randbytes(length) + whole[start + length :])


KINDS: Mapping[str, Callable[[Path, bytes, random.Random], object]] = {
    "empty": lambda path, whole, dice: path.touch(),
    "text": lambda path, whole, dice: path.write_text(f"no video {dice.random()}\n" * 50, encoding="utf-8"),
    "zeros": lambda path, whole, dice: path.write_bytes(bytes(dice.randrange(10_000, 50_000))),
    "noise": lambda path, whole, dice: path.write_bytes(dice.randbytes(30_000)),
    "cut": lambda path, whole, dice: path.write_bytes(whole[: len(whole) // dice.randrange(2, 9)]),
    "list": lambda path, whole, dice: path.write_text(f"#EXTM3U\n#EXTINF:9,\n{dice.random()}.ts\n", encoding="utf-8"),
    "archive": lambda path, whole, dice: path.write_bytes(b"PK\x05\x06" + bytes(18) + dice.randbytes(9)),
    "link": lambda path, whole, dice: path.symlink_to(f"nowhere-{dice.random()}.mp4"),
    "sound": _sound,
    "damaged": _without_pictures,
}
"""Ways to be no video."""


@dataclass
class Watch:
    """Looks at the results as they come, from a thread."""

    out: Path
    files: dict[str, set[int]] = field(default_factory=dict)
    """Of each motion.npz: the files that it was, by their numbers on the disk."""
    wrong: list[str] = field(default_factory=list)
    """Summaries that told of what was not there."""

    def look(self) -> None:
        """Note what is there now."""
        for folder, below, files in os.walk(self.out):
            below[:] = [name for name in below if not name.startswith(".")]
            if "summary.json" not in files:
                continue
            summary = Path(folder, "summary.json")
            with suppress(FileNotFoundError):
                told = json.loads(summary.read_bytes())
                place = summary.parent.relative_to(self.out).as_posix()
                missing = [name for name in told["files"] if not (summary.parent / name).exists()]
                if missing and summary.exists():
                    self.wrong.append(f"{place} tells of {', '.join(missing)}")
                self.files.setdefault(place, set()).add((summary.parent / "motion.npz").stat().st_ino)

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look on and on, meanwhile."""
        stop = threading.Event()

        def go() -> None:
            while not stop.wait(0.2):
                self.look()

        thread = threading.Thread(target=go)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            self.look()

    @property
    def again(self) -> list[str]:
        """What was done more than once."""
        return sorted(place for place, files in self.files.items() if len(files) > 1)


@dataclass
class Killed:
    """What the kills met."""

    parents: int = 0
    workers: int = 0
    orphans: int = 0
    """Workers that outlived the process that started them."""


def work_and_kill(command: Sequence[object], kills: int, every: float, dice: random.Random) -> tuple[kit.Done, Killed]:
    """Run vibe until it ends by itself, with so many SIGKILLs, each up to `every` seconds after workers are there."""
    met = Killed()
    process = kit.begin(*command)
    for target in _targets(kills, dice):
        kit.wait_for(partial(_has_workers, process), process)
        below = kit.children(process.pid)
        killed = kit.kill_at_random(process, dice, every, target, after=0.2 * every)
        if killed is None:
            break
        if killed != process.pid:
            met.workers += 1
            continue
        met.parents += 1
        process.communicate()
        until = time.monotonic() + ORPHANS
        while (alive := [pid for pid in below if _is_alive(pid)]) and time.monotonic() < until:
            time.sleep(0.05)
        met.orphans += len(alive)
        process = kit.begin(*command)
    return kit.end(process, 3600), met


def _targets(kills: int, dice: random.Random) -> list[str]:
    """Whom the kills hit: the first process two times of five, else any of the others."""
    chosen = ["parent" if number % 5 in (1, 3) else "children" for number in range(kills)]
    dice.shuffle(chosen)
    return chosen


def _has_workers(process: subprocess.Popen[str]) -> bool:
    return len(kit.children(process.pid)) >= 2


def _is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    return False


def differing(videos: Sequence[Path], folder: Path, out: Path) -> list[str]:
    """Videos whose motion is not that of a single run, array for array."""
    from vibe.inference.estimate import load_estimator

    method, off = load_estimator(), []
    with tempfile.TemporaryDirectory() as scratch:
        for video in videos:
            method.estimate(video).save(Path(scratch) / "alone.npz")
            place = video.relative_to(folder).with_suffix("")
            try:
                with np.load(Path(scratch) / "alone.npz") as alone, np.load(out / place / "motion.npz") as found:
                    same = alone.files == found.files and all(_alike(alone[name], found[name]) for name in alone.files)
            except OSError:
                same = False
            off += [] if same else [str(place)]
    return off


def _alike(one: np.ndarray, two: np.ndarray) -> bool:
    """Bit for bit, so that what is not known (NaN) is like itself."""
    return one.dtype == two.dtype and one.shape == two.shape and one.tobytes() == two.tobytes()


def judge(
    folder: Path, out: Path, right: Sequence[Path], wrong: Sequence[Path], files: Sequence[str]
) -> dict[str, object]:
    """What is there after the last run: counts, and what should not be."""
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    states = {each["video"]: each for each in report["videos"]}
    expected = {f"{video.relative_to(folder).with_suffix('').as_posix()}/{name}" for video in right for name in files}
    return {
        "results": sum(states[str(video)]["state"] in ("done", "skipped") for video in right),
        "named failures": sum(
            states[str(video)]["state"] == "failed" and video.name in states[str(video)]["reason"] for video in wrong
        ),
        "unlike a single run": differing(right, folder, out),
        "missing files": sorted(expected - set(kit.files(out))),
        "files too many": sorted(set(kit.files(out)) - expected - {"report.csv", "report.json"}),
        "leftovers": kit.leftovers(out),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--broken", type=int, default=20)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--every", type=float, default=25.0, help="seconds of work between two kills, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each video")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where videos and results go and stay")
    parser.add_argument("--table", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = (given.folder or Path(scratch)) / "videos", (given.folder or Path(scratch)) / "out"
        right, wrong = write_videos(folder, given.videos, given.broken, given.seconds)
        watch, began = Watch(out), time.monotonic()
        with watch.looking():
            command = ("estimate", folder, "-o", out, "--workers", given.workers)
            done, met = work_and_kill(command, given.kills, given.every, random.Random(given.seed))
        seconds = time.monotonic() - began
        found = judge(folder, out, right, wrong, ("motion.npz", "overlay.mp4", "summary.json"))
    found |= {"done more than once": watch.again, "summaries of missing files": watch.wrong}
    bad = {name: value for name, value in found.items() if isinstance(value, list) and value}
    bad |= {"workers that outlived their parent": met.orphans} if met.orphans else {}
    whole = found["results"] == len(right) and found["named failures"] == len(wrong) and done.code == 1 and not bad
    rows = [
        (f"videos of {given.seconds:g} s, of which broken", f"{given.videos}, {given.broken}"),
        ("workers", f"{given.workers}"),
        ("SIGKILLs: first process, other processes", f"{met.parents}, {met.workers}"),
        *((name, str(len(value)) if isinstance(value, list) else str(value)) for name, value in found.items()),
        ("workers that outlived their parent", str(met.orphans)),
        ("seconds from the first command to the last one's end", f"{seconds:.0f}"),
    ]
    made = f"`python tests/faults/many_videos.py`, seed {given.seed}, commit {kit.commit()}"
    lines = ["# Many videos, killed again and again", "", f"{made}, {platform.machine()}, {os.cpu_count()} cores.", ""]
    lines += ["| what | number |", "| --- | ---: |", *(f"| {name} | {value} |" for name, value in rows), ""]
    text = "\n".join(lines)
    complaints = "" if whole else "\n".join([*(f"{name}: {value}" for name, value in bad.items()), done.err])
    sys.stdout.write(text + complaints)
    if given.table:
        given.table.write_text(text, encoding="utf-8")
    return 0 if whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
