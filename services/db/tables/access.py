"""API keys, idempotent answers and the audit trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Identity, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from services.db.tables.base import Base, JsonObject, created_at_column


class ApiKeyRow(Base):
    """An API key: only its SHA-256 is stored (the key itself has 256 random bits)."""

    __tablename__ = "api_keys"
    __table_args__ = (UniqueConstraint("key_sha256"), UniqueConstraint("name"))

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    key_sha256: Mapped[str]
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = created_at_column()
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    replaces: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id"))


class IdempotencyKeyRow(Base):
    """The first answer to a POST that carried an Idempotency-Key."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("ix_idempotency_keys_created_at", "created_at"),)

    caller: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    body: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    locked_until: Mapped[datetime]
    created_at: Mapped[datetime] = created_at_column()


class AuditRow(Base):
    """Who did what, when. A trigger of the database refuses to change or delete a row."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_subject", "subject", "id"),
        Index("ix_audit_actor", "actor", "id"),
        Index("ix_audit_action", "action", "at", "id"),
        Index("ix_audit_at", "at", "id"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    actor: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[JsonObject] = mapped_column(server_default=text("'{}'"))
