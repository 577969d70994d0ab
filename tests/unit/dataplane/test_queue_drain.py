"""When a pod has drained."""

from __future__ import annotations

from knet.dataplane.queue_drain import Lull
from knet.dataplane.queue_stats import Count


def test_quiet_for_long_enough_with_nothing_under_way():
    lull = Lull(3, 10.0)
    assert not lull.over(Count(3, 0, 3), 39.9, 30)
    assert lull.over(Count(3, 0, 3), 40.0, 30)


def test_a_request_begins_the_wait_anew():
    lull = Lull(3, 10.0).seen(Count(4, 0, 4), 35.0)
    assert not lull.over(Count(4, 0, 4), 64.0, 30)
    assert lull.seen(Count(4, 0, 4), 50.0) == lull
    assert lull.over(Count(4, 0, 4), 65.0, 30)


def test_what_is_under_way_is_waited_for_however_quiet_it_is():
    assert not Lull(3, 10.0).over(Count(3, 0, 2), 1000.0, 30)
