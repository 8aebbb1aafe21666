"""The state store: journal, leases, records and sealed secrets, through SQLAlchemy."""
