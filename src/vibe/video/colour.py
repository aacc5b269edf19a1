"""Decoded frames as upright 8-bit pictures in the colours of BT.709, be they HDR or not."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Interpolation, VideoReformatter
from jaxtyping import Float, UInt8, UInt16
from numpy import ndarray

from vibe.video.orientation import Orientation, frame_orientation

ITU709, ITU601 = 1, 5
SCALER_COLOURS = {1: ITU709, 4: 4, 5: ITU601, 6: ITU601, 7: 7, 9: 9, 10: 9}
"""FFmpeg's scaler's number for each colour space that a frame may name; as numbers, for older PyAV lacks some names."""
PQ, HLG = 16, 18
"""Numbers of the transfer functions of BT.2100 (ITU-T H.273)."""
BT2020 = 9
"""Number of BT.2020's primaries."""
WHITE_NITS, PEAK_NITS = 203.0, 1000.0
"""Diffuse white of HDR pictures (BT.2408), about SDR's white, and the brightest light that is told apart."""
SDR_GAMMA = 2.4
"""Of the display that BT.709's pictures are made for (BT.1886)."""
KNEE = 0.75
"""Light, as a share of SDR's white, up to which nothing is changed; brighter light is compressed."""
LUMINANCE_2020 = np.array([[0.2627, 0.6780, 0.0593]], np.float32)
R_709_2020 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]], np.float32
)
"""Linear light of BT.2020's primaries to that of BT.709's."""
CODES = 4096
"""Levels of a channel that are told apart in an HDR picture."""
STRIP = 32
"""Rows that are mapped at once, so that they stay in the processor's cache."""


class Converter:
    """Makes upright 8-bit pictures of a stream's frames, all of the size of the first."""

    def __init__(
        self, first: av.VideoFrame, context: VideoCodecContext, ratio: Fraction | None, turn: Orientation | None = None
    ):
        """`ratio` is a pixel's width over its height; `turn` the orientation, if the frame does not have it."""
        ratio = ratio if ratio and Fraction(1, 8) < ratio < 8 else Fraction(1)
        self.native = (first.width, first.height)
        """Pixels as they are stored, width first."""
        self._size = (max(1, round(first.width * ratio)), first.height)
        self._turn = frame_orientation(first) if turn is None else turn
        self.width, self.height = self._size[::-1] if self._turn.transposed else self._size
        """Pixels of the upright picture."""
        self.notes: tuple[str, ...] = ()
        if ratio != 1:
            self.notes = (f"its pixels are not square ({ratio}): it was widened to {self._size[0]}x{self._size[1]}",)
        self._reformatter = VideoReformatter()
        transfer, primaries = int(context.color_trc or 0), int(context.color_primaries or 0)
        self._to_sdr = ToSdr(transfer) if transfer in (PQ, HLG) or primaries == BT2020 else None

    def __call__(self, frame: av.VideoFrame) -> UInt8[ndarray, "height width 3"]:
        """The picture as a player shows it."""
        # the colour space of a frame that names none is told by its size, as players do, whichever way up it is stored
        short, long = sorted((frame.width, frame.height))
        guess = ITU709 if short > 576 or long >= 1280 else ITU601
        picture = self._reformatter.reformat(
            frame,
            width=self._size[0],
            height=self._size[1],
            format="rgb24" if self._to_sdr is None else "rgb48le",
            src_colorspace=SCALER_COLOURS.get(int(frame.colorspace), guess),
            interpolation=Interpolation.BILINEAR,
        ).to_ndarray()
        return self._turn.apply(picture if self._to_sdr is None else self._to_sdr(picture))


class ToSdr:
    """Maps pictures of BT.2020's primaries, in HDR (PQ or HLG, BT.2100) or not, to BT.709 for SDR displays.

    Light up to `KNEE` of diffuse white comes out as it is; brighter light is compressed (Reinhard's curve, by the
    largest channel, so that hues stay), and colours that BT.709 does not have are clipped.
    """

    def __init__(self, transfer: int):
        """`transfer` is the number of the transfer function; any other than PQ and HLG is taken for SDR's."""
        signal = np.linspace(0, 1, CODES)
        self._is_hlg, self._is_hdr = transfer == HLG, transfer in (PQ, HLG)
        light = hlg_light(signal) if self._is_hlg else pq_light(signal) if self._is_hdr else signal**SDR_GAMMA
        self._light = light.astype(np.float32)
        self._codes = np.round(255 * np.linspace(0, 1, 1 << 16) ** (1 / SDR_GAMMA)).astype(np.uint8)

    def __call__(self, picture: UInt16[ndarray, "height width 3"]) -> UInt8[ndarray, "height width 3"]:
        """The picture for an SDR display."""
        mapped = np.empty(picture.shape, np.uint8)
        for start in range(0, len(picture), STRIP):
            light = np.take(self._light, picture[start : start + STRIP] // ((1 << 16) // CODES))
            if self._is_hlg:  # BT.2100's opto-optical transfer, which depends on the luminance of the scene
                light *= (
                    PEAK_NITS
                    / WHITE_NITS
                    * cv2.pow(cv2.transform(light, LUMINANCE_2020), 0.2).reshape(*light.shape[:2], 1)
                )
            light = np.asarray(cv2.transform(light, R_709_2020))
            if self._is_hdr:
                light *= compression(np.maximum(np.maximum(light[..., 0], light[..., 1]), light[..., 2]))[..., None]
            mapped[start : start + STRIP] = self._codes[(light.clip(0, 1) * ((1 << 16) - 1)).astype(np.uint16)]
        return mapped


def hlg_light(signal: Float[ndarray, "*b"]) -> Float[ndarray, "*b"]:
    """Light of the scene, 0 to 1, of a signal in hybrid log-gamma (BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def pq_light(signal: Float[ndarray, "*b"]) -> Float[ndarray, "*b"]:
    """Light of the display, in units of diffuse white, of a signal in perceptual quantisation (BT.2100, SMPTE 2084)."""
    m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
    root = signal ** (1 / m2)
    return (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1) * 10000 / WHITE_NITS


def compression(light: Float[ndarray, "*b"]) -> Float[ndarray, "*b"]:
    """What light in units of diffuse white is multiplied by, so that `PEAK_NITS` become 1 and nothing jumps."""
    over = (light - KNEE) / (1 - KNEE)
    peak = (PEAK_NITS / WHITE_NITS - KNEE) / (1 - KNEE)
    with np.errstate(divide="ignore", invalid="ignore"):
        curved = (KNEE + (1 - KNEE) * over * (1 + over / peak**2) / (1 + over)) / light
    return np.where(over > 0, curved, 1).astype(light.dtype)
