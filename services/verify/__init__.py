"""Whether the object store holds everything that the database names; for restored backups above all."""
