"""The data path beside the gateway: queue-proxy in every pod, and the activator's hold. Envoy carries, Python decides."""
