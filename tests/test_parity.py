"""Everything that the published program computed comes out of ours, and the comparison can fail."""

from dataclasses import replace

import numpy as np
import parity
import torch


@torch.no_grad()
def test_every_number_of_the_published_program_comes_out_the_same(given: parity.Given) -> None:
    found = list(parity.compare(given))
    assert [name for name, _, _, off in found if off] == []
    names = {name for name, *_ in found}
    assert names == {name for name in given.theirs if not name.endswith("state_keys")}


@torch.no_grad()
def test_a_number_that_differs_or_is_not_known_is_told(given: parity.Given) -> None:
    few = {name: given.theirs[name] for name in ("rot6d.rotmat", "rotmat.axis_angle", "axis_angle.rotmat")}
    few["rot6d.rotmat"] = few["rot6d.rotmat"] + 3e-5
    changed = replace(given, theirs=few | {"what.is.this": np.zeros(3)})
    told = {name for name, _, _, off in parity.compare(changed, (parity.rotation_entries,)) if off}
    assert told == {"rot6d.rotmat", "what.is.this"}
