"""Writing files so that a reader or a crash never meets half of one."""

import os
from pathlib import Path


def write_atomically(file: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """Put `content` into `file` by rename; return whether anything changed.

    The content is on disk before the name points to it, so that kill -9 and power loss leave
    either the old file or the new one.
    """
    try:
        if file.read_bytes() == content and file.stat().st_mode & 0o777 == mode:
            return False
    except OSError:
        pass  # missing or unreadable: write it anew
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as stream:
        os.fchmod(stream.fileno(), mode)
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(file)
    return True
