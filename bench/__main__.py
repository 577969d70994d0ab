"""`python -m bench`: all benchmarks; `python -m bench NAME...`: those; `--help` lists them."""

from __future__ import annotations

import importlib
import sys

NAMES = {
    "render": "parsed KIngress to bytes, each gateway (bars: issue 2)",
    "tree": "render and diff of 10,000 files",
    "startup": "knet as a whole process",
    "xds": "a canary step among N KIngresses through a real Envoy, with the peers' layout beside it",
    "api": "the embedded API: 10,000 objects, 200 watches, 500 writes a second",
    "informer": "10,000 KIngresses into a controller, and a change to its handler, beside kopf",
    "autoscaler": "a decision pass over 10,000 revisions, beside plain Python; scraping and counting",
    "canary": "false rollbacks and detection delay, simulated; knet beside fixed thresholds",
    "coldstart": "starts from zero in knet up by phase; 1,000 requests and 50 services at once (--services=N)",
    "dataplane": "queue-proxy beside a bare Envoy and a direct connection; its limit; its averages",
    "objects": "a changed split among N KIngresses in the controllers of Istio and Contour, beside a full rebuild",
    "gateway": "knet gateway run on 10,000 files, from nothing to every host answered",
}


ON_REQUEST = {
    "services": "1,000 Services with a pod each in knet up, then one more; memory and CPU at rest (--services=N)",
    "split": "shares that users get of a canary, 20,000 requests at each step through a real Envoy; none may be lost",
    "soak": "30 minutes at 10,000 services with ten changes a second",
}


def main() -> None:
    known = NAMES.keys() | ON_REQUEST.keys()
    wanted = [a for a in sys.argv[1:] if not a.startswith("-")]
    if "--help" in sys.argv or "-h" in sys.argv or not set(wanted) <= known:
        print(__doc__)
        for name, what in (NAMES | ON_REQUEST).items():
            print(f"  {name:10} {what}")
        sys.exit(0 if set(wanted) <= known else 2)
    for name in wanted or NAMES:
        print(f"\n## {name}: {(NAMES | ON_REQUEST)[name]}\n")
        importlib.import_module(f"bench.{name}").main()


main()
