import subprocess
import sys

import pytest

from knet.kube.apply import covers


@pytest.mark.parametrize(
    ("current", "desired", "said"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": 1}, {"b": None}, False),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2}}, True),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [{"n": "x", "defaulted": True}]}, {"a": [{"n": "x"}]}, True),
        ({"a": [{"n": "x"}]}, {"a": [{"n": "y"}]}, False),
        ({"a": "x"}, {"a": {"x": 1}}, False),
    ],
)
def test_covers(current, desired, said):
    assert covers(current, desired) is said


def test_no_kubernetes_library_is_imported():
    code = "import sys, knet.kube.client, knet.kube.informer, knet.kube.workqueue; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
