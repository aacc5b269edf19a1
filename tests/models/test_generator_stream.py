import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import torch
from whole_tracks import of_features

from vibe.models.convolutional import ConvolutionalConfig, ConvolutionalEncoder
from vibe.models.generator import VIBE
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.records import GeneratorOutput

ENCODERS = {
    "one direction": lambda: GRUEncoder(EncoderConfig(features=12, hidden=8)),
    "two directions": lambda: GRUEncoder(EncoderConfig(features=12, hidden=8, bidirectional=True)),
    "convolutions": lambda: ConvolutionalEncoder(ConvolutionalConfig(features=12, groups=3)),
    "frame by frame": torch.nn.Identity,
}
LONG = """
import re, torch
from pathlib import Path
from vibe.models.gru import EncoderConfig, GRUEncoder
from vibe.models.regressor import Regressor, RegressorConfig
from vibe.models.generator import VIBE, run_generator


def peak_mb():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024


torch.set_num_threads(1)
network = VIBE(torch.nn.Identity(), GRUEncoder(EncoderConfig(512, 32)), Regressor(RegressorConfig(512))).eval()
features = torch.randn(18_000, 512)
list(run_generator(network, lambda part: features[part], 600))
before = peak_mb()
list(run_generator(network, lambda part: features[part], 18_000))
print(peak_mb() - before)
"""


def network(encoder: str, activation: Literal["none", "relu"] = "none") -> VIBE:
    regressor = Regressor(RegressorConfig(features=12, hidden=16, activation=activation))
    return VIBE(torch.nn.Identity(), ENCODERS[encoder](), regressor).eval()


def assert_same(one: GeneratorOutput, other: GeneratorOutput) -> None:
    torch.testing.assert_close(one.rotmat, other.rotmat, rtol=0, atol=1e-5)
    torch.testing.assert_close(one.betas, other.betas, rtol=0, atol=1e-5)
    torch.testing.assert_close(one.pred_cam, other.pred_cam, rtol=0, atol=1e-5)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("activation", ["none", "relu"])
@pytest.mark.parametrize("chunk", [1, 7, 30, 31, 1000])
def test_a_streamed_track_gives_what_the_network_gives(
    encoder: str, activation: Literal["none", "relu"], chunk: int
) -> None:
    made, features = network(encoder, activation), torch.randn(2, 31, 12)
    with torch.no_grad():
        expected = made(features)
    assert_same(of_features(made, features, chunk), expected)
    assert_same(
        of_features(made, features[0], chunk),
        GeneratorOutput(expected.rotmat[0], expected.betas[0], expected.pred_cam[0]),
    )


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system keeps no peak in /proc")
def test_ten_minutes_take_little_more_memory_than_their_answer() -> None:
    done = subprocess.run([sys.executable, "-c", LONG], check=True, capture_output=True, text=True)
    assert float(done.stdout) < 80
