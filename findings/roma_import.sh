#!/usr/bin/env bash
# RoMa 1.8.0: importing it after torch loads torch's compiler front end (torch._dynamo), which takes about as long as
# torch itself; RoMa 1.6.0 does not. Measured on the processor build of torch 2.13.0.
# Prints what is seen for both versions; exits with 1 if that is no longer so.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet torch==2.13.0 numpy
cat > "$place/measure.py" <<'PROGRAM'
import sys
import time
from importlib.metadata import version

start = time.process_time()
import torch

torch_seconds, before, start = time.process_time() - start, set(sys.modules), time.process_time()
import roma

seconds, new = time.process_time() - start, set(sys.modules) - before
compiler = "torch._dynamo" in sys.modules
print(
    f"roma {version('roma')}, torch {torch.__version__}: import torch {torch_seconds:.2f} s of the processor, then "
    f"import roma {seconds:.2f} s, {len(new)} modules, torch._dynamo {'loaded' if compiler else 'not loaded'}"
)
sys.exit(compiler != (sys.argv[1] == "loads"))
PROGRAM
changed=0
for case in "1.6.0 spares" "1.8.0 loads"; do
    read -r version expected <<< "$case"
    "$python" -m pip install --quiet --no-deps --target "$place/roma-$version" "roma==$version"
    PYTHONPATH="$place/roma-$version" "$python" "$place/measure.py" "$expected" || changed=1
done
exit $changed
