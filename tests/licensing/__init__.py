"""Tests of the license floor; none of them needs a server."""
