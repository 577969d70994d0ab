"""10,000 KIngress files, and the same with one file changed: `knet render` and `knet diff` as processes.

The baseline of the same run is `git diff --no-index --quiet` on the two trees (reads every file, knows
nothing). Bar (issue 2): diff ≤ 8 s. `one file`: all documents of the tree in a single file.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import synthetic
from knet.text import yaml

COUNT = 10_000
GATEWAY = "kourier"


def write(folder: Path, canary: int, one_file: bool) -> None:
    """The tree; `canary` is the percentage in KIngress 7."""
    folder.mkdir()
    texts = []
    for i in range(COUNT):
        documents = [synthetic.ingress(i, GATEWAY, canary if i == 7 else 10), *synthetic.backends(i)]
        texts.append(yaml.dump_all(documents))
    if one_file:
        (folder / "all.yaml").write_text("---\n".join(texts))
    else:
        for i, text in enumerate(texts):
            (folder / f"svc-{i:05d}.yaml").write_text(text)


def run(*command: str, want: int) -> tuple[float, float]:
    """(seconds, peak MB of the largest child so far) of a command that must exit with `want`."""
    start = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True)
    took = time.perf_counter() - start
    if done.returncode != want:
        raise SystemExit(f"{' '.join(command)} exited {done.returncode}: {done.stderr.decode()[-2000:]}")
    return took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def main() -> None:
    print("| what | s | × git diff | peak MB |")
    print("|---|---|---|---|")
    knet = (sys.executable, "-m", "knet")
    with tempfile.TemporaryDirectory() as folder:
        for form, one_file in (("files", False), ("one file", True)):
            old, new = Path(folder, f"old-{one_file}"), Path(folder, f"new-{one_file}")
            write(old, 10, one_file)
            write(new, 50, one_file)
            base, _ = run("git", "diff", "--no-index", "--quiet", str(old), str(new), want=1)
            print(f"| git diff --no-index, {form} | {base:.1f} | 1.0 | |")
            for name, command, want in (
                ("knet diff", (*knet, "diff", str(old), str(new), "--gateway", GATEWAY), 1),
                ("knet diff, three gateways", (*knet, "diff", str(old), str(new), "--gateway", "all"), 1),
                ("knet render", (*knet, "render", "-f", str(old), "--gateway", GATEWAY, "-o", "json"), 0),
            ):
                took, peak = run(*command, want=want)
                print(f"| {name}, {form} | {took:.1f} | {took / base:.1f} | {peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()
