"""Which runtime this hive has: HIVE_RUNTIME decides."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime

from hivecommon.command import Run

from hive_lifecycle.config import LifecycleConfig
from hive_lifecycle.local import LocalRuntime
from hive_lifecycle.nixos import NixosRuntime
from hive_lifecycle.nixos_config import read_nixos_config, require_access
from hive_lifecycle.runtime import Runtime


@contextmanager
def open_runtime(
    config: LifecycleConfig,
    environ: Mapping[str, str],
    run: Run,
    clock: Callable[[], datetime],
) -> Iterator[Runtime]:
    """Open the hive's runtime; agents go on when it is closed. Raises `bad_environment`."""
    if config.hive.runtime == "nixos":
        nixos = read_nixos_config(environ)
        require_access(nixos.paths)
        yield NixosRuntime(config.hive, nixos, run, clock)
        return
    with closing(LocalRuntime(config, run, clock)) as local:
        yield local
