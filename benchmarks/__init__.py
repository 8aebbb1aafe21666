"""Measurements that a person runs; none is part of the tests."""
