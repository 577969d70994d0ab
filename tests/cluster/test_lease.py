"""Election by Lease, on both APIs."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from knet.kube.lease import Election, Seen, Terms, may_take
from knet.kube.resources import LEASES

QUICK = Terms(duration=1.0, renew=0.6, retry=0.05)


class Replica:
    """One that takes part; `working` is set while it leads."""

    def __init__(self, api, name, terms=QUICK):
        self.election = Election(api.client, "writers", api.namespace, name, terms)
        self.working = asyncio.Event()
        self.idle = asyncio.Event()
        self.task = asyncio.create_task(self.election.run(self.work))

    async def work(self):
        self.working.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.working.clear()
            self.idle.set()

    async def stop(self):
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


async def leading(*replicas):
    """The first of them that leads."""
    waits = {asyncio.create_task(r.working.wait()): r for r in replicas}
    done, rest = await asyncio.wait(waits, timeout=10, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    assert done, "nobody leads"
    return waits[done.pop()]


async def test_one_leads_and_the_other_follows_at_once_when_it_goes(api):
    one = Replica(api, "one")
    assert await leading(one) is one
    two = Replica(api, "two")
    lease = await api.client.get(LEASES, "writers", api.namespace)
    assert lease["spec"]["holderIdentity"] == "one"
    assert not two.working.is_set()
    loop = asyncio.get_running_loop()
    await one.stop()
    start = loop.time()
    assert await leading(two) is two
    assert loop.time() - start < QUICK.duration  # it was given back
    lease = await api.client.get(LEASES, "writers", api.namespace)
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("two", 1)
    await two.stop()


async def test_who_dies_without_a_word_is_followed_when_the_lease_has_run_out(api):
    spec = {"holderIdentity": "dead", "leaseDurationSeconds": 1, "leaseTransitions": 4}
    body = {"metadata": {"name": "writers", "namespace": api.namespace}, "spec": spec}
    await api.client.create(LEASES, body)
    two = Replica(api, "two")
    assert await leading(two) is two
    lease = await api.client.get(LEASES, "writers", api.namespace)
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("two", 5)
    await two.stop()


async def test_who_loses_it_stops_working_and_tries_again(api):
    one = Replica(api, "one")
    await leading(one)
    lease = await api.client.get(LEASES, "writers", api.namespace)
    stolen = {**lease["spec"], "holderIdentity": "thief", "leaseDurationSeconds": 1}
    while True:  # it renews all the time, so that a version may have gone by
        lease = await api.client.get(LEASES, "writers", api.namespace)
        status, _ = await api.ask(
            "PUT", "/apis/coordination.k8s.io/v1/namespaces/NS/leases/writers", {**lease, "spec": stolen}
        )
        if status == 200:
            break
    await asyncio.wait_for(one.idle.wait(), 30)
    assert await leading(one) is one  # the thief renews nothing
    await one.stop()


async def test_work_that_ends_ends_the_election(api):
    async def work():
        raise ValueError("broken")

    election = Election(api.client, "writers", api.namespace, "one", QUICK)
    with pytest.raises(ValueError, match="broken"):
        await election.run(work)
    lease = await api.client.get(LEASES, "writers", api.namespace)
    assert lease["spec"].get("holderIdentity", "") == ""


def test_a_clock_that_is_wrong_elsewhere_harms_nothing():
    lease = {
        "spec": {"holderIdentity": "other", "leaseDurationSeconds": 10, "renewTime": "1999-01-01T00:00:00Z"}
    }
    assert not may_take(lease, Seen("1", 100.0), "me", 109.0, 15)
    assert may_take(lease, Seen("1", 100.0), "me", 111.0, 15)
    assert may_take({"spec": {"holderIdentity": "me"}}, Seen("1", 100.0), "me", 100.0, 15)
    assert may_take({"spec": {}}, Seen("1", 100.0), "me", 100.0, 15)
