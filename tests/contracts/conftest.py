from __future__ import annotations

from tests.support.http import address, client, guarded, http_broker_url, http_settings, wiring

__all__ = ["address", "client", "guarded", "http_broker_url", "http_settings", "wiring"]
