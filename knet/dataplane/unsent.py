"""The word for a request that may be sent again. A module of its own: a queue-proxy imports as little as it can."""

UNSENT = "x-knet-unsent"
"""Response header: nobody has seen any of this request. A queue-proxy says so whose user's container takes no
connection, an activator whose pod takes none; gateways of the kourier backend send it again."""
