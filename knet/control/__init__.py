"""Shells with loops: what changes in the world → what gateways are given."""
