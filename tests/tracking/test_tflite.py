import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vibe import assets
from vibe.tracking import pose_model
from vibe.tracking.tflite import Model


def test_what_is_no_model_is_refused_and_standard_error_still_speaks(tmp_path, capfd):
    path = tmp_path / "junk.tflite"
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="model"):
        Model(path, [(1, 1)])
    os.write(2, b"still here")
    assert "still here" in capfd.readouterr().err


def test_calls_at_once_give_what_calls_one_by_one_give():
    try:
        model = Model(assets.find_model("pose_landmark_full.tflite"), pose_model.OUTPUTS)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    pictures = np.random.default_rng(0).random((6, 1, 256, 256, 3), np.float32)
    alone = [model(picture) for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(model, pictures))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[shape], other[shape]) for shape in pose_model.OUTPUTS)
