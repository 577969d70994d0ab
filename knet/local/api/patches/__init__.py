"""The four kinds of patch (kubernetes.io: API concepts, patch)."""
