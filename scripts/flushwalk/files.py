"""Writing a file whole or not at all: a full disk or a Ctrl-C leaves the old one."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Puts `data` at `path` in one step. Raises OSError, naming the path that was asked for."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        if part.exists():
            part.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None
