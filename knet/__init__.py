"""knet: the networking layer of serverless on Kubernetes."""

__version__ = "0.1.0"
