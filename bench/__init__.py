"""Benchmarks: `python -m bench [NAME...]`. Results are committed in docs/performance.md."""
