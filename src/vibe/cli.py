"""The command `vibe`. Torch and all that need it are imported only once there is work for them."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from tyro.conf import Positional, arg

from vibe import __version__

if TYPE_CHECKING:
    from vibe.records import Result

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit codes."""
PLAIN_SECONDS = 10.0
"""Between two lines of progress where there is no terminal."""
EXPECTED = (ValueError, OSError, MemoryError, ImportError)
"""What the borders raise about the user's files; anything else is our own mistake."""

app = tyro.extras.SubcommandApp()


class Meter:
    """Shows where the work stands and remembers the seconds that each stage took.

    A bar with the time left on a terminal; elsewhere a line for each stage and every ten seconds.
    """

    def __init__(self, console: Console, label: str) -> None:
        self.seconds: dict[str, float] = {}
        self._console, self._label = console, label
        self._stage, self._since, self._said = "", time.monotonic(), 0.0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(show_speed=True),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None)

    def __enter__(self) -> Meter:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._account(time.monotonic())
        self._bar.stop()

    def __call__(self, stage: str, done: float, total: float | None) -> None:
        """Note that `done` of `total` units of a stage are finished; `total` is None while it is unknown."""
        now = time.monotonic()
        fresh = stage != self._stage
        if fresh:
            self._account(now)
            self._stage = stage
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(f"{self._label}: {stage}", total=total)
        self._bar.update(self._task, completed=done, total=total)
        if not self._console.is_terminal and (fresh or now - self._said >= PLAIN_SECONDS):
            self._said = now
            share = f", {done / total:.0%}" if total and not fresh else ""
            _say(self._console, f"{self._label}: {stage}{share}")

    def _account(self, now: float) -> None:
        """Put the time since the last change of stage down to the stage that ends."""
        if self._stage:
            self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        self._since = now


@app.command(name="estimate")
def _estimate(
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO [VIDEO ...]", help_behavior_hint="(required)")],
    /,
    out: Annotated[Path, arg(aliases=["-o"], metavar="OUT")] = Path("out"),
    overlay: bool = True,
    smooth: Literal["none", "light", "strong"] = "light",
    refine: bool = True,
    fov: Annotated[float | None, arg(metavar="DEG", help_behavior_hint="(default: 53.1)")] = None,
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None,
    detector: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    pose_model: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    device: Annotated[
        str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if there is one, else cpu)")
    ] = None,
) -> int:
    """Find everyone in each video and write their 3D motion in SMPL's format.

    Writes OUT/<name of the video>/motion.npz, overlay.mp4 and summary.json, and prints a table: person, frames, share
    of the video's frames covered, mean confidence of the 2D keypoints. A video that fails does not stop the others.

    Exit code: 0 done (also if nobody was in view), 1 a video failed, 2 wrong usage, 130 interrupted.

    Args:
        videos: Files in any format that FFmpeg reads.
        out: Folder for the results; made if absent. Results of the same name are replaced.
        overlay: Draw the bodies over the video, with its size, frame rate and sound.
        smooth: How much jitter to take out over time.
        refine: Fit the motion to the 2D keypoints after the network; slower, closer to the picture.
        fov: The lens's angle of view across the picture's diagonal, degrees, 5 to 150. At 53.1 the focal length is as
            long as the diagonal.
        weights: A set of weights that comes with the package, or a .safetensors file that `vibe train` wrote.
        detector: An ONNX person detector (YOLOX) in place of the default one.
        pose_model: An ONNX COCO-17 pose model (RTMPose's SimCC output) in place of the default one.
        device: Where the network runs: cpu, cuda, cuda:1, mps.
    """
    if not videos:
        return _refuse("no video: give one file or more, as in `vibe estimate clip.mp4 -o out`")
    options: dict[str, Any] = {"smoothing": smooth, "refine": refine, "fov_deg": fov, "weights": weights}
    options |= {"device": device, "detector": detector, "pose_model": pose_model}
    return _each(videos, _places(videos, out), overlay, options)


@app.command(name="fetch")
def _fetch(into: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")] = None) -> int:
    """Download the two model files that find people and their 2D keypoints, and check them.

    They come out of a Python package (mediapipe, Apache-2.0) of which nothing is installed; 36 MB are downloaded, 9 MB
    kept. Needed once; does nothing where they are already. The only command that needs a network.

    Args:
        into: Where to keep them. If not given, the folder in the environment variable VIBE_HOME, or the user's data
            folder.
    """
    from vibe import assets

    for path in assets.fetch(into):
        print(path)
    return DONE


@app.command(name="train")
def _train(
    recipe: Annotated[Positional[str], arg(metavar="RECIPE")],
    /,
    out: Annotated[Path, arg(aliases=["-o"], metavar="RUN")],
) -> int:
    """Train weights by a recipe, on the CPU.

    A run that was stopped goes on from its last checkpoint, to the same weights, if it is started again.

    The recipes read motion capture from the folder in the environment variable VIBE_MOTION.

    Args:
        recipe: Name of the recipe: open (free for all uses), open-nc (adds motion for non-commercial use).
        out: Folder of the run: log.jsonl, checkpoint.pt and weights.safetensors (for `vibe estimate --weights`).
    """
    from vibe.train import loop, recipes

    if recipe not in recipes.RECIPES:
        return _refuse(f"no recipe is called {recipe}: choose one of {', '.join(recipes.RECIPES)}")
    for record in loop.train(recipes.RECIPES[recipe], out):
        print("  ".join(f"{name} {value:.6g}" for name, value in record.items()), flush=True)
    return DONE


@app.command(name="make-clip")
def _make_clip(out: Annotated[Positional[Path], arg(metavar="OUT.mp4")], /) -> int:
    """Make the short video of the demo: the open body walks and turns in front of a painted background.

    Args:
        out: The video file to write; replaced if it is there.
    """
    from vibe.data import clips

    out.parent.mkdir(parents=True, exist_ok=True)
    clips.make_clip(out)
    print(out)
    return DONE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those of the process if not given."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # pyright: ignore[reportAttributeAccessIssue]
    if arguments == ["--version"]:
        print(f"vibe {__version__}")
        return DONE
    codes: list[int] = []
    try:
        complaint = _attempt(lambda: codes.append(_run(arguments)))
    except KeyboardInterrupt:
        _complain("interrupted: what was finished is whole, nothing else was kept")
        return INTERRUPTED
    if complaint is not None:
        _complain(complaint)
        return FAILED
    return codes[0]


def _run(arguments: list[str]) -> int:
    """The exit code of the command that the arguments name; help and wrong arguments have one as well."""
    description = "A video in, everyone's 3D motion out, in SMPL's format. `vibe --version` prints the version."
    try:
        return app.cli(prog="vibe", description=description, args=arguments or ["--help"])
    except SystemExit as leave:
        return leave.code if isinstance(leave.code, int) else USAGE


def _each(videos: Sequence[Path], places: Sequence[Path], overlay: bool, options: dict[str, Any]) -> int:
    """Estimate one video after the other, and return the exit code."""
    files = ["motion.npz", *(["overlay.mp4"] if overlay else []), "summary.json"]
    new = [place for place in (*places, places[0].parent) if not place.exists()]
    failures: list[str] = []
    licences: set[str] = set()
    try:
        try:
            options = _ready(options)
            _make_folders(places, files)
        except (ValueError, OSError, ImportError) as error:
            return _refuse(_sentence(error))
        for number, (video, place) in enumerate(zip(videos, places, strict=True), start=1):
            label = video.name if len(videos) == 1 else f"[{number}/{len(videos)}] {video.name}"
            complaint = _attempt(partial(_one, video, place, files, label, options, licences))
            if complaint is not None:
                failures.append(complaint if str(video) in complaint else f"{video}: {complaint}")
                _complain(failures[-1])
    finally:
        for place in new:
            with suppress(OSError):
                place.rmdir()
    for sentence in sorted(licences):
        _say(Console(), sentence)
    if failures and len(videos) > 1:
        _complain(f"{len(failures)} of {len(videos)} videos failed:", *(f"  {failure}" for failure in failures))
    return FAILED if failures else DONE


def _ready(options: dict[str, Any]) -> dict[str, Any]:
    """The options as the pipeline takes them, checked before the work. Raises ValueError, OSError, ImportError."""
    import torch

    from vibe import assets, cameras

    cameras.default_camera(16, 16, options["fov_deg"])
    assets.weights_path(options["weights"])
    try:
        torch.zeros(1, device=options["device"])
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {options['device']} is not here: {_sentence(error)}") from error
    detector, pose_model = options["detector"], options["pose_model"]
    if detector is None and pose_model is None:
        return options
    from vibe.people.onnx import OnnxDetector, OnnxPose

    return options | {
        "detector": None if detector is None else OnnxDetector(detector),
        "pose_model": None if pose_model is None else OnnxPose(pose_model),
    }


def _make_folders(places: Sequence[Path], files: Sequence[str]) -> None:
    """Make the folders and see that the files can be written there. Raises OSError."""
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            probe = place / f".vibe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise OSError(f"cannot write to {place}: {_sentence(error)}; choose another folder with -o") from error
        for name in files:
            if (place / name).is_dir():
                raise IsADirectoryError(f"{place / name} is a folder: move it away or choose another folder with -o")


def _one(video: Path, place: Path, files: list[str], label: str, options: dict[str, Any], licences: set[str]) -> None:
    """Estimate one video, write its files, print its table and note what the weights may be used for."""
    import vibe
    from vibe.results import npz, summary

    if any((place / name).resolve() == video.resolve() for name in files):
        raise ValueError(f"{video} would be overwritten by its own results: choose another folder with -o")
    with Meter(Console(stderr=True), label) as meter:
        result = vibe.estimate(video, **options, progress=meter)
        meter("writing", 0, None)
        npz.write_npz(place / "motion.npz", result)
        if "overlay.mp4" in files:
            from vibe.results.overlay import write_overlay

            notes = write_overlay(video, result, place / "overlay.mp4", progress=meter)
            result = replace(result, notes=result.notes + notes)
    summary.write_summary(place / "summary.json", result, meter.seconds, files)
    _report(result)
    _say(Console(), f"written to {place}: {', '.join(files)}")
    licences.add(f"weights {result.weights.name}: {result.weights.licence}")


def _report(result: Result) -> None:
    """The table of people and the notes."""
    from vibe.results import summary

    console = Console()
    table = Table(title=Text(result.clip.path.name), title_justify="left")
    for heading in ("person", "frames", "share of video", "keypoint confidence"):
        table.add_column(heading, justify="right")
    for row in summary.rows(result):
        table.add_row(str(row.person), str(row.frames), f"{row.coverage:.0%}", f"{row.confidence:.2f}")
    if result.people:
        console.print(table, markup=False)
    else:
        _say(console, f"{result.clip.path.name}: nobody was found in view")
    for note in result.notes:
        _say(console, f"note: {note}")


def _places(videos: Sequence[Path], out: Path) -> list[Path]:
    """A folder for each video, named by it; a name that is taken gets a number, and the user is told."""
    places: list[Path] = []
    for video in videos:
        stem = video.stem.strip(". ") or "video"
        names = [stem, *(f"{stem}-{number}" for number in range(2, len(videos) + 2))]
        taken = {place.name.casefold() for place in places}
        name = next(name for name in names if name.casefold() not in taken)
        if name != stem:
            _complain(f"another video is called {stem} too: the results of {video} go to {out / name}")
        places.append(out / name)
    return places


def _attempt(work: Callable[[], None]) -> str | None:
    """Do the work; if it fails, the one sentence that says why."""
    try:
        work()
    except EXPECTED as error:
        if os.environ.get("VIBE_TRACEBACK"):
            traceback.print_exc()
        return _sentence(error)
    except Exception as error:
        if os.environ.get("VIBE_TRACEBACK"):
            traceback.print_exc()
        return f"a fault of vibe's own, {type(error).__name__}: {_sentence(error)} (VIBE_TRACEBACK=1 shows where)"
    return None


def _sentence(error: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(error, MemoryError):
        return "the memory of this machine is not enough for it"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _refuse(reason: str) -> int:
    """Say that the command was used wrongly."""
    _complain(reason)
    return USAGE


def _complain(*lines: str) -> None:
    """Lines for the user on stderr."""
    for line in lines:
        _say(Console(stderr=True), f"vibe: {line}")


def _say(console: Console, text: str) -> None:
    """One line as it is: not wrapped, not coloured, no markup."""
    console.print(text, markup=False, highlight=False, soft_wrap=True, emoji=False)


if __name__ == "__main__":
    sys.exit(main())
