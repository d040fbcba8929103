"""Settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from services.config import Settings, load_settings
from services.errors import InvalidInputError


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

    def test_a_wrong_environment_is_told_by_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever starts the service reads which settings are wrong, and no traceback."""
        monkeypatch.setenv("PORT", "seven")
        monkeypatch.setenv("LEASE_S", "1")

        with pytest.raises(InvalidInputError, match=r"LEASE_S: .*PORT: |PORT: .*LEASE_S: "):
            load_settings()


class TestSecretFiles:
    def test_a_secret_may_lie_in_a_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A mounted secret need not stand in the environment, and its last line break is not part of it."""
        (tmp_path / "url").write_text("postgresql+psycopg://u:secret@db/k\n")
        monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))

        assert load_settings().database_url.get_secret_value() == "postgresql+psycopg://u:secret@db/k"

    def test_the_environment_comes_first(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """What is set directly wins over a file."""
        (tmp_path / "url").write_text("postgresql+psycopg://file/k")
        monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "url"))
        monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://direct/k")

        assert load_settings().database_url.get_secret_value() == "postgresql+psycopg://direct/k"

    def test_only_secrets_come_from_files(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A plain setting has one place."""
        (tmp_path / "port").write_text("9000")
        monkeypatch.setenv("PORT_FILE", str(tmp_path / "port"))

        assert load_settings().port == 8000

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (None, "No such file"),
            (b"a\nb", "more than one line"),
            (b"\xff", "not text"),
            (b"x" * 70_000, "line"),
        ],
    )
    def test_a_file_that_holds_no_secret_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, reason: str
    ) -> None:
        """A wrong mount stops the start with the variable's name."""
        if content is not None:
            (tmp_path / "secret").write_bytes(content)
        monkeypatch.setenv("BROKER_URL_FILE", str(tmp_path / "secret"))

        with pytest.raises(InvalidInputError, match=f"BROKER_URL_FILE.*{reason}"):
            load_settings()
