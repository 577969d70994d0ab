#!/usr/bin/env bash
# Builds the programs of go.mod into the directory $1: etcd, kube-apiserver, kubectl (envtest's names), and puts
# Debian's old kubectl beside them as kubectl-debian where apt-get knows it. No root is needed.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")"
mkdir -p "$out"

version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
IFS=. read -r _ minor _ <<<"$version"
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$minor"
export CGO_ENABLED=0

build() { # NAME PACKAGE
	nice -n 19 go build -trimpath -buildvcs=false -ldflags "$flags" -o "$out/$1" "$2"
}
build etcd go.etcd.io/etcd/server/v3
build kubectl k8s.io/kubernetes/cmd/kubectl
build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if command -v apt-get dpkg-deb >/dev/null && (cd "$scratch" && apt-get download -qq kubernetes-client) 2>"$scratch/why"; then
	dpkg-deb -x "$scratch"/kubernetes-client_*.deb "$scratch"
	install "$scratch/usr/bin/kubectl" "$out/kubectl-debian"
else
	echo "no kubectl-debian: $(tail -1 "$scratch/why" 2>/dev/null || echo 'not a Debian machine')" >&2
fi
