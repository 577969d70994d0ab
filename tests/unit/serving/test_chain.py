"""The chain from a Service to the gateway: what each link says, and who is to blame."""

from __future__ import annotations

from chains import KEY, LABELS, item, world
from knet.cli.explain_chain import lines
from knet.serving.chain import KSERVICE, State, revisions_of, service_chain


def test_all_is_well():
    link = service_chain(world(), KEY)
    assert link.culprit is None
    text = "\n".join(lines(link))
    for words in (
        "Service hello  http://hello.default.example.com",
        "Deployment hello-00001-deployment  1 of 1 pods ready",
        "100 % hello-00001 (tag blue)",
        "Ingress hello  class kourier.x",
    ):
        assert words in text
    assert "waits for" not in text


def test_a_container_that_ends_is_to_blame():
    pod = item("p", "False", labels=LABELS)
    ended = {"terminated": {"exitCode": 3, "message": "no such file: settings.yaml"}}
    pod["status"]["containerStatuses"] = [{"name": "user-container", "state": ended, "ready": False}]
    held = world(Pod={("default", "p"): pod})
    held[KSERVICE][KEY] = item(status="False", reason="RevisionFailed", message="Revision failed")
    held["Deployment"]["default", "hello-00001-deployment"]["status"] = {}
    link = service_chain(held, KEY)
    culprit = link.culprit
    assert (culprit.kind, culprit.state) == ("Pod", State.FAILED)
    assert culprit.said == "user-container exited with 3: no such file: settings.yaml"
    assert lines(link)[-1] == f"It waits for Pod p: {culprit.said}"


def test_a_class_that_nobody_claims():
    held = world()
    held["Ingress"][KEY]["status"] = {}
    culprit = service_chain(held, KEY).culprit
    assert culprit.kind == "Ingress"
    assert "no controller has taken it up" in culprit.said
    assert "kourier.x" in culprit.said


def test_a_certificate_that_is_awaited_says_why():
    held = world(
        Certificate={("default", "route-1"): item("route-1", "False", "Bad", "no such issuer: acme")}
    )
    held["Ingress"][KEY] = item(status="Unknown")
    assert service_chain(held, KEY).culprit.kind == "Ingress"
    why = ("CertificateNotReady", "Certificate route-1 is not ready: Bad")
    route = held["Route"][KEY] = item(status="Unknown", reason=why[0], message=why[1])
    asked = {"type": "CertificateProvisioned", "status": "Unknown", "reason": why[0], "message": why[1]}
    route["status"]["conditions"].append(asked)
    culprit = service_chain(held, KEY).culprit
    assert (culprit.kind, culprit.name, culprit.state) == ("Certificate", "route-1", State.FAILED)
    assert culprit.said == "Bad: no such issuer: acme"
    asked["message"] = "There is an existing certificate route-1 that we don't own."
    assert service_chain(held, KEY).culprit.kind == "Ingress"
    asked.update(status="True", message="Certificate route-1 is not ready downgrade HTTP.")
    assert service_chain(held, KEY).culprit.kind == "Ingress"


def test_what_is_not_there_and_what_was_not_looked_at():
    assert service_chain({}, KEY).state is State.MISSING
    culprit = service_chain(world(Route={}), KEY).culprit
    assert (culprit.kind, culprit.state) == ("Route", State.MISSING)
    held = world(Configuration={KEY: item(observed=0)})
    culprit = service_chain(held, KEY).culprit
    assert (culprit.kind, culprit.said) == ("Configuration", "its last change has not been looked at yet")


def test_revisions_of_a_configuration():
    assert revisions_of(world(), KEY) == ["hello-00001"]
    assert revisions_of(world(), ("other", "hello")) == []
