"""What filters said of crops."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "filter_scores",
        sa.Column("crop_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("x", sa.Double(), nullable=False),
        sa.Column("y", sa.Double(), nullable=False),
        sa.Column("component", sa.Integer(), nullable=True),
        sa.Column("mahalanobis2", sa.Double(), nullable=True),
        sa.Column("needed_level", sa.Double(), nullable=False),
        sa.Column("knn_distance", sa.Double(), nullable=False),
        sa.Column("knn_percentile", sa.Double(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("item_position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "needed_level BETWEEN 0 AND 1", name=op.f("ck_filter_scores_needed_level_in_range")
        ),
        sa.CheckConstraint(
            "knn_percentile BETWEEN 0 AND 100", name=op.f("ck_filter_scores_knn_percentile_in_range")
        ),
        sa.CheckConstraint("component >= 0", name=op.f("ck_filter_scores_component_counts")),
        sa.ForeignKeyConstraint(["crop_id"], ["crops.id"], name=op.f("fk_filter_scores_crop_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_filter_scores_job_id")),
        sa.PrimaryKeyConstraint("crop_id", "job_id", name=op.f("pk_filter_scores")),
    )
    op.create_index(
        "ix_filter_scores_job_id", "filter_scores", ["job_id", "item_position", "crop_id"], unique=False
    )
    op.create_index(
        "ix_filter_scores_filter", "filter_scores", ["filter", "needed_level", "crop_id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_filter_scores_filter", table_name="filter_scores")
    op.drop_index("ix_filter_scores_job_id", table_name="filter_scores")
    op.drop_table("filter_scores")
