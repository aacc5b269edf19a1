#!/usr/bin/env bash
# RoMa 1.6.0: random_unitquat takes a generator, but draws two of its three random numbers from torch's global one, so
# two calls with generators of the same seed differ; RoMa 1.8.0 gives the same twice. Processor build of torch 2.13.0.
# Prints what is seen for both versions; exits with 1 if that is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet torch==2.13.0 numpy
cat > "$place/draw.py" <<'PROGRAM'
import sys
from importlib.metadata import version

import roma
import torch


def draw(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return roma.random_unitquat((4,), generator=torch.Generator().manual_seed(1))


same = torch.equal(draw(0), draw(1))
print(
    f"roma {version('roma')}, torch {torch.__version__}: generators of the same seed, torch's own seeded otherwise: "
    f"the quaternions {'are the same' if same else 'differ'}"
)
sys.exit(same != (sys.argv[1] == "same"))
PROGRAM
changed=0
for case in "1.6.0 differ" "1.8.0 same"; do
    read -r version expected <<< "$case"
    "$python" -m pip install --quiet --no-deps --target "$place/roma-$version" "roma==$version"
    PYTHONPATH="$place/roma-$version" "$python" "$place/draw.py" "$expected" || changed=1
done
exit $changed
