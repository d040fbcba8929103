"""One message on its way: a POST that goes to a checked address, in bounded time, and nowhere else.

No proxy of the environment is asked and no redirect followed, for either would lead past the check.
What the receiver answers is read so that its connection ends well, and is not kept: it could be a
page of the lab's network that the webhook's owner may not see.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpcore

from services.clock import utc_now
from services.webhooks.addresses import Address
from services.webhooks.errors import AddressRefusedError
from services.webhooks.guard import Destination, Guard
from services.webhooks.types import Attempt

MAX_ANSWER_BYTES: Final = 64 * 1024


class Sender:
    """Posts bodies to webhooks; safe to use from several threads.

    Parameters
    ----------
    guard
        Which addresses may be called.
    timeout_s
        For one message: connecting, sending and reading the answer together.
    tls
        Which certificates are trusted.
    """

    def __init__(self, guard: Guard, timeout_s: float, tls: ssl.SSLContext) -> None:
        self._guard = guard
        self._timeout_s = timeout_s
        self._tls = tls

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Send a body once and say what became of it; never raises for what the other side does."""
        deadline = time.monotonic() + self._timeout_s
        try:
            destination = self._guard.destination(url)
            return self._exchange(destination, headers, body, deadline)
        except AddressRefusedError as error:
            return Attempt(None, str(error))
        except httpcore.TimeoutException:
            return Attempt(None, f"It did not answer within {self._timeout_s:g} s.")
        except httpcore.NetworkError as error:
            return Attempt(None, f"The connection failed: {str(error) or type(error).__name__}.")
        except httpcore.ProtocolError:
            # What it said instead is not told: it may be another service's greeting.
            return Attempt(None, "It does not answer as HTTP/1.1 has it.")

    def _exchange(
        self, destination: Destination, headers: Mapping[str, str], body: bytes, deadline: float
    ) -> Attempt:
        target = destination.target
        url = httpcore.URL(
            scheme=target.scheme.encode(),
            host=target.host.encode(),
            port=target.port,
            target=target.path.encode(),
        )
        sent = {"Host": target.authority, "Connection": "close", "Content-Length": str(len(body)), **headers}
        backend = _CheckedAddresses(destination.addresses, deadline)
        with (
            httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend) as pool,
            pool.stream("POST", url, headers=list(sent.items()), content=body) as response,
        ):
            _drain(response)
            return _attempt_of(response)


class _CheckedAddresses(httpcore.NetworkBackend):
    """Connects to the addresses that were checked, whatever a name means by now, until a deadline."""

    def __init__(self, addresses: tuple[Address, ...], deadline: float) -> None:
        self._addresses = addresses
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers; `host` serves the certificate's check alone."""
        del host, timeout, local_address
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for number, address in enumerate(self._addresses):
            # Each gets its share of the time, so that a dead first one leaves some for the next.
            share_s = _left_s(self._deadline) / (len(self._addresses) - number)
            try:
                stream = self._sockets.connect_tcp(
                    str(address), port, timeout=share_s, socket_options=socket_options or ()
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Bounded(stream, self._deadline)
        raise failure or httpcore.ConnectError("there is no address")


class _Bounded(httpcore.NetworkStream):
    """A stream whose every step ends by the deadline, so that dripping bytes hold nobody up."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what is there."""
        del timeout
        return self._stream.read(max_bytes, _left_s(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write everything."""
        del timeout
        self._stream.write(buffer, _left_s(self._deadline))

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Shake hands, and check the certificate against the URL's own name."""
        del timeout
        secure = self._stream.start_tls(ssl_context, server_hostname, _left_s(self._deadline))
        return _Bounded(secure, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Tell about the connection beneath."""
        return self._stream.get_extra_info(info)


def _drain(response: httpcore.Response) -> None:
    """Read the beginning of the answer's body. The status has said all, so no fault of the body counts."""
    read_bytes = 0
    with suppress(httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
        for chunk in response.iter_stream():
            read_bytes += len(chunk)
            if read_bytes > MAX_ANSWER_BYTES:
                return


def _left_s(deadline: float) -> float:
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise httpcore.ReadTimeout("the time for this message is over")
    return left_s


def _attempt_of(response: httpcore.Response) -> Attempt:
    status = response.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Attempt(status, None)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Attempt(status, f"It answered {status}; redirects are not followed. Give the final address.")
    return Attempt(status, f"It answered {status}.", _retry_after_s(response))


def _retry_after_s(response: httpcore.Response) -> float:
    """Read Retry-After in seconds or as a date; 0 where there is none that can be read."""
    found = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
    text = found.decode("ascii", "replace").strip()
    if text.isdecimal():
        # So many digits are no time that anybody means, and would not fit.
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - utc_now()).total_seconds())
    except (ValueError, TypeError):
        return 0.0
