"""Replays the steps of `golden/route` against the pure functions, as an API server would stand around them."""

from __future__ import annotations

from typing import Any

from knet.model import serving
from knet.model.core import ConfigMap, Service
from knet.model.kingress import to_dict
from knet.model.meta import ObjectMeta
from knet.model.serving import ROUTE_LABEL
from knet.routing.world import World
from knet.serving import keys
from knet.serving.route import RouteOutcome, RouteWorld, reconcile
from knet.serving.settings import settings
from knet.serving.traffic import ConfigurationState, Known, RevisionState

START = 950_284_800_000_000_000
UID = "route-uid"
GATEWAY = {"domainInternal": "gw.ingress.svc.cluster.local"}


def config_world(config_maps: dict[str, dict[str, str]]) -> World:
    system = "knative-serving"
    maps = {
        (system, name): ConfigMap(metadata=ObjectMeta(name=name, namespace=system), data=data)
        for name, data in config_maps.items()
    }
    return World(config_maps=maps)


class Replay:
    """One case: `steps()` yields what every reconcile gave, in the shape of the reference outputs."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        self.settings, self.bad_settings = settings(config_world(case.get("configmaps") or {}))
        self.now = START
        self.generation = 0
        self.status: dict[str, Any] = {}
        self.set_route(case["route"])
        self.configurations = {c["name"]: _configuration(c) for c in case.get("configurations") or ()}
        self.revisions = {r["name"]: _revision(r) for r in case.get("revisions") or ()}
        self.world = RouteWorld(
            self.settings,
            Known(self.configurations, self.revisions),
            services={s["name"]: self._service(s) for s in case.get("services") or ()},
        )
        self.outcome: RouteOutcome | None = None

    def steps(self):
        for step in self.case["steps"]:
            if step.get("auto"):
                yield from self.auto(step)
            else:
                self.before(step)
                yield self.reconcile()

    def auto(self, step):
        self.now += step.get("dt_ms", 0) * 1_000_000
        for _ in range(step["auto"]):
            if self.outcome is None or not self.outcome.requeue:
                return
            self.now += self.outcome.requeue
            yield self.reconcile()
            self.now += 100_000_000
            self.ready({"ingress_ready": True})
            yield self.reconcile()

    def before(self, step):
        self.now += (step.get("dt_ms") or 0) * 1_000_000
        if step.get("route"):
            self.set_route(step["route"])
        for item in step.get("configurations") or ():
            self.configurations[item["name"]] = _configuration(item)
        for item in step.get("revisions") or ():
            self.revisions[item["name"]] = _revision(item)
        if step.get("certs"):
            self.certificates(step["certs"])
        if step.get("ingress_ready") is not None:
            self.ready(step)

    def set_route(self, data):
        self.generation += 1
        route = serving.parse(data)
        meta = route.metadata.model_copy(update={"uid": UID, "generation": self.generation})
        self.route = route.model_copy(update={"metadata": meta})

    def ready(self, step):
        """What a gateway's controller writes: the state of the KIngress as it stands."""
        ingress = self.world.ingress
        if ingress is None:
            return
        status: dict[str, Any] = {"observedGeneration": ingress.metadata.generation}
        if step["ingress_ready"]:
            status["conditions"] = [{"type": "Ready", "status": "True"}]
            public, private = step.get("lb"), step.get("private_lb")
            if not public and not private:
                public = private = GATEWAY
            if public:
                status["publicLoadBalancer"] = {"ingress": [public]}
            if private:
                status["privateLoadBalancer"] = {"ingress": [private]}
        else:
            message = "Waiting for load balancer to be ready"
            status["conditions"] = [
                {"type": "Ready", "status": "Unknown", "reason": "Uninitialized", "message": message}
            ]
        self.world = _with(self.world, ingress=ingress.model_copy(update={"status": status}))

    def certificates(self, state):
        made = {}
        for i, (name, certificate) in enumerate(sorted(self.world.certificates.items())):
            condition: dict[str, Any] = {"type": "Ready", "status": "True"}
            status: dict[str, Any] = {"conditions": [condition]}
            if state == "failed":
                condition.update(status="False", reason="failed", message="The issuer has refused it.")
            if state == "challenge":
                condition.update(
                    status="Unknown", reason="pending", message="The issuer has not answered yet."
                )
                url = f"http://{certificate.spec.dns_names[0]}/.well-known/acme-challenge/tok{i}"
                status["http01Challenges"] = [
                    {"url": url, "serviceName": f"cm-acme-{i}", "serviceNamespace": "default"}
                ]
            made[name] = certificate.model_copy(update={"status": status})
        self.world = _with(self.world, certificates=made)

    def reconcile(self):
        route = self.route.model_copy(update={"status": self.status})
        outcome = reconcile(route, self.world, self.now)
        again = reconcile(route, self.world, self.now)
        assert again == outcome, "a reconcile of the same world gives the same"
        self.outcome = outcome
        self.status = outcome.status
        self.world = _with(
            self.world,
            ingress=outcome.ingress,
            services=outcome.services,
            endpoints=outcome.endpoints,
            certificates=outcome.certificates,
        )
        return self.shown(outcome)

    def shown(self, outcome: RouteOutcome) -> dict[str, Any]:
        out: dict[str, Any] = {
            "t_ms": (self.now - START) // 1_000_000,
            "status": _status(outcome.status),
            "ingress": _ingress(outcome.ingress),
            "services": [_shown(s) for _, s in sorted(outcome.services.items())] or None,
            "endpoints": [_shown(e) for _, e in sorted(outcome.endpoints.items())] or None,
            "certificates": [_shown(c) for _, c in sorted(outcome.certificates.items())] or None,
            "enqueue_ns": [outcome.requeue] if outcome.requeue else None,
            "events": sorted(outcome.events) or None,
        }
        if outcome.error:
            out["error"] = outcome.error
        return out

    def _service(self, data):
        labels = {**(data.get("labels") or {}), ROUTE_LABEL: self.route.metadata.name}
        meta = ObjectMeta(
            name=data["name"],
            namespace=self.route.metadata.namespace,
            labels=labels,
            owner_references=(_owner(self.route),),
        )
        return Service.model_validate({"metadata": meta, "spec": {"type": "ExternalName"}})


def _with(world: RouteWorld, **changes: Any) -> RouteWorld:
    kept = {f: getattr(world, f) for f in RouteWorld.__slots__}
    return RouteWorld(**{**kept, **changes})


def _owner(route):
    # the reference cases leave blockOwnerDeletion out of Services that were there before
    made = keys.owner(route.api_version, "Route", route.metadata)
    return made.model_copy(update={"block_owner_deletion": False})


def _configuration(data):
    return ConfigurationState(data.get("latest_ready") or "", bool(data.get("failed")))


def _revision(data):
    ready = False if data.get("failed") else None if data.get("not_ready") else True
    return RevisionState(data.get("config") or "", data.get("service") or "", bool(data.get("h2c")), ready)


def _status(status):
    conditions = [{**c, "lastTransitionTime": None} for c in status["conditions"]]
    return {**status, "conditions": conditions}


def _ingress(ingress):
    return {**to_dict(ingress), "status": {}} if ingress else None


def _shown(item):
    data = item.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    if isinstance(item, Service):
        data.setdefault("spec", {})["type"] = item.spec.type
    return data


def comparable(step: dict[str, Any]) -> dict[str, Any]:
    """A step with sets for what upstream orders at random, and without what a pure function has not."""
    out = {k: v for k, v in step.items() if k in COMPARED}
    if out.get("ingress"):
        ingress = out["ingress"] = _plain(out["ingress"])
        ingress["spec"]["tls"] = sorted(ingress["spec"].get("tls", []), key=str)
        if len(ingress["spec"]["tls"]) > 1:
            # upstream's order of cluster-local entries is random, and a new order a new generation
            ingress["metadata"] = {k: v for k, v in ingress["metadata"].items() if k != "generation"}
    for name in ("services", "endpoints", "certificates"):
        out[name] = [_plain(i) for i in out.get(name) or ()]
    return out


COMPARED = (
    "t_ms",
    "status",
    "ingress",
    "services",
    "endpoints",
    "certificates",
    "enqueue_ns",
    "events",
    "error",
)


def _plain(item):
    item = {k: v for k, v in item.items() if k not in ("apiVersion", "kind", "status")}
    if "spec" not in item:
        return item
    spec = item["spec"] = dict(item["spec"])
    if spec.get("ports"):
        # Go writes a port's target be it said or not
        spec["ports"] = [{"targetPort": 0, **port} for port in spec["ports"]]
    return item
