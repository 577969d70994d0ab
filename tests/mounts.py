"""Secrets as pods have them."""

from __future__ import annotations

import base64


class Mount:
    """A Secret's files as kubelet keeps them: all are exchanged at once, by one link."""

    def __init__(self, folder):
        self.folder = folder
        self._count = 0
        folder.mkdir()

    def update(self, secret):
        self._count += 1
        version = self.folder / f"..{self._count}"
        version.mkdir()
        for name, text in secret["data"].items():
            (version / name).write_bytes(base64.b64decode(text))
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        link = self.folder / "..data_tmp"
        link.symlink_to(version.name)
        link.replace(self.folder / "..data")
