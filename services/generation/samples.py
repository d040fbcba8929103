"""A strip of what a generation job made: each synthetic crop below its source. Free of torch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sqlalchemy.orm import Session

from models.classification.preprocessing import Preprocessing
from models.segmentation.crops import CropPack
from services.artifacts.service import ArtifactService
from services.crops.canvases import canvases_of_crops, rows_by_pack
from services.crops.repository import CropRepository
from services.crops.types import PackedCrop
from services.db.engine import SessionFactory
from services.errors import KaryobridgeError, NotFoundError
from services.generation.repository import SyntheticRepository
from services.generation.types import CHANNELS
from services.images.rendering import crop_png
from services.jobs.repository import JobRepository
from services.jobs.types import Job
from services.storage.base import ObjectStore

DEFAULT_SAMPLES: Final = 24
MAX_SAMPLES: Final = 120

_LEVELS: Final = dict.fromkeys(CHANNELS, (0.0, 255.0))
_COLUMNS = 12
_CELL_PX = 96
_GAP_PX = 2
_BAND_GAP_PX = 10
_LABEL_PX = 84
_LABELS = ("source, DAPI", "source", "synthetic")
_GROUND, _INK = (24, 24, 28), (225, 225, 225)


class SamplesMissingError(NotFoundError):
    """The job generated nothing that could be drawn."""

    code = "samples_missing"
    title = "The job has no synthetic crops"

    def __init__(self, job_id: str) -> None:
        KaryobridgeError.__init__(
            self, f"Job {job_id} has made no synthetic crops: it is no generation, or it has yet to begin."
        )


class SampleService:
    """Draws on request; nothing here is stored."""

    def __init__(self, session_factory: SessionFactory, store: ObjectStore) -> None:
        self._session_factory = session_factory
        self._store = store

    def strip(self, job_id: str, limit: int = DEFAULT_SAMPLES) -> bytes:
        """PNG of some of a job's synthetic crops, each below its source on the same canvas.

        Which ones follows from the job's seed, so that a job shows the same ones again.

        Raises
        ------
        NotFoundError
            There is no such job.
        SamplesMissingError
            It made no crops.
        ObjectNotFoundError, CropPackError
            A pack is gone or damaged.
        """
        with self._session_factory() as session:
            job = JobRepository(session).get(job_id)
            made, sources = _drawn(session, job, limit)
            if not made:
                raise SamplesMissingError(job_id)
            generator = ArtifactService(session, self._store).resolve("generator", job.artifacts["generator"])
        preprocessing = Preprocessing.from_json(generator.manifest["preprocessing"])
        return strip_png(self._canvases(sources, preprocessing), self._canvases(made, preprocessing))

    def _canvases(self, crops: Sequence[PackedCrop], preprocessing: Preprocessing) -> NDArray[np.uint8]:
        side = preprocessing.canvas_px
        canvases = np.zeros((len(crops), len(CHANNELS), side, side), np.uint8)
        for key, rows in rows_by_pack(crops).items():
            pack = CropPack.from_npz(self._store.get(key))
            canvases[rows] = canvases_of_crops(pack, [crops[row] for row in rows], preprocessing)
        return canvases


def _drawn(session: Session, job: Job, limit: int) -> tuple[list[PackedCrop], list[PackedCrop]]:
    """Some crops of a job, and the source of each."""
    crop_ids = SyntheticRepository(session).drawn(job.id, job.params.get("seed", 0), limit)
    made = SyntheticRepository(session).of_crops(crop_ids)
    crops = CropRepository(session)
    return crops.packed(crop_ids), crops.packed([made[crop_id].source_crop_id for crop_id in crop_ids])


def strip_png(sources: NDArray[np.uint8], synthetic: NDArray[np.uint8]) -> bytes:
    """Draw N pairs side by side in bands: the source's DAPI in grey, its colours, what was made of it.

    Parameters
    ----------
    sources, synthetic : (N, 3, S, S) uint8
        Red, green, DAPI.
    """
    columns = min(len(sources), _COLUMNS)
    bands = -(-len(sources) // columns)
    step, band = _CELL_PX + _GAP_PX, len(_LABELS) * (_CELL_PX + _GAP_PX) + _BAND_GAP_PX
    sheet = Image.new("RGB", (_LABEL_PX + columns * step, bands * band - _BAND_GAP_PX), _GROUND)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index in range(len(sources)):
        number, column = divmod(index, columns)
        cells = (_cell(sources[index], "dapi"), _cell(sources[index]), _cell(synthetic[index]))
        for row, (label, cell) in enumerate(zip(_LABELS, cells, strict=True)):
            top = number * band + row * step
            sheet.paste(cell, (_LABEL_PX + column * step, top))
            if column == 0:
                draw.text((6, top + _CELL_PX // 2), label, fill=_INK, font=font, anchor="lm")
    stream = io.BytesIO()
    sheet.save(stream, "PNG")
    return stream.getvalue()


def _cell(canvas: NDArray[np.generic], channel: str | None = None) -> Image.Image:
    picture: Any = Image.open(io.BytesIO(crop_png(canvas, CHANNELS, channel, _LEVELS)))
    cell: Image.Image = picture.convert("RGB").resize((_CELL_PX, _CELL_PX), Image.Resampling.BICUBIC)
    return cell
