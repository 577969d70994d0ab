"""Every queue-proxy that Knative's own Deployments start can be one of ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knet.dataplane.queue_config import QueueBootstrap
from knet.dataplane.queue_settings import read
from knet.local.pods.images import samples
