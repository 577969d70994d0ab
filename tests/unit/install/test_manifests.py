"""What is installed: every combination renders, names what is there, and starts commands that exist."""

from __future__ import annotations

import itertools

import click
import pytest

from knet.backends.kourier.settings import read as kourier_settings
from knet.cli.main import cli
from knet.errors import KnetError
from knet.install import configmaps
from knet.install.inventory import ref_of
from knet.install.kinds import kind_of
from knet.install.manifests import manifests, text
from knet.install.values import GATEWAYS, Mode, read
from knet.model import features, network, network_domain
from knet.model.core import ConfigMap
from knet.routing.world import World
from knet.scaling import config as autoscaler
from knet.text import yaml

ALL = [
    {"gateway": gateway, "mode": mode, "ha": ha}
    for gateway, mode, ha in itertools.product(GATEWAYS, Mode, (False, True))
] + [
    {"gateway": gateway, "mode": mode, "beside": beside}
    for mode in Mode
    for gateway, beside in itertools.permutations(GATEWAYS, 2)
]


def named(objects, kind):
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


@pytest.mark.parametrize("options", ALL, ids=lambda o: "-".join(map(str, o.values())))
def test_every_combination_is_whole(options):
    objects = manifests(read({}, options))
    names = [(i["kind"], i["metadata"].get("namespace"), i["metadata"]["name"]) for i in objects]
    assert len(set(names)) == len(names)
    for item in objects:
        assert kind_of(item).namespaced == ("namespace" in item["metadata"]), item["metadata"]["name"]
    assert [d.data for d in yaml.load_all(text(read({}, options)))] == objects
    accounts = {
        (i["metadata"]["namespace"], i["metadata"]["name"]) for i in objects if i["kind"] == "ServiceAccount"
    }
    for name, item in named(objects, "Deployment").items():
        pod = item["spec"]["template"]
        assert (item["metadata"]["namespace"], pod["spec"]["serviceAccountName"]) in accounts, name
        assert item["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items(), name
        volumes = {v["name"] for v in pod["spec"]["volumes"]}
        for container in pod["spec"]["containers"]:
            assert {m["name"] for m in container["volumeMounts"]} == volumes, name
            assert container["resources"]["requests"], name
            assert container["readinessProbe"], name
        budget = [b for b in objects if b["kind"] == "PodDisruptionBudget" and
                  b["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()]  # fmt: skip
        assert len(budget) == 1, name
    roles = {*named(objects, "ClusterRole"), *named(objects, "Role")}
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for item in named(objects, kind).values():
            assert item["roleRef"]["name"] in roles
            assert (item["subjects"][0]["namespace"], item["subjects"][0]["name"]) in accounts


@pytest.mark.parametrize("options", ALL, ids=lambda o: "-".join(map(str, o.values())))
def test_what_the_pods_start_is_there(options):
    """The command line of each container is taken by knet's own commands, options and all."""
    checked = 0
    for item in named(manifests(read({}, options)), "Deployment").values():
        for container in item["spec"]["template"]["spec"]["containers"]:
            if container.get("command") == ["envoy"]:
                continue
            check_arguments(container["args"])
            checked += 1
        hook = item["spec"]["template"]["spec"]["containers"][0].get("lifecycle")
        if hook:
            command = hook["preStop"]["exec"]["command"]
            assert command[0] in ("knet", "sleep")
            if command[0] == "knet":
                check_arguments(command[1:])
    assert checked


@pytest.mark.parametrize(("gateway", "beside"), list(itertools.permutations(GATEWAYS, 2)))
@pytest.mark.parametrize("mode", Mode)
def test_beside_one_another_two_gateways_have_what_each_has_alone(gateway, beside, mode):
    """Nothing of either is missing, and one controller is told of both: its start is all that they share."""
    both = {ref_of(i): i for i in manifests(read({}, {"gateway": gateway, "mode": mode, "beside": beside}))}
    for name in (gateway, beside):
        alone = {ref_of(i): i for i in manifests(read({}, {"gateway": name, "mode": mode}))}
        assert alone.keys() <= both.keys()
        for ref, item in alone.items():
            if ref.kind in ("ClusterRole", "Role"):
                assert granted(item) <= granted(both[ref]), ref
            elif ref.name not in ("knet-controller", "config-network"):
                assert both[ref] == item, ref
    (controller,) = [
        i for ref, i in both.items() if (ref.kind, ref.name) == ("Deployment", "knet-controller")
    ]
    arguments = controller["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[arguments.index("--gateway") + 1] == gateway
    assert arguments[arguments.index("--beside") + 1] == beside


def granted(role):
    return {
        (group, resource, name, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
        for verb in rule["verbs"]
    }


def check_arguments(arguments):
    """Parses a command line without running it. What it does not know, click refuses."""
    command, context, rest = cli, click.Context(cli), list(arguments)
    while isinstance(command, click.Group):
        name, command, rest = command.resolve_command(context, rest)
        assert command is not None, name
        if not isinstance(command, click.Group):
            command.make_context(name, rest, parent=context)


def test_examples_are_the_defaults():
    """What `_example` shows is what the code takes where nothing is set: the readers themselves say so."""
    texts = {name: configmaps.example(entries) for name, entries in configmaps.keys().items()}
    data = {name: yaml.load_all(example.encode())[0].data or {} if yaml.load_all(example.encode()) else {}
            for name, example in texts.items()}  # fmt: skip
    assert all(isinstance(v, str) for found in data.values() for v in found.values())
    assert network.parse(data["config-network"]) == (network.NetworkConfig(), ())
    assert features.parse(data["config-features"])[1] == ()
    for key, value in data["config-features"].items():
        assert features.Features().flag(key) == value, key
    assert autoscaler.parse(data["config-autoscaler"]) == autoscaler.Config()
    domains, problems = network_domain.parse(data["config-domain"])
    assert not problems
    assert domains
    item = ConfigMap.model_validate({
        "apiVersion": "v1", "kind": "ConfigMap", "data": data["config-kourier"],
        "metadata": {"name": "config-kourier", "namespace": "knative-serving"},
    })  # fmt: skip
    shown, problems = kourier_settings(World(config_maps={item.key: item}))
    assert not problems
    assert shown == kourier_settings(World())[0]


def test_an_edited_example_is_noticed():
    found = named(manifests(read({}, {})), "ConfigMap")["config-network"]
    example = found["data"]["_example"]
    assert found["metadata"]["annotations"][configmaps.CHECKSUM] == configmaps.checksum(example)
    assert configmaps.checksum(example + "x") != configmaps.checksum(example)
    assert configmaps.checksum(f"\n{example}\n") == configmaps.checksum(example)


def test_values_of_a_file_and_of_options():
    made = read(
        {"image": "a/b:1", "envoy": {"httpNodePort": 30080, "replicas": 3}}, {"image": None, "ha": True}
    )
    assert made.image == "a/b:1"
    deployments = named(manifests(made), "Deployment")
    assert deployments["3scale-kourier-gateway"]["spec"]["replicas"] == 3
    assert deployments["knet-controller"]["spec"]["replicas"] == 2
    ports = named(manifests(made), "Service")["kourier"]["spec"]["ports"]
    assert ports[0]["nodePort"] == 30080


@pytest.mark.parametrize(
    ("file", "options", "said"),
    [
        ({"a": 1}, {}, "KNET380: a: Extra inputs"),
        ({"envoy": {"replicas": -1}}, {}, "KNET380: envoy.replicas: "),
        ({}, {"gateway": "kong"}, "kong is none of"),
        (
            {},
            {"gateway": "istio", "replace": "net-kourier", "mode": "ingress-only"},
            "cannot be replaced by istio",
        ),
        ({}, {"gateway": "istio", "replace": "net-istio"}, "in an upstream Serving only"),
        ({}, {"gateway": "istio", "beside": "istio"}, "--beside istio goes with another --gateway"),
        ({}, {"gateway": "istio", "beside": "kong"}, "kong is none of"),
        ({"config": {"config-network": {"a": 1}}}, {}, "KNET380: config.config-network.a: "),
    ],
)
def test_wrong_values_are_named(file, options, said):
    with pytest.raises(KnetError, match=said):
        read(file, options)
