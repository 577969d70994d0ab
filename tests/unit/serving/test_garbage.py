"""Which old revisions go: config-gc's four keys, and what never goes."""

from __future__ import annotations

import datetime as dt

import pytest

from knet.model.config_gc import Gc, parse
from knet.serving.garbage import collect
from unit.serving.revisions import configuration, revision

HOUR = 3600
START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOW = int((START + dt.timedelta(hours=100)).timestamp()) * 10**9
LATEST = {"latestReadyRevisionName": "r-9", "latestCreatedRevisionName": "r-9"}


def stamp(hour):
    return (START + dt.timedelta(hours=hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def old(number, created, active=None, state="reserve", **notes):
    return revision(
        f"r-{number}",
        creationTimestamp=stamp(created),
        labels={"serving.knative.dev/routingState": state},
        annotations={
            "serving.knative.dev/routingStateModified": stamp(created if active is None else active),
            **{f"serving.knative.dev/{k}": v for k, v in notes.items()},
        },
    )


def gone(revisions, gc, named=()):
    return collect(configuration(**LATEST), revisions, named, gc, NOW).names


def test_nothing_goes_while_there_are_few():
    assert gone([old(n, 0) for n in range(20)], Gc()) == ()


def test_the_stalest_go_down_to_the_fewest_kept():
    revisions = [old(n, 0, active=n) for n in range(5)]
    assert gone(revisions, parse({"min-non-active-revisions": "3"})) == ("r-0", "r-1")


def test_both_times_have_to_have_passed():
    data = {
        "min-non-active-revisions": "0",
        "retain-since-create-time": "10h",
        "retain-since-last-active-time": "5h",
    }
    revisions = [old(1, 80), old(2, 80, active=97), old(3, 95, active=80)]
    assert gone(revisions, parse(data)) == ("r-1",)
    again = collect(configuration(**LATEST), revisions, (), parse(data), NOW).again
    assert again == pytest.approx(2 * HOUR, abs=1)


@pytest.mark.parametrize("said", ["", "yesterday", "2026-01-01", "1970-01-01"])
def test_a_routing_state_that_does_not_say_since_when_counts_from_the_creation(said):
    gc = parse(
        {
            "min-non-active-revisions": "0",
            "retain-since-create-time": "disabled",
            "retain-since-last-active-time": "5h",
        }
    )
    assert gone([old(1, 90, routingStateModified=said), old(2, 97, routingStateModified=said)], gc) == (
        "r-1",
    )


def test_a_time_has_passed_to_the_second():
    data = {"min-non-active-revisions": "0", "retain-since-last-active-time": "disabled"}
    assert gone([old(1, 90)], parse({**data, "retain-since-create-time": "10h"})) == ("r-1",)
    assert gone([old(1, 90)], parse({**data, "retain-since-create-time": "10h1ns"})) == ()


def test_more_than_the_most_go_however_young():
    data = {
        "min-non-active-revisions": "0",
        "max-non-active-revisions": "2",
        "retain-since-create-time": "disabled",
        "retain-since-last-active-time": "disabled",
    }
    assert gone([old(n, 99, active=n) for n in range(4)], parse(data)) == ("r-0", "r-1")


def test_all_of_it_disabled():
    data = dict.fromkeys(
        ("max-non-active-revisions", "retain-since-create-time", "retain-since-last-active-time"), "disabled"
    )
    assert gone([old(n, 0) for n in range(50)], parse(data)) == ()


def test_what_never_goes():
    gc = parse({"min-non-active-revisions": "0"})
    kept = [
        old(9, 0),  # the latest ready
        old(1, 0, state="active"),
        old(2, 0, state="pending"),
        old(3, 0, **{"no-gc": "true"}),
        old(4, 0),  # named by a Route, though its label is late
    ]
    assert gone(kept, gc, named={"r-4"}) == ()
    assert gone([*kept, old(5, 0)], gc, named={"r-4"}) == ("r-5",)
    # it failed, and Routes are pinned to others: it would only be made again
    failed = configuration(latestReadyRevisionName="r-8", latestCreatedRevisionName="r-9")
    assert collect(failed, [old(8, 0), old(9, 0), old(5, 0)], (), gc, NOW).names == ("r-5",)
