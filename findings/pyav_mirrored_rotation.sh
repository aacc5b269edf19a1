#!/usr/bin/env bash
# PyAV 18.1.0: `VideoFrame.rotation` is an angle. For an mp4 whose display matrix mirrors the picture (front cameras,
# editors) it gives a plain angle, the same as for a file that is turned but not mirrored: who turns by it shows the
# picture upside down or left-right exchanged. The nine numbers in the side data DISPLAYMATRIX tell the two apart.
# Prints the matrix and the angle of all eight orientations; exits with 1 if a mirrored one no longer gives a plain angle.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet av==18.1.0 numpy
cat > "$place/show.py" <<'PROGRAM'
import struct
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

# The matrix (a b / c d) shows the stored point (p, q) at (a p + c q, b p + d q).
TURNED = {"as stored": (1, 0, 0, 1), "90 clockwise": (0, 1, -1, 0), "180": (-1, 0, 0, -1), "270 clockwise": (0, -1, 1, 0)}
MIRRORED = {
    "left-right": (-1, 0, 0, 1),
    "top-bottom": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed across": (0, -1, -1, 0),
}


def plain(path):
    """A valid mp4 of three frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 100 + index, np.uint8), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


path = Path(sys.argv[1]) / "clip.mp4"
plain(path)
whole, angles = path.read_bytes(), {}
place = whole.index(b"tkhd") + 4 + 40
print("PyAV", av.__version__)
for name, (a, b, c, d) in {**TURNED, **MIRRORED}.items():
    matrix = struct.pack(">9i", *(65536 * number for number in (a, b)), 0, 65536 * c, 65536 * d, 0, 0, 0, 1 << 30)
    path.write_bytes(whole[:place] + matrix + whole[place + 36 :])
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        sides = [bytes(side) for side in frame.side_data if side.type.name == "DISPLAYMATRIX"]
        numbers = [int(number) >> 16 for number in np.frombuffer(sides[0], np.int32)[[0, 1, 3, 4]]] if sides else None
        angles[name] = frame.rotation % 360
        print(f"{name:18} rotation {frame.rotation:5} matrix {numbers}")
same = [name for name in MIRRORED if angles[name] in {angles[turn] for turn in TURNED}]
print("mirrored, with the angle of a file that is only turned:", ", ".join(same))
sys.exit(len(same) != len(MIRRORED))
PROGRAM
"$python" "$place/show.py" "$place"
