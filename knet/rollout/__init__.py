"""Percentage canary rollouts: what is to happen next, and whether the canary is worse. Pure; the clock is an argument."""
