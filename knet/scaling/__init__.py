"""The autoscaler's decisions (KPA): (metrics, now) → desired. Pure; the clock is an argument.

Rules are numbered as in shared/facts/serving.md.
"""
