from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime

import pytest

from services.clock import utc_now
from services.webhooks.addresses import networks_of
from services.webhooks.guard import Guard, Resolver, resolve
from services.webhooks.sending import Sender
from services.webhooks.types import Attempt
from tests.support.receiver import CERTIFICATE, Receiver, Reply

BODY = b'{"type":"job.failed"}'
HEADERS = {"Content-Type": "application/json", "webhook-id": "msg_1"}


def sender(
    *,
    allowed: str = "127.0.0.1/32",
    resolver: Resolver = resolve,
    timeout_s: float = 10.0,
    trusted: bool = True,
) -> Sender:
    tls = ssl.create_default_context(cafile=str(CERTIFICATE) if trusted else None)
    return Sender(Guard(networks_of(allowed), resolver), timeout_s, tls)


def post(receiver: Receiver, **options: float) -> Attempt:
    return sender(**options).post(receiver.url, HEADERS, BODY)


@contextmanager
def raw_server(answer: bytes, drip_s: float = 0.0) -> Iterator[int]:
    """Answer one connection with these bytes, all at once or one by one; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                for byte in answer if drip_s else ():
                    connection.sendall(bytes([byte]))
                    time.sleep(drip_s)
                connection.sendall(b"" if drip_s else answer)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):  # closing on unread bytes would reset the connection
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


class TestAnswers:
    @pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
    def test_any_2xx_is_a_delivery(self, status: int) -> None:
        """The message arrives as it was signed, and the receiver's choice of status does not matter."""
        with Receiver(Reply(status)) as receiver:
            attempt = post(receiver)

        assert Attempt(status, None) == attempt
        (message,) = receiver.received
        assert ("/hook?lab=7", BODY) == (message.path, message.body)
        assert f"127.0.0.1:{receiver.port}" == message.headers["host"]
        assert "msg_1" == message.headers["webhook-id"]

    @pytest.mark.parametrize("status", [400, 401, 404, 410, 500, 503])
    def test_any_error_is_none(self, status: int) -> None:
        """What the receiver did not take is told with its status and nothing of its page."""
        with Receiver(Reply(status, body=b"inner secrets")) as receiver:
            attempt = post(receiver)

        assert Attempt(status, f"It answered {status}.") == attempt

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_redirects_are_not_followed(self, status: int) -> None:
        """A receiver cannot send the service on to an address that nobody checked."""
        with Receiver() as inner, Receiver(Reply(status, {"Location": inner.url})) as receiver:
            attempt = post(receiver)

        assert status == attempt.status
        assert "redirects are not followed" in str(attempt.error)
        assert [] == inner.received

    def test_receiver_says_when_to_come_back(self) -> None:
        """Retry-After is read in both of its forms, and nonsense is passed over."""
        at = format_datetime(utc_now() + timedelta(minutes=10), usegmt=True)
        texts = ("120", at, "soon", "-5", "9" * 400)
        with Receiver(*(Reply(503, {"Retry-After": text}) for text in texts)) as receiver:
            found = [post(receiver).retry_after_s for _ in texts]

        assert (120.0, 0.0, 0.0, 999_999_999.0) == (found[0], *found[2:])
        assert 590 < found[1] <= 600


class TestBounds:
    def test_silent_receiver_is_left_in_time(self) -> None:
        """A receiver that takes the message and never answers costs no more than the time-out."""
        with Receiver(Reply(hang_s=30)) as receiver:
            attempt = post(receiver, timeout_s=0.3)

        assert Attempt(None, "It did not answer within 0.3 s.") == attempt

    def test_dripping_receiver_is_left_in_time(self) -> None:
        """Nor does one whose every byte comes in time, but whose answer never begins."""
        with raw_server(b"HTTP/1.1 200 OK\r\nX-Endless: " + b"x" * 10_000, drip_s=0.05) as port:
            attempt = sender(timeout_s=0.5).post(f"http://127.0.0.1:{port}/", HEADERS, BODY)

        assert "did not answer within" in str(attempt.error)

    def test_status_counts_and_not_what_follows(self) -> None:
        """A receiver that said 200 has the message, though its page never ends."""
        with Receiver(Reply(200, body=b"x" * 10_000, drip_s=0.05)) as receiver:
            attempt = post(receiver, timeout_s=0.5)

        assert attempt.delivered
        assert receiver.sent_bytes < 100

    def test_long_answer_is_not_read(self) -> None:
        """A status is all that is needed; of a page that never ends only the beginning is taken."""
        with Receiver(Reply(200, body=b"x" * 50 * 1024**2)) as receiver:
            attempt = post(receiver)

        assert attempt.delivered
        assert receiver.sent_bytes < 50 * 1024**2

    @pytest.mark.parametrize(
        "answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000]
    )
    def test_what_speaks_no_http_is_a_failure(self, answer: bytes) -> None:
        """Whatever listens there, the outcome is a sentence and never a crash."""
        with raw_server(answer) as port:
            attempt = sender().post(f"http://127.0.0.1:{port}/", HEADERS, BODY)

        assert attempt.status is None
        assert "HTTP/1.1" in str(attempt.error)
        assert "SSH" not in str(attempt.error)

    def test_nobody_there_is_a_failure(self) -> None:
        """A receiver that is down is tried again later, so it must not be an exception."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        attempt = sender().post(f"http://127.0.0.1:{port}/", HEADERS, BODY)

        assert "refused" in str(attempt.error)


class TestAddresses:
    def test_name_that_changes_its_address_is_asked_once(self) -> None:
        """The address that was checked is the one that is called, whatever the name means a moment later."""
        answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])
        with Receiver() as checked, Receiver(address="127.0.0.2", port=checked.port) as other:
            rebinding = sender(resolver=lambda _host, _port: next(answers))
            first = rebinding.post(f"http://lims.test:{checked.port}/", HEADERS, BODY)
            second = rebinding.post(f"http://lims.test:{checked.port}/", HEADERS, BODY)

        assert (True, 1) == (first.delivered, len(checked.received))
        assert "not on the public internet" in str(second.error)
        assert [] == other.received

    def test_next_address_is_tried(self) -> None:
        """A name with a dead address and a living one is reached."""
        with Receiver() as receiver:
            both = sender(allowed="127.0.0.0/8", resolver=lambda _host, _port: ["127.0.0.9", "127.0.0.1"])
            attempt = both.post(f"http://lims.test:{receiver.port}/", HEADERS, BODY)

        assert attempt.delivered

    def test_proxies_of_the_environment_are_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A proxy would look the name up itself, behind the check."""
        with Receiver() as proxy, Receiver() as receiver:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            attempt = post(receiver)

        assert attempt.delivered
        assert [] == proxy.received


class TestCertificates:
    def test_name_of_the_url_is_checked(self) -> None:
        """By a checked address, the receiver is still asked for, and known by, its name."""
        with Receiver(tls=True) as receiver:
            url = f"https://lims.test:{receiver.port}/"
            attempt = sender(resolver=loopback).post(url, HEADERS, BODY)

        assert attempt.delivered
        (message,) = receiver.received
        assert ("lims.test", f"lims.test:{receiver.port}") == (message.server_name, message.headers["host"])

    @pytest.mark.parametrize(("host", "trusted"), [("other.test", True), ("lims.test", False)])
    def test_wrong_certificate_gets_no_message(self, host: str, *, trusted: bool) -> None:
        """Neither a certificate for another name nor one that nobody vouches for is accepted."""
        with Receiver(tls=True) as receiver:
            url = f"https://{host}:{receiver.port}/"
            attempt = sender(resolver=loopback, trusted=trusted).post(url, HEADERS, BODY)

        assert "certificate" in str(attempt.error).lower()
        assert [] == receiver.received
