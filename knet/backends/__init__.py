"""Gateways, one folder each; found by the entry-point group `knet.backends`."""
