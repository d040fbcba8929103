"""Settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.config import Settings, load_settings


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


class TestSettings:
    def test_everything_is_embedded_by_default(self, tmp_path: Path) -> None:
        """A laptop with nothing installed needs no setting."""
        settings = load_settings()

        assert settings.embedded_database
        assert settings.embedded_broker
        assert settings.store_url == (tmp_path / "var" / "objects").as_uri()

    def test_the_environment_wins(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cluster points at real servers with the same code."""
        monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://db/karyobridge")
        monkeypatch.setenv("OBJECT_STORE_URL", "s3://bucket/prefix")

        assert not load_settings().embedded_database
        assert load_settings().store_url == "s3://bucket/prefix"

    @pytest.mark.parametrize(("host", "required"), [("127.0.0.1", False), ("::1", False), ("0.0.0.0", True)])
    def test_keys_are_required_off_the_loopback(self, host: str, *, required: bool) -> None:
        """A service that others can reach is never open."""
        assert required == Settings(host=host).keys_required

    def test_secrets_are_not_printed(self) -> None:
        """A logged settings object shows no password."""
        assert "hunter2" not in repr(Settings(database_url="postgresql://u:hunter2@db/k"))

    @pytest.mark.parametrize(
        "values", [{"port": 0}, {"device": "tpu"}, {"lease_s": 1}, {"retry_backoff_s": 1e6}]
    )
    def test_nonsense_is_refused(self, values: dict[str, object]) -> None:
        """A wrong value stops the start, not the thousandth job."""
        with pytest.raises(ValidationError):
            Settings.model_validate(values)
