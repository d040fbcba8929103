"""Simulated crops, which belong to no patient, and data sets of them."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_CROPS = "origin IN ('segmented','imported','generated')"
_CROPS_AND_SIMULATED = "origin IN ('segmented','imported','generated','simulated')"
_NO_PATIENT = "origin <> 'simulated' OR (sample IS NULL AND image_id IS NULL AND job_id IS NOT NULL)"
_SOURCES = "source IN ('import','annotations')"
_SOURCES_AND_SIMULATION = "source IN ('import','annotations','simulation')"


def upgrade() -> None:
    op.drop_constraint("origin_known", "crops", type_="check")
    op.create_check_constraint("origin_known", "crops", _CROPS_AND_SIMULATED)
    op.create_check_constraint("simulated_has_no_patient", "crops", _NO_PATIENT)
    op.drop_constraint("source_known", "dataset_versions", type_="check")
    op.create_check_constraint("source_known", "dataset_versions", _SOURCES_AND_SIMULATION)


def downgrade() -> None:
    op.drop_constraint("source_known", "dataset_versions", type_="check")
    op.create_check_constraint("source_known", "dataset_versions", _SOURCES)
    op.drop_constraint("simulated_has_no_patient", "crops", type_="check")
    op.drop_constraint("origin_known", "crops", type_="check")
    op.create_check_constraint("origin_known", "crops", _CROPS)
