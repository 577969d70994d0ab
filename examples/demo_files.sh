#!/usr/bin/env bash
# knet's main job on the example shop: check it, see what gateways are given, ask where a request goes,
# and read what a canary step would change before it is merged. Called by `make demo-files`.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

bold=$'\e[1m' plain=$'\e[0m'
if [ ! -t 1 ] || [ -n "${NO_COLOR:-}" ]; then bold='' plain=''; fi
step() { printf '\n%s%s%s\n' "$bold" "$1" "$plain"; }
run() { printf '$'; printf ' %q' "$@"; echo; "$@"; }
# a command whose exit status tells something, as diff's does
status() { local want=$1; shift; printf '$'; printf ' %q' "$@"; echo; local got=0; "$@" || got=$?; [ "$got" = "$want" ]; }

cp -r examples/shop "$work/shop"
cd "$work"
git init -q -b main . && git add -A
git -c user.name=demo -c user.email=demo@example.com commit -qm "The shop as it is"

step "1. Is everything in order? All files at once, for every gateway."
run knet validate shop

step "2. What does each gateway get? (counts here; knet render prints it all)"
for gateway in istio contour kourier; do
  knet render -f shop --gateway "$gateway" --out "out/$gateway" -q
  printf '  %-8s %s files\n' "$gateway" "$(find "out/$gateway" -name '*.yaml' | wc -l)"
done
printf '$ knet render -f shop --gateway istio   (the canary split of the VirtualService)\n'
knet render -f shop --gateway istio -q | grep -m1 -A14 'hello-00001.default.svc' || true

step "3. Where does a request go, and why?"
run knet explain http://canary-hello.default.example.com/api -H 'Knative-Serving-Tag: canary' -f shop

step "4. The canary takes its next step, in Git: comments and order of the file stay as they are."
run knet traffic set hello --to hello-00002=50 -f shop/hello.yaml

step "5. What would merging that change?"
status 1 knet diff git:main . --gateway all

step "6. And a guard for CI: no revision may move by more than 20 points at once."
status 1 knet diff git:main . --max-shift 20 --only meaning
