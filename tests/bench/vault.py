"""What encryption at rest costs an image on its way in: the same puts into a plain and an encrypted folder of one ext4.

`python -m tests.bench.vault`; needs root, mkfs.ext4 and loop devices. The least of several rounds counts.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

from edge.store import Objects, vault

_ROUNDS = 9
_BYTES = 10_000_000
"""A radiograph of 5 million pixels."""


def main() -> None:
    """Prints one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        image, where = Path(folder) / "disk.img", Path(folder) / "mounted"
        where.mkdir()
        with image.open("wb") as file:
            file.truncate(1 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-O", "encrypt", str(image)], check=True)
        subprocess.run(["mount", "-o", "loop", str(image), str(where)], check=True)
        try:
            for name in ("plain", "encrypted"):
                (where / name).mkdir()
            vault.encrypt(where / "encrypted", os.urandom(vault.KEY_BYTES))
            stores = {name: Objects(where / name) for name in ("plain", "encrypted")}
            took: dict[str, list[float]] = {name: [] for name in stores}
            for _ in range(_ROUNDS):
                for name, objects in stores.items():
                    content = os.urandom(_BYTES)
                    began_s = time.perf_counter()
                    objects.put(content)
                    took[name].append(time.perf_counter() - began_s)
        finally:
            subprocess.run(["umount", "--lazy", str(where)], check=True)
    least = {name: round(1000 * min(values), 1) for name, values in took.items()}
    print(
        json.dumps(
            {"image_mb": _BYTES / 1e6, "least_ms": least, "more_ms": round(least["encrypted"] - least["plain"], 1)}
        )
    )


if __name__ == "__main__":
    main()
