"""The daemon: what is merged is applied, and everybody can see it."""
