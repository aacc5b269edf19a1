from pathlib import Path

import pytest
import reference
import torch

from vibe.features.extractor import MEAN_RGB, STD_RGB
from vibe.features.resnet import ResNet50, read_resnet


def test_official_weights_by_their_own_names_give_the_official_features(shared: Path) -> None:
    crops = torch.stack(
        [torch.from_numpy(reference.entry(shared, name)) for name in ("crop.raw", "crop.raw_at_border")]
    )
    pictures = (crops - torch.tensor(MEAN_RGB)) / torch.tensor(STD_RGB)
    features = read_resnet(reference.state(shared, "hmr"))(pictures.permute(0, 3, 1, 2))
    expected = torch.from_numpy(reference.entry(shared, "resnet50.features"))
    torch.testing.assert_close(features, expected, rtol=1e-3, atol=1e-4)


def test_its_parameters_are_those_of_the_published_checkpoint(shared: Path) -> None:
    own = set(ResNet50().state_dict())
    assert len(own) == 318 and own < set(reference.state(shared, "hmr"))
    assert sum(part.numel() for part in ResNet50().parameters()) == 23_508_032


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda state: state.pop("layer3.4.bn2.running_var"), "layer3.4.bn2.running_var"),
        (lambda state: state.update({"layer5.weight": torch.zeros(3)}), "layer5.weight"),
        (lambda state: state.update({"conv1.weight": torch.zeros(64, 3, 3, 3)}), "conv1.weight"),
    ],
)
def test_a_checkpoint_that_does_not_fit_names_the_parameter(change, named: str) -> None:
    state = ResNet50().state_dict() | {"fc1.weight": torch.zeros(2), "smpl.faces_tensor": torch.zeros(1)}
    change(state)
    with pytest.raises(ValueError, match=named):
        read_resnet(state)
