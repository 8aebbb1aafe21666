"""MariaDB, over the wire: connections, names, locks, and a census of what is there."""
