"""The middle: what goes where, free of Kubernetes and of Envoy."""
