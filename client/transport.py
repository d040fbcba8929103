"""Requests that survive a busy or restarting service, and answers turned into values or errors.

Every POST carries an `Idempotency-Key` made here, so repeating any request is harmless: the service
answers a repeated POST with its first answer.
"""

from __future__ import annotations

import io
import math
import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from client.errors import ConnectionFailedError, InvalidArgumentError, ProblemError, UnexpectedAnswerError
from client.retries import RETRIED_STATUSES, RetryPolicy, parse_retry_after

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
IN_FLIGHT_CODES = frozenset({"idempotency_in_flight", "idempotency_key_in_flight", "request_in_flight"})
USER_AGENT = "karyobridge-client/1"


class Transport:
    """Sends requests with retries; knows nothing of images and jobs.

    Parameters
    ----------
    base_url
        Address of the service, with or without a path prefix.
    api_key
        Sent as a bearer token when given.
    timeout_s
        Longest silence of the service within one request.
    retry
        How often and how long to try again.
    http_transport
        What carries the bytes; the default opens sockets.
    sleep, rng
        The clock and the dice of the back-off.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_s: float = 60.0,
        retry: RetryPolicy | None = None,
        http_transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        rng: random.Random | None = None,
    ) -> None:
        self.base_url = _checked_url(base_url)
        self.retry = retry or RetryPolicy()
        self.sleep = sleep
        self._rng = rng or random.Random()
        self._timeout_s = timeout_s
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        options: dict[str, Any] = {
            "timeout": httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
            "transport": http_transport,
            # A proxy of the environment must not stand between this machine and itself.
            "trust_env": urlsplit(self.base_url).hostname not in LOOPBACK_HOSTS,
        }
        self._http = httpx.Client(base_url=self.base_url, headers=headers, **options)
        # It has neither our address nor our key: nothing can send the key along by mistake.
        self._keyless = httpx.Client(headers={"User-Agent": USER_AGENT}, **options)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._keyless.close()

    def json(self, method: str, path: str, **options: Any) -> Any:
        """Send a request and return the JSON of its answer; options as in `send`.

        Raises
        ------
        ProblemError, ConnectionFailedError, UnexpectedAnswerError
        """
        response = self.send(method, path, **options)
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswerError(str(response.request.url), "the body is not JSON") from error

    def send(
        self,
        method: str,
        path: str,
        *,
        accepted: frozenset[int] = frozenset(),
        idempotency_key: str | None = None,
        answer_timeout_s: float | None = None,
        **options: Any,
    ) -> httpx.Response:
        """Send one request, again if need be, and return the answer with its body read.

        Parameters
        ----------
        method, path
            As in HTTP; `path` is relative to the base address.
        accepted
            Statuses that are answers although they are not 2xx.
        idempotency_key
            For a POST; made here when missing.
        answer_timeout_s
            Longest silence of the service, where it has more to do than usual; never less than for others.
        options
            `params`, `json`, `data`, `files`, `headers` as in httpx. Files must be seekable, because a
            repeated request reads them again.

        Raises
        ------
        ProblemError
            The service refused.
        ConnectionFailedError
            It did not answer, however often it was asked.
        """
        headers = dict(options.pop("headers", {}))
        if method == "POST":
            headers["Idempotency-Key"] = idempotency_key or uuid.uuid4().hex

        if answer_timeout_s is not None:
            usual = self._http.timeout
            read_s = max(answer_timeout_s, self._timeout_s)
            options["timeout"] = httpx.Timeout(usual.write, connect=usual.connect, read=read_s)

        def build() -> httpx.Request:
            return self._request(method, path, headers=headers, **options)

        response = self._exchange(build, stream=False, accepted=accepted)
        if response.is_success or response.status_code in accepted:
            return response
        raise _problem(response)

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        accept: str = "*/*",
        once: bool = False,
        read_timeout_s: float | None = None,
    ) -> Iterator[httpx.Response]:
        """GET `path` without reading the body, for downloads and event streams.

        `once` leaves retries to the caller. What breaks while the caller reads the body leaves as
        `ConnectionFailedError` too.
        """
        timeout_s = read_timeout_s or self._timeout_s
        timeout = httpx.Timeout(timeout_s, connect=min(10.0, timeout_s))

        def build() -> httpx.Request:
            headers = {"Accept": accept}
            return self._request("GET", path, params=params, headers=headers, timeout=timeout)

        response = self._exchange(build, stream=True, attempts=1 if once else None)
        try:
            if not response.is_success:
                response.read()
                raise _problem(response)
            yield response
        except httpx.TransportError as error:
            raise self._connection_failed(error, self.base_url) from error
        finally:
            response.close()

    @contextmanager
    def elsewhere(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: io.RawIOBase | None = None,
        attempts: int,
    ) -> Iterator[httpx.Response]:
        """Ask another server, without our key; the answer may have any status, and its body is not read."""

        def build() -> httpx.Request:
            if content is not None:
                content.seek(0)
            return self._keyless.build_request(method, url, headers=dict(headers), content=content)

        response = self._exchange(build, stream=True, attempts=attempts, http=self._keyless)
        try:
            yield response
        except httpx.TransportError as error:
            raise self._connection_failed(error, url) from error
        finally:
            response.close()

    def _request(self, method: str, path: str, **options: Any) -> httpx.Request:
        """Build a request; raises `InvalidArgumentError` for NaN and infinity, which JSON does not have."""
        for name, value in (options.get("params") or {}).items():
            if isinstance(value, float) and not math.isfinite(value):
                raise InvalidArgumentError(f"{name} is {value}; give a finite number.")
        if hasattr(options.get("content"), "seek"):
            # A repetition sends a file from its start.
            options["content"].seek(0)
        try:
            return self._http.build_request(method, path, **options)
        except ValueError as error:
            if "json" not in options:
                raise
            raise InvalidArgumentError("A number is not finite; JSON has finite numbers only.") from error

    def _exchange(
        self,
        build: Callable[[], httpx.Request],
        *,
        stream: bool,
        accepted: frozenset[int] = frozenset(),
        attempts: int | None = None,
        http: httpx.Client | None = None,
    ) -> httpx.Response:
        """Send until there is an answer worth returning, of whatever status."""
        attempt = 0
        while True:
            attempt += 1
            exhausted = attempts is not None and attempt >= attempts
            request = build()
            try:
                response = (http or self._http).send(request, stream=stream)
            except httpx.LocalProtocolError:
                raise  # A fault of this side, such as a file that shrank: repeating cannot help.
            except httpx.TransportError as error:
                delay_s = None if exhausted else self.retry.delay_s(attempt, None, self._rng)
                if delay_s is None:
                    raise self._connection_failed(error, str(request.url)) from error
            else:
                if response.status_code in accepted or not _worth_repeating(response):
                    return response
                asked_s = parse_retry_after(response.headers.get("Retry-After"))
                delay_s = None if exhausted else self.retry.delay_s(attempt, asked_s, self._rng)
                if delay_s is None:
                    return response
                response.close()
            self.sleep(delay_s)

    def _connection_failed(self, error: httpx.TransportError, url: str) -> ConnectionFailedError:
        # Whoever holds the whole of a store's address may use it: it must not end up in a log.
        url = self.base_url if url.startswith(self.base_url) else f"{httpx.URL(url).host}"
        if isinstance(error, httpx.TimeoutException) and not isinstance(error, httpx.ConnectTimeout):
            advice = "It may be overloaded: try again later, or allow more time with timeout_s (--timeout)."
            return ConnectionFailedError(url, "it took too long", advice)
        reason = str(error).strip() or type(error).__name__
        if "certificate" in reason.lower():
            advice = (
                "Its certificate is not trusted here: point SSL_CERT_FILE at your authority's certificate."
            )
        else:
            advice = (
                "Check that the service runs (`make serve` starts it) and that the address is right; "
                "KARYOBRIDGE_URL or --url sets another."
            )
        return ConnectionFailedError(url, reason, advice)


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidArgumentError(
            f"{url!r} is no address of a service; one looks like http://127.0.0.1:8000 "
            "(KARYOBRIDGE_URL, --url)."
        )
    return url.rstrip("/") + "/"


def _worth_repeating(response: httpx.Response) -> bool:
    if response.status_code in RETRIED_STATUSES:
        return True
    if response.status_code != httpx.codes.CONFLICT:
        return False
    # The first copy of this very POST is still being answered, which happens after a broken connection.
    response.read()
    return _problem(response).problem_code in IN_FLIGHT_CODES


def _problem(response: httpx.Response) -> ProblemError:
    request_id = response.headers.get("X-Request-ID")
    try:
        body = response.json()
    except ValueError:
        body = None
    return ProblemError.from_body(response.status_code, body if isinstance(body, dict) else {}, request_id)
