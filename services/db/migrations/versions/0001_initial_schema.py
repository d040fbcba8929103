"""Initial schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_sha256", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("key_sha256", name=op.f("uq_api_keys_key_sha256")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
    )
    op.create_table(
        "artifact_versions",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("files", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('segmenter','classifier','generator','filter')",
            name=op.f("ck_artifact_versions_kind_known"),
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_artifact_versions_version_positive")),
        sa.PrimaryKeyConstraint("kind", "name", "version", name=op.f("pk_artifact_versions")),
    )
    op.create_index(
        "ix_artifact_versions_kind_sha256", "artifact_versions", ["kind", "name", "sha256"], unique=False
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "details", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_subject", "audit", ["subject", "id"], unique=False)
    op.create_table(
        "batches",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("slide", sa.Text(), nullable=True),
        sa.Column("pixel_size_um", sa.Double(), nullable=True),
        sa.Column("channel_rule", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "extra", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("items", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    op.create_index("ix_batches_sample", "batches", ["sample", "id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("caller", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("body", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column("locked_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("caller", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("params", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("inputs", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("artifacts", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("sample", sa.Text(), nullable=True),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dispatched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_token", sa.Text(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("progress_done", sa.Integer(), server_default="0", nullable=False),
        sa.Column("progress_total", sa.Integer(), server_default="0", nullable=False),
        sa.Column("progress_unit", sa.Text(), server_default="items", nullable=False),
        sa.Column("progress_message", sa.Text(), server_default="", nullable=False),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "result", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(status IN ('running','cancelling')) = (lease_token IS NOT NULL)",
            name=op.f("ck_jobs_lease_while_running"),
        ),
        sa.CheckConstraint(
            "(status IN ('succeeded','partial','failed','cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_finished_when_terminal"),
        ),
        sa.CheckConstraint(
            "status IN ('queued','running','succeeded','partial','failed','cancelling','cancelled')",
            name=op.f("ck_jobs_status_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index("ix_jobs_external_id", "jobs", ["external_id", "id"], unique=False)
    op.create_index("ix_jobs_kind", "jobs", ["kind", "id"], unique=False)
    op.create_index("ix_jobs_sample", "jobs", ["sample", "id"], unique=False)
    op.create_index("ix_jobs_status_queue", "jobs", ["status", "queue", "priority", "id"], unique=False)
    op.create_table(
        "artifact_aliases",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["kind", "name", "version"],
            ["artifact_versions.kind", "artifact_versions.name", "artifact_versions.version"],
            name=op.f("fk_artifact_aliases_kind_name_version"),
        ),
        sa.PrimaryKeyConstraint("kind", "name", "alias", name=op.f("pk_artifact_aliases")),
    )
    op.create_table(
        "images",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Text(), nullable=False),
        sa.Column("sample", sa.Text(), nullable=False),
        sa.Column("slide", sa.Text(), nullable=True),
        sa.Column("filename", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("identity_sha256", sa.Text(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("channels", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("bit_depth", sa.Integer(), nullable=False),
        sa.Column("pixel_size_um", sa.Double(), nullable=True),
        sa.Column("sources", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("layout", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("bit_depth IN (8, 16)", name=op.f("ck_images_bit_depth_known")),
        sa.CheckConstraint("height > 0 AND width > 0", name=op.f("ck_images_size_positive")),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name=op.f("fk_images_batch_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_images")),
        sa.UniqueConstraint("sample", "identity_sha256", name=op.f("uq_images_sample_identity_sha256")),
    )
    op.create_index("ix_images_batch_id", "images", ["batch_id", "id"], unique=False)
    op.create_index("ix_images_sample", "images", ["sample", "id"], unique=False)
    op.create_table(
        "job_items",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("input_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("error", postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
        sa.Column(
            "outputs", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
        sa.Column("started", sa.Integer(), server_default="0", nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending','succeeded','failed')", name=op.f("ck_job_items_status_known")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_items_job_id")),
        sa.PrimaryKeyConstraint("job_id", "position", name=op.f("pk_job_items")),
    )
    op.create_index("ix_job_items_status", "job_items", ["job_id", "status"], unique=False)
    op.create_table(
        "crops",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=True),
        sa.Column("sample", sa.Text(), nullable=True),
        sa.Column("job_id", sa.Text(), nullable=True),
        sa.Column("source_crop_id", sa.Text(), nullable=True),
        sa.Column("pack_key", sa.Text(), nullable=False),
        sa.Column("pack_index", sa.Integer(), nullable=False),
        sa.Column("label", sa.Integer(), nullable=True),
        sa.Column("bbox", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("area_px", sa.Integer(), nullable=False),
        sa.Column("orientation_deg", sa.Double(), nullable=True),
        sa.Column("length_px", sa.Double(), nullable=True),
        sa.Column("width_px", sa.Double(), nullable=True),
        sa.Column("flags", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("class", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "origin <> 'generated' OR (sample IS NULL AND image_id IS NULL AND source_crop_id IS NOT NULL)",
            name=op.f("ck_crops_synthetic_has_no_patient"),
        ),
        sa.CheckConstraint(
            "origin <> 'segmented' OR (sample IS NOT NULL AND image_id IS NOT NULL AND job_id IS NOT NULL)",
            name=op.f("ck_crops_segmented_has_origin"),
        ),
        sa.CheckConstraint(
            "origin IN ('segmented','imported','generated')", name=op.f("ck_crops_origin_known")
        ),
        sa.CheckConstraint(
            "\"class\" IN ('normal','aberration','excluded')", name=op.f("ck_crops_class_known")
        ),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_crops_image_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_crops_job_id")),
        sa.ForeignKeyConstraint(["source_crop_id"], ["crops.id"], name="fk_crops_source_crop_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crops")),
        sa.UniqueConstraint("job_id", "image_id", "label", name=op.f("uq_crops_job_id_image_id_label")),
    )
    op.create_index("ix_crops_image_id", "crops", ["image_id", "id"], unique=False)
    op.create_index("ix_crops_job_id", "crops", ["job_id", "id"], unique=False)
    op.create_index("ix_crops_origin", "crops", ["origin", "id"], unique=False)
    op.create_index("ix_crops_sample", "crops", ["sample", "id"], unique=False)
    op.create_table(
        "image_masks",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("num_instances", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_image_masks_image_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_image_masks")),
    )
    op.create_index("ix_image_masks_image_id", "image_masks", ["image_id", "id"], unique=False)
    op.create_table(
        "segmentations",
        sa.Column("job_id", sa.Text(), nullable=False),
        sa.Column("image_id", sa.Text(), nullable=False),
        sa.Column("segmenter", sa.Text(), nullable=False),
        sa.Column("masks_key", sa.Text(), nullable=False),
        sa.Column("crops_key", sa.Text(), nullable=False),
        sa.Column("num_chromosomes", sa.Integer(), nullable=False),
        sa.Column("num_touching", sa.Integer(), nullable=False),
        sa.Column("removed", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("shifts_px", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("levels", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["image_id"], ["images.id"], name=op.f("fk_segmentations_image_id")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_segmentations_job_id")),
        sa.PrimaryKeyConstraint("job_id", "image_id", name=op.f("pk_segmentations")),
    )
    op.create_index("ix_segmentations_image_id", "segmentations", ["image_id", "created_at"], unique=False)
    op.create_table(
        "crop_annotations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("crop_id", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("annotator", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["crop_id"], ["crops.id"], name=op.f("fk_crop_annotations_crop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_crop_annotations")),
    )
    op.create_index("ix_crop_annotations_crop_id", "crop_annotations", ["crop_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_crop_annotations_crop_id", table_name="crop_annotations")
    op.drop_table("crop_annotations")
    op.drop_index("ix_segmentations_image_id", table_name="segmentations")
    op.drop_table("segmentations")
    op.drop_index("ix_image_masks_image_id", table_name="image_masks")
    op.drop_table("image_masks")
    op.drop_index("ix_crops_sample", table_name="crops")
    op.drop_index("ix_crops_origin", table_name="crops")
    op.drop_index("ix_crops_job_id", table_name="crops")
    op.drop_index("ix_crops_image_id", table_name="crops")
    op.drop_table("crops")
    op.drop_index("ix_job_items_status", table_name="job_items")
    op.drop_table("job_items")
    op.drop_index("ix_images_sample", table_name="images")
    op.drop_index("ix_images_batch_id", table_name="images")
    op.drop_table("images")
    op.drop_table("artifact_aliases")
    op.drop_index("ix_jobs_status_queue", table_name="jobs")
    op.drop_index("ix_jobs_sample", table_name="jobs")
    op.drop_index("ix_jobs_kind", table_name="jobs")
    op.drop_index("ix_jobs_external_id", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index("ix_idempotency_keys_created_at", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_index("ix_batches_sample", table_name="batches")
    op.drop_table("batches")
    op.drop_index("ix_audit_subject", table_name="audit")
    op.drop_table("audit")
    op.drop_index("ix_artifact_versions_kind_sha256", table_name="artifact_versions")
    op.drop_table("artifact_versions")
    op.drop_table("api_keys")
