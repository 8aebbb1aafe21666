"""Alembic's folder for the central database."""
