from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import Session

from services.artifacts.repository import ArtifactRepository
from services.artifacts.types import ArtifactVersion
from services.db.engine import SessionFactory
from services.filtering.selection import FilterClassifierMissingError, classifier_of, filter_for

WEIGHTS, OTHER = "a" * 64, "b" * 64
PREPARED = {"preprocessing": {"canvas_px": 64}, "test_time_flips": True}


def add(session: Session, kind: str, name: str, **manifest: Any) -> ArtifactVersion:
    """Add the next version of an artifact; its files do not matter here."""
    return ArtifactRepository(session).add(
        kind, name, manifest=manifest, files={}, sha256="0" * 64, job_id=None
    )


def add_classifier(session: Session, name: str, weights: str = WEIGHTS, **manifest: Any) -> ArtifactVersion:
    """Add a classifier that was trained."""
    return add(
        session, "classifier", name, **{"weights_sha256": weights, "trained": True, **PREPARED} | manifest
    )


def add_filter(
    session: Session, name: str = "f", weights: str = WEIGHTS, **classifier: Any
) -> ArtifactVersion:
    """Add a filter of a classifier."""
    return add(session, "filter", name, classifier={"ref": "c/1", "weights_sha256": weights, **classifier})


class TestClassifierOf:
    def test_is_the_one_with_the_weights(self, sessions: SessionFactory) -> None:
        """A classifier of the right name and other weights is not the filter's; its twin elsewhere is."""
        with sessions.begin() as session:
            add_classifier(session, "c", OTHER)
            twin = add_classifier(session, "z")

            assert twin.ref == classifier_of(session, add_filter(session)).ref

    def test_own_name_wins(self, sessions: SessionFactory) -> None:
        """Where several have the weights, the version that the filter names is taken."""
        with sessions.begin() as session:
            add_classifier(session, "b")
            own = add_classifier(session, "c")

            assert ("c/1", "c/1") == (own.ref, classifier_of(session, add_filter(session)).ref)

    @pytest.mark.parametrize(
        ("manifest", "wanted"),
        [
            ({"trained": False}, {}),
            ({"weights_sha256": OTHER}, {}),
            ({"preprocessing": {"canvas_px": 32}}, PREPARED),
            ({"test_time_flips": False}, PREPARED),
        ],
    )
    def test_missing_is_told_with_what_to_do(
        self, sessions: SessionFactory, manifest: dict[str, Any], wanted: dict[str, Any]
    ) -> None:
        """Untrained, other weights, or crops that are prepared otherwise: none of these embeds alike."""
        with sessions.begin() as session:
            add_classifier(session, "c", **manifest)
            version = add_filter(session, **wanted)
            with pytest.raises(FilterClassifierMissingError, match=f"f/1 reads .* c/1, .*{WEIGHTS}.*Import"):
                classifier_of(session, version)

    def test_preparation_is_compared_where_it_is_told(self, sessions: SessionFactory) -> None:
        """The same weights with the same canvas are the filter's classifier."""
        with sessions.begin() as session:
            add_classifier(session, "c")

            assert "c/1" == classifier_of(session, add_filter(session, **PREPARED)).ref


class TestFilterFor:
    def test_production_comes_before_the_newest(self, sessions: SessionFactory) -> None:
        """What the lab works with watches its crops; without it, what was fitted last."""
        with sessions.begin() as session:
            classifier = add_classifier(session, "c")
            add_filter(session, "a")
        with sessions.begin() as session:
            add_filter(session, "a")
        with sessions.begin() as session:
            newest = filter_for(session, classifier)
            ArtifactRepository(session).set_alias("filter", "a", "production", 1)
            in_use = filter_for(session, classifier)

        assert newest is not None
        assert in_use is not None
        assert ("a/2", "a/1") == (newest.ref, in_use.ref)

    def test_alias_of_another_name_or_sort_does_not_count(self, sessions: SessionFactory) -> None:
        """Only ``production`` of that very version does."""
        with sessions.begin() as session:
            classifier = add_classifier(session, "a")
            add_filter(session, "a")
        with sessions.begin() as session:
            add_filter(session, "b")
        with sessions.begin() as session:
            ArtifactRepository(session).set_alias("filter", "a", "trial", 1)
            ArtifactRepository(session).set_alias("classifier", "a", "production", 1)
            found = filter_for(session, classifier)

        assert found is not None
        assert "b/1" == found.ref

    def test_of_other_weights_or_none(self, sessions: SessionFactory) -> None:
        """A filter knows the training data of one classifier only."""
        with sessions.begin() as session:
            classifier = add_classifier(session, "c")
            add_filter(session, weights=OTHER)
            add_filter(session, preprocessing={"canvas_px": 32})

            assert filter_for(session, classifier) is None
