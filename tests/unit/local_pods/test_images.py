"""Which command an image stands for, and the file that people edit."""

from __future__ import annotations

import pytest

from knet.local.pods.images import BadImages, Command, Images, lookup, parse, samples

ONE, TWO = Command(("one",)), Command(("two",))


@pytest.mark.parametrize(
    "image",
    ["a/b", "a/b:v1", "a/b@sha256:0abc", "a/b:v1@sha256:0abc", "docker.io/a/b:latest"],
)
def test_tags_and_digests_matter_only_where_they_are_said(image):
    assert lookup(image, {"a/b": ONE}) == ONE
    assert lookup(image, {"a/b": ONE, image: TWO}) == TWO


def test_a_port_is_no_tag():
    assert lookup("localhost:5000/x", {"localhost": ONE}) is None
    assert lookup("localhost:5000/x:1", {"localhost:5000/x": ONE}) == ONE


def test_patterns():
    images = {"local/*": Command(("/bin/{}", "-x")), "local/sub/*": ONE}
    assert lookup("local/runtime:latest", images) == Command(("/bin/runtime", "-x"))
    assert lookup("local/sub/x", images) == ONE
    assert lookup("other/x", images) is None


def test_a_name_with_signs_of_regular_expressions():
    assert lookup("a.b/x", {"a.b/*": ONE}) == ONE
    assert lookup("aXb/x", {"a.b/*": ONE}) is None


def test_added_and_removed_again(tmp_path):
    images = Images(tmp_path / "state" / "images.yaml")
    images.add("shop/cart", ["python", "cart.py", "yes"], "/home/me")
    images.add("local/*", ["/bin/{}"])
    assert images.list()["shop/cart"] == Command(("python", "cart.py", "yes"), "/home/me")
    assert images.find("shop/cart:2").directory == "/home/me"
    assert images.remove("shop/cart")
    assert not images.remove("shop/cart")
    assert list(images.list()) == ["local/*"]


def test_an_edit_by_hand_is_seen(tmp_path):
    images = Images(tmp_path / "images.yaml")
    assert images.find("x") is None
    images.path.write_text("x: [run, it]\n")
    assert images.find("x") == Command(("run", "it"))
    images.path.write_text("x:\n  command: [run, other]\n  directory: /tmp\n")
    assert images.find("x") == Command(("run", "other"), "/tmp")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"- a", "a mapping from image names"),
        (b"x: run it", "x: command has to be a list of words"),
        (b"x: {command: []}", "x: command has to be a list of words"),
        (b"x: [", "images.yaml:"),
    ],
)
def test_what_cannot_be_read_says_so(text, said):
    with pytest.raises(BadImages, match=said):
        parse(text, "images.yaml")


def test_samples_are_there_and_may_be_replaced(tmp_path):
    images = Images(tmp_path / "images.yaml")
    assert images.find("ghcr.io/knative/helloworld-go:latest") == samples()["hello"]
    images.add("hello", ["mine"])
    assert images.find("hello") == Command(("mine",))


@pytest.mark.parametrize(
    "image",
    [
        "knet.dev/queue-proxy",
        "gcr.io/knative-releases/queue:v1",
        "gcr.io/knative-releases/knative.dev/serving/cmd/queue:v1.19.0",
        "gcr.io/knative-releases/knative.dev/serving/cmd/queue-39be6f1d@sha256:0abc",
    ],
)
def test_knatives_queue_proxy_is_ours(image):
    assert "knet.dataplane.queue" in lookup(image, samples()).command
