"""structlog, imported without rich.

Where rich is installed, as it is beside `hive`, structlog imports it for a console renderer that no
part of a hive uses: half of structlog's import, a third of a service's start. Whoever runs a
process imports from here first; after that a plain `import structlog` finds it done.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _as_if_absent(name: str) -> Iterator[None]:
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment] # what the import system takes for "there is none"
    try:
        yield
    finally:
        del sys.modules[name]


with _as_if_absent("rich"):
    import structlog

__all__ = ["structlog"]
