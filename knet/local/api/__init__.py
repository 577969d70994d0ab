"""The embedded API server: Kubernetes REST on SQLite."""
