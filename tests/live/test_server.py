"""The socket and the page, as programs and browsers ask for them."""

import http.client
import json
import socket
import struct
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from vibe.body import load_body
from vibe.live.outputs import Packets
from vibe.live.pose import LivePoses
from vibe.live.server import ServedContent, Server

client = pytest.importorskip("websockets.sync.client", reason="websockets is not installed")
exceptions = pytest.importorskip("websockets.exceptions")


@pytest.fixture
def server():
    body = load_body(detail="low")
    opened = Server(ServedContent('{"type":"start"}', "<!doctype html><p>page</p>", Packets(body)))
    yield opened
    opened.close()


def told(server, moment, shot, listener, index: int):
    """What a listener hears of the answer number `index`."""
    server.put(LivePoses(index, moment.time, moment.people), shot, 80.0)
    return listener.recv(timeout=60)


def test_a_listener_with_the_token_hears_the_start_and_every_answer(server, moment, shot):
    with client.connect(server.socket_address) as listener:
        assert json.loads(listener.recv(timeout=60)) == {"type": "start"}
        heard = [json.loads(told(server, moment, shot, listener, index)) for index in range(3)]
    assert [line["frame"] for line in heard] == [0, 1, 2] and len(heard[0]["people"]) == 2


def test_the_token_may_stand_in_a_header(server):
    address = server.socket_address.partition("?")[0]
    with client.connect(address, additional_headers={"Authorization": f"Bearer {server.token}"}) as listener:
        assert json.loads(listener.recv(timeout=60)) == {"type": "start"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_the_socket_stays_closed(server, headers):
    with pytest.raises(exceptions.InvalidStatus, match="403"):
        client.connect(server.socket_address.partition("?")[0], additional_headers=headers)


def test_a_page_of_another_site_is_refused_though_it_has_the_token(server):
    with pytest.raises(exceptions.InvalidStatus, match="403"):
        client.connect(server.socket_address, origin="http://evil.example")
    host = f"127.0.0.1:{server.port}"
    with client.connect(server.socket_address, origin=f"http://{host}") as listener:
        assert listener.recv(timeout=60)


def fetched(server, path: str, **headers: str) -> tuple[int, str, dict]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read().decode(), dict(response.getheaders())


def test_the_page_is_for_those_with_the_token_and_its_headers_keep_it_there(server):
    path = urlsplit(server.address)
    status, text, headers = fetched(server, f"{path.path}?{path.query}")
    assert (status, text) == (200, "<!doctype html><p>page</p>")
    assert headers["Content-Type"] == "text/html; charset=utf-8" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store" and headers["X-Frame-Options"] == "DENY"
    assert fetched(server, "/")[0] == 403
    assert fetched(server, f"/other?{path.query}")[0] == 404
    assert fetched(server, f"/?{path.query}", Host="evil.example")[0] == 403


def test_a_page_is_told_shapes_first_and_gets_the_picture_with_the_answer(server, moment, shot):
    with client.connect(server.socket_address + "&page=1") as listener:
        listener.recv(timeout=60)
        shapes = [json.loads(told(server, moment, shot, listener, 0)), json.loads(listener.recv(timeout=60))]
        packet = listener.recv(timeout=60)
        again = told(server, moment, shot, listener, 1)
    assert [(shape["type"], shape["number"]) for shape in shapes] == [("shape", 1), ("shape", 2)]
    assert isinstance(packet, bytes) and isinstance(again, bytes), "shapes are told once"
    [length] = struct.unpack("<I", packet[:4])
    assert json.loads(packet[4 : 4 + length])["frame"] == 0
    picture = cv2.imdecode(np.frombuffer(packet[4 + length :], np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == shot.rgb.shape and np.abs(picture[100, 100] - shot.rgb[0, 0][::-1].astype(int)).max() < 12


def test_a_listener_who_does_not_listen_holds_nobody_up(server, moment, shot):
    with client.connect(server.socket_address, max_queue=1), client.connect(server.socket_address) as keen:
        keen.recv(timeout=60)
        heard = []
        for index in range(300):
            server.put(LivePoses(index, moment.time, moment.people), shot, 80.0)
            if index % 20 == 19:
                heard.append(json.loads(keen.recv(timeout=60))["frame"])
        assert heard == sorted(set(heard))


def test_a_listener_who_talks_too_much_is_sent_away_alone(server, moment, shot):
    with client.connect(server.socket_address) as loud, client.connect(server.socket_address) as other:
        loud.send("x" * 5000)
        with pytest.raises(exceptions.ConnectionClosed):
            for _ in range(10):
                loud.recv(timeout=60)
        other.recv(timeout=60)
        assert json.loads(told(server, moment, shot, other, 4))["frame"] == 4


def test_a_port_that_is_taken_is_said_to_be(server):
    with pytest.raises(OSError, match=f"port {server.port} is taken: give another one with --port"):
        Server(ServedContent("", None, Packets(load_body(detail="low"))), port=server.port)


def test_an_address_of_another_machine_can_not_be_listened_on():
    with pytest.raises(OSError, match=r"nobody can listen on 192\.0\.2\.1"):
        Server(ServedContent("", None, Packets(load_body(detail="low"))), "192.0.2.1")


@pytest.mark.parametrize("host", ["a" * 70 + ".example", "a..b", "no-such-machine.invalid"])
def test_a_host_that_is_not_this_machine_is_refused_at_once(host):
    content = ServedContent("", None, Packets(load_body(detail="low")))
    with pytest.raises((OSError, ValueError), match=r"that a machine can have|nobody can listen"):
        Server(content, host)


def test_two_host_headers_are_refused(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as line:
        line.sendall(f"GET /?token={server.token} HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n".encode())
        assert line.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_tokens_are_long_and_never_the_same(server):
    tokens = {server.token}
    for _ in range(3):
        other = Server(ServedContent("", None, Packets(load_body(detail="low"))))
        tokens.add(other.token)
        other.close()
    assert len(tokens) == 4 and all(len(token) >= 22 for token in tokens)
