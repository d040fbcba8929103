"""Finding crops, and recording what people say of them."""

from __future__ import annotations

from sqlalchemy.orm import Session

from services.crops.annotation import CropAnnotator, Verdict
from services.crops.repository import CropRepository
from services.crops.types import Crop, CropClass, CropFilter
from services.errors import InvalidInputError, NotFoundError
from services.pagination import Page, PageRequest


class CropService:
    """Crops through one session; the caller commits."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._crops = CropRepository(session)

    def get(self, crop_id: str) -> Crop:
        """One crop with its verdicts; raises `NotFoundError`."""
        crop = self._crops.get(crop_id)
        if crop is None:
            raise NotFoundError("crop", crop_id)
        return crop

    def list_page(self, wanted: CropFilter, page: PageRequest) -> Page[Crop]:
        """Crops in the order in which they were made, or by probability.

        Raises
        ------
        InvalidInputError
            The cursor belongs to another order, or the bounds of the probability exclude everything, or a
            decision was given that decides nothing.
        """
        low, high = wanted.min_probability, wanted.max_probability
        if low is not None and high is not None and low > high:
            raise InvalidInputError("It is above max_probability: no crop can be both.", "min_probability")
        if wanted.decision is not None and wanted.kept is None:
            raise InvalidInputError(
                "A level decides which crops are kept; say kept=true or kept=false.", "kept"
            )
        return self._crops.list_page(wanted, page)

    def annotate(self, crop_id: str, crop_class: CropClass, annotator: str, *, actor: str) -> Crop:
        """Add a verdict; the newest counts, and none is ever removed.

        Parameters
        ----------
        annotator
            The person who looked.
        actor
            The key that said so, for the audit trail.

        Raises
        ------
        NotFoundError
            There is no such crop.
        SyntheticCropError
            The crop was generated.
        """
        CropAnnotator(self._session).add(Verdict(crop_id, crop_class, annotator), actor=actor)
        return self.get(crop_id)
