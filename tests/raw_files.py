"""Files in the formats that data sets come in, with invented content; for tests only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
from cdflib import cdfwrite

HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Mon Oct 02 10:00:00 2017 HDF5 schema 1.00 ."


def write_images(folder: Path, names: list[str]) -> None:
    """Tiny pictures, each of its own grey."""
    folder.mkdir(parents=True)
    for place, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((8, 8, 3), place % 256, np.uint8))


def write_video(path: Path, frames: int, fps: int) -> None:
    """A tiny video; what kind of file, its name tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for place in range(frames):
            picture = np.random.default_rng(place).integers(0, 255, (64, 64, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def cut(path: Path, share: float) -> None:
    """Leave this share of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def write_matlab73(path: Path, variables: Mapping[str, np.ndarray]) -> None:
    """MATLAB 7.3: HDF5 behind a header of 512 bytes, axes the other way round, cells as references."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if value.dtype != object:
                file.create_dataset(name, data=value.T).attrs["MATLAB_class"] = np.bytes_("double")
                continue
            cells = file.create_dataset(name, value.T.shape, h5py.ref_dtype)
            cells.attrs["MATLAB_class"] = np.bytes_("cell")
            for place in np.ndindex(value.T.shape):
                cells[place] = file.create_dataset(f"#refs#/{name}{len(file)}{place}", data=value.T[place].T).ref
    with path.open("r+b") as file:
        file.write(HEADER.ljust(124) + b"\x00\x02IM")


def write_cdf(path: Path, rows: np.ndarray) -> None:
    """A CDF file with one record of the variable `Pose`, as Human3.6M has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"Variable": "Pose", "Data_Type": 44, "Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": list(rows.shape)}
    file = cdfwrite.CDF(path, cdf_spec={"Compressed": 0, "Majority": "row_major", "Encoding": 6}, delete=True)
    file.write_var(about, var_data=rows[None].astype(np.float32))
    file.close()
