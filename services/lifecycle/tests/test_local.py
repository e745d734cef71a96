"""The local runtime with real processes, inside a sandbox and without one."""

# ruff: noqa: ASYNC240, TID251 - it looks into /proc, and the moment in which something happens is the subject
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hive_lifecycle import process
from hive_lifecycle.agent_files import make_directories
from hive_lifecycle.config import LifecycleConfig, read_config
from hive_lifecycle.launch import MARK
from hive_lifecycle.local import LocalRuntime, describe_exit
from hive_lifecycle.runtime import AgentSpec, Observation
from hivecommon.command import Completed, run
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.contracts.roster import ContainerState
from hivecommon.environment import read_environment
from hivecommon.errors import HiveError
from hivecommon.names import AgentName

ALICE = AgentName("alice")
SPEC = AgentSpec(ALICE, AgentSettings())

# Says what it sees, then does as its state directory tells.
HARNESS = """
import json, os, signal, subprocess, sys, time
state = os.environ["HYPERHIVE_STATE_DIR"]
def asked(what): return os.path.exists(os.path.join(state, what))
if asked("die"): print("error: no notes", file=sys.stderr); sys.exit(3)
if asked("ignore-term"): signal.signal(signal.SIGTERM, signal.SIG_IGN)
if asked("leave-a-child"): subprocess.Popen(["sleep", "1000"], start_new_session=True)
def listing(path):
    try: return sorted(os.listdir(path))
    except OSError as error: return type(error).__name__
def writes(path):
    try: open(os.path.join(path, "written"), "w").close(); return True
    except OSError: return False
seen = {
    "env": dict(os.environ), "cwd": os.getcwd(), "uid": os.getuid(),
    "look": {path: listing(path) for path in json.load(open(os.path.join(state, "look")))},
    "writes": {v: writes(os.environ[v]) for v in ("HYPERHIVE_STATE_DIR", "CLAUDE_CONFIG_DIR", "HIVE_AGENT_RUN")},
    "pids": [p for p in os.listdir("/proc") if p.isdigit()],
    "capabilities": [l.split()[1] for l in open("/proc/self/status") if l.startswith("CapEff")][0],
}
with open(os.path.join(state, "seen.tmp"), "w") as f: json.dump(seen, f)
os.rename(os.path.join(state, "seen.tmp"), os.path.join(state, "seen"))
while True: time.sleep(1)
"""  # noqa: E501 - a program in a string


class Steps:
    """Remembers what a runtime reported."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bool]] = []

    async def __call__(self, text: str, *, changed: bool = True) -> None:
        self.taken.append((text, changed))


def now() -> datetime:
    return datetime.now(UTC)


async def condition(met: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not met():
            await asyncio.sleep(0.01)


class Bench:
    """A hive directory, and runtimes upon it: one lifecycle after another."""

    def __init__(self, directory: Path, *, sandboxed: bool) -> None:
        variables = {
            "HIVE_HOME": str(directory / "home"),
            "HIVE_RUN": str(directory / "run"),
            "PATH": os.environ["PATH"],
            "ANTHROPIC_API_KEY": "sk-operator",
        }
        hive = read_environment(variables, uid=os.getuid())
        config = read_config(variables, hive)
        self.config: LifecycleConfig = replace(
            config,
            harness=(sys.executable, "-P", "-c", HARNESS),
            stop_grace_s=0.5,
            bwrap=config.bwrap if sandboxed else None,
        )
        self.hive = hive
        self.sandboxed = sandboxed
        self.steps = Steps()
        self.look_at("/")
        self.runtime = self.another_runtime()

    def another_runtime(self) -> LocalRuntime:
        return LocalRuntime(self.config, run, now)

    @property
    def state(self) -> Path:
        return self.hive.home.state(ALICE)

    def behave(self, how: str) -> None:
        (self.state / how).touch()

    def look_at(self, *paths: str | Path) -> None:
        make_directories(self.hive, ALICE)
        (self.state / "look").write_text(json.dumps([str(path) for path in paths]))

    async def start(self) -> Observation:
        await self.runtime.start(SPEC, self.steps)
        return await self.runtime.observe(ALICE)

    async def seen(self) -> dict[str, object]:
        file = self.state / "seen"
        await condition(file.exists)
        found: dict[str, object] = json.loads(file.read_text())
        return found

    def left(self) -> list[process.ProcessId]:
        return process.marked_with(MARK, f"{self.hive.home.root}:{ALICE}")


@pytest.fixture(params=[pytest.param(True, marks=pytest.mark.needs("bwrap")), False])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    """The bench, once with and once without a sandbox; nothing of it survives the test."""
    made = Bench(tmp_path, sandboxed=request.param)
    yield made
    await made.runtime.stop(ALICE, made.steps)
    made.runtime.close()
    assert made.left() == []


async def test_an_agent_that_was_never_started_is_stopped(bench: Bench) -> None:
    seen = await bench.runtime.observe(ALICE)
    assert (seen.state, seen.pid, seen.sandboxed) == (ContainerState.STOPPED, None, bench.sandboxed)
    assert ("unsandboxed" in seen.note) is not bench.sandboxed


async def test_a_started_agent_runs_under_the_pid_that_is_shown(bench: Bench) -> None:
    seen = await bench.start()
    assert (seen.state, seen.sandboxed) == (ContainerState.RUNNING, bench.sandboxed)
    assert seen.pid is not None
    cmdline = Path(f"/proc/{seen.pid}/cmdline")
    async with asyncio.timeout(10):  # it may still be on its way from bubblewrap to the harness
        while cmdline.read_bytes().split(b"\0")[0] != sys.executable.encode():
            await asyncio.sleep(0.01)


async def test_starting_what_runs_changes_nothing(bench: Bench) -> None:
    first = await bench.start()
    assert await bench.start() == first
    assert bench.steps.taken[-1] == ("it runs already", False)


async def test_a_stop_is_kind_and_leaves_nothing_behind(bench: Bench) -> None:
    bench.behave("leave-a-child")
    await bench.start()
    await bench.seen()
    await bench.runtime.stop(ALICE, bench.steps)
    assert bench.steps.taken[-1] == ("harness stopped", True)
    assert (await bench.runtime.observe(ALICE)).state is ContainerState.STOPPED
    assert bench.left() == []


async def test_a_harness_that_does_not_listen_is_killed(bench: Bench) -> None:
    bench.behave("ignore-term")
    await bench.start()
    await bench.seen()
    await bench.runtime.stop(ALICE, bench.steps)
    assert bench.steps.taken[-1] == ("harness killed: it did not stop in time", True)
    assert (await bench.runtime.observe(ALICE)).state is ContainerState.STOPPED


async def test_stopping_what_does_not_run_changes_nothing(bench: Bench) -> None:
    await bench.runtime.stop(ALICE, bench.steps)
    assert bench.steps.taken == [("it did not run", False)]


async def test_a_harness_that_dies_is_told_of_and_takes_its_children_along(bench: Bench) -> None:
    bench.behave("leave-a-child")
    running = await bench.start()
    await bench.seen()
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        assert await anext(bench.runtime.changes()) == ALICE
    seen = await bench.runtime.observe(ALICE)
    assert (seen.state, seen.pid) == (ContainerState.FAILED, None)
    assert seen.note.startswith("its harness was killed by SIGKILL")
    assert seen.started_at == running.since
    assert bench.left() == []


async def test_the_last_words_of_a_harness_that_ends_at_once_are_shown(bench: Bench) -> None:
    bench.behave("die")
    try:
        await bench.start()
    except HiveError as error:
        assert "no notes" in error.message  # noqa: PT017 - it may also have lived long enough to start
    async with asyncio.timeout(10):
        while (seen := await bench.runtime.observe(ALICE)).state is ContainerState.RUNNING:
            await asyncio.sleep(0.01)
    assert seen.state is ContainerState.FAILED
    assert "no notes" in seen.note


async def test_an_agent_outlives_lifecycle_and_is_adopted_by_the_next(bench: Bench) -> None:
    before = await bench.start()
    bench.runtime.close()
    bench.runtime = bench.another_runtime()
    adopted = await bench.runtime.observe(ALICE)
    assert adopted == before
    assert adopted.pid is not None
    os.kill(adopted.pid, signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await anext(bench.runtime.changes()) == ALICE
    assert (await bench.runtime.observe(ALICE)).state is ContainerState.FAILED


async def test_one_that_dies_while_lifecycle_is_away_has_failed(bench: Bench) -> None:
    before = await bench.start()
    bench.runtime.close()
    assert before.pid is not None
    harness = process.identify(before.pid)
    assert harness is not None
    os.kill(before.pid, signal.SIGKILL)
    assert await process.wait_until_gone(harness, 5)
    bench.runtime = bench.another_runtime()
    seen = await bench.runtime.observe(ALICE)
    assert seen.state is ContainerState.FAILED
    if bench.sandboxed:  # bubblewrap wrote it down; without it nobody was there
        assert seen.note.startswith("its harness was killed by SIGKILL")


async def test_a_start_that_was_cut_off_is_recovered(bench: Bench) -> None:
    before = await bench.start()
    record_file = bench.hive.home.root / "local" / "alice.json"
    record = json.loads(record_file.read_text())
    record.update(phase="starting", harness=None, first=None, launcher=None)
    record_file.write_text(json.dumps(record))
    bench.runtime.close()
    bench.runtime = bench.another_runtime()
    recovered = await bench.runtime.observe(ALICE)
    assert (recovered.state, recovered.pid) == (ContainerState.RUNNING, before.pid)


async def test_a_stop_that_was_cut_off_is_no_crash(bench: Bench) -> None:
    before = await bench.start()
    record_file = bench.hive.home.root / "local" / "alice.json"
    record_file.write_text(record_file.read_text().replace('"running"', '"stopping"'))
    bench.runtime.close()
    bench.runtime = bench.another_runtime()
    assert (await bench.runtime.observe(ALICE)).state is ContainerState.STOPPING
    assert before.pid is not None
    harness = process.identify(before.pid)
    assert harness is not None
    os.kill(before.pid, signal.SIGTERM)
    assert await process.wait_until_gone(harness, 5)
    assert (await bench.runtime.observe(ALICE)).state is ContainerState.STOPPED


async def test_after_a_restart_of_the_host_an_agent_is_stopped_and_not_failed(
    bench: Bench,
) -> None:
    await bench.start()
    await bench.runtime.stop(ALICE, bench.steps)
    record_file = bench.hive.home.root / "local" / "alice.json"
    record = json.loads(record_file.read_text())
    earlier = {"pid": os.getpid(), "start_ticks": 1, "boot_id": "another"}
    record.update(phase="running", boot_id="another", harness=earlier)
    record_file.write_text(json.dumps(record))
    seen = await bench.runtime.observe(ALICE)
    assert (seen.state, seen.note) == (ContainerState.STOPPED, "the host was restarted")


async def test_what_is_removed_is_forgotten(bench: Bench) -> None:
    await bench.start()
    await bench.runtime.stop(ALICE, bench.steps)
    await bench.runtime.remove(ALICE, bench.steps)
    assert list((bench.hive.home.root / "local").glob("alice*")) == []
    await bench.runtime.remove(ALICE, bench.steps)
    assert bench.steps.taken[-1] == ("process record removed", False)


@pytest.mark.needs("bwrap")
async def test_a_sandboxed_agent_sees_its_own_and_nothing_of_the_hive(tmp_path: Path) -> None:
    bench = Bench(tmp_path, sandboxed=True)
    hive = bench.hive
    places: list[Path | str] = [
        hive.home.root,
        hive.run.root,
        "/etc/shadow",
        "/home",
        "/var",
        Path.cwd() / ".git",
    ]
    bench.look_at("/state", "/run/hive", *places)
    (hive.run.agent(ALICE) / "bus.nk").write_text("seed")
    await bench.start()
    seen = await bench.seen()
    await bench.runtime.stop(ALICE, bench.steps)
    looks = seen["look"]
    assert isinstance(looks, dict)
    assert looks.pop("/run/hive") == ["bus.nk"]
    assert "look" in looks.pop("/state")
    assert set(map(str, looks.values())) <= {"FileNotFoundError", "NotADirectoryError"}
    assert seen["writes"] == {
        "HYPERHIVE_STATE_DIR": True, "CLAUDE_CONFIG_DIR": True, "HIVE_AGENT_RUN": False,
    }  # fmt: skip
    assert isinstance(seen["pids"], list)
    assert len(seen["pids"]) == 2  # the reaper of its pid namespace, and itself
    assert seen["capabilities"] == "0" * 16
    assert seen["cwd"] == "/state"


async def test_the_environment_of_an_agent_is_made_anew(bench: Bench) -> None:
    await bench.start()
    environment = (await bench.seen())["env"]
    assert isinstance(environment, dict)
    environment.pop("PWD", None)  # bubblewrap sets it
    own = bench.hive.home.agent(ALICE)
    inside = {
        "HIVE_AGENT_RUN": "/run/hive", "HYPERHIVE_STATE_DIR": "/state",
        "CLAUDE_CONFIG_DIR": "/root/.claude", "HOME": "/root",
    }  # fmt: skip
    outside = {
        "HIVE_AGENT_RUN": str(bench.hive.run.agent(ALICE)),
        "HYPERHIVE_STATE_DIR": str(own / "state"),
        "CLAUDE_CONFIG_DIR": str(own / "claude"),
        "HOME": str(own / "state"),
    }
    assert environment == {
        **(inside if bench.sandboxed else outside),
        "ANTHROPIC_API_KEY": "sk-operator",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "LANG": "C.UTF-8",
        "PATH": f"/usr/local/bin:/usr/bin:/bin:/run/current-system/sw/bin:{sys.prefix}/bin",
        MARK: f"{bench.hive.home.root}:alice",
    }


async def test_secrets_stand_in_no_command_line(bench: Bench) -> None:
    await bench.start()
    for one in bench.left():
        assert b"sk-operator" not in Path(f"/proc/{one.pid}/cmdline").read_bytes()


@pytest.mark.needs("bwrap")
async def test_where_user_namespaces_are_refused_agents_run_unsandboxed_and_say_why(
    tmp_path: Path,
) -> None:
    async def refuse(argv: object, **_options: object) -> Completed:
        return Completed(("bwrap",), 1, b"", b"bwrap: No permissions to create new namespace\n")

    bench = Bench(tmp_path, sandboxed=True)
    runtime = LocalRuntime(bench.config, refuse, now)
    await runtime.start(SPEC, bench.steps)
    seen = await runtime.observe(ALICE)
    await runtime.stop(ALICE, bench.steps)
    assert (seen.state, seen.sandboxed) == (ContainerState.RUNNING, False)
    assert "No permissions to create new namespace" in seen.note
    strict = LocalRuntime(replace(bench.config, sandbox_required=True), refuse, now)
    with pytest.raises(HiveError) as caught:
        await strict.start(SPEC, bench.steps)
    assert caught.value.code == "no_sandbox"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "its harness ended with status 0"),
        (3, "its harness ended with status 3"),
        (137, "its harness was killed by SIGKILL"),
        (255, "its harness ended with status 255"),
        (None, "its harness ended; nobody saw its exit status"),
    ],
)
def test_an_exit_status_in_words(code: int | None, words: str) -> None:
    assert describe_exit(code) == words


ORDINARY = """
import asyncio, pathlib, sys
sys.path[:0] = {paths!r}
import test_local as bench_of
bench_of.sys.executable = {python!r}
async def main():
    bench = bench_of.Bench(pathlib.Path({directory!r}), sandboxed=True)
    await bench.start()
    seen = await bench.seen()
    bench.runtime.close()
    bench.runtime = bench.another_runtime()
    adopted = await bench.runtime.observe(bench_of.ALICE)
    await bench.runtime.stop(bench_of.ALICE, bench.steps)
    print(adopted.sandboxed, adopted.state, seen["uid"], len(seen["pids"]), seen["writes"])
    assert not bench.left()
asyncio.run(main())
"""


@pytest.mark.needs("bwrap", "setpriv")
@pytest.mark.skipif(os.getuid() != 0, reason="the other tests run as an ordinary user already")
async def test_all_this_works_for_an_ordinary_user(tmp_path: Path) -> None:
    python = shutil.which("python3", path="/usr/bin")
    assert python is not None
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 65534, 65534)
    for parent in theirs.relative_to(tempfile.gettempdir()).parents:
        if parent.name:  # the temporary directory itself is open to them
            Path(tempfile.gettempdir(), parent).chmod(0o755)
    script = ORDINARY.format(
        paths=[str(Path(__file__).parent), *sys.path[1:]], python=python, directory=str(theirs)
    )
    become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = (await run([*become, python, "-c", script], timeout_s=30)).check()
    assert done.stdout.decode().strip() == (
        "True running 65534 2 {'HYPERHIVE_STATE_DIR': True, 'CLAUDE_CONFIG_DIR': True,"
        " 'HIVE_AGENT_RUN': False}"
    )
