"""Pages that bring everything along: no such page may load anything, or send anything anywhere."""

from __future__ import annotations

from fastapi import Request, Response

from api.caching import bytes_answer
from api.headers import PAGE_POLICY


def page_answer(request: Request, content: bytes, *, immutable: bool) -> Response:
    """Answer with a page of HTML, or with 304 if the caller has it already."""
    answer = bytes_answer(request, content, "text/html; charset=utf-8", immutable=immutable)
    answer.headers["Content-Security-Policy"] = PAGE_POLICY
    return answer
