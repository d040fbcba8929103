"""What must be true of a job after any fault, and of the whole installation; each breach gets a name."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import safetensors.numpy

from benchmarks.faults.fingerprints import Fingerprint, differences, fingerprint
from benchmarks.faults.processes import NotInTimeError, eventually
from benchmarks.faults.stage import Stage

MESSAGES_WITHIN_S: Final = 15.0

_COUNTED: Final[Mapping[str, tuple[str, ...]]] = {
    "crops_doubled": (
        """SELECT count(*) FROM (SELECT 1 FROM crops WHERE job_id = :job AND label IS NOT NULL
        GROUP BY image_id, label HAVING count(*) > 1) t""",
        """SELECT count(*) FROM (SELECT 1 FROM crops c JOIN synthetic_crops s ON s.crop_id = c.id
        WHERE c.job_id = :job GROUP BY c.source_crop_id, s.sample_number HAVING count(*) > 1) t""",
        """SELECT count(*) FROM (SELECT 1 FROM crops WHERE job_id = :job
        GROUP BY pack_key, pack_index, image_id HAVING count(*) > 1) t""",
    ),
    "items_doubled": (
        """SELECT greatest(0, progress_done - progress_total) FROM jobs
        WHERE id = :job AND progress_total > 0""",
        """SELECT count(*) FROM (SELECT 1 FROM artifact_versions WHERE job_id = :job
        GROUP BY job_id HAVING count(*) > 1) t""",
    ),
    "orphans": (
        """SELECT count(*) FROM job_items i JOIN jobs j ON j.id = i.job_id WHERE i.job_id = :job
        AND i.status = 'pending' AND j.status IN ('succeeded', 'partial')""",
        """SELECT count(*) FROM crops c WHERE c.job_id = :job AND c.origin = 'generated'
        AND NOT EXISTS (SELECT 1 FROM synthetic_crops s WHERE s.crop_id = c.id)""",
        """SELECT count(*) FROM crops c JOIN jobs j ON j.id = c.job_id WHERE c.job_id = :job
        AND c.origin = 'segmented' AND NOT EXISTS (SELECT 1 FROM segmentations s
        WHERE s.job_id = c.job_id AND s.image_id = c.image_id)""",
        """SELECT count(*) FROM crops c WHERE c.job_id = :job AND c.origin = 'simulated'
        AND NOT EXISTS (SELECT 1 FROM dataset_items i WHERE i.crop_id = c.id)""",
        """SELECT count(*) FROM artifact_versions a JOIN jobs j ON j.id = a.job_id
        WHERE a.job_id = :job AND j.status <> 'succeeded'""",
    ),
}
"""Each counts rows of a job that must not be."""
_KEYS: Final = (
    "SELECT DISTINCT pack_key FROM crops WHERE job_id = :job",
    "SELECT masks_key FROM segmentations WHERE job_id = :job",
    "SELECT crops_key FROM segmentations WHERE job_id = :job",
    "SELECT object_key FROM embedding_sets WHERE job_id = :job",
)


def breaches_of(stage: Stage, job_id: str, expected: Fingerprint) -> dict[str, str]:
    """Hold an ended job against an undisturbed run; returns what is wrong, by name of the breach."""
    found: dict[str, str] = {}
    made = fingerprint(stage, job_id)
    differ = differences(expected, made)
    if "status" in differ:
        found["wrong_end"] = f"{made['status']} instead of {expected['status']}"
    if "number of crops" in differ:
        found["crops_doubled"] = f"{made.get('number of crops')} crops, not {expected['number of crops']}"
    others = [name for name in differ if name not in ("status", "number of crops")]
    if others:
        found["results_differ"] = ", ".join(others)
    for breach, queries in _COUNTED.items():
        number = sum(row[0] for query in queries for row in stage.rows(query, job=job_id))
        if number:
            found[breach] = f"{number} rows"
    damaged = damaged_objects(stage, job_id)
    if damaged:
        found["artifacts_damaged"] = "; ".join(damaged[:5])
    return found


def damaged_objects(stage: Stage, job_id: str) -> list[str]:
    """Say what is wrong with the objects that a job's rows name."""
    found = []
    for query in _KEYS:
        found += [stage.objects.damage(row[0]) for row in stage.rows(query, job=job_id)]
    for version in stage.rows("SELECT files FROM artifact_versions WHERE job_id = :job", job=job_id):
        for name, file in version.files.items():
            found.append(stage.objects.damage(file["key"], file["sha256"]) or _unreadable(stage, name, file))
    return [one for one in found if one]


def _unreadable(stage: Stage, name: str, file: dict[str, Any]) -> str | None:
    content = stage.objects.read(file["key"]) or b""
    try:
        if name.endswith(".safetensors"):
            safetensors.numpy.load(content)
        elif name.endswith(".json"):
            json.load(io.BytesIO(content))
    except ValueError as error:
        return f"{name} cannot be read: {error}"
    return None


def common_breaches(stage: Stage, job_ids: Sequence[str]) -> dict[str, str]:
    """Look at what belongs to no single job, once all have ended."""
    found: dict[str, str] = {}
    held = stage.rows("SELECT id FROM jobs WHERE lease_token IS NOT NULL")
    if held:
        found["leases_left"] = ", ".join(row.id for row in held[:5])
    gaps = stage.rows(
        "SELECT kind, name FROM artifact_versions GROUP BY kind, name HAVING max(version) <> count(*)"
    )
    if gaps:
        found["artifacts_damaged"] = f"versions with gaps: {[tuple(row) for row in gaps]}"
    left = [job_id for job_id in job_ids if stage.objects.keys(f"checkpoints/{job_id}")]
    if left:
        found["orphans"] = f"checkpoints left of {left}"
    queue = stage.settings.cpu_queue, stage.settings.gpu_queue
    try:
        eventually(
            lambda: not any(stage.dispatcher.waiting(name) for name in queue),
            "all messages are taken",
            MESSAGES_WITHIN_S,
            0.1,
        )
    except NotInTimeError as error:
        found["messages_left"] = str(error)
    return found
