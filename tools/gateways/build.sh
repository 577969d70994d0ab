#!/usr/bin/env bash
# Builds control planes of gateways into the directory $1, each from its own go.mod beside this file: contour and
# pilot-discovery (istiod), with their CRDs as contour-crds.yaml and istio-crds.yaml. Names after $1 choose some.
set -euo pipefail
out=$(realpath -m "$1")
shift
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
export CGO_ENABLED=0

build() { # DIRECTORY PROGRAM MODULE PACKAGE CRDS TAGS
	cd "$here/$1"
	go mod download "$3"
	nice -n 19 go build -trimpath -buildvcs=false -tags "$6" -ldflags "-s -w" -o "$out/$2" "$3/$4"
	install -m 644 "$(go list -m -f '{{.Dir}}' "$3")/$5" "$out/$1-crds.yaml"
}
for name in "${@:-contour istio}"; do
	for one in $name; do
		case $one in
		contour) build contour contour github.com/projectcontour/contour cmd/contour examples/contour/01-crds.yaml "" ;;
		# The tags are those of istio's own Makefile.
		istio) build istio pilot-discovery istio.io/istio pilot/cmd/pilot-discovery \
			manifests/charts/base/files/crd-all.gen.yaml vtprotobuf,disable_pgv ;;
		*)
			echo "unknown gateway $one: contour or istio" >&2
			exit 2
			;;
		esac
	done
done
