"""How synthetic crops were made; a synthetic crop names the job that made it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NO_PATIENT = "origin <> 'generated' OR (sample IS NULL AND image_id IS NULL AND source_crop_id IS NOT NULL)"
_NO_PATIENT_BUT_A_JOB = (
    "origin <> 'generated' OR (sample IS NULL AND image_id IS NULL "
    "AND source_crop_id IS NOT NULL AND job_id IS NOT NULL)"
)


def upgrade() -> None:
    op.drop_constraint("synthetic_has_no_patient", "crops", type_="check")
    op.create_check_constraint("synthetic_has_no_patient", "crops", _NO_PATIENT_BUT_A_JOB)
    op.create_index("ix_crops_source_crop_id", "crops", ["source_crop_id", "id"], unique=False)
    op.create_table(
        "synthetic_crops",
        sa.Column("crop_id", sa.Text(), nullable=False),
        sa.Column("generator", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("sample_number", sa.Integer(), nullable=False),
        sa.Column("canvas_scale", sa.Double(), nullable=False),
        sa.CheckConstraint("sample_number >= 0", name=op.f("ck_synthetic_crops_sample_number_counts")),
        sa.CheckConstraint("canvas_scale > 0", name=op.f("ck_synthetic_crops_canvas_scale_positive")),
        sa.ForeignKeyConstraint(["crop_id"], ["crops.id"], name=op.f("fk_synthetic_crops_crop_id")),
        sa.PrimaryKeyConstraint("crop_id", name=op.f("pk_synthetic_crops")),
    )
    op.create_index("ix_synthetic_crops_generator", "synthetic_crops", ["generator", "crop_id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_synthetic_crops_generator", table_name="synthetic_crops")
    op.drop_table("synthetic_crops")
    op.drop_index("ix_crops_source_crop_id", table_name="crops")
    op.drop_constraint("synthetic_has_no_patient", "crops", type_="check")
    op.create_check_constraint("synthetic_has_no_patient", "crops", _NO_PATIENT)
