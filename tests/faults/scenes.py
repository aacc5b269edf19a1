"""A program: every command while something breaks.

`python tests/faults/scenes.py --table benchmarks/results/faults.md` writes the table.

A scene ends well if the command says in one line what went wrong, with the exit code of a failure, leaves nothing
half-written behind, keeps what was finished, and gives the undisturbed result when it is run again with all in order.
Scenes that ended well at the same commit are not played again: `--out` is where that stands.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "fixtures"))

from faults import kit

from vibe.bench.measure import machine_name

FAILED, KILLED = 1, -9
MOTION = "clip/motion.npz"


@dataclass
class Stage:
    """Where a scene plays: a folder of its own, and what all scenes share."""

    folder: Path
    shared: Path
    seed: int = 0

    @cached_property
    def clip(self) -> Path:
        """A short clip of a walker, made once, which every scene gets a copy of."""
        from vibe.synthetic import clips

        whole = self.shared / "clip.mp4"
        if not whole.exists():
            clips.make_clip(whole, seconds=1.6, fps=15, width=240, height=320)
        return Path(shutil.copy(whole, self.folder / "clip.mp4"))

    @cached_property
    def motion(self) -> Path:
        """The clip's undisturbed result, made once."""
        if not (self.shared / "out" / MOTION).exists():
            done = kit.run("estimate", self.clip, "-o", self.shared / "out")
            assert done.code == 0, done.err
        return Path(shutil.copy(self.shared / "out" / MOTION, self.folder / "motion.npz"))

    def same_motion(self, path: Path) -> bool:
        """Whether a result is the undisturbed one, to the bit but for where its video lies."""
        import numpy as np

        mine, its = (dict(np.load(each, allow_pickle=False)) for each in (path, self.motion))
        names = its.keys() - {"video", "sha256"}
        return mine.keys() == its.keys() and all(np.array_equal(mine[name], its[name]) for name in names)

    def failed(self, done: kit.Done, words: str, code: int = FAILED) -> str:
        """Check that a command failed with one line that has these words, and give that line."""
        assert done.code == code, (done.code, done.err[-2000:])
        assert "Traceback" not in done.err and "fault of vibe" not in done.err, done.err[-2000:]
        said = done.said[:1]
        assert said and any(word in said[0] for word in words.split("|")), done.err[-2000:]
        return said[0].replace(str(self.folder), "...").removeprefix("vibe: ")


def estimate_killed(stage: Stage, kills: int = 4) -> str:
    """SIGKILL at random moments, each time again, until it is done."""
    dice, out, killed = random.Random(stage.seed), stage.folder / "out", 0
    _ = stage.motion
    began = time.monotonic()
    while killed < kills:
        process = kit.begin("estimate", stage.clip, "-o", out)
        killed += kit.kill_at_random(process, dice, 12.0, "all", 2.0) is not None
        kit.end(process)
        if killed < kills and (out / MOTION).exists():
            shutil.rmtree(out)
    assert kit.run("estimate", stage.clip, "-o", out).code == 0
    assert stage.same_motion(out / MOTION) and kit.leftovers(out) == []
    return f"{killed} kills in {time.monotonic() - began:.0f} s, then the same motion, no leftovers"


def estimate_full(stage: Stage, leave: int = 30_000) -> str:
    """The disk is full when the results are written."""
    with kit.full_disk(4 << 20) as disk:
        ballast = kit.fill(disk, leave)
        said = stage.failed(kit.run("estimate", stage.clip, "-o", disk / "out"), "space|write")
        left = kit.leftovers(disk, (".vibe",))
        assert left == [] and not (disk / "out" / "clip" / "overlay.mp4").exists(), left
        ballast.unlink()
        assert kit.run("estimate", stage.clip, "-o", disk / "out").code == 0
        assert stage.same_motion(disk / "out" / MOTION)
    return said


def _in_the_middle(stage: Stage, harm: Callable[[], Any], **breaks: Any) -> kit.Done:
    """Estimate, with harm done once the first pass has begun."""
    process = kit.begin("estimate", stage.clip, "-o", stage.folder / "out", **breaks)
    assert process.stderr
    said = ""
    for line in process.stderr:
        said += line
        if ": people" in line:
            harm()
            break
    done = kit.end(process)
    return kit.Done(done.code, done.out, said + done.err, done.seconds)


def estimate_truncated(stage: Stage) -> str:
    """The video is cut off while it is read: a result of what there was, or one clear line."""
    done = _in_the_middle(stage, lambda: kit.truncate(stage.clip, 0.6))
    if done.code == 0:
        assert kit.leftovers(stage.folder) == []
        return "a result of the frames that were read"
    said = stage.failed(done, "clip.mp4")
    _again(stage)
    return said


def estimate_forbidden(stage: Stage) -> str:
    """The video may no longer be read once it is being read."""
    _ = stage.motion
    done = _in_the_middle(stage, lambda: stage.clip.chmod(0), no_override=True)
    stage.clip.chmod(0o644)
    said = stage.failed(done, "read|ermission")
    _again(stage)
    return said


def estimate_undecodable(stage: Stage) -> str:
    """The decoder gives up after some frames, in every pass: a result of those frames."""
    out = stage.folder / "out"
    done = kit.run("estimate", stage.clip, "-o", out, broken={"decoder": 12})
    assert done.code == 0, done.err[-2000:]
    assert "could not be decoded" in done.out, done.out
    assert kit.leftovers(out) == []
    assert kit.run("estimate", stage.clip, "-o", out, "--again").code == 0 and stage.same_motion(out / MOTION)
    return "a result of the frames before, and a note"


def estimate_starved(stage: Stage, memory: int = 120 << 20) -> str:
    """There is little memory beside what the imports take."""
    said = stage.failed(kit.run("estimate", stage.clip, "-o", stage.folder / "out", memory=memory), "memory")
    _again(stage)
    return said


def _again(stage: Stage) -> None:
    """After a failure: nothing is left behind, and the same command succeeds with the undisturbed result."""
    _ = stage.motion
    out = stage.folder / "out"
    left = kit.leftovers(out, (".vibe",)) if out.exists() else []
    assert left == [], left
    shutil.copy(stage.shared / "clip.mp4", stage.clip)
    done = kit.run("estimate", stage.clip, "-o", out)
    assert done.code == 0, done.err[-2000:]
    assert stage.same_motion(out / MOTION), done.out
    assert kit.leftovers(out) == [], kit.leftovers(out)


def _writes(
    *command: str, name: str, inputs: Sequence[str] = ("motion",), size: int = 1 << 20
) -> Callable[[Stage], str]:
    """A command that writes one thing: a full disk, a cut input, no permission, kills; then all is well."""

    def scene(stage: Stage) -> str:
        given = [getattr(stage, each) for each in inputs]
        said = []
        with kit.full_disk(size) as disk:
            kit.fill(disk, 3000)
            said.append(stage.failed(kit.run(*command, *given, "-o", disk / name), "space|write"))
            assert kit.files(disk) == ["ballast"] and kit.leftovers(disk) == []
        content = given[0].read_bytes()
        kit.truncate(given[0], 0.5)
        said.append(stage.failed(kit.run(*command, *given, "-o", stage.folder / name), given[0].name))
        given[0].write_bytes(content)
        with kit.no_permission(given[0]):
            done = kit.run(*command, *given, "-o", stage.folder / name, no_override=True)
            said.append(stage.failed(done, "ermission|read"))
        dice = random.Random(stage.seed)
        for _ in range(3):
            process = kit.begin(*command, *given, "-o", stage.folder / name)
            kit.kill_at_random(process, dice, 3.0, "all", 0.8)
            kit.end(process)
        assert kit.run(*command, *given, "-o", stage.folder / name).code == 0
        assert kit.leftovers(stage.folder) == [], kit.leftovers(stage.folder)
        return said[0]

    return scene


def prepare_broken(stage: Stage) -> str:
    """A data set is prepared on a full disk, is killed again and again, and is whole in the end."""
    from data.sets import test_bandai

    raw = test_bandai.raw(stage.folder / "raw")
    whole, out = stage.folder / "whole", stage.folder / "out"
    assert kit.run("prepare", "bandai", raw, "-o", whole).code == 0
    with kit.full_disk(1 << 20) as disk:
        ballast = kit.fill(disk, 12_000)
        said = stage.failed(kit.run("prepare", "bandai", raw, "-o", disk / "out"), "space|write")
        ballast.unlink()
        assert kit.run("prepare", "bandai", raw, "-o", disk / "out").code == 0
        assert _contents(disk / "out") == _contents(whole)
    dice = random.Random(stage.seed)
    for _ in range(4):
        process = kit.begin("prepare", "bandai", raw, "-o", out)
        kit.kill_at_random(process, dice, 4.0, "all", 1.5)
        kit.end(process)
    assert kit.run("prepare", "bandai", raw, "-o", out).code == 0
    assert _contents(out) == _contents(whole) and kit.leftovers(out) == []
    return said


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def train_full(stage: Stage) -> str:
    """The disk is full when a checkpoint is written; with room again the run goes on to what it would have been."""
    import clip_sets
    import torch
    from safetensors.torch import load

    from vibe.train import loop

    torch.set_num_threads(1)
    data = stage.folder / "sets"
    clip_sets.write_sets(data)
    recipe = clip_sets.tiny_recipe(data)
    list(loop.train_generator(recipe, stage.folder / "whole"))
    with kit.full_disk(64 << 20) as disk:
        ballast = kit.fill(disk, 40_000)
        try:
            list(loop.train_generator(recipe, disk / "run"))
        except OSError as error:
            said = f"{error.strerror}: {Path(str(error.filename)).name}"
        else:
            raise AssertionError("the disk was not full")
        assert [name for name in kit.leftovers(disk) if name.endswith(".part")] == []
        ballast.unlink()
        list(loop.train_generator(recipe, disk / "run"))
        mine, its = (load((run / "weights.safetensors").read_bytes()) for run in (disk / "run", stage.folder / "whole"))
        assert mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in its)
    return said


SCENES: dict[str, Callable[[Stage], str]] = {
    "estimate, killed 4 times": estimate_killed,
    "estimate, disk full at motion.npz": lambda stage: estimate_full(stage, 4_000),
    "estimate, disk full at overlay.mp4": estimate_full,
    "estimate, video cut off while read": estimate_truncated,
    "estimate, permission removed while read": estimate_forbidden,
    "estimate, decoder fails": estimate_undecodable,
    "estimate, little memory": estimate_starved,
    "estimate, less memory": lambda stage: estimate_starved(stage, 40 << 20),
    "export glb, all faults": _writes("export", "--to", "glb", name="x.glb"),
    "export bvh, all faults": _writes("export", "--to", "bvh", name="x", size=1 << 18),
    "render, all faults": _writes("render", name="x.mp4", inputs=("motion", "clip")),
    "view, all faults": _writes("view", name="x.html"),
    "prepare, all faults": prepare_broken,
    "train, disk full": train_full,
}


def played(name: str, scene: Callable[[Stage], str], stage: Stage) -> tuple[str, int]:
    """A scene's row of the table, and 1 if it did not end well."""
    stage.folder.mkdir()
    began, bad = time.monotonic(), 0
    try:
        well, said = "yes", scene(stage)
    except (Exception, pytest.skip.Exception) as error:
        skipped = isinstance(error, pytest.skip.Exception)
        line = traceback.extract_tb(error.__traceback__)[-1].lineno
        well, said = "not run" if skipped else "no", f"{line}: {' '.join(str(error).split())[-600:]}"
        bad = int(not skipped)
    said = re.sub(rf"{re.escape(tempfile.gettempdir())}/[^/\s]+", "...", said)
    with suppress(OSError):
        shutil.rmtree(stage.folder)
    return f"| {name} | {well} | {time.monotonic() - began:.0f} | {said.replace('|', '/')} |", bad


def main() -> int:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--table", type=Path)
    ask.add_argument("--scenes", default="", help="some of them, by parts of their names, with commas between")
    ask.add_argument("--seed", type=int, default=0)
    ask.add_argument("--out", type=Path, default=Path("build/faults"))
    asked = ask.parse_args()
    wanted = [part for part in asked.scenes.split(",") if part]
    done_file, commit = asked.out / "scenes.json", kit.commit()
    asked.out.mkdir(parents=True, exist_ok=True)
    known = json.loads(done_file.read_text()) if done_file.exists() else {}
    done = known.get("rows", {}) if known.get("played") == [commit, asked.seed] else {}
    lines, worst = ["| scene | ends well | seconds | what is said |", "| --- | --- | ---: | --- |"], 0
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "shared").mkdir()
        for number, (name, scene) in enumerate(SCENES.items()):
            if wanted and not any(part in name for part in wanted):
                continue
            if name not in done:
                row, bad = played(name, scene, Stage(Path(place) / str(number), Path(place) / "shared", asked.seed))
                worst = worst or bad
                if not bad:
                    done[name] = row
                    done_file.write_text(json.dumps({"played": [commit, asked.seed], "rows": done}))
            lines.append(done.get(name) or row)
            sys.stdout.write(lines[-1] + "\n")
    if asked.table:
        measured = f"Commit {commit}; {machine_name()}."
        asked.table.write_text("\n".join(["# Every command, while something breaks", "", *lines, "", measured, ""]))
    return worst


if __name__ == "__main__":
    sys.exit(main())
