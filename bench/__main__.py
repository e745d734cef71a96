"""`python -m bench [NAME…] [--json] [--save] [--strict]`: measure and compare with the raw things."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

import bench
from bench.frame.figures import Result
from bench.frame.report import as_json, as_text, begin, heading, save

RESULTS = Path(__file__).with_name("results")


def names() -> list[str]:
    """Return the benchmarks: every module beside this one."""
    found = (module.name for module in pkgutil.iter_modules(bench.__path__) if not module.ispkg)
    return sorted(name for name in found if name != "__main__")


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0; 1 when a benchmark could not be run or, with `--strict`, an aim was missed; 2 misused."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--save", action="store_true", help="also write bench/results/<time>.json")
    parser.add_argument("--strict", action="store_true", help="a missed aim is a failure")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(names()):
        parser.error(
            f"there is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(names())}"
        )
    found = begin(datetime.now(UTC))
    if not given.json:
        print(heading(found), end="\n\n")
    failed = _measure(given.names or names(), found.results, quiet=given.json)
    if given.json:
        print(as_json(found))
    if given.save:
        print(f"saved to {save(found, RESULTS)}", file=sys.stderr)
    missed = any(one.met is False for result in found.results for one in result.figures)
    return 1 if failed or (given.strict and missed) else 0


def _measure(chosen: Sequence[str], results: list[Result], *, quiet: bool) -> list[str]:
    """Add each benchmark's result to `results`; return the names of those that failed."""
    failed: list[str] = []
    for name in chosen:
        try:
            result = uvloop.run(importlib.import_module(f"bench.{name}").measure())
        except Exception as error:  # noqa: BLE001 - said, and the others are still measured
            failed.append(name)
            print(f"{name}: could not be measured: {error!r}\n", file=sys.stderr)
            continue
        results.append(result)
        if not quiet:
            print(as_text(result), end="\n\n", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
