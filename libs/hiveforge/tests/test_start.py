"""How it starts: fast, lean, with help for every verb and completion for three shells."""

import os
import pty
import select
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest
from hiveforge.application import make_verbs
from hiveforge.verbs import pulls
from hivetesting.forge.members import Place

COMMAND = Path(sys.executable).parent / "hive-forge"
HEAVY = (
    "importlib.metadata",
    "httpx",
    "pydantic",
    "rich",
    "click",
    "asyncio",
    "msgspec",
    "structlog",
    "nats",
)


def test_it_imports_nothing_heavy() -> None:
    """How long the start takes is in `bench/forge_startup.py`."""
    code = "import sys, hiveforge.__main__; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize("verb", sorted(make_verbs().parsers))
def test_every_verb_shows_its_signature_and_an_example(scripted: Place, verb: str) -> None:
    out = scripted.alice.ok(verb, "--help")
    assert out.startswith("usage: hive-forge")
    assert f"hive-forge {verb}" in out
    assert "example" in out


@pytest.mark.parametrize("action", sorted(pulls.parsers()))
def test_so_does_every_action_on_pull_requests(scripted: Place, action: str) -> None:
    out = scripted.alice.ok("pr", action, "--help")
    assert out.startswith(f"usage: hive-forge pr {action}")
    assert f"hive-forge pr {action} " in out


def test_help_names_every_exit_status(scripted: Place) -> None:
    out = scripted.alice.ok("--help")
    assert all(f"  {number}  " in out for number in range(8))


def test_bash_completes_verbs_and_options(scripted: Place) -> None:
    script = scripted.alice.ok("completion", "bash")

    def complete(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in ("hive-forge", *words))
        ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _hive_forge; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(
            ["bash", "-c", f"{script}\n{ask}"], check=True, capture_output=True, text=True
        )
        return done.stdout.split()

    assert complete("com") == ["comment", "completion"]
    assert complete("-r", "a/b", "unas") == ["unassign"]
    assert "--body-file" in complete("comment", "42", "--b")
    assert complete("pr", "mer") == ["merge"]
    assert complete("pr", "merge", "--sq") == ["--squash"]
    assert complete("pr", "42", "merge", "--sq") == ["--squash"]
    assert complete("-r", "a/b", "labels", "42", "a") == ["add"]
    assert complete("completion", "f") == ["fish"]


@pytest.mark.needs("fish")
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("unas", "unassign"),
        ("pr mer", "merge"),
        ("pr merge --sq", "--squash"),
        ("labels 42 a", "add"),
    ],
)
def test_fish_completes_them_too(
    scripted: Place, tmp_path: Path, typed: str, completed: str
) -> None:
    (tmp_path / "script").write_text(scripted.alice.ok("completion", "fish"))
    ask = f"source {tmp_path}/script; complete -C 'hive-forge {typed}'"
    done = subprocess.run(
        ["fish", "--no-config", "-c", ask], check=True, capture_output=True, text=True,
        env={**os.environ, "HOME": str(tmp_path), "PATH": f"{COMMAND.parent}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [completed]


@pytest.mark.needs("zsh")
def test_zsh_completes_them_too(scripted: Place, tmp_path: Path) -> None:
    """In a terminal of its own, since zsh completes nowhere else."""
    (tmp_path / "script").write_text(scripted.alice.ok("completion", "zsh"))
    process, terminal = pty.fork()
    if process == 0:  # pragma: no cover - becomes the shell
        environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TERM": "dumb"}
        os.execvpe("zsh", ["zsh", "-f", "-i"], environ)  # noqa: S606 - a shell it is
    try:
        os.write(terminal, f"setopt no_beep; source {tmp_path}/script; echo re''ady\n".encode())
        _read_until(terminal, "ready")
        for typed, completed in (
            ("unas", "unassign"), ("pr merge --sq", "--squash"), ("-r a/b labels 42 a", " add"),
        ):  # fmt: skip
            os.write(terminal, f"hive-forge {typed}\t".encode())
            _read_until(terminal, completed)
            os.write(terminal, b"\x15")
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def _read_until(terminal: int, words: str, within_s: float = 20) -> None:
    seen, end = "", time.monotonic() + within_s
    while words not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
        assert ready, f"{words!r} did not come after {seen!r}"
        seen += os.read(terminal, 65536).decode(errors="replace")


def test_version_and_help_answer_as_everywhere(scripted: Place) -> None:
    assert scripted.alice.ok("--version") == f"hive-forge {version('hiveforge')}\n"
    assert scripted.alice.ok("help") == scripted.alice.ok("--help")
    assert scripted.alice.ok("help", "labels") == scripted.alice.ok("labels", "--help")
