"""Connections of the server that say nothing, or little by little, end in time; others do not."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("uvicorn")

import uvicorn  # noqa: E402

from rotnet.web.protocol import TimedProtocol  # noqa: E402

ANSWER = bytes(30_000_000)  # more than sockets hold
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hasty(TimedProtocol):
    headers_within = 0.5
    answer_within = 0.5


async def answer(scope, receive, send):
    body = ANSWER if scope["path"] == "/large" else b"here"
    while (await receive()).get("more_body"):
        pass
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]}
    )
    await send({"type": "http.response.body", "body": body})


@pytest.fixture(scope="module")
def port():
    """Of a server in a hurry."""
    config = uvicorn.Config(answer, http=Hasty, ws="none", lifespan="off", log_level="error")
    server, listening = uvicorn.Server(config), socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


@contextmanager
def connected(port):
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.settimeout(10)
        yield one


def is_closed(connection):
    """Whether it comes to an end, perhaps after a word of refusal; it raises `TimeoutError` otherwise."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionError:
        pass
    return True


def is_answered(connection):
    received = b""
    while not received.endswith(b"here"):
        block = connection.recv(1000)
        if not block:
            return False
        received += block
    return True


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2]])
def test_headers_that_do_not_come_are_not_waited_for(port, sent):
    started = time.monotonic()
    with connected(port) as connection:
        connection.sendall(sent)
        assert is_closed(connection)
    assert 0.3 < time.monotonic() - started < 5


def test_headers_byte_by_byte_are_not_waited_for(port):
    with connected(port) as connection, pytest.raises(OSError):
        for _ in range(100):
            connection.sendall(b"G")
            time.sleep(0.05)


def test_a_further_request_must_come_in_time_too(port):
    with connected(port) as connection:
        connection.sendall(REQUEST)
        assert is_answered(connection)
        connection.sendall(REQUEST[:-2])
        assert is_closed(connection)


def test_a_body_may_take_longer_than_headers(port):
    with connected(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n")
        for _ in range(2):
            time.sleep(0.5)
            connection.sendall(b"x")
        assert is_answered(connection)


def test_an_answer_must_be_taken_in_time(port):
    with connected(port) as connection:
        connection.sendall(REQUEST.replace(b"/ ", b"/large "))
        time.sleep(1.5)
        with pytest.raises(ConnectionError):
            received = 0
            while block := connection.recv(1 << 20):
                received += len(block)
            if received < len(ANSWER):
                raise ConnectionError
    with connected(port) as connection:
        connection.sendall(REQUEST.replace(b"/ ", b"/large "))
        received = 0
        while received < len(ANSWER):
            received += len(connection.recv(1 << 20))
