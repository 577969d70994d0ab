"""Files, directories, globs, stdin and git revisions in; files of rendered objects out.

loaded = load(["examples/"])
composed = compose(loaded, "istio.ingress.networking.knative.dev")
table = build(composed.world, ...)
locate(diagnostics, loaded, composed.parents)
"""

from knet.files.load import Cache, Loaded, load, locate
from knet.files.place import Place
from knet.files.sources import File, resolve
from knet.files.world import Composed, compose

__all__ = ["Cache", "Composed", "File", "Loaded", "Place", "compose", "load", "locate", "resolve"]
