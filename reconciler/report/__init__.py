"""Rendering model objects for people and programs: faults, plans, outcomes, history."""
