"""From a URL to a store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore.store
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore

from services.errors import InvalidInputError
from services.storage.base import ObjectStore, StoreUnavailableError
from services.storage.obstore_store import ObstoreStore

REQUEST_TIMEOUT = timedelta(seconds=30)
RETRY_TIMEOUT = timedelta(seconds=20)
MAX_RETRIES = 3
SCHEMES = ("file", "memory", "s3", "gs", "az")


def open_store(url: str) -> ObjectStore:
    """Open the store that a URL names.

    Parameters
    ----------
    url
        ``file:///folder`` (made if missing), ``memory:///``, ``s3://bucket/prefix``, ``gs://…`` or
        ``az://…``. Cloud credentials and endpoints come from the vendor's usual environment
        variables (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP`` …).

    Raises
    ------
    InvalidInputError
        The scheme is unknown.
    StoreUnavailableError
        The folder cannot be made, or the cloud configuration is incomplete.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise InvalidInputError(f"OBJECT_STORE_URL starts with {parts.scheme!r}; use one of {known}.")
    try:
        if parts.scheme == "memory":
            return ObstoreStore(MemoryStore())
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            folder.mkdir(parents=True, exist_ok=True)
            return ObstoreStore(LocalStore(folder))
        backend = obstore.store.from_url(
            url,
            client_options={"timeout": REQUEST_TIMEOUT},
            retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
        )
    except (BaseError, OSError, ValueError) as error:
        raise StoreUnavailableError(f"The object store {url!r} cannot be opened: {error}") from error
    return ObstoreStore(backend)
