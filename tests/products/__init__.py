"""Tests of the products, and of the data that they ship."""
