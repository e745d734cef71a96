"""What has to be copied as of one instant: the bus's streams, and the databases that keep up with them.

Everything here is copied while the bus stands still. Nothing can be acknowledged or published then, so
no database gets ahead of the streams: a message that is in the copy as unread is unread in its agent's
database, or finished there and not answered a second time.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hivecommon.errors import HiveError
from hivecommon.home import HiveHome

from hivectl.backup.databases import WAL, copy_agents, copy_own
from hivectl.backup.walking import walk

AGENTS_DATABASES: Final = ("hyperhive-events.sqlite", "hyperhive-harness.sqlite")


@dataclass
class Snapshot:
    """Copies of what was copied at one instant, by their paths below the hive's home."""

    directory: Path
    """Where the copies lie, under the same paths."""
    status: dict[str, os.stat_result] = field(default_factory=dict)
    """Whose each was, and with which mode."""
    covered: set[str] = field(default_factory=set)
    """What need not be looked at any more, whether there is a copy or not."""

    def place(self, path: str) -> Path:
        """Return where the copy of `path` belongs."""
        place = self.directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def take(home: HiveHome, directory: Path, unread: Callable[[str], None]) -> Snapshot:
    """Copy all that belongs together; tell `unread` what of an agent's could not be copied."""
    snapshot = Snapshot(directory)
    _streams(home, snapshot, unread)
    for database in sorted(home.root.glob("*.sqlite")):
        snapshot.covered |= {database.name, database.name + WAL}
        copy_own(database, snapshot.place(database.name))
        snapshot.status[database.name] = database.stat()
    for agent in sorted(home.agents.glob("*")):
        for name in AGENTS_DATABASES:
            _agents(agent.name, name, home, snapshot, unread)
    return snapshot


def _streams(home: HiveHome, snapshot: Snapshot, unread: Callable[[str], None]) -> None:
    store = home.jetstream
    top = store.relative_to(home.root).as_posix()
    for found in walk(store, unread=unread):
        path = f"{top}/{found.path}"
        snapshot.covered.add(path)
        if found.path == "nats-server.pid" or not (found.is_file or found.is_directory):
            continue
        place = snapshot.place(path)
        if found.is_directory:
            place.mkdir(exist_ok=True)
        else:
            with found.open() as source, place.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
        snapshot.status[path] = found.status


def _agents(
    agent: str, name: str, home: HiveHome, snapshot: Snapshot, unread: Callable[[str], None]
) -> None:
    below = f"agents/{agent}/state"
    try:
        with _opened(home.agents, agent, "state") as folder:
            os.stat(name, dir_fd=folder, follow_symlinks=False)
            snapshot.covered |= {f"{below}/{name}", f"{below}/{name}{WAL}"}
            for copied in copy_agents(name, folder, snapshot.place(f"{below}/{name}")):
                status = os.stat(copied, dir_fd=folder, follow_symlinks=False)
                snapshot.status[f"{below}/{copied}"] = status
    except (FileNotFoundError, NotADirectoryError):
        return  # an agent that never ran
    except OSError as error:
        unread(f"{below}/{name}: {error.strerror or error}")
    except HiveError as error:
        unread(f"{below}/{name}: {error.message}")


@contextmanager
def _opened(top: Path, *names: str) -> Iterator[int]:
    """Open a directory step by step, following no link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    folder = os.open(top, flags)
    try:
        for name in names:
            inner = os.open(name, flags | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)
