"""Data sets, predictions and embeddings; crops mirror their newest prediction."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dataset_versions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("counts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "source IN ('import','annotations')", name=op.f("ck_dataset_versions_source_known")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_dataset_versions_version_positive")),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_dataset_versions")),
    )
    op.create_index("ix_dataset_versions_sha256", "dataset_versions", ["name", "sha256"], unique=False)
    op.create_table(
        "embedding_sets",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("classifier", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("num_rows", sa.Integer(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_embedding_sets_job_id")),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_embedding_sets")),
    )
    op.create_index("ix_embedding_sets_classifier", "embedding_sets", ["classifier", "job_id"], unique=False)
    op.create_table(
        "dataset_items",
        sa.Column("dataset_name", sa.Text(), nullable=False),
        sa.Column("dataset_version", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("crop_id", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=False),
        sa.Column("group", sa.Text(), nullable=False),
        sa.Column("chromosome", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.CheckConstraint("split IN ('train','val','test')", name=op.f("ck_dataset_items_split_known")),
        sa.CheckConstraint(
            "\"class\" IN ('normal','aberration','unlabelled')", name=op.f("ck_dataset_items_class_known")
        ),
        sa.ForeignKeyConstraint(["crop_id"], ["crops.id"], name=op.f("fk_dataset_items_crop_id")),
        sa.ForeignKeyConstraint(
            ["dataset_name", "dataset_version"],
            ["dataset_versions.name", "dataset_versions.version"],
            name="fk_dataset_items_dataset_versions",
        ),
        sa.PrimaryKeyConstraint("dataset_name", "dataset_version", "position", name=op.f("pk_dataset_items")),
    )
    op.create_index("ix_dataset_items_crop_id", "dataset_items", ["crop_id"], unique=False)
    op.create_table(
        "predictions",
        sa.Column("crop_id", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("classifier", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("item_position", sa.Integer(), nullable=False),
        sa.Column("embedding_row", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("\"class\" IN ('normal','aberration')", name=op.f("ck_predictions_class_known")),
        sa.CheckConstraint("probability BETWEEN 0 AND 1", name=op.f("ck_predictions_probability_in_range")),
        sa.ForeignKeyConstraint(["crop_id"], ["crops.id"], name=op.f("fk_predictions_crop_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_predictions_job_id")),
        sa.PrimaryKeyConstraint("crop_id", "job_id", name=op.f("pk_predictions")),
    )
    op.create_index(
        "ix_predictions_classifier", "predictions", ["classifier", "probability", "crop_id"], unique=False
    )
    op.create_index(
        "ix_predictions_job_id", "predictions", ["job_id", "item_position", "crop_id"], unique=False
    )
    op.add_column("crops", sa.Column("predicted_class", sa.Text(), nullable=True))
    op.add_column("crops", sa.Column("probability", sa.Double(), nullable=True))
    op.add_column("crops", sa.Column("predicted_by", sa.Text(), nullable=True))
    op.create_index("ix_crops_job_id_probability", "crops", ["job_id", "probability", "id"], unique=False)
    op.create_index("ix_crops_probability", "crops", ["probability", "id"], unique=False)
    op.create_index("ix_crops_sample_probability", "crops", ["sample", "probability", "id"], unique=False)
    op.create_check_constraint("predicted_class_known", "crops", "predicted_class IN ('normal','aberration')")
    op.create_check_constraint("probability_in_range", "crops", "probability BETWEEN 0 AND 1")


def downgrade() -> None:
    op.drop_constraint("probability_in_range", "crops", type_="check")
    op.drop_constraint("predicted_class_known", "crops", type_="check")
    op.drop_index("ix_crops_sample_probability", table_name="crops")
    op.drop_index("ix_crops_probability", table_name="crops")
    op.drop_index("ix_crops_job_id_probability", table_name="crops")
    op.drop_column("crops", "predicted_by")
    op.drop_column("crops", "probability")
    op.drop_column("crops", "predicted_class")
    op.drop_index("ix_predictions_job_id", table_name="predictions")
    op.drop_index("ix_predictions_classifier", table_name="predictions")
    op.drop_table("predictions")
    op.drop_index("ix_dataset_items_crop_id", table_name="dataset_items")
    op.drop_table("dataset_items")
    op.drop_index("ix_embedding_sets_classifier", table_name="embedding_sets")
    op.drop_table("embedding_sets")
    op.drop_index("ix_dataset_versions_sha256", table_name="dataset_versions")
    op.drop_table("dataset_versions")
