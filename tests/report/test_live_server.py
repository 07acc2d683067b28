"""The server of a live page answers only this machine, only reads, only with its token; it is gone after its end."""

import http.client
import socket
import threading

import pytest

from pipeline.live.server import LiveServer
from runtime.errors import ConfigurationError
from tests.report.live import PAGE, TOKEN, ask, events, serving


def test_a_request_with_the_token_receives_the_page():
    with serving() as server:
        status, headers, text = ask(server, f"/{TOKEN}/")
        assert server.url == f"http://127.0.0.1:{server.port}/{TOKEN}/"
    assert (status, text) == (200, PAGE.decode())
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "Python" not in headers["Server"]


@pytest.mark.parametrize("path", ["/", "/other/", f"/{TOKEN}", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/"])
def test_a_request_without_the_token_is_refused(path):
    with serving() as server:
        status, _, text = ask(server, path)
    assert status == 404
    assert TOKEN not in text


def test_every_run_has_a_token_that_cannot_be_guessed():
    with serving(token="") as first, serving(token="") as second:
        assert first.token != second.token
        assert len(first.token) >= 20


@pytest.mark.parametrize(
    "host", ["example.org", "example.org:{port}", "127.0.0.1:1", "127.0.0.1.example.org:{port}", ""]
)
def test_a_foreign_host_name_is_refused(host):
    with serving() as server:
        status, _, text = ask(server, f"/{TOKEN}/", Host=host.format(port=server.port))
        assert ask(server, f"/{TOKEN}/", Host=f"localhost:{server.port}")[0] == 200
    assert status == 421
    assert PAGE.decode() not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_only_get_requests_are_answered(method):
    with serving() as server:
        status, headers, _ = ask(server, f"/{TOKEN}/", method)
    assert (status, headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "inside",
    ["point/../../secret", "../secret", "point/..", "point/1/../../secret", "point//etc/passwd", "%2e%2e/secret",
     "point/%31", "point/-1", "point/1e3", "point/99999999999999999999", "events/", "events?x", "point/2"],
)  # fmt: skip
def test_only_the_number_of_a_point_leads_to_a_file(tmp_path, inside):
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "report.html").write_text("a report")
    with serving(report=lambda number: tmp_path / "report.html" if number == 1 else None) as server:
        status, _, text = ask(server, f"/{TOKEN}/{inside}")
        assert ask(server, f"/{TOKEN}/point/1")[::2] == (200, "a report")
    assert status == 404
    assert "secret" not in text


def test_a_reader_receives_the_state_and_at_last_the_end():
    told, asked = [], threading.Event()

    def tell():
        while True:
            asked.set()
            yield {"run": 1}

    server = LiveServer(0, TOKEN, PAGE, tell, lambda number: None)
    reader = threading.Thread(target=lambda: told.append(ask(server, f"/{TOKEN}/events")))
    reader.start()
    asked.wait()
    server.close({"end": "<b>"})
    reader.join()
    ((status, headers, text),) = told
    assert status == 200
    assert headers["Content-Type"].startswith("text/event-stream")
    *before, last = events(text)
    assert {"run": 1} in before
    assert last == {"end": "<b>"}


def test_a_reader_that_waits_only_for_the_end_costs_nothing_until_then():
    def tell():
        raise AssertionError("asked what is running")

    server = LiveServer(0, TOKEN, PAGE, tell, lambda number: None)
    connection = http.client.HTTPConnection("127.0.0.1", server.port)
    connection.request("GET", f"/{TOKEN}/end")
    answer = connection.getresponse()
    server.close({"end": 1})
    assert events(answer.read().decode()) == [{"end": 1}]


def test_a_reader_that_leaves_causes_no_output(capfd):
    gone = threading.Event()

    def tell():
        yield {}
        gone.wait()
        yield {"much": "x" * 10_000_000}  # more than the system keeps for a reader

    server = LiveServer(0, TOKEN, PAGE, tell, lambda number: None)
    with socket.create_connection(("127.0.0.1", server.port)) as reader:
        reader.sendall(f"GET /{TOKEN}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        assert reader.recv(1)
    gone.set()
    with server._served:
        server._served.wait_for(lambda: not server._open)
    server.close(None)
    assert capfd.readouterr() == ("", "")


def test_an_error_of_the_server_is_printed_and_not_taken_for_a_reader_that_left(capfd):
    def tell():
        raise ZeroDivisionError("in the server")
        yield

    with serving() as server:
        server.told = tell
        ask(server, f"/{TOKEN}/events")
    assert "ZeroDivisionError: in the server" in capfd.readouterr().err


def test_after_its_end_the_server_does_not_answer_and_the_port_is_free():
    with serving() as server:
        port = server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    LiveServer(port, TOKEN, PAGE, lambda: iter(()), lambda number: None).close(None)


def test_the_server_listens_only_on_this_machine():
    with serving() as server:
        assert server.socket.getsockname() == ("127.0.0.1", server.port)
        assert not server.socket.get_inheritable()


def test_a_port_in_use_is_an_error_that_names_the_key():
    with serving() as server, pytest.raises(ConfigurationError, match=f"live_port={server.port}: is already in use"):
        LiveServer(server.port, TOKEN, PAGE, lambda: iter(()), lambda number: None)


@pytest.mark.parametrize("port", [-1, 65536])
def test_an_impossible_port_is_an_error_that_names_the_key(port):
    with pytest.raises(ConfigurationError, match=f"live_port={port}: 0 to 65535"):
        LiveServer(port, TOKEN, PAGE, lambda: iter(()), lambda number: None)


def test_a_reader_that_takes_no_message_does_not_delay_the_run(monkeypatch):
    monkeypatch.setattr("pipeline.live.server._FAREWELL", 0.0)
    full = threading.Event()

    def tell():
        while True:
            full.set()
            yield {"much": "x" * 10_000_000}  # more than the system keeps for a reader

    server = LiveServer(0, TOKEN, PAGE, tell, lambda number: None)
    with socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.sendall(f"GET /{TOKEN}/events HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode())
        full.wait()
        server.close({"end": {}})


def test_the_number_of_readers_is_bounded_and_a_reader_that_leaves_makes_room(monkeypatch):
    monkeypatch.setattr("pipeline.live.server._MOST_READERS", 1)
    begun, on = threading.Event(), threading.Event()

    def tell():
        begun.set()
        yield {}
        on.wait()

    server = LiveServer(0, TOKEN, PAGE, tell, lambda number: None)
    first = threading.Thread(target=lambda: ask(server, f"/{TOKEN}/events"))
    first.start()
    begun.wait()
    assert ask(server, f"/{TOKEN}/events")[0] == 503
    assert ask(server, f"/{TOKEN}/")[0] == 200
    on.set()
    first.join()
    assert ask(server, f"/{TOKEN}/events")[0] == 200
    server.close(None)
