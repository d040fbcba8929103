"""Requests whose bodies are changed: files of every format, forms as a whole, and all JSON that is taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx

from benchmarks.fuzz import seeds
from benchmarks.fuzz.mutating import mutate
from benchmarks.fuzz.sequences import json_examples

_BOUNDARY = "fuzzed-boundary"
_FORM_TYPE = f"multipart/form-data; boundary={_BOUNDARY}"
_KINDS = ("segmenter", "classifier", "generator", "filter")


@dataclass(frozen=True)
class Request:
    """One request: everything that a replay needs."""

    method: str
    path: str
    content_type: str
    body: bytes

    def send(self, client: httpx.Client) -> httpx.Response:
        """Send it."""
        headers = {"Content-Type": self.content_type}
        return client.request(self.method, self.path, content=self.body, headers=headers)


Make = Callable[[Random], Request]


def request_makers(document: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Make]:
    """Return what makes one changed request of each kind.

    Parameters
    ----------
    document
        The server's OpenAPI document: its examples are the JSON that is changed.
    ids
        Values of path parameters that exist.
    """
    pictures = {
        "upload.tif": seeds.tiff_seeds(),
        "upload.png": seeds.png_seeds(),
        "upload.jpg": seeds.jpeg_seeds(),
        "upload.zip": seeds.zip_seeds(),
    }
    makers: dict[str, Make] = {
        f"batch {name}": _file_in_form("/v1/batches", "files", name, corpus, {"sample": "fuzz"})
        for name, corpus in pictures.items()
    }
    makers["batch channels"] = _field_in_form("channels", seeds.rule_seeds())
    makers["batch metadata"] = _field_in_form("metadata", [b'{"a": [1, {"b": null}], "c": "text"}'])
    makers["batch form"] = _whole_form(seeds.tiff_seeds())
    makers["dataset"] = _file_in_form(
        "/v1/datasets", "file", "d.zip", seeds.dataset_seeds(), {"name": "fuzz"}
    )
    makers["masks"] = _raw(
        "PUT", f"/v1/images/{ids['image_id']}/masks?annotator=fuzz", "image/tiff", seeds.mask_seeds()
    )
    for kind in _KINDS:
        about = {"name": "fuzz", "licence": "CC0-1.0"}
        makers[f"artifact {kind}"] = _file_in_form(
            f"/v1/artifacts/{kind}", "file", "w.safetensors", [b"\x02\0\0\0\0\0\0\0{}"], about
        )
    for label, examples in json_examples(document).items():
        method, _, path = label.partition(" ")
        corpus = [json.dumps(example).encode() for example in examples]
        makers[label] = _raw(method, path.format_map(_Known(ids)), "application/json", corpus)
    return makers


class _Known(dict[str, str]):
    """Path parameters; the name itself where nothing of that kind exists."""

    def __missing__(self, key: str) -> str:
        return key


def _raw(method: str, path: str, content_type: str, corpus: Sequence[bytes]) -> Make:
    return lambda rng: Request(method, path, content_type, mutate(rng.choice(corpus), corpus, rng))


def _file_in_form(
    path: str, field: str, name: str, corpus: Sequence[bytes], texts: Mapping[str, str]
) -> Make:
    def make(rng: Random) -> Request:
        content = mutate(rng.choice(corpus), corpus, rng)
        return Request("POST", path, _FORM_TYPE, _form(texts, field, name, content))

    return make


def _field_in_form(field: str, corpus: Sequence[bytes]) -> Make:
    def make(rng: Random) -> Request:
        text = mutate(rng.choice(corpus), corpus, rng)
        body = _form({"sample": "fuzz", field: text}, "files", "m_D.tif", seeds.tiff_seeds()[0])
        return Request("POST", "/v1/batches", _FORM_TYPE, body)

    return make


def _whole_form(corpus: Sequence[bytes]) -> Make:
    """Forms whose headers and boundaries are changed with everything else."""
    forms = [
        _form({"sample": "fuzz", "metadata": "{}"}, "files", "a.tif", content[:200]) for content in corpus
    ]
    return _raw("POST", "/v1/batches", _FORM_TYPE, forms)


def _form(texts: Mapping[str, str | bytes], field: str, filename: str, content: bytes) -> bytes:
    pieces = []
    for name, text in texts.items():
        value = text if isinstance(text, bytes) else text.encode()
        pieces.append(f'Content-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + value)
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'
    pieces.append(disposition.encode() + content)
    mark = f"--{_BOUNDARY}".encode()
    return b"".join(mark + b"\r\n" + piece + b"\r\n" for piece in pieces) + mark + b"--\r\n"
