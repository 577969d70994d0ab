"""The istio gateway."""
