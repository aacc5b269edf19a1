import os

import pytest

from vibe.people.tflite import Model


def test_what_is_no_model_is_refused_and_standard_error_still_speaks(tmp_path, capfd):
    path = tmp_path / "junk.tflite"
    path.write_bytes(b"junk")
    with pytest.raises(ValueError, match="model"):
        Model(path, [(1, 1)])
    os.write(2, b"still here")
    assert "still here" in capfd.readouterr().err
