"""The revisions of the central database, oldest first."""
