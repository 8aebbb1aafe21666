"""The central database: its tables, what is in them, and the migrations that make it."""
