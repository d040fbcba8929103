"""Pages that bring everything along: no such page may load anything, or send anything anywhere."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

from api.caching import bytes_answer

_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)


def page_answer(request: Request, content: bytes, *, immutable: bool) -> Response:
    """Answer with a page of HTML, or with 304 if the caller has it already."""
    answer = bytes_answer(request, content, "text/html; charset=utf-8", immutable=immutable)
    answer.headers["Content-Security-Policy"] = _POLICY
    return answer
