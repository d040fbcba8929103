"""The relational truth: engine, tables, migrations."""
