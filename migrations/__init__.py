"""Alembic migrations of the records database, run by `holdfast init` and before `serve`."""
