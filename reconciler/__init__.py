"""reconciler: provisions tenants from YAML in git as transactions, fully ready or nothing created."""

__version__ = "0.1.0"
