"""`vibe estimate`: everyone's motion in each video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.meter import Meter
from vibe.cli.say import DONE, FAILED, attempt, complain, refuse, say, sentence

if TYPE_CHECKING:
    from vibe.motion import Result


READS_KEYPOINTS = arg(help_behavior_hint="(default with weights that read keypoints)")
READS_IMAGES = arg(help_behavior_hint="(default with weights that read images)")
PRIOR = arg(metavar="NAME|PATH", help_behavior_hint="(default: mixture)")
FITTING = arg(metavar="{open,paper}", help_behavior_hint="(default: open)")
EITHER = arg(
    metavar="{none,light,strong,one-euro}",
    help_behavior_hint="(default: light with weights that read keypoints, none with those that read images)",
)


def estimate(
    videos: Annotated[Positional[tuple[Path, ...]], arg(metavar="VIDEO [VIDEO ...]", help_behavior_hint="(required)")],
    /,
    out: Annotated[Path, arg(aliases=["-o"], metavar="OUT")] = Path("out"),
    overlay: bool = True,
    page: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: the weights' own)")] = None,
    refine: Annotated[FlagCreatePairsOff[bool], READS_KEYPOINTS] = False,
    no_refine: Annotated[FlagCreatePairsOff[bool], READS_IMAGES] = False,
    fitting: Annotated[Literal["open", "paper"] | None, FITTING] = None,
    prior: Annotated[str | None, PRIOR] = None,
    smooth: Annotated[Literal["none", "light", "strong", "one-euro"] | None, EITHER] = None,
    fov: Annotated[float | None, arg(metavar="DEG", help_behavior_hint="(default: 53.1)")] = None,
    runtime: Literal["torch", "openvino", "onnxruntime"] = "torch",
    int8: Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")] = False,
    detector: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    pose_model: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    device: Annotated[str | None, arg(metavar="DEVICE", help_behavior_hint="(default: cuda if it is here)")] = None,
) -> int:
    """Find everyone in each video and write their 3D motion in SMPL's format.

    Writes OUT/<name of the video>/motion.npz, overlay.mp4 and summary.json, and prints a table: person, frames, share
    of the video's frames covered, mean confidence of the 2D keypoints. A video that fails does not stop the others.

    Exit code: 0 done (also if nobody was in view), 1 a video failed, 2 wrong usage, 130 interrupted.

    Args:
        videos: Files in any format that FFmpeg reads.
        out: Folder for the results; made if absent. Results of the same name are replaced.
        overlay: Draw the bodies over the video, with its size, frame rate and sound.
        page: Write page.html too, which plays the motion in any browser, as `vibe view` does.
        weights: open; official, official-3dpw (the paper's) or official-frame (its single-frame baseline), which need
            files that `vibe assets` lists; or the name or .safetensors file of your own.
        body: open, smpl (the neutral one), smpl-male, smpl-female, or an .npz file in SMPL's layout.
        refine: Fit the motion to the 2D keypoints after the network; slower, closer to the picture.
        no_refine: Take the network's answer as it is.
        fitting: How to fit: open (our own energies) or paper (Temporal SMPLify as published). Asks for --refine too.
        prior: What judges poses in --fitting paper: mixture (of Gaussians, as published), mposer (our prior of motion),
            vposer (of single poses), or a file that `vibe train mposer` or `vibe train vposer` wrote.
        smooth: How much jitter to take out over time; one-euro is the published filter.
        fov: The lens's angle of view across the picture's diagonal, degrees, 5 to 150. At 53.1 the focal length is as
            long as the diagonal.
        runtime: What runs the image network of weights that read images.
        int8: Run it in 8-bit integers: faster, and less exact by what a note says. Needs another --runtime than torch.
        detector: An ONNX person detector (YOLOX) in place of the default one.
        pose_model: An ONNX COCO-17 pose model (RTMPose's SimCC output) in place of the default one.
        device: Where the networks run: cpu, cuda, cuda:1, mps.
    """
    if not videos:
        return refuse("no video: give one file or more, as in `vibe estimate clip.mp4 -o out`")
    if no_refine and (refine or fitting):
        return refuse(f"--no-refine excludes {'--refine' if refine else '--fitting'}: give one of them")
    if prior and fitting != "paper":
        return refuse("--prior is for the paper's fit: give --fitting paper as well")
    options: dict[str, Any] = {"refine": False if no_refine else (refine or fitting is not None) or None}
    options |= {"fitting": fitting or "open", "smoothing": smooth, "body": body, "weights": weights, "fov_deg": fov}
    options |= {"prior": prior or "mixture", "runtime": runtime, "int8": int8, "device": device, "detector": detector}
    options["pose_model"] = pose_model
    return _each(videos, _places(videos, out), {"overlay.mp4": overlay, "page.html": page}, options)


def _each(videos: Sequence[Path], places: Sequence[Path], wanted: dict[str, bool], options: dict[str, Any]) -> int:
    """Estimate one video after the other, and return the exit code."""
    files = ["motion.npz", *(name for name, asked in wanted.items() if asked), "summary.json"]
    new = [place for place in (*places, places[0].parent) if not place.exists()]
    failures: list[str] = []
    licences: set[str] = set()
    try:
        try:
            options = _ready(options)
            if "page.html" in files:
                from vibe.results.page import page_template

                page_template()
            _make_folders(places, files)
        except (ValueError, OSError, ImportError) as error:
            return refuse(sentence(error))
        for number, (video, place) in enumerate(zip(videos, places, strict=True), start=1):
            label = video.name if len(videos) == 1 else f"[{number}/{len(videos)}] {video.name}"
            complaint = attempt(partial(_one, video, place, files, label, options, licences))
            if complaint is not None:
                failures.append(complaint if str(video) in complaint else f"{video}: {complaint}")
                complain(failures[-1])
    finally:
        for place in new:
            with suppress(OSError):
                place.rmdir()
    for licence in sorted(licences):
        say(Console(), licence)
    if failures and len(videos) > 1:
        complain(f"{len(failures)} of {len(videos)} videos failed:", *(f"  {failure}" for failure in failures))
    return FAILED if failures else DONE


def _ready(options: dict[str, Any]) -> dict[str, Any]:
    """The options as the pipeline takes them, checked before the work. Raises ValueError, OSError, ImportError."""
    import torch

    from vibe import cameras
    from vibe.network import load_network
    from vibe.pipeline import choose_body, energies

    cameras.default_camera(16, 16, options["fov_deg"])
    try:
        torch.zeros(1, device=options["device"])
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {options['device']} is not here: {sentence(error)}") from error
    network = load_network(options["weights"], runtime=options["runtime"])
    if network.evidence == "keypoints" and options["runtime"] != "torch":
        raise ValueError(f"the weights {network.about.name} read keypoints, not images: leave --runtime out")
    if options["int8"] and options["runtime"] == "torch":
        raise ValueError("--int8 needs --runtime openvino or onnxruntime: PyTorch computes in floats only")
    choose_body(options["body"], network)
    energies(options["prior"])
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
            raise OSError(f"cannot write to {place}: {sentence(error)}; choose another folder with -o") from error
        for name in files:
            if (place / name).is_dir():
                raise IsADirectoryError(f"{place / name} is a folder: move it away or choose another folder with -o")


def _one(video: Path, place: Path, files: list[str], label: str, options: dict[str, Any], licences: set[str]) -> None:
    """Estimate one video, write its files, print its table and note what the weights may be used for."""
    import vibe
    from vibe.results import summary

    if any((place / name).resolve() == video.resolve() for name in files):
        raise ValueError(f"{video} would be overwritten by its own results: choose another folder with -o")
    with Meter(Console(stderr=True), label) as meter:
        result = vibe.estimate(video, **options, progress=meter)
        meter("writing", 0, None)
        result.save(place / "motion.npz")
        if "overlay.mp4" in files:
            meter("overlay", 0, None)
            from vibe.body import find_body
            from vibe.results.overlay import write_overlay

            body = find_body(result.body, options["body"])
            notes = write_overlay(video, result, place / "overlay.mp4", body, meter)
            result = replace(result, notes=result.notes + notes)
        if "page.html" in files:
            meter("page", 0, None)
            result = replace(result, notes=result.notes + _write_page(video, result, place, options["body"], meter))
    summary.write_summary(place / "summary.json", result, meter.seconds, files)
    _report(result)
    say(Console(), f"written to {place}: {', '.join(files)}")
    licences |= {
        f"{what} {given.name}: {given.licence}" for what, given in (("weights", result.weights), ("body", result.body))
    }


def _write_page(video: Path, result: Result, place: Path, body: str | None, meter: Meter) -> tuple[str, ...]:
    """Write the page with the video, or without one that is too large for it; notes."""
    from vibe.results.page import TooLarge, view

    try:
        view(result, place / "page.html", video, body, progress=meter)
    except TooLarge as error:
        view(result, place / "page.html", body=body)
        return (f"the page shows the bodies alone: {error}",)
    return ()


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
        say(console, f"{result.clip.path.name}: nobody was found in view")
    for note in result.notes:
        say(console, f"note: {note}")


def _places(videos: Sequence[Path], out: Path) -> list[Path]:
    """A folder for each video, named by it; a name that is taken gets a number, and the user is told."""
    places: list[Path] = []
    for video in videos:
        stem = video.stem.strip(". ") or "video"
        names = [stem, *(f"{stem}-{number}" for number in range(2, len(videos) + 2))]
        taken = {place.name.casefold() for place in places}
        name = next(name for name in names if name.casefold() not in taken)
        if name != stem:
            complain(f"another video is called {stem} too: the results of {video} go to {out / name}")
        places.append(out / name)
    return places
