"""Controllers of Kubernetes that others rely on, on any API."""
