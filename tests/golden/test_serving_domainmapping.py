"""DomainMappings and Services become what Knative's controllers make of them."""

from __future__ import annotations

import json

import pytest

from knet.model import domainmapping, network, serving
from knet.model.kingress import IngressTLS, to_dict
from knet.model.meta import ObjectMeta
from knet.model.network_certificate import HTTP01Challenge
from knet.serving.domainmapping import make_certificate, make_claim, make_ingress
from knet.serving.service import make_configuration, make_route
from support import golden_names, golden_output, needs_golden

MAPPINGS = golden_names("domainmapping/inputs", "*.json")
SERVICES = golden_names("serving/inputs", "*.json")


def plain(item):
    data = item if isinstance(item, dict) else item.model_dump(by_alias=True, exclude_defaults=True)
    return json.loads(json.dumps({k: v for k, v in data.items() if k in ("metadata", "spec")}))


@needs_golden
@pytest.mark.parametrize("case", MAPPINGS)
def test_domain_mapping(case):
    given = golden_output(f"domainmapping/inputs/{case}.json")
    wanted = golden_output(f"domainmapping/outputs/{case}.json")
    mapping = domainmapping.parse(given["domainMapping"])
    settings, bad = network.parse(given.get("config-network") or {})
    assert not bad
    made = make_ingress(
        mapping,
        settings,
        host=given["host"],
        service=given["backend"],
        ingress_class=given["ingress_class"],
        tls=[IngressTLS.model_validate(t) for t in given.get("tls") or ()],
        challenges=[HTTP01Challenge.model_validate(c) for c in given.get("challenges") or ()],
    )
    assert plain(to_dict(made)) == plain(wanted["ingress"])
    certificate = make_certificate(mapping, settings.certificate_class)
    assert plain(certificate) == plain(wanted["certificate"])
    assert make_claim(mapping) == wanted["claim"]


@needs_golden
@pytest.mark.parametrize("case", SERVICES)
def test_service(case):
    given = golden_output(f"serving/inputs/{case}.json")
    wanted = golden_output(f"serving/outputs/{case}.json")
    # the defaulted Service: what people write of the pod is not this layer's to default
    data = wanted["service"]
    service = serving.parse({**data, "kind": "Service", "apiVersion": serving.API_VERSION})
    service = service.model_copy(update={"metadata": service.metadata.model_copy(update={"uid": "svc-uid"})})
    assert service.metadata.name == given["service"]["metadata"]["name"]
    assert plain(make_route(service)) == plain(wanted["route"])
    configuration = make_configuration(service, ObjectMeta(uid="cfg-uid", generation=7))
    assert plain(configuration)["metadata"] == wanted["configuration"]["metadata"]
