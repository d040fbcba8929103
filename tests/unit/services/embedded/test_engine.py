from __future__ import annotations

from pathlib import Path

import pytest

from services.embedded.engine import EmbeddedEngine
from services.embedded.errors import EngineFailedError, EngineMissingError
from services.embedded.postgres import EmbeddedPostgres
from services.embedded.redis import EmbeddedRedis


def without_wheels(name: str, package: str | None = None) -> None:
    """Stand for an installation in which no package can be found."""
    del name, package


class TestMissingWheel:
    @pytest.mark.parametrize(
        ("engine", "setting"), [(EmbeddedPostgres, "DATABASE_URL"), (EmbeddedRedis, "BROKER_URL")]
    )
    def test_names_the_setting_to_use_instead(
        self,
        engine: type[EmbeddedEngine],
        setting: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """On a platform without wheels the user learns how to go on, and nothing is left behind."""
        monkeypatch.setattr("importlib.util.find_spec", without_wheels)
        monkeypatch.setenv("PATH", str(tmp_path))

        with pytest.raises(EngineMissingError, match=f"may be no wheel.*{setting}"):
            engine(tmp_path / "var").start()
        assert not (tmp_path / "var").exists()

    def test_redis_falls_back_to_an_installed_server(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A distribution's own redis-server is as good as the wheel's."""
        monkeypatch.setattr("importlib.util.find_spec", without_wheels)
        server = tmp_path / "bin" / "redis-server"
        server.parent.mkdir()
        server.write_text("#!/bin/sh\necho no; exit 3\n", encoding="utf-8")
        server.chmod(0o755)
        monkeypatch.setenv("PATH", f"{server.parent}:/bin:/usr/bin")

        with pytest.raises(EngineFailedError, match=r"status 3.*(?s:.)*no"):
            EmbeddedRedis(tmp_path / "var").start()
