"""Answers sent off: as another program reads them, and never at the cost of the next one."""

import errno
import json
import socket
import threading
import time

import numpy as np
import pytest
import roma

from vibe.live import outputs
from vibe.live.pose import LivePoses
from vibe.skeletons import SMPL

osc_packet = pytest.importorskip("pythonosc.osc_packet", reason="python-osc is not installed")


def decoded(datagram: bytes) -> dict[str, list]:
    return {each.message.address: each.message.params for each in osc_packet.OscPacket(datagram).messages}


def test_what_is_sent_by_osc_is_what_python_osc_reads(moment, shot):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        outbox = outputs.osc(f"127.0.0.1:{receiver.getsockname()[1]}")
        outbox.put(moment, shot, 80.0)
        datagrams = [receiver.recv(65536) for _ in range(5)]
        outbox.close()
    assert max(map(len, datagrams)) < 1472, "a packet of Ethernet"
    told = {address: values for datagram in datagrams for address, values in decoded(datagram).items()}
    assert told["/vibe/people"] == [1, 2]
    assert told["/vibe/frame"] == [moment.index, pytest.approx(moment.time, rel=1e-6), 80.0, 2]
    for pose in moment.people:
        for place, name in enumerate(SMPL):
            assert np.allclose(told[f"/vibe/{pose.number}/joint/{name}"], pose.joints[place], atol=1e-5)
        turn = told[f"/vibe/{pose.number}/rotation/left_elbow"]
        assert np.allclose(turn, roma.rotmat_to_unitquat(pose.rotmat[SMPL.index("left_elbow")]), atol=1e-5)
        assert np.allclose(told[f"/vibe/{pose.number}/betas"], pose.betas, atol=1e-5)


def test_nobody_in_view_is_sent_by_osc_too():
    [datagram] = [bundle.dgram for bundle in outputs.osc_bundles(LivePoses(7, 0.25, ()), 70.0)]
    assert decoded(datagram) == {"/vibe/frame": [7, 0.25, 70.0, 0], "/vibe/people": []}


@pytest.mark.parametrize("address", ["localhost", "h:", ":9000", "a:b", "::1:9000", "h:0", "h:99999", "a b:9000"])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(ValueError, match="HOST:PORT"):
        outputs.osc(address)


def test_an_address_of_version_6_stands_in_brackets():
    assert outputs.host_and_port("[::1]:9000") == ("::1", 9000)


def test_a_line_of_json_for_each_answer_follows_the_start(moment, shot):
    written: list[str] = []
    outbox = outputs.json_lines(written.append, '{"type":"start"}')
    for _ in range(3):
        outbox.put(moment, shot, 80.0)
    outbox.close()
    lines = [json.loads(line) for line in written]
    assert [line["type"] for line in lines] == ["start", "frame", "frame", "frame"]


def test_a_slow_reader_gets_fewer_answers_and_delays_nobody(moment, shot):
    got, go = [], threading.Event()

    def slow(one: LivePoses, delay_ms: float) -> None:
        go.wait(60)
        got.append(delay_ms)

    outbox = outputs.Outbox(slow, "slow")
    began = time.monotonic()
    for number in range(500):
        outbox.put(moment, shot, float(number))
    assert time.monotonic() - began < 30
    go.set()
    outbox.close()
    assert got[-1] == 499 and outbox.dropped == 500 - len(got) > 400


def test_a_reader_who_left_is_an_error_at_the_next_answer(moment, shot):
    def gone(one: LivePoses, delay_ms: float) -> None:
        raise BrokenPipeError("the reader left")

    outbox = outputs.Outbox(gone, "gone")
    with pytest.raises(BrokenPipeError):
        for _ in range(6000):
            outbox.put(moment, shot, 0.0)
            time.sleep(0.01)


def test_a_packet_that_is_lost_does_not_end_what_is_sent_by_osc(moment, shot, monkeypatch):
    sent, unreachable = [], OSError(errno.ENETUNREACH, "Network is unreachable")

    def send(client, bundle) -> None:
        sent.append(bundle)
        if len(sent) == 2:
            raise unreachable

    monkeypatch.setattr("pythonosc.udp_client.UDPClient.send", send)
    outbox = outputs.osc("127.0.0.1:9000")
    for sendings in (2, 7, 12):
        outbox.put(moment, shot, 80.0)
        end = time.monotonic() + 60
        while len(sent) < sendings and time.monotonic() < end:
            time.sleep(0.01)
    outbox.close()
    assert outbox.dropped == 1 and len(sent) == 2 + 5 + 5


def test_a_host_that_no_address_can_have_is_one_line():
    with pytest.raises(OSError, match="is not known"):
        outputs.osc("a" * 70 + ".example:9000")
