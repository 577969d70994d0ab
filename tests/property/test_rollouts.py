"""Rollouts of Deployments: whatever pods do, never too few available and never too many in all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from knet.local.controllers import replicaset
from knet.local.controllers.deployment import bounds, decide

NOW = 1_000_000.0


class World:
    """One Deployment with its ReplicaSets and pods; pods of images in `broken` never become ready."""

    def __init__(self, replicas, surge, unavailable, broken=()):
        self.broken = broken
        self.sets: dict[str, dict] = {}
        self.pods: dict[str, dict] = {}
        self.count = 0
        rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
        self.deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default", "uid": "d", "generation": 1},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
            },
        }
        self.set_image("v0")

    def set_image(self, image):
        spec = {"containers": [{"name": "c", "image": image}]}
        self.deployment["spec"]["template"] = {"metadata": {"labels": {"app": "web"}}, "spec": spec}

    def deploy(self):
        plan = decide(self.deployment, list(self.sets.values()), NOW)
        if plan.create is not None:
            self.count += 1
            item = plan.create
            item["metadata"] |= {
                "uid": item["metadata"]["name"],
                "creationTimestamp": f"2026-01-01T00:00:{self.count:02d}Z",
            }
            self.sets[item["metadata"]["name"]] = {**item, "status": {}}
        for name, number in plan.scale.items():
            self.sets[name]["spec"]["replicas"] = number
        self.deployment["status"] = plan.status
        return plan

    def settle_set(self, name):
        item = self.sets[name]
        mine = [p for p in self.pods.values() if p["metadata"]["ownerReferences"][0]["uid"] == name]
        plan = replicaset.decide(item, mine, NOW)
        for _ in range(plan.create):
            self.count += 1
            pod = replicaset.new_pod(item)
            pod["metadata"]["name"] = f"p{self.count}"
            self.pods[f"p{self.count}"] = {**pod, "status": {"phase": "Pending"}}
        for gone in plan.delete:
            del self.pods[gone]
        mine = [p for p in self.pods.values() if p["metadata"]["ownerReferences"][0]["uid"] == name]
        item["status"] = replicaset.decide(item, mine, NOW).status

    def make_ready(self, name):
        if name in self.pods and self.image(name) not in self.broken:
            conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]
            self.pods[name]["status"] = {"phase": "Running", "conditions": conditions}

    def image(self, pod):
        return self.pods[pod]["spec"]["containers"][0]["image"]

    def available(self):
        return sum(bool(p["status"].get("conditions")) for p in self.pods.values())

    def run(self, steps=60):
        for _ in range(steps):
            self.deploy()
            for name in list(self.sets):
                self.settle_set(name)
            for pod in list(self.pods):
                self.make_ready(pod)
            for name in list(self.sets):
                self.settle_set(name)


SHARES = st.one_of(st.integers(0, 3), st.sampled_from(["0%", "25%", "50%", "100%"]))


@given(
    replicas=st.integers(1, 8),
    surge=SHARES,
    unavailable=SHARES,
    broken=st.booleans(),
    data=st.data(),
)
def test_a_rollout_keeps_its_bounds_and_ends(replicas, surge, unavailable, broken, data):
    world = World(replicas, surge, unavailable, broken={"v1"} if broken else ())
    world.run()
    assert world.available() == replicas
    world.set_image("v1")
    more, fewer = bounds(world.deployment)
    for _ in range(40):
        step = data.draw(st.sampled_from(["deploy", "sets", "ready"]))
        if step == "deploy":
            world.deploy()
        elif step == "sets" and world.sets:
            world.settle_set(data.draw(st.sampled_from(sorted(world.sets))))
        elif world.pods:
            world.make_ready(data.draw(st.sampled_from(sorted(world.pods))))
        assert world.available() >= replicas - fewer
        assert sum(s["spec"]["replicas"] for s in world.sets.values()) <= replicas + more
    world.run()
    if not broken:
        assert {world.image(p) for p in world.pods} == {"v1"}
        assert len(world.pods) == replicas
        progressing = next(c for c in world.deploy().status["conditions"] if c["type"] == "Progressing")
        assert progressing["reason"] == "NewReplicaSetAvailable"
