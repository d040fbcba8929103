from __future__ import annotations

from pathlib import Path

import pytest

from services.embedded.keys import KeyFileDamagedError, webhook_key


class TestWebhookKey:
    def test_is_made_once_and_kept(self, tmp_path: Path) -> None:
        """Secrets that receivers hold stay valid over restarts, and nobody else may read the key."""
        first = webhook_key(tmp_path / "var")
        second = webhook_key(tmp_path / "var")
        other = webhook_key(tmp_path / "other")

        assert first == second != other
        assert 64 == len(first.get_secret_value())
        assert 0o600 == (tmp_path / "var" / "webhook.key").stat().st_mode & 0o777
        assert ["webhook.key"] == [path.name for path in (tmp_path / "var").iterdir()]

    @pytest.mark.parametrize("content", [b"", b"short\n", b"\xff" * 64])
    def test_damaged_one_is_not_replaced_in_silence(self, tmp_path: Path, content: bytes) -> None:
        """A new key would make every receiver refuse our messages; a person decides that."""
        (tmp_path / "webhook.key").write_bytes(content)
        with pytest.raises(KeyFileDamagedError, match="Restore it from a backup"):
            webhook_key(tmp_path)

        assert content == (tmp_path / "webhook.key").read_bytes()
