"""The shared schemas' migrations: Alembic revisions, run by the owner, all of an upgrade or none."""
