#!/usr/bin/env bash
# PyAV 18.1.0: `VideoFrame.side_data` raises ValueError ("31 is not a valid Type") for a JPEG photo with an EXIF block,
# because FFmpeg 8 attaches a kind of side data that PyAV's enumeration does not list; all other side data of the frame,
# such as the display matrix, cannot be reached either.
# Prints what is seen; exits with 1 if the side data can be read.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet av==18.1.0 numpy
cat > "$place/show.py" <<'PROGRAM'
import struct
import sys

import av
import numpy as np

encoder = av.CodecContext.create("mjpeg", "w")
encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 64, 48, "yuvj420p", 25
grey = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 128, np.uint8), format="rgb24").reformat(format="yuvj420p")
photo = b"".join(bytes(packet) for packet in [*encoder.encode(grey), *encoder.encode(None)])
# EXIF of one tag, 0x0112: the picture is to be turned by 90 degrees clockwise.
tiff = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
block = b"Exif\0\0" + tiff
photo = photo[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + photo[2:]
packet = av.Packet(photo)
packet.is_keyframe = True
frame = av.CodecContext.create("mjpeg", "r").decode(packet)[0]
print("PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"], "rotation", frame.rotation)
try:
    print("side data:", [side.type for side in frame.side_data])
except ValueError as error:
    print("side data: ValueError:", error)
    sys.exit(0)
sys.exit(1)
PROGRAM
"$python" "$place/show.py"
