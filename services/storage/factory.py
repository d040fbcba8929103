"""From a URL to a store."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import obstore.store
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, S3Store

from services.errors import InvalidInputError
from services.redaction import redact
from services.secret_files import secret_from_file
from services.storage.base import ObjectStore, StoreUnavailableError
from services.storage.obstore_store import ObstoreStore, Signer

# Silence of the store for this long is a failure. The whole of an answer may take far longer: it is
# read as fast as our own client downloads.
SILENCE_TIMEOUT = timedelta(seconds=30)
REQUEST_TIMEOUT = timedelta(days=1)
RETRY_TIMEOUT = timedelta(seconds=20)
MAX_RETRIES = 3
SCHEMES = ("file", "memory", "s3", "gs", "az")
# How each vendor's environment variables begin.
VARIABLES = {"s3": "AWS_", "gs": "GOOGLE_", "az": "AZURE_"}
CONNECTION_OPTIONS = (
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "read_timeout",
    "timeout",
)
# Whoever sets one of these has a store of their own, whose address may mean nothing to clients.
OWN_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT")


def open_store(url: str, public_endpoint: str = "") -> ObjectStore:
    """Open the store that a URL names.

    Parameters
    ----------
    url
        ``file:///folder`` (made if missing), ``memory:///``, ``s3://bucket/prefix``, ``gs://…`` or
        ``az://…``. Cloud credentials and endpoints come from the vendor's usual environment
        variables (``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP`` …).
    public_endpoint
        Where clients reach an S3 store whose own endpoint is not theirs; requests are signed for it.

    Raises
    ------
    InvalidInputError
        The scheme is unknown, or the public endpoint belongs to no S3 store.
    StoreUnavailableError
        The folder cannot be made, or the cloud configuration is incomplete.
    """
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise InvalidInputError(f"OBJECT_STORE_URL starts with {parts.scheme!r}; use one of {known}.")
    if public_endpoint and parts.scheme != "s3":
        raise InvalidInputError("OBJECT_STORE_PUBLIC_ENDPOINT goes with s3:// only; leave it empty.")
    try:
        if parts.scheme == "memory":
            return ObstoreStore(MemoryStore())
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            folder.mkdir(parents=True, exist_ok=True)
            return ObstoreStore(LocalStore(folder))
        backend = _connect(url)
        return ObstoreStore(backend, _signer(url, backend, public_endpoint))
    except (BaseError, OSError, ValueError) as error:
        reason = redact(str(error))
        raise StoreUnavailableError(f"The object store {url!r} cannot be opened: {reason}") from error


def _connect(url: str, **more: str) -> Any:
    scheme = urlsplit(url).scheme
    # Not every server compares what it was sent with the digest that was signed; all do with this one.
    checked = {"checksum_algorithm": "sha256"} if scheme == "s3" else {}
    options: dict[str, Any] = {
        "config": checked | _credentials_from_files(scheme) | more,
        "client_options": _connection_options(scheme),
        "retry_config": {"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
    }
    return obstore.store.from_url(url, **options)


def _signer(url: str, backend: Any, public_endpoint: str) -> Signer | None:
    """Return the store as clients reach it, or None: a link that leads nowhere is worse than none."""
    if public_endpoint:
        return cast("S3Store", _connect(url, endpoint=public_endpoint))
    if isinstance(backend, S3Store) and any(os.environ.get(name) for name in OWN_ENDPOINTS):
        return None
    return cast("Signer", backend)


def _connection_options(scheme: str) -> dict[str, Any]:
    """Return how to connect: what the vendor's variables say, and our patience where they are silent.

    obstore reads none of these variables once it is given a single option.
    """
    named = {name: os.environ.get(VARIABLES[scheme] + name.upper()) for name in CONNECTION_OPTIONS}
    patience = {"timeout": REQUEST_TIMEOUT, "read_timeout": SILENCE_TIMEOUT}
    return patience | {name: value for name, value in named.items() if value}


def _credentials_from_files(scheme: str) -> dict[str, str]:
    """Return the AWS credentials that lie in files; those in the environment need no help."""
    names = ("access_key_id", "secret_access_key", "session_token") if scheme == "s3" else ()
    found = {name: secret_from_file(VARIABLES[scheme] + name) for name in names}
    return {name: value for name, value in found.items() if value is not None}
