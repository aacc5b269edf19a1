"""Whether a clip gives the same people however it is stored: turned, mirrored, in HDR, in other containers.

    python benchmarks/video_forms.py [--video FILE] [--frames 50] [--table FILE]

The clip at half its size, as H.264 (CRF 18) in an mp4, is what the others are compared with. Those that are coded anew
lose other details: the row `written again` tells what that alone does. Forms whose pictures and times are the same to
the bit give the same result, and are not estimated again. Nothing here is ever tuned.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import av
import cv2
import numpy as np
import report
import torch
import tyro
from av.container import OutputContainer
from jaxtyping import UInt8, UInt16
from numpy import ndarray

from vibe.evaluate.metrics import pa_mpjpe_mm
from vibe.inference.estimate import load_estimator
from vibe.motion import Motion, Result
from vibe.video.orientation import EXIF, Orientation
from vibe.video.read import open_video
from vibe.video.stream import picture_checksum

ONE = 1 << 16
"""1 in a display matrix."""
R_2020_709 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear light of BT.709's primaries to that of BT.2020's (BT.2087)."""
HLG = 18
TURNS = {
    2: "mirrored",
    3: "turned by 180",
    4: "upside down",
    5: "transposed",
    6: "turned clockwise",
    7: "transposed across",
    8: "turned counter-clockwise",
}
"""By EXIF's number."""
COPIES = {"mkv": "matroska", "mov": "mov", "ts": "mpegts", "flv": "flv"}
Pictures = list[UInt8[ndarray, "height width 3"]]


@dataclass(frozen=True)
class Options:
    video: Path = Path("../shared/data/videos/balancing/cam01.mp4")
    frames: int = 50
    cache: Path = Path("runs/video_forms")
    table: Path | None = None


def half_size(video: Path, frames: int) -> tuple[Pictures, int]:
    """The pictures at half their size, and how many there are a second."""
    pictures = []
    with open_video(video) as opened:
        for frame in opened:
            height, width = (side // 4 * 2 for side in frame.rgb.shape[:2])
            pictures.append(cv2.resize(frame.rgb, (width, height), interpolation=cv2.INTER_AREA))
            if len(pictures) == frames:
                break
        return pictures, round(opened.fps)


def write(path: Path, pictures: Pictures, fps: int) -> None:
    """H.264, as editors and phones write it."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
        _encode(container, stream, "yuv420p", (av.VideoFrame.from_ndarray(rgb, "rgb24") for rgb in pictures))


def write_hdr(path: Path, pictures: Pictures, fps: int) -> None:
    """H.265 of 10 bits in BT.2020 and HLG, as phones write it."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "12", "x265-params": "log-level=none"}
        stream = container.add_stream("libx265", rate=fps, options=options)
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, HLG, 9, 1
        _encode(container, stream, "yuv420p10le", (_hlg_frame(rgb) for rgb in pictures))


def _encode(container: OutputContainer, stream: av.VideoStream, pixels: str, frames: Iterator[av.VideoFrame]) -> None:
    for frame in frames:
        if not stream.codec_context.is_open:
            stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, pixels
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _hlg_frame(rgb: UInt8[ndarray, "height width 3"]) -> av.VideoFrame:
    """A picture as HDR shows it, white at 203 of 1000 nits (BT.2408), the system gamma of 1.2 taken back."""
    light = (rgb / 255) ** 2.4 @ R_2020_709.T * 203 / 1000
    luminance = np.maximum(light @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    scene = light * luminance ** (1 / 1.2 - 1)
    above = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    signal = np.where(scene <= 1 / 12, np.sqrt(3 * scene), above).clip(0, 1)
    luma = signal @ np.array([0.2627, 0.6780, 0.0593])
    blue, red = ((signal[..., channel] - luma) / scale for channel, scale in ((2, 1.8814), (0, 1.4746)))
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], "yuv420p10le")
    planes = 64 + 876 * luma, *(512 + 896 * cv2.resize(each, None, fx=0.5, fy=0.5) for each in (blue, red))
    for plane, values in zip(frame.planes, planes, strict=True):
        rows: UInt16[ndarray, "height stride"] = np.zeros((plane.height, plane.line_size // 2), np.uint16)
        rows[:, : plane.width] = np.round(values)
        plane.update(rows.tobytes())
    return frame


def write_turned(path: Path, pictures: Pictures, fps: int, shown: Orientation) -> None:
    """Stored so that a player who obeys the display matrix shows the pictures."""
    stored_shown = replace(shown, mirrored=shown.flipped, flipped=shown.mirrored) if shown.transposed else shown
    stored = [np.ascontiguousarray(stored_shown.apply(rgb)) for rgb in pictures]
    write(path, stored, fps)
    across, down = (-ONE if shown.mirrored else ONE), (-ONE if shown.flipped else ONE)
    matrix = (0, down, 0, across, 0) if shown.transposed else (across, 0, 0, 0, down)
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    content[place : place + 36] = struct.pack(">9i", *matrix, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


def copy_streams(path: Path, kind: str, *sources: Path, **options: str) -> None:
    """The streams of some files, as they are coded, in one other container."""
    with av.open(str(path), "w", format=kind, options=options) as out:
        opened = [av.open(str(source)) for source in sources]
        streams = [out.add_stream_from_template(each.streams.video[0]) for each in opened]
        for each, stream in zip(opened, streams, strict=True):
            for packet in each.demux(each.streams.video[0]):
                if packet.dts is not None:
                    packet.stream = stream
                    out.mux(packet)
            each.close()


def forms(options: Options) -> dict[str, Callable[[Path], None]]:
    """What writes each form; the first is what the others are compared with."""
    pictures, fps = half_size(options.video, options.frames)
    base, small, cover = (options.cache / name for name in ("h264.mp4", "small.mp4", "cover.mp4"))
    write(base, pictures, fps)
    write(small, [cv2.resize(rgb, (96, 160)) for rgb in pictures], fps)
    write(cover, [np.full((1280, 720, 3), 90, np.uint8)], fps)
    with open_video(base) as video:
        decoded = [frame.rgb for frame in video]
    made: dict[str, Callable[[Path], None]] = {base.name: lambda path: None}
    made["written again.mp4"] = lambda path: write(path, decoded, fps)
    for number, name in TURNS.items():
        made[f"{name}.mp4"] = lambda path, number=number: write_turned(path, pictures, fps, EXIF[number])
    made["HDR (HLG, BT.2020).mp4"] = lambda path: write_hdr(path, pictures, fps)
    for ending, kind in COPIES.items():
        made[f"copied.{ending}"] = lambda path, kind=kind: copy_streams(path, kind, base)
    for kind in ("avi", "h264"):  # which want H.264 as it is in a transport stream
        made[f"copied.{kind}"] = lambda path, kind=kind: copy_streams(path, kind, options.cache / "copied.ts")
    flags = "frag_keyframe+empty_moov+default_base_moof"
    made["in fragments.mp4"] = lambda path: copy_streams(path, "mp4", base, movflags=flags)
    made["behind a small copy.mp4"] = lambda path: copy_streams(path, "mp4", small, base)
    made["behind a small copy.mkv"] = lambda path: copy_streams(path, "matroska", small, base)
    made["behind a cover.mkv"] = lambda path: copy_streams(path, "matroska", cover, base)
    return made


def fingerprint(path: Path) -> list[tuple[float, int]]:
    """All times, to a millisecond, as which some containers keep them, and what tells the pictures apart."""
    with open_video(path) as video:
        return [(round(frame.time, 3), picture_checksum(frame.rgb)) for frame in video]


def apart_px(one: Motion, other: Motion) -> float:
    """The median distance of their keypoints in the frames that both are in."""
    _, mine, theirs = np.intersect1d(one.frames, other.frames, return_indices=True)
    apart = one.keypoints_px[mine, :, :2] - other.keypoints_px[theirs, :, :2]
    return float(np.median(np.linalg.norm(apart, axis=-1))) if len(mine) else np.inf


def compared(name: str, found: Result, first: Result) -> list[object]:
    """A row of the table: everybody of the first result beside whoever is nearest to them."""
    same, union, numbers, errors, keypoints = 0, 0, 0, [], []
    for number, theirs in enumerate(first.people):
        nearest = min(range(len(found.people)), key=lambda each: apart_px(found.people[each], theirs), default=None)
        if nearest is None:
            return [name, 0, "", 0.0, *[""] * 4]
        person = found.people[nearest]
        shared, mine, other = np.intersect1d(person.frames, theirs.frames, return_indices=True)
        same, union = same + len(shared), union + len(np.union1d(person.frames, theirs.frames))
        numbers += nearest == number
        joints = torch.from_numpy(person.joints_cam[mine]), torch.from_numpy(theirs.joints_cam[other])
        errors.append(pa_mpjpe_mm(*joints))
        keypoints.append(apart_px(person, theirs))
    worst, whole = max(float(each.mean()) for each in errors), torch.cat(errors)
    told = f"{numbers} of {len(first.people)}"
    shares = 100 * same / union, float(whole.mean()), worst, float(whole.max())
    return [name, len(found.people), told, *shares, f"{max(keypoints):.2f}"]


def main(options: Options) -> None:
    options.cache.mkdir(parents=True, exist_ok=True)
    estimator = load_estimator()
    rows, known = [], []
    first = None
    for name, write_form in forms(options).items():
        path = options.cache / name
        write_form(path)
        seen = fingerprint(path)
        same = next((result for known_as, result in known if known_as == seen), None)
        result = same or estimator.estimate(path)
        first = first or result
        rows.append([*compared(path.name, result, first), "yes" if same is not None else "no"])
        known.append((seen, result))
        print(rows[-1], flush=True)
    report.table(
        f"Forms of `{options.video.parent.name}/{options.video.name}`, {options.frames} frames, against {rows[0][0]}",
        [
            "form",
            "people",
            "same numbers",
            "same frames %",
            "PA mm",
            "PA of the worst person mm",
            "PA of the worst frame mm",
            "keypoints of the worst person, median px",
            "same pictures and times as one above",
        ],
        rows[1:],
        f"Weights {estimator.network.about.name} {estimator.network.about.sha256[:12]}; 24 joints",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
