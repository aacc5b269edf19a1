"""Laws of the colours that frames come out in."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from vibe.video.colour import HLG, PQ, ToSdr
from vibe.video.read import open_video

GREYS = np.arange(0, 256, 5)
PATCHES = {
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "skin": (190, 140, 120),
    "red": (200, 30, 30),
    "green": (40, 180, 60),
    "blue": (30, 50, 190),
}
TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
"""Linear light of BT.709's primaries to that of BT.2020's (BT.2087)."""


def pq_signal(nits: np.ndarray) -> np.ndarray:
    """SMPTE 2084's inverse of the light of a display."""
    y = (nits / 10000) ** (1305 / 8192)
    return ((107 / 128 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg_signal(nits: np.ndarray) -> np.ndarray:
    """BT.2100's inverse of the light of a display of 1000 nits: the system gamma of 1.2 taken back, then the curve."""
    light = nits / 1000
    luminance = np.maximum(light @ np.array([0.2627, 0.6780, 0.0593]), 1e-9)[..., None]
    scene = light * luminance ** (1 / 1.2 - 1)
    return np.where(
        scene <= 1 / 12, np.sqrt(3 * scene), 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    )


CURVES = {PQ: pq_signal, HLG: hlg_signal}


def in_hdr(sdr: np.ndarray, transfer: int) -> np.ndarray:
    """An SDR picture as HDR shows it, with white at 203 nits: signals between 0 and 1 in BT.2020's primaries."""
    return CURVES[transfer]((sdr / 255) ** 2.4 @ TO_2020.T * 203)


def to_sdr(signal: np.ndarray, transfer: int) -> np.ndarray:
    return ToSdr(transfer)(np.round(signal * 65535).astype(np.uint16)).astype(int)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_what_is_no_brighter_than_paper_comes_out_of_hdr_as_it_is_in_sdr(transfer):
    ramp = np.repeat(GREYS[:, None, None], 3, -1)
    found = to_sdr(in_hdr(ramp, transfer), transfer)
    below = GREYS / 255 < 0.75 ** (1 / 2.4)
    assert np.abs(found - ramp)[below & (GREYS >= 20)].max() <= 1
    assert np.abs(found - ramp)[below].max() <= 4
    assert 235 <= found[-1].min() <= found[-1].max() <= 250, "diffuse white leaves room for what is brighter"
    for name, colour in PATCHES.items():
        if name != "white":
            assert np.abs(to_sdr(in_hdr(np.array([[colour]]), transfer), transfer) - colour).max() <= 2, name


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_brighter_light_of_hdr_stays_brighter_and_ends_at_white(transfer):
    nits = np.array([150, 203, 300, 500, 800, 1000.0])
    found = to_sdr(CURVES[transfer](np.repeat(nits[:, None, None], 3, -1)), transfer)[:, 0]
    assert (np.diff(found, axis=0) > 0).all() and found[-1].min() == 255
    assert np.ptp(found, axis=-1).max() == 0, "greys stay grey"


def test_a_wide_gamut_without_hdr_is_mapped_too():
    sdr = np.array([list(PATCHES.values())])
    wide = ((sdr / 255) ** 2.4 @ TO_2020.T) ** (1 / 2.4)
    assert np.abs(to_sdr(wide, 14) - sdr).max() <= 2


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_a_phones_hdr_video_is_read_in_the_colours_of_sdr(tmp_path, transfer):
    """Patches of 16 pixels in 10 bits, tagged as phones do, through the whole reader."""
    sdr = np.repeat(np.repeat(np.array([list(PATCHES.values())]), 16, 0), 16, 1)
    red, green, blue = np.moveaxis(in_hdr(sdr, transfer), -1, 0)
    luma = 0.2627 * red + 0.6780 * green + 0.0593 * blue
    planes = [64 + 876 * luma, 512 + 896 * (blue - luma) / 1.8814, 512 + 896 * (red - luma) / 1.4746]
    frame = av.VideoFrame(sdr.shape[1], sdr.shape[0], "yuv444p10le")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((sdr.shape[0], plane.line_size // 2), np.uint16)
        rows[:, : sdr.shape[1]] = np.round(values)
        plane.update(rows.tobytes())
    frame.pts, frame.time_base = 0, Fraction(1, 25)
    with av.open(str(tmp_path / "hdr.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = sdr.shape[1], sdr.shape[0], "yuv444p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc, context.colorspace, context.color_range = 9, transfer, 9, 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with open_video(tmp_path / "hdr.mkv") as video:
        (shown,) = video
    middle = shown.rgb[8, 8::16].astype(int)
    assert np.abs(middle[1:] - list(PATCHES.values())[1:]).max() <= 4
    assert middle[0].min() >= 232
