"""The tenants' schemas' migrations: Alembic revisions, rendered to one script and never run by Alembic.

A revision only expands. ``PRIVILEGES`` names the tables that it makes, with what a tenant's log-in may do.
"""
