"""Where pull requests are made: the port, and one module a forge."""
