"""A published receiver of the Virtual Motion Capture protocol gets every bone of every frame, at 30 a second."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from vibe.arrays import as_tensors
from vibe.live.person import LivePose
from vibe.live.pose import LivePoses
from vibe.live.source import LiveFrame
from vibe.live.vmc import BONES, VmcAvatar, vmc

READER = Path(__file__).with_name("in_vmcp.py")
FRAMES, RATE = 60, 30.0
END = 1000.0


def test_every_bone_of_every_frame_arrives_as_it_was_sent(vmcp_python, given, body, tmp_path):
    osc_packet = pytest.importorskip("pythonosc.osc_packet")
    motion, nothing = given.people[0], torch.zeros(17, 3)
    smpl = as_tensors(motion.smpl)
    poses = [
        LivePoses(
            frame,
            frame / RATE,
            (
                LivePose(
                    1, smpl.rotmat[row], smpl.betas, smpl.pelvis[row], as_tensors(motion.joints_cam)[row], nothing,
                    torch.ones(4),
                ),
            ),
        )
        for frame, row in enumerate(np.arange(FRAMES) % len(motion))
    ]  # fmt: skip
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    out, shot = tmp_path / "found.json", LiveFrame(0.0, 0.0, np.zeros((4, 4, 3), np.uint8))
    reader = subprocess.Popen([vmcp_python, READER, str(port), str(END), out], stdout=subprocess.PIPE, text=True)
    try:
        assert reader.stdout is not None and reader.stdout.readline() == "listens\n"
        outbox = vmc(f"127.0.0.1:{port}", body)
        for each in poses:
            outbox.put(each, shot, 0.0)
            time.sleep(1 / RATE)
        outbox.put(replace(poses[-1], time=END, people=()), shot, 0.0)
        outbox.close()
        assert reader.wait(60) == 0
    finally:
        reader.kill()
    found, avatar = json.loads(out.read_text()), VmcAvatar(body)
    sent = [
        each.message.params
        for one in poses
        for bundle in avatar.bundles(one)
        for each in osc_packet.OscPacket(bundle.dgram).messages
        if each.message.address.endswith("Bone/Pos")
    ]
    assert len(sent) == FRAMES * len(BONES) and found["states"] == found["roots"] == FRAMES + 1
    assert [each[0] for each in found["bones"]] == [each[0] for each in sent]
    mine, theirs = (np.array([each[1:] for each in every], float) for every in (sent, found["bones"]))
    assert np.abs(mine - theirs).max() < 1e-5
