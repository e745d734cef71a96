"""Stand-in for nix and `nix-env --set`: makes a system out of one agent's part of a flake.

It expects what the hive's meta flake is: a git work tree with `flake.nix`, which names every
attribute, and one directory `agents/ATTRIBUTE` each. Like nix it sees only what git tracks.
"""

# A stand-in for a program of the host: starting processes is what it does.

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from hivetesting.nixos.layout import Layout

INPUTS = re.compile(r"^    ([a-z-]+)\.url = ", re.MULTILINE)
THROWS = re.compile(r"throw\s+\"([^\"]*)\"")


def main(root: str) -> int:
    """Run one command line: `flake lock DIR` or `build … FLAKE#nixosConfigurations."NAME"…`."""
    words = sys.argv[1:]
    if words[:2] == ["flake", "lock"]:
        return lock(Layout(Path(root)), Path(words[2]))
    if words[:1] == ["build"] and "--no-link" in words:
        tree, _, attribute = words[-1].partition("#")
        link = Path(root) / f"result-{time.monotonic_ns()}"
        code = build(Layout(Path(root)), tree, attribute.split('"')[1], link)
        link.unlink(missing_ok=True)
        return code
    return _error(f"this stand-in does not know: nix {' '.join(words)}")


def lock(layout: Layout, tree: Path) -> int:
    """Lock each input that is not locked, at the newest revision that the host's knobs tell."""
    file = tree / "flake.lock"
    known = json.loads(file.read_text()) if file.exists() else {}
    nodes = known.get("nodes") or {"root": {"inputs": {}}}
    for name in INPUTS.findall((tree / "flake.nix").read_text()):
        if name not in nodes["root"]["inputs"]:
            nodes["root"]["inputs"][name] = name
            nodes[name] = {"locked": {"rev": f"{layout.knobs().newest}-{name}"}}
    file.write_text(json.dumps({"nodes": nodes, "root": "root", "version": 7}))
    return 0


def build(layout: Layout, flake: str, attribute: str, link: Path) -> int:
    """Build `flake#attribute` and point `link` at it; non-zero and words on stderr if it fails."""
    layout.pass_gate("build", attribute)
    knobs = layout.knobs()
    time.sleep(knobs.build_s)
    tree, _, revision = flake.removeprefix("git+file://").partition("?rev=")
    prefix = f"agents/{attribute}/"
    found = _committed(tree, revision) if revision else _tracked(Path(tree))
    flake_text = found.get("flake.nix")
    locked = found.get("flake.lock", b"")
    if flake_text is None:
        return _error(f"path '{tree}' does not contain a 'flake.nix' that git knows")
    sources = {name: content for name, content in found.items() if name.startswith(prefix)}
    if not sources or f'"{attribute}"'.encode() not in flake_text:
        return _error(f"flake '{tree}' does not provide 'nixosConfigurations.\"{attribute}\"'")
    for name, content in sources.items():
        thrown = THROWS.search(content.decode(errors="replace"))
        if thrown:
            return _error(f"{thrown[1]}\n       at {tree}/{name}")
    if attribute in knobs.failing_builds:
        return _error(f"builder for '/nix/store/x-{attribute}.drv' failed with exit code 2")
    if any(revision.encode() in locked for revision in knobs.failing_revisions):
        return _error(f"builder for '/nix/store/x-{attribute}.drv' failed on these inputs")
    system = _store_system(layout, attribute, prefix, sources, flake_text + locked)
    temporary = link.with_name(f"{link.name}.{time.monotonic_ns()}")
    temporary.symlink_to(system)
    temporary.replace(link)
    return 0


def set_profile(layout: Layout, name: str, system: Path) -> None:
    """Make `system` the newest generation of a container's profile; the same one makes none."""
    profile = layout.profiles / name
    profile.mkdir(parents=True, exist_ok=True)
    if (profile / "system").exists() and (profile / "system").resolve() == system:
        return
    number = 1 + len(list(profile.glob("system-*-link")))
    generation = profile / f"system-{number}-link"
    generation.symlink_to(system)
    temporary = profile / f"system.{number}.tmp"
    temporary.symlink_to(generation.name)
    temporary.replace(profile / "system")


def _tracked(tree: Path) -> dict[str, bytes]:
    names = _git(str(tree), "ls-files", "-z").decode().split("\0")
    return {name: (tree / name).read_bytes() for name in names if name and (tree / name).is_file()}


def _committed(tree: str, revision: str) -> dict[str, bytes]:
    import tarfile  # noqa: PLC0415 - slow to import, and few commands need it

    with tarfile.open(fileobj=io.BytesIO(_git(tree, "archive", revision))) as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() for name, file in files.items() if file is not None}


def _git(tree: str, *argv: str) -> bytes:
    command = ["git", "-C", tree, *argv]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def _store_system(
    layout: Layout, attribute: str, prefix: str, sources: dict[str, bytes], flake_text: bytes
) -> Path:
    digest = hashlib.sha256(flake_text)
    for name in sorted(sources):
        digest.update(name.encode() + b"\0" + sources[name] + b"\0")
    system = layout.store / f"{digest.hexdigest()[:32]}-nixos-system-{attribute}"
    if system.exists():
        return system
    making = system.with_name(f"{system.name}.{time.monotonic_ns()}.making")
    for name, content in sources.items():
        path = making / "sources" / name.removeprefix(prefix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (making / "agent").write_text(attribute)
    for script in ("init", "bin/switch-to-configuration"):
        path = making / script
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m hivetesting.nixos.guest "$@"\n')
        path.chmod(0o755)
    try:
        making.rename(system)
    except OSError:  # another build of the same thing was first
        shutil.rmtree(making)
    return system


def _error(message: str) -> int:
    sys.stderr.write(f"error: {message}\n")
    return 1
