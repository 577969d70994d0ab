"""What `knet migrate` removes of an Istio whose controller does not run any longer: what no KIngress owns goes as well."""

from __future__ import annotations

from embedded import embedded
from gateway_live import defined, definition, namespaces
from knet.backends.istio.secrets import ORIGIN_NAMESPACE
from knet.control.definitions import definitions
from knet.install.migrate_seen import leftovers
from knet.kube.resources import GATEWAYS, INGRESSES, SECRETS, VIRTUAL_SERVICES
from knet.model.meta import controlled_by
from objects import ingress, path, rule, split
from support import CLASSES


def owned(kind, name, *owner):
    meta = {"name": name, "namespace": "default"}
    if owner:
        meta["ownerReferences"] = [controlled_by(*owner)]
    spec = {"hosts": ["a.example.com"]} if kind is VIRTUAL_SERVICES else {"selector": {}, "servers": []}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, "spec": spec}


async def test_certificates_go_with_the_last_kingress_of_the_class():
    async with embedded() as running, running.client() as api:
        await defined(api, [*definitions(), definition(GATEWAYS), definition(VIRTUAL_SERVICES)])
        await namespaces(api, "default", "istio-system")
        spec = rule(["a.example.com"], path(split("a")))
        gone = await api.create(INGRESSES, ingress("gone", spec))
        stays = ingress("stays", rule(["b.example.com"], path(split("a"))))
        stays["metadata"]["annotations"] = dict.fromkeys(stays["metadata"]["annotations"], CLASSES["istio"])
        stays = await api.create(INGRESSES, stays)
        for kind, item in (("gone", gone), ("stays", stays)):
            owner = INGRESSES.api_version, INGRESSES.kind, kind, item["metadata"]["uid"]
            await api.create(VIRTUAL_SERVICES, owned(VIRTUAL_SERVICES, kind, *owner))
        await api.create(GATEWAYS, owned(GATEWAYS, "wildcard-1", "v1", "Secret", "cert", "uid"))
        await api.create(GATEWAYS, owned(GATEWAYS, "somebodys"))
        for name, labels in (("copy", {ORIGIN_NAMESPACE: "default"}), ("other", {})):
            meta = {"name": name, "namespace": "istio-system", "labels": labels}
            await api.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": meta})

        async def found():
            left = await leftovers(api, "istio", CLASSES["kourier"])
            return {(kind.kind, key) for kind, key in left}

        assert await found() == {("VirtualService", ("default", "gone"))}
        await api.delete(INGRESSES, "stays", "default")
        assert await found() == {
            ("VirtualService", ("default", "gone")),
            ("Gateway", ("default", "wildcard-1")),
            ("Secret", ("istio-system", "copy")),
        }
