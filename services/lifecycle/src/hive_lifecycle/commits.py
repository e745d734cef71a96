"""Whether a commit can be an agent's configuration, decided from the list of its files."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from hivecommon.contracts.agent_toml import FILE, MAX_BYTES
from hivecommon.errors import HiveError

MAX_FILES: Final = 500
MAX_FILE_BYTES: Final = 256 * 1024
MAX_TREE_BYTES: Final = 1 << 20
MAX_PATH_BYTES: Final = 240
MAX_NIX_FILES: Final = 50
_PLAIN: Final = {"100644": "file", "100755": "executable file"}
_WRONG: Final = {"120000": "a symbolic link", "160000": "a submodule"}


@dataclass(frozen=True)
class Entry:
    """One file of a commit."""

    path: str
    mode: str
    blob: str
    size: int


def parse_tree(listing: bytes) -> list[Entry]:
    """Return the entries that `git ls-tree -r -l -z` lists; raise `bad_commit` for a bad path."""
    entries = []
    for record in filter(None, listing.split(b"\0")):
        head, _, raw = record.partition(b"\t")
        mode, _kind, blob, size = head.decode().split()
        entries.append(Entry(check_path(raw), mode, blob, 0 if size == "-" else int(size)))
    return entries


def check_path(raw: bytes) -> str:
    """Return a path if a human can read it as what it is; raise `bad_commit`."""
    shown = repr(raw[:80].decode(errors="replace"))
    if len(raw) > MAX_PATH_BYTES:
        raise _bad(f"the path {shown}… has {len(raw)} bytes; at most {MAX_PATH_BYTES} are allowed")
    try:
        path = raw.decode()
    except UnicodeDecodeError as error:
        raise _bad(f"the path {shown} is no UTF-8") from error
    if any(unicodedata.category(letter)[0] in "CZ" and letter != " " for letter in path):
        raise _bad(f"the path {shown} has a line break or another invisible character")
    if any(part in {"", ".", ".."} or part.lower() == ".git" for part in path.split("/")):
        raise _bad(f"the path {shown} is not within the repository")
    return path


def check_entries(entries: Iterable[Entry]) -> None:
    """Refuse what is no plain set of small files; raise `bad_commit` naming the file and the bound."""
    count = total = nix = 0
    for entry in entries:
        if entry.mode not in _PLAIN:
            what = _WRONG.get(entry.mode, f"of mode {entry.mode}")
            raise _bad(f"{entry.path!r} is {what}; only plain files are taken")
        bound = MAX_BYTES if entry.path == FILE else MAX_FILE_BYTES
        if entry.size > bound:
            raise _bad(f"{entry.path!r} has {entry.size} bytes; at most {bound} are allowed")
        count, total = count + 1, total + entry.size
        nix += entry.path.endswith(".nix")
        if count > MAX_FILES:
            raise _bad(f"it has more than {MAX_FILES} files")
        if nix > MAX_NIX_FILES:
            raise _bad(f"it has more than {MAX_NIX_FILES} Nix files")
        if total > MAX_TREE_BYTES:
            raise _bad(f"its files have more than {MAX_TREE_BYTES} bytes together")


def _bad(what: str) -> HiveError:
    return HiveError(
        f"the commit cannot be taken: {what}", code="bad_commit",
        hint="correct it, commit again, and ask with the new hash",
    )  # fmt: skip
