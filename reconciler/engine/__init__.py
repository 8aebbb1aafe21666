"""Observe, plan, guard, apply, recover: the orchestration that all products share."""
