"""Bytes to data and back, without meaning."""
