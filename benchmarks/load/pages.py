"""Long lists: page 1,000 beside page 1, with a million crops, and a hundred thousand images and jobs."""

from __future__ import annotations

import json
from typing import Any, Final

import httpx
from sqlalchemy import text

from benchmarks.load.figures import median_ms
from benchmarks.load.installation import Installation, installed
from services.images.layout import ChannelSource, Layout

LIMIT: Final = 100
LISTS: Final = {
    "crops": "/v1/crops",
    "crops, most suspicious first": "/v1/crops?sort=-probability",
    "images": "/v1/images",
    "jobs": "/v1/jobs",
}
_SEED: Final = (
    "INSERT INTO batches (id, sample, extra, items) VALUES ('batch_1', 'S-1', '{}', '[]')",
    """INSERT INTO jobs (id, kind, status, params, inputs, artifacts, queue, priority, max_attempts,
                         finished_at)
       SELECT 'job_' || lpad(i::text, 12, '0'), 'scoring', 'succeeded', '{}', '{}', '{}', 'gpu', 6, 3, now()
       FROM generate_series(1, :images) i""",
    """INSERT INTO images (id, batch_id, sample, filename, sha256, identity_sha256, height, width, channels,
                           bit_depth, sources, layout)
       SELECT 'img_' || lpad(i::text, 12, '0'), 'batch_1', 'S-' || i % 1000, i || '.tif', md5(i::text),
              md5(i::text), 517, 645, ARRAY['red', 'green', 'dapi'], 8, '[]',
              CAST(:layout AS jsonb)
       FROM generate_series(1, :images) i""",
    """INSERT INTO crops (id, origin, image_id, sample, job_id, pack_key, pack_index, label, bbox, area_px,
                          orientation_deg, length_px, width_px, flags, predicted_class, probability)
       SELECT 'crop_' || lpad(i::text, 12, '0'), 'segmented', 'img_' || lpad((i / 10 + 1)::text, 12, '0'),
              'S-' || (i / 10 + 1) % 1000, 'job_' || lpad((i / 10 + 1)::text, 12, '0'), 'crops/aa/bb.npz',
              i % 10, i % 10 + 1, '[1, 2, 30, 40]'::jsonb, 400, 45.0, 30.0, 12.0, ARRAY[]::text[], 'normal',
              abs(hashint4(i)) / 2147483648.0
       FROM generate_series(0, :images * 10 - 1) i""",
    "ANALYZE",
)


def measure(images: int, pages: int, repeats: int) -> dict[str, Any]:
    """Seed, walk through so many pages of each list, and time the first and the last again and again."""
    with installed() as installation:
        _seed(installation, images)
        measured: dict[str, Any] = {
            "rows": {"crops": images * 10, "images": images, "jobs": images},
            "limit": LIMIT,
        }
        with installation.client() as client:
            for name, path in LISTS.items():
                measured[name] = _first_and_last(client, path, pages, repeats)
        return measured


def _first_and_last(client: httpx.Client, path: str, pages: int, repeats: int) -> dict[str, Any]:
    first = {"limit": LIMIT}
    last = _walk(client, path, pages)
    times = {
        "page_1_ms": median_ms(lambda: _page(client, path, first), repeats),
        f"page_{pages}_ms": median_ms(lambda: _page(client, path, last), repeats),
    }
    ratio = times[f"page_{pages}_ms"] / times["page_1_ms"]
    return {**times, "ratio": round(ratio, 3)}


def _walk(client: httpx.Client, path: str, pages: int) -> dict[str, Any]:
    """Go from page to page; returns the parameters of the last one."""
    parameters: dict[str, Any] = {"limit": LIMIT}
    for _ in range(pages - 1):
        parameters = {"limit": LIMIT, "cursor": _page(client, path, parameters)["next_cursor"]}
    return parameters


def _page(client: httpx.Client, path: str, parameters: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(httpx.URL(path).copy_merge_params(parameters))
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    if len(found["items"]) != LIMIT:
        raise SystemExit(f"{path} gave {len(found['items'])} items.")
    return found


def _seed(installation: Installation, images: int) -> None:
    sources = tuple(ChannelSource(channel, f"{channel}.tif", 0) for channel in ("red", "green", "dapi"))
    layout = json.dumps(Layout(sources, 517, 645, 8, None).to_json())
    with installation.sessions.begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        for statement in _SEED:
            session.execute(text(statement).bindparams(**_used(statement, images=images, layout=layout)))


def _used(statement: str, **values: object) -> dict[str, object]:
    """Of some parameters those that a statement has."""
    return {name: value for name, value in values.items() if f":{name}" in statement}
