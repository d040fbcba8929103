from __future__ import annotations

import socket
from pathlib import Path

import pytest

from services.config import Settings
from services.embedded.errors import PortInUseError
from services.embedded.supervisor import Supervisor, claim_port
from services.errors import InvalidInputError


class TestClaimPort:
    def test_takes_a_free_port_for_zero(self) -> None:
        """Whoever does not care gets a port that can be listened on."""
        with socket.create_server(("127.0.0.1", claim_port("127.0.0.1", 0))) as server:
            assert 0 < server.getsockname()[1]

    def test_a_taken_port_is_named_with_the_way_out(self) -> None:
        """The message says which port, and how to take another."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]

            with pytest.raises(PortInUseError, match=rf"Port {port} on 127\.0\.0\.1.*PORT=8001"):
                claim_port("127.0.0.1", port)

    def test_a_foreign_address_is_refused(self) -> None:
        """A host that is not this machine's is a mistake in the settings."""
        with pytest.raises(InvalidInputError, match=r"HOST=192\.0\.2\.1"):
            claim_port("192.0.2.1", 0)


class TestSupervisor:
    def test_starts_nothing_when_the_port_is_taken(self, tmp_path: Path) -> None:
        """The cheapest question is asked first."""
        data_dir = tmp_path / "var"
        with socket.create_server(("127.0.0.1", 0)) as server:
            settings = Settings(_env_file=None, data_dir=data_dir, port=server.getsockname()[1])

            with pytest.raises(PortInUseError):
                Supervisor(settings).start()
        assert not data_dir.exists()

    def test_url_of_a_service_on_all_addresses_can_be_opened(self) -> None:
        """What is printed works in a browser on the same machine."""
        assert "http://127.0.0.1:8000" == Supervisor(Settings(_env_file=None, host="0.0.0.0")).url
        assert "http://[::1]:8000" == Supervisor(Settings(_env_file=None, host="::")).url
