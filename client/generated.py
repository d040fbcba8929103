"""What a generation job leaves to look at, saved to a folder.

``samples.png`` has synthetic crops below their sources. Where the job has a quality report, its figures
are in ``quality.json`` and its pictures in ``quality/``. The crops themselves are what
`client.exporting` saves.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from client.downloads import write_whole
from client.errors import UnexpectedAnswerError
from client.http import Client
from client.records import Quality

SAMPLES = "samples.png"
FIGURES = "quality.json"
PICTURES = "quality"
_SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")


def save_generated(client: Client, job_id: str, folder: Path, quality: Quality | None) -> list[Path]:
    """Save the strip of samples and, unless it is None, the report; returns the files.

    Files that are there are replaced.

    Raises
    ------
    ProblemError
        The job made no crops (``samples_missing``).
    UnexpectedAnswerError
        A picture has a name that is no file name.
    LocalFileError, ConnectionFailedError
    """
    names = sorted(quality.pictures) if quality is not None else []
    for name in names:
        if not _SAFE_NAME.fullmatch(name):
            raise UnexpectedAnswerError(name[:40], "a picture with a name that is no file name")
    files = [client.download_samples(job_id, folder / SAMPLES)]
    if quality is not None:
        text = json.dumps(quality.as_json(), indent=2, ensure_ascii=False)
        files.append(write_whole(folder / FIGURES, [f"{text}\n".encode()]))
    pictures = folder / PICTURES
    return files + [client.download_quality_picture(job_id, name, pictures / f"{name}.png") for name in names]
