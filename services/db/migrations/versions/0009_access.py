"""Keys that end and are replaced, and an audit trail that can be read by time and by actor."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("replaces", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_api_keys_replaces"), "api_keys", "api_keys", ["replaces"], ["id"])
    op.create_index("ix_audit_actor", "audit", ["actor", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_audit_actor", table_name="audit")
    op.drop_constraint(op.f("fk_api_keys_replaces"), "api_keys", type_="foreignkey")
    op.drop_column("api_keys", "replaces")
    op.drop_column("api_keys", "last_used_at")
    op.drop_column("api_keys", "expires_at")
