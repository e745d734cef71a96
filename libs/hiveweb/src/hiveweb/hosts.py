"""The host names by which a browser reaches a page on its own machine."""

from typing import Final

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
