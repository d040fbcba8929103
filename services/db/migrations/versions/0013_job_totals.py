"""Sums over ended jobs, so that counting them costs the same whether there are ten or ten million.

Nothing is summed here: the sweep takes in the jobs that have ended so far, some thousand at a time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_totals",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in _NUMBERS),
        *(sa.Column(name, sa.Double(), server_default="0", nullable=False) for name in _SECONDS),
        sa.PrimaryKeyConstraint("kind", "outcome", name=op.f("pk_job_totals")),
    )
    op.add_column(
        "jobs",
        # Before any item was recorded; a constant, so that the table is not written anew.
        sa.Column(
            "uncounted_since", sa.DateTime(timezone=True), server_default="1970-01-01+00", nullable=True
        ),
    )
    op.create_index(
        "ix_jobs_uncounted",
        "jobs",
        ["finished_at"],
        unique=False,
        postgresql_where=sa.text("finished_at IS NOT NULL AND uncounted_since IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_jobs_uncounted", table_name="jobs")
    op.drop_column("jobs", "uncounted_since")
    op.drop_table("job_totals")


_NUMBERS = ("jobs", "started", "drift_warned", "items_succeeded", "items_failed")
_SECONDS = ("waited_s", "ran_s")
