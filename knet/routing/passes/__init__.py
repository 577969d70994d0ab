"""The steps from a KIngress to its rows, one concern in each file; `knet.routing.build` orders them."""
