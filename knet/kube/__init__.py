"""The shell to any Kubernetes API: client, informer, work queue, apply, election."""
