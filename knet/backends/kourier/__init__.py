"""The Kourier way: a raw Envoy over xDS."""
