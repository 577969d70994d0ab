"""The loops of Serving: each reads what informers hold, asks a pure core, and writes what differs."""
