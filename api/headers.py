"""Headers that tell browsers what an answer may do: nothing, unless a page of ours says otherwise."""

from __future__ import annotations

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A page without network: its own script and style, pictures that it brings along.
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
RATE_POLICY: Final = "RateLimit-Policy"

_FOR_ALL: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    # What is worth keeping says so itself; the rest may be about a patient.
    "Cache-Control": "no-store",
}
_OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}


def security_headers(scheme: str) -> dict[str, str]:
    """Return the headers of an answer that sets none itself; `scheme` is the request's."""
    return _FOR_ALL | _OVER_TLS if scheme == "https" else _FOR_ALL


def _raw(headers: dict[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode("ascii"), value.encode("ascii")) for name, value in headers.items())


class SecurityHeadersMiddleware:
    """Adds to every answer what it does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._added = {scheme: _raw(security_headers(scheme)) for scheme in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        added = self._added.get(scope.get("scheme", "http"), self._added["http"])

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                policy = scope.get("state", {}).get("rate_policy")
                counted = _raw({RATE_POLICY: policy}) if policy else ()
                message["headers"] = [
                    *message["headers"],
                    *(header for header in (*added, *counted) if header[0] not in present),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)
