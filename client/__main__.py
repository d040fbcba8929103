"""``python -m client``: the command line."""

from __future__ import annotations

from client.cli.app import app

if __name__ == "__main__":
    app(prog_name="python -m client")
