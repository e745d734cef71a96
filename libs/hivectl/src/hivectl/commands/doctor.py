"""`hive doctor`: what is wrong, and what cures it."""

from hivecommon.command import run
from hivecommon.errors import HiveError

from hivectl.cli import hive_command
from hivectl.doctor import hive, host
from hivectl.doctor.check import Check, Verdict, fail
from hivectl.shell import Shell

_STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@hive_command(
    "doctor",
    ("hive doctor", "look at everything"),
    ("hive doctor --json | jq '.checks[] | select(.verdict!=\"ok\")'", "only what is not well"),
)
async def doctor(shell: Shell) -> None:
    """Look at the host and the hive; each finding that is bad comes with its cure."""
    checks = [*await _host(shell), *await _hive(shell)]
    failed = hive.worst(checks)
    if shell.terminal.as_json:
        shell.terminal.json({"ok": not failed, "checks": checks})
    else:
        for check in checks:
            text = f"{check.verdict.upper():<5} {check.name:<16} {check.found}"
            shell.terminal.line(text, style=_STYLES[check.verdict])
            if check.cure:
                shell.terminal.line(f"{'':<22} {check.cure}")
    if failed:
        raise HiveError(
            f"not well: {', '.join(failed)}", hint="the cures stand beside the findings"
        )


async def _host(shell: Shell) -> list[Check]:
    return [
        await host.nats_server(run),
        await host.claude_cli(run, shell.environ),
        await host.sandbox(run),
        host.user_namespaces(),
        host.setpriv(),
        host.disk(shell.environment.home.root),
    ]


async def _hive(shell: Shell) -> list[Check]:
    environment = shell.environment
    checks = [
        hive.home_directory(environment.home),
        hive.key_modes(environment.home),
        *hive.ports(environment),
    ]
    try:
        async with shell.bus() as bus:
            checks += [await hive.bus_answers(bus), *await hive.services(bus)]
            checks.append(await hive.forge(bus, environment))
    except HiveError as error:
        return [*checks, fail("bus", error.message, error.hint)]
    return [*checks, await hive.monitor(environment.monitor_port)]
