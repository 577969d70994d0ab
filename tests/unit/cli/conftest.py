"""A gateway of the tests' own, so that the commands are tested without any real one."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from knet import checks
from knet.backends import registry
from knet.backends.api import Capabilities, Rendered
from knet.cli.main import cli
from knet.errors import KnetError, ObjectRef


class Plain:
    """Renders one object for each KIngress; cannot do KIngresses that are called `odd`."""

    def __init__(self, name="plain"):
        self.name = name
        self.ingress_class = f"{name}.example.com"
        self.capabilities = Capabilities(named_ports=False)

    def settings(self, world):
        return dict(world.config("config-plain")), ()

    def render(self, table, settings, changed=None):
        odd = frozenset(key for key in table.ingresses if key[1] == "odd")
        found = tuple(
            checks.INVALID("is odd", about=ObjectRef("Ingress", *key), field="spec", gateway=self.name)
            for key in odd
        )
        objects = tuple(
            {"kind": "Plain", "metadata": {"namespace": ns, "name": name}, "spec": settings}
            for ns, name in table.ingresses
            if (ns, name) not in odd
        )
        return Rendered(objects=objects, left_out=odd, diagnostics=found)

    def documents(self, rendered):
        return list(rendered.objects)


class Sections(Plain):
    """The same, as sections of resources."""

    def documents(self, rendered):
        return {"routes": [{"name": o["metadata"]["name"]} for o in rendered.objects]}


@pytest.fixture
def installed(monkeypatch):
    """The gateways that are installed, by name; a KnetError stands for one that cannot be loaded."""
    found = {"plain": Plain(), "sections": Sections("sections")}

    def load(name):
        if name not in found:
            raise KnetError(checks.PLUGIN_FAILED(f"no gateway is called {name}"))
        if isinstance(found[name], KnetError):
            raise found[name]
        return found[name]

    monkeypatch.setattr(registry, "names", lambda: tuple(sorted(found)))
    monkeypatch.setattr(registry, "load", load)
    return found


@pytest.fixture
def knet(installed, tmp_path, monkeypatch):
    """`knet("render", ...)` in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, [str(a) for a in arguments], input=stdin, prog_name="knet")

    return run


INGRESS = """\
apiVersion: networking.internal.knative.dev/v1alpha1
kind: Ingress
metadata:
  name: {name}
  namespace: ns
  annotations: {{networking.knative.dev/ingress-class: {cls}}}
spec:
  rules:
  - hosts: [{name}.example.com]
    http:
      paths:
      - splits: [{{serviceNamespace: ns, serviceName: {name}, servicePort: 80, percent: {percent}}}]
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: ns}}
spec: {{ports: [{{port: 80}}]}}
"""


@pytest.fixture
def ingress():
    """`ingress("a")`: YAML of a KIngress of the plain gateway and its Service."""

    def make(name="a", cls="plain.example.com", percent=100):
        return INGRESS.format(name=name, cls=cls, percent=percent)

    return make
