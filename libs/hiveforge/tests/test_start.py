"""How it starts: fast, lean, with help for every verb and completion for three shells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hiveforge.application import make_verbs
from hivetesting.forge.members import Place

COMMAND = Path(sys.executable).parent / "hive-forge"
HEAVY = ("httpx", "pydantic", "rich", "click", "asyncio", "msgspec", "structlog", "nats")


def test_it_starts_in_under_a_fifth_of_a_second() -> None:
    """By the processor's clock: what else the machine does is not the command's doing."""
    taken = []
    for _ in range(7):
        before = os.times()
        subprocess.run([COMMAND, "--help"], check=True, capture_output=True)
        after = os.times()
        taken.append(
            after.children_user + after.children_system
            - before.children_user - before.children_system
        )  # fmt: skip
    assert min(taken) < 0.2


def test_it_imports_nothing_heavy() -> None:
    code = "import sys, hiveforge.__main__; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not set(HEAVY) & set(done.stdout.split())


@pytest.mark.parametrize("verb", sorted(make_verbs().parsers))
def test_every_verb_shows_its_signature_and_an_example(scripted: Place, verb: str) -> None:
    out = scripted.alice.ok(verb, "--help")
    assert out.startswith("usage: hive-forge")
    assert f"hive-forge {verb}" in out
    assert "example" in out


@pytest.mark.parametrize("action", ["create", "diff", "checks", "review", "merge", "list"])
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
    assert complete("completion", "f") == ["fish"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_accept_their_scripts(scripted: Place, tmp_path: Path, shell: str) -> None:
    script = scripted.alice.ok("completion", shell)
    assert "hive-forge" in script
    assert "unassign" in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True, env=dict(os.environ))
