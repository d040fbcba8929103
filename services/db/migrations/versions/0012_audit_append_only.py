"""An audit trail that only grows, and that can be read by time and by what was done.

The trigger stands against mistakes and against whatever gets the service to run a statement that it
should not. TRUNCATE is left alone: it needs rights that a separate role of the service does not have
(docs/security.md), and tests empty their database with it.
"""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_audit_at", "audit", ["at", "id"], unique=False)
    op.create_index("ix_audit_action", "audit", ["action", "at", "id"], unique=False)
    op.execute(
        """
        CREATE FUNCTION refuse_to_change_the_audit() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'Rows of the audit trail are never changed or deleted.'
                USING ERRCODE = 'restrict_violation';
        END
        $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_the_audit()
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_append_only ON audit")
    op.execute("DROP FUNCTION refuse_to_change_the_audit()")
    op.drop_index("ix_audit_action", table_name="audit")
    op.drop_index("ix_audit_at", table_name="audit")
