#!/usr/bin/env bash
# LiteRT 2.3.0 (ai-edge-litert), the runtime for .tflite files, runs all models of MediaPipe's wheel 0.10.21 but one:
# face_landmark_with_attention asks for custom operators that the runtime does not have. It loads, and fails only when its
# tensors are allocated, with RuntimeError. face_landmark, without irises and fine lips, runs: take that one, or MediaPipe
# itself, and allocate the tensors of a model before you promise that it can be used.
# Prints for each model of the wheel whether it runs; exits with 1 if all do.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet ai-edge-litert==2.3.0
"$python" -m pip download --quiet --no-deps --dest "$place" --only-binary :all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 mediapipe==0.10.21
cat > "$place/run.py" <<'PROGRAM'
import sys
import zipfile
from importlib.metadata import version

from ai_edge_litert.interpreter import Interpreter

print("ai-edge-litert", version("ai-edge-litert"))
failed = 0
with zipfile.ZipFile(sys.argv[1]) as wheel:
    for name in sorted(name for name in wheel.namelist() if name.endswith(".tflite")):
        try:
            interpreter = Interpreter(model_content=wheel.read(name), num_threads=1)
            interpreter.allocate_tensors()
            interpreter.invoke()
            seen = f"runs, outputs {[tuple(map(int, detail['shape'])) for detail in interpreter.get_output_details()]}"
        except RuntimeError as error:
            failed += 1
            seen = f"RuntimeError: {str(error).splitlines()[0]}"
        print(f"{name.split('/')[-1]}: {seen}")
sys.exit(failed == 0)
PROGRAM
"$python" "$place/run.py" "$place"/mediapipe-*.whl
