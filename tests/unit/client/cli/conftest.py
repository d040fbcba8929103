from __future__ import annotations

from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from client.cli.app import app
from tests.fakes.tiny_service import TinyService

Invoke = Callable[..., Result]


@pytest.fixture
def invoke(service: TinyService, monkeypatch: pytest.MonkeyPatch) -> Invoke:
    """Run a command line against the small service."""
    monkeypatch.setenv("KARYOBRIDGE_URL", service.url)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("KARYOBRIDGE_API_KEY", raising=False)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, ["--attempts", "1", *map(str, arguments)])

    return run
