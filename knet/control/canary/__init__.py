"""Canaries as they run: the loop around knet.rollout, statistics, hooks, and what is kept in the API."""
