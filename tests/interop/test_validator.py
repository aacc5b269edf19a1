"""GLB: Khronos's validator has nothing to say."""

import json
import os
import shutil
import subprocess

import pytest

from vibe.export.export import export
from vibe.export.rigs import RIGS

PROGRAM = """
const validator = require("gltf-validator"), files = require("fs");
validator.validateBytes(new Uint8Array(files.readFileSync(process.argv[1])))
  .then(report => console.log(JSON.stringify(report.issues)));
"""


@pytest.mark.parametrize(
    "options", [{"root": "origin"}, {"root": "in-place"}, *({"rig": rig} for rig in RIGS if rig != "smpl")]
)
def test_khronos_s_validator_finds_no_error_no_warning_and_gives_no_hint(options, given, body, node_modules, tmp_path):
    export(given, tmp_path / "x.glb", "glb", **options, body=body)
    node = shutil.which("node")
    assert node, "the validator was installed by node's npm"
    done = subprocess.run(
        [node, "-e", PROGRAM, str(tmp_path / "x.glb")],
        capture_output=True, text=True, check=True, env=os.environ | {"NODE_PATH": str(node_modules)},
    )  # fmt: skip
    issues = json.loads(done.stdout)
    assert issues["messages"] == []
    assert [issues[name] for name in ("numErrors", "numWarnings", "numInfos", "numHints")] == [0, 0, 0, 0]
