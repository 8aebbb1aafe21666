"""The only floor that talks to the world: servers, store, files, git, clock, secrets."""
