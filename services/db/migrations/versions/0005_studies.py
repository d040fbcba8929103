"""Studies are artifacts, too."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WITHOUT_STUDIES = "kind IN ('segmenter','classifier','generator','filter')"
_WITH_STUDIES = "kind IN ('segmenter','classifier','generator','filter','study')"


def upgrade() -> None:
    op.drop_constraint("kind_known", "artifact_versions", type_="check")
    op.create_check_constraint("kind_known", "artifact_versions", _WITH_STUDIES)


def downgrade() -> None:
    op.drop_constraint("kind_known", "artifact_versions", type_="check")
    op.create_check_constraint("kind_known", "artifact_versions", _WITHOUT_STUDIES)
