"""Laws of what may be asked of a rendering."""

import pytest

from vibe.render.options import NAMED, VIEWS, RenderOptions
from vibe.render.viewpoints import AROUND


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"view": ("top",)}, "cannot view top: choose of camera, side, turn"),
        ({"show": ("mesh", "fur")}, "cannot show mesh, fur"),
        ({"layout": "under"}, "no layout under"),
    ],
)
def test_what_there_is_not_is_refused(wishes, said):
    with pytest.raises(ValueError, match=said):
        RenderOptions(**wishes)


@pytest.mark.parametrize(
    ("size", "panel"),
    [(None, (1920, 1080)), ("1280x720", (1280, 720)), ("540", (960, 540)), ("100x100", (100, 100))],
)
def test_a_size_is_that_of_a_panel_and_a_height_keeps_the_proportions(size, panel):
    assert RenderOptions(size=size).panel(1920, 1080) == panel


def test_where_no_size_is_asked_for_the_longer_side_is_bounded():
    assert RenderOptions().panel(1080, 1920, 480) == (270, 480)
    assert RenderOptions(size="720").panel(1080, 1920, 480) == (404, 720)


@pytest.mark.parametrize(
    ("name", "colour"), [("#ff8000", (1.0, 128 / 255, 0.0)), ("00ff00", (0.0, 1.0, 0.0)), *NAMED.items()]
)
def test_colours_have_names_or_numbers(name, colour):
    assert RenderOptions(background=name).colour == colour


def test_every_view_around_people_can_be_asked_for():
    assert {*VIEWS} == {"camera", *AROUND}
