"""The embedded cluster: a Kubernetes-style API, the controllers others rely on, processes for pods."""
