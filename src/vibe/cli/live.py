"""`vibe live`: everyone before a camera, as they move."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import FlagCreatePairsOff, Positional, arg

from vibe.cli.console import DONE, print_error, print_note, usage_error
from vibe.cli.progress import ended_by_signals
from vibe.errors import one_line
from vibe.inference.config import POSE_MODELS, EstimatorConfig, Quality

if TYPE_CHECKING:
    from vibe.body import Body
    from vibe.inference.estimate import Estimator
    from vibe.live.outputs import Outbox
    from vibe.live.pose import Delays, LiveEstimator, LiveTracker, Output
    from vibe.live.server import Server
    from vibe.live.source import LiveSource

REPORT_EVERY = 5.0
"""Seconds between two lines on speed and delay."""
Flag = Annotated[FlagCreatePairsOff[bool], arg(help_behavior_hint="")]
PAGE = arg(help_behavior_hint="(default: if nothing else is asked for)")


@dataclass(frozen=True)
class LiveOptions:
    """How people are followed, and where what is found goes."""

    page: Annotated[FlagCreatePairsOff[bool], PAGE] = False
    """Serve a page that shows the picture and the bodies, and open it in the browser."""
    socket: Flag = False
    """Serve the WebSocket without the page."""
    json: Annotated[str | None, arg(metavar="PATH|-", help_behavior_hint="")] = None
    """Write a line of JSON for every answer to this file, or to standard output."""
    osc: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="")] = None
    """Send every answer there as OSC over UDP."""
    vmc: Annotated[str | None, arg(metavar="HOST:PORT", help_behavior_hint="")] = None
    """Move an avatar there, as the first person moves, by the Virtual Motion Capture protocol; port 39539 is usual."""
    out: Annotated[Path | None, arg(aliases=["-o"], metavar="MOTION.npz", help_behavior_hint="")] = None
    """Record the answers and make a motion file of them at the end."""
    host: Annotated[str, arg(metavar="HOST")] = "127.0.0.1"
    """Where page and socket listen; others in its network can reach any but 127.0.0.1, with the printed token."""
    port: Annotated[int, arg(metavar="PORT")] = 8765
    """0 takes any that is free."""
    no_browser: Flag = False
    """Don't open the browser."""
    people: Annotated[int, arg(metavar="N")] = 4
    """How many are followed at once, at most."""
    delay: Annotated[int, arg(metavar="FRAMES")] = 1
    """Frames that an answer waits for: more make it steadier and more exact."""
    seconds: Annotated[float | None, arg(metavar="S", help_behavior_hint="(default: until the end, or Ctrl-C)")] = None
    """End after this time."""
    size: Annotated[str, arg(metavar="WxH")] = "640x480"
    """What is asked of a camera; it may give another size."""

    @property
    def shows(self) -> bool:
        """Whether the page is served."""
        return self.page or not (self.socket or self.json or self.osc or self.vmc or self.out)

    def fault(self) -> str | None:
        """What is wrong with them, in words."""
        if not re.fullmatch(r"\d{2,4}x\d{2,4}", self.size) or not 16 <= min(self.shape) <= max(self.shape) <= 8192:
            return f"--size is {self.size}: give width and height in pixels, as in 1280x720"
        for name, least, most in (("people", 1, 64), ("delay", 0, 30), ("port", 0, 65535)):
            if not least <= getattr(self, name) <= most:
                return f"--{name} is {getattr(self, name)}: give {least} to {most}"
        if self.seconds is not None and not self.seconds > 0:
            return f"--seconds is {self.seconds:g}: give more than 0"
        return None

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height, pixels."""
        width, height = self.size.split("x")
        return int(width), int(height)


def live(
    source: Annotated[Positional[str], arg(metavar="CAMERA|URL|FILE")] = "0",
    /,
    options: Annotated[LiveOptions, arg(name="")] = LiveOptions(),
    weights: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: open)")] = None,
    body: Annotated[str | None, arg(metavar="NAME|PATH", help_behavior_hint="(default: the weights' own)")] = None,
    fov: Annotated[float | None, arg(metavar="DEG", help_behavior_hint="(default: 53.1)")] = None,
    quality: Annotated[Quality, arg(metavar="{" + ",".join(POSE_MODELS) + "}")] = "standard",
) -> int:
    """Follow everyone before a camera and tell their 3D motion as it happens.

    On a page in the browser, as lines of JSON, as OSC messages, in an avatar or over a WebSocket. Pictures that come
    faster than they can be worked on are left out; how many, and the delay from a picture's arrival to its answer, is
    told as it goes.

    A recording (-o) is written as it comes, to a file beside the motion file, whose name ends with .part. Should
    the program be killed or the disk be full, `vibe live MOTION.npz.part -o MOTION.npz` makes a motion file of it.

    Exit code: 0 done (also by Ctrl-C), 1 the source failed, 2 wrong usage.

    Args:
        source: A camera's number or device; an address (rtsp, rtsps, http, https, udp); or a file, played at its speed.
        weights: open, or the name or .safetensors file of weights of your own that read keypoints.
        body: open, smpl (the neutral one), smpl-male, smpl-female, or an .npz file in SMPL's layout.
        fov: The camera's angle of view across the picture's diagonal, degrees, 5 to 150.
        quality: How much work the 2D keypoints are worth: fast leaves fewer pictures out, best more.
    """
    from vibe.assets import keep_inputs

    if fault := options.fault():
        return usage_error(fault)
    keep_inputs([options.out, options.json if options.json != "-" else None], source, weights, body)
    config = EstimatorConfig(weights=weights, body=body, fov_deg=fov, quality=quality, hands=False)
    return _open_and_run(source, options, config)


def _open_and_run(name: str, options: LiveOptions, config: EstimatorConfig) -> int:
    from vibe.inference.estimate import load_estimator
    from vibe.live.outputs import UNFINISHED, start_json
    from vibe.live.pose import LiveEstimator, LiveTracker
    from vibe.live.source import open_source

    if (out := options.out) is not None:  # what can't be written is found before the work
        if out.is_dir():
            raise IsADirectoryError(f"{out} is a folder: give a file name after -o")
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    estimator = load_estimator(config)
    if out is not None and name.endswith(UNFINISHED):
        _finish(Path(name), out, estimator)
        return DONE
    with ended_by_signals(), ExitStack() as opened:
        source = open_source(name, options.shape)
        opened.callback(source.close)
        live_estimator = LiveEstimator(estimator, source.width, source.height, options.delay)
        made_with = estimator.body.origin, estimator.network.about
        start = start_json(source.name, live_estimator.camera, options.delay, *made_with)
        outputs: list[Output] = [*opened.enter_context(_senders(options, start, estimator.body))]
        if options.shows or options.socket:
            page = _page_server(options, start, source, live_estimator, estimator.body)
            outputs.append(opened.enter_context(page))
        if out is not None:
            outputs.append(opened.enter_context(_recording(out, source, live_estimator, estimator)))
        tracker = LiveTracker(estimator.detector, estimator.pose_model, options.people)
        _run(options, source, tracker, live_estimator, outputs)
    return DONE


@contextmanager
def _senders(options: LiveOptions, start: str, body: Body) -> Iterator[list[Outbox]]:
    """What sends answers off, closed at the end."""
    from vibe.live import outputs
    from vibe.live.vmc import vmc

    with ExitStack() as opened:
        found: list[outputs.Outbox] = []
        if path := options.json:
            stream = sys.stdout if path == "-" else opened.enter_context(Path(path).open("w", encoding="utf-8"))
            found.append(outputs.json_lines(partial(print, file=stream, flush=True), start))
        if options.osc:
            found.append(outputs.osc(options.osc))
        if options.vmc:
            found.append(vmc(options.vmc, body))
        try:
            yield found
        finally:
            for output in found:  # what waits is handed on
                output.close()
                if output.dropped:
                    print_note(f"{output.name}: {output.dropped} answers could not be sent in time or at all")


@contextmanager
def _page_server(
    options: LiveOptions, start: str, source: LiveSource, live_estimator: LiveEstimator, body: Body
) -> Iterator[Server]:
    """The page and the socket, with a word on where they are; the browser is opened where there is a screen."""
    from vibe.auth import browser_at, is_loopback
    from vibe.live.outputs import Packets
    from vibe.live.server import ServedContent, Server
    from vibe.viewer.page import live_page, page_template

    text = live_page(page_template(), source.name, live_estimator.camera, body) if options.shows else None
    with closing(Server(ServedContent(start, text, Packets(body)), options.host, options.port)) as server:
        print_note(f"page: {server.address}" if options.shows else f"socket: {server.socket_address}")
        if not is_loopback(server.host):
            print_error(
                f"{server.host} can be reached from other machines: who has the token sees what the camera sees"
            )
        with browser_at(server.address, options.shows and not options.no_browser):
            yield server


@contextmanager
def _recording(out: Path, source: LiveSource, live_estimator: LiveEstimator, estimator: Estimator) -> Iterator[Output]:
    """What writes the answers as they come, and a motion file of them at the end, whatever ended it."""
    from vibe.live.outputs import UNFINISHED, Recorder

    part = out.with_name(out.name + UNFINISHED)
    about = live_estimator.camera, estimator.body.origin, estimator.network.about, estimator.remarks
    try:
        recorder = Recorder(part, source.name, *about)
    except FileExistsError as error:
        advice = f"vibe live {part} -o {out} does it; or remove it"
        raise FileExistsError(f"{part} is a recording that was not finished: {advice}") from error
    try:
        yield recorder
    finally:
        recorder.close()
        if recorder.frames:
            _finish(part, out, estimator)
        else:
            part.unlink()
            print_note(f"{out} was not written: there was no answer")


def _finish(part: Path, out: Path, estimator: Estimator) -> None:
    """Make a motion file of a recording; raises OSError, which says where the recording is, or ValueError."""
    from vibe.live.outputs import read_recording

    result = read_recording(part, estimator.body)
    try:
        result.save(out)
    except OSError as error:
        advice = f"the recording is in {part}, vibe live {part} -o FILE writes it"
        raise OSError(f"cannot write {out} ({one_line(error)}): {advice}") from error
    part.unlink()
    print_note(f"written to {out}: {len(result.clip.timestamps)} frames")


def _run(
    options: LiveOptions, source: LiveSource, tracker: LiveTracker, live_estimator: LiveEstimator,
    outputs: Sequence[Output],
) -> None:  # fmt: skip
    """Estimate until the end, printing the speed every now and then.

    Ctrl-C, and a reader of standard output who leaves, are ends like any other.
    """
    from vibe.live.pose import Delays, run_live

    print_note(f"{source.name}: {source.width}x{source.height}; Ctrl-C ends it")
    last = time.monotonic()
    delays, left_out = Delays(last), 0

    def report(now: Delays, dropped: int) -> None:
        nonlocal last, delays, left_out
        delays, left_out = now, dropped
        if time.monotonic() - last >= REPORT_EVERY:
            last = time.monotonic()
            print_note(delays.line(last, left_out))

    try:
        with suppress(KeyboardInterrupt, BrokenPipeError):
            run_live(source, tracker, live_estimator, outputs, options.delay, options.seconds, report)
    finally:
        print_note(f"in all: {delays.line(time.monotonic(), left_out)}")
