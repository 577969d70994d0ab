"""The KIngress controller for gateways that are programmed by Kubernetes objects: Istio and Contour."""
