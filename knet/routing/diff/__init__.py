"""What two routing tables mean differently: `diff(old, new)`, in the reader's terms.

Probe copies, hashes, generations and whatever else only follows from another change are not looked
at; neither is order that decides nothing (`view.live_routes`).
"""

from __future__ import annotations

from knet.routing.diff.changes import Change, HostDiff, Kind, Shift, reverse
from knet.routing.diff.tables import affected, diff

__all__ = ["Change", "HostDiff", "Kind", "Shift", "affected", "diff", "reverse"]
