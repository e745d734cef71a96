"""A forge with alice and bob in it: the real one that the environment names, or the scripted one."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hiveforge.application import run
from hivetesting.forge.members import Place, settle
from hivetesting.forge.site import Site, open_site, scripted_site


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(tmp_path_factory.mktemp("forge")) as site:
        yield site


@pytest.fixture(scope="session")
def members(site: Site) -> tuple[str, dict[str, str]]:
    suffix = secrets.token_hex(3)
    tokens = {name: site.user(name) for name in (f"alice-{suffix}", f"bob-{suffix}")}
    site.organization(f"org-{suffix}", *tokens)
    return f"org-{suffix}", tokens


@pytest.fixture
def place(site: Site, members: tuple[str, dict[str, str]], tmp_path: Path) -> Place:
    org, tokens = members
    repo = site.repository(org, f"repo-{secrets.token_hex(4)}")
    return settle(site, repo, tokens, tmp_path, run)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Place]:
    """A place on a forge that obeys: for faults, which a real one does not have on demand."""
    with scripted_site(tmp_path / "forge") as site:
        tokens = {name: site.user(name) for name in ("alice", "bob")}
        site.organization("guild", *tokens)
        yield settle(site, site.repository("guild", "main"), tokens, tmp_path, run)
