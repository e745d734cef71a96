"""The Nix files, checked with nix-bin alone: they parse, evaluate, refuse, and make a flake."""

# The programs asked are nix and systemd-analyze, outside of the hive.
# ruff: noqa: S603, S607, TID251
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[3]
TESTS = Path(__file__).parent
STUB = TESTS / "stub-nixpkgs"
NIX_FILES = [PROJECT / "flake.nix", *sorted((PROJECT / "deploy/nix").rglob("*.nix"))]
ENABLED = "services.hyperhive.enable = true;"

pytestmark = pytest.mark.needs("nix-instantiate")


def nix(*argv: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "NIX_CONFIG": "extra-experimental-features = nix-command flakes\nbuild-users-group =",
    }
    return subprocess.run(argv, check=False, capture_output=True, text=True, env=environment)


def evaluate(part: str, module: str, home: Path) -> dict[str, Any]:
    done = _evaluate(part, module, home)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _evaluate(part: str, module: str, home: Path) -> subprocess.CompletedProcess[str]:
    argv = ["nix-instantiate", "--eval", "--json", "--strict", str(TESTS / "evaluate.nix")]
    whose = "agent" if part == "agent" else "host"  # the forge's container is the host's
    return nix(*argv, "-A", part, "--arg", whose, f"{{ {module} }}", home=home)


def refusal(module: str, home: Path) -> str:
    done = _evaluate("host", module, home)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize("file", NIX_FILES, ids=lambda file: str(file.relative_to(PROJECT)))
def test_every_file_parses_without_an_undefined_variable(file: Path, tmp_path: Path) -> None:
    done = nix("nix-instantiate", "--parse", str(file), home=tmp_path)
    assert done.returncode == 0, done.stderr


def test_each_unit_starts_its_own_program(tmp_path: Path) -> None:
    host = evaluate("host", ENABLED, tmp_path)
    assert {
        name: service["serviceConfig"].get("ExecStart")
        for name, service in host["services"].items()
    } == {
        "container@": None,
        "hyperhive-approvals": "/stub/hyperhive/bin/hive-approvals",
        "hyperhive-bus": "/stub/nats-server/bin/nats-server"
        " --config /var/lib/hyperhive/bus/nats-server.conf",
        "hyperhive-dashboard": "/stub/hyperhive/bin/hive-dashboard",
        "hyperhive-lifecycle": "/stub/hyperhive/bin/hive-lifecycle",
    }
    bus = host["services"]["hyperhive-bus"]["serviceConfig"]
    prepare = "/stub/hyperhive/bin/hive-lifecycle prepare-bus --operator"
    assert bus["ExecStartPre"] == [f"{prepare} root"]
    operators = 'services.hyperhive.operators = [ "ada" "grace.h" ];'
    two = evaluate("host", ENABLED + operators, tmp_path)["services"]["hyperhive-bus"]
    assert two["serviceConfig"]["ExecStartPre"] == [f"{prepare} ada", f"{prepare} grace.h"]
    assert host["packages"] == ["/stub/hyperhive"]
    assert host["boot"]["enableContainers"] is True
    assert host["failed"] == []


def test_defaults_reach_the_services_as_variables(tmp_path: Path) -> None:
    services = evaluate("host", ENABLED, tmp_path)["services"]
    for name in ("approvals", "bus", "dashboard", "lifecycle"):
        environment = services[f"hyperhive-{name}"]["environment"]
        assert environment["HIVE_HOME"] == "/var/lib/hyperhive"
        assert environment["HIVE_RUN"] == "/run/hyperhive"
        assert environment["HIVE_RUNTIME"] == "nixos"
        assert environment["HIVE_NATS_URL"] == "nats://127.0.0.1:4222"
        assert environment["HIVE_DASHBOARD_PORT"] == "7000"
        assert environment["HIVE_MANAGER"] == "on"
        assert "HIVE_FORGE_URL" not in environment


def test_s4_the_services_path_is_the_systems_own_and_git_is_named(tmp_path: Path) -> None:
    lifecycle = evaluate("host", ENABLED, tmp_path)["services"]["hyperhive-lifecycle"]
    harness = evaluate("agent", "", tmp_path)["services"]["hive-harness"]
    for service in (lifecycle, harness):
        assert service["path"][:2] == ["/stub/git", "/run/current-system/sw"]
        assert not any(entry.endswith("/bin") for entry in service["path"])
    assert lifecycle["environment"]["HYPERHIVE_GIT"] == "/stub/git/bin/git"
    assert {"/stub/nix", "/stub/util-linux", "/stub/e2fsprogs"} < set(lifecycle["path"])


def test_s5_the_runtime_directory_survives_a_restart_of_lifecycle(tmp_path: Path) -> None:
    services = evaluate("host", ENABLED, tmp_path)["services"]
    lifecycle = services["hyperhive-lifecycle"]["serviceConfig"]
    assert lifecycle["RuntimeDirectory"] == "hyperhive"
    assert lifecycle["RuntimeDirectoryPreserve"] == "yes"
    others = [name for name in services if "RuntimeDirectory" in services[name]["serviceConfig"]]
    assert others == ["hyperhive-lifecycle"]


def test_s1_nobody_writes_nspawn_files_or_declares_agents_containers(tmp_path: Path) -> None:
    host = evaluate("host", ENABLED, tmp_path)
    assert host["containers"] == {}
    written = host["services"]["hyperhive-lifecycle"]["serviceConfig"]["ReadWritePaths"]
    assert "-/etc/nixos-containers" in written
    assert not any("/systemd/nspawn" in path for path in written)


def test_s2_every_agents_system_is_an_nspawn_container(tmp_path: Path) -> None:
    agent = evaluate("agent", "", tmp_path)
    assert agent["boot"]["isNspawnContainer"] is True
    assert agent["boot"]["isContainer"] is False


def test_s3_an_agents_system_leaves_the_hosts_network_alone(tmp_path: Path) -> None:
    networking = evaluate("agent", "", tmp_path)["networking"]
    assert networking["firewall"]["enable"] is False
    assert networking["useDHCP"] is False


def test_s7_claude_is_the_one_unfree_package_that_an_agents_own_nixpkgs_allows(
    tmp_path: Path,
) -> None:
    agent = evaluate("agent", "", tmp_path)
    assert agent["unfree"] == ["claude-code"]
    assert set(agent["packages"]) == {"/stub/git", "/stub/claude-code", "/stub/hyperhive"}


UNSTABLE = """
let
  stub = import {stub};
  overlays = import {overlays} {{ nixpkgs-unstable = {stub}; }};
  claude = pkgs: builtins.tryEval (toString pkgs.claude-code.name);
in
{{
  plain = claude (stub {{ }});
  overlaid = claude (stub {{ overlays = [ overlays.claude-unstable ]; }});
}}
"""


def test_s7_the_overlay_brings_claude_where_the_host_allows_nothing_unfree(tmp_path: Path) -> None:
    expression = UNSTABLE.format(stub=STUB, overlays=PROJECT / "deploy/nix/overlays.nix")
    done = nix("nix-instantiate", "--eval", "--json", "--strict", "-E", expression, home=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["plain"]["success"] is False
    assert found["overlaid"] == {"success": True, "value": "claude-code"}


def test_the_harness_is_a_unit_whose_turns_do_not_outlive_it(tmp_path: Path) -> None:
    harness = evaluate("agent", "", tmp_path)["services"]["hive-harness"]
    assert harness["serviceConfig"]["KillMode"] == "control-group"
    assert harness["serviceConfig"]["ExecStart"] == "/stub/hyperhive/bin/hive-harness"
    assert harness["environment"]["HYPERHIVE_STATE_DIR"] == "/state"
    assert harness["environment"]["HIVE_CLAUDE_CLI"] == "/stub/claude-code/bin/claude"


def test_what_an_agent_adds_to_its_system_leaves_the_base_standing(tmp_path: Path) -> None:
    module = 'networking.hostName = "x"; environment.systemPackages = [ "/stub/ripgrep" ];'
    agent = evaluate("agent", module, tmp_path)
    assert agent["networking"]["hostName"] == "x"
    assert {"/stub/ripgrep", "/stub/hyperhive"} < set(agent["packages"])


def test_hive_forge_comes_with_the_package_that_every_agents_system_has() -> None:
    scripts = tomllib.loads((PROJECT / "libs/hiveforge/pyproject.toml").read_text())["project"]
    assert "hive-forge" in scripts["scripts"]
    packages = (PROJECT / "deploy/nix/packages.nix").read_text()
    assert '"libs"' in packages
    assert 'name != "hivetesting"' in packages


def test_the_operators_command_finds_the_hive_of_the_units(tmp_path: Path) -> None:
    host = evaluate("host", ENABLED + "services.hyperhive.dashboard.port = 7001;", tmp_path)
    session = host["sessionVariables"]
    units = host["services"]["hyperhive-lifecycle"]["environment"]
    assert session["HIVE_HOME"] == "/var/lib/hyperhive"
    assert session["HIVE_DASHBOARD_PORT"] == "7001"
    assert session.items() <= units.items()


def test_every_part_restarts_alone(tmp_path: Path) -> None:
    services = evaluate("host", ENABLED, tmp_path)["services"]
    units = {f"{name}.service" for name in services}
    for service in services.values():
        assert units.isdisjoint(service["requires"])
        assert not {"PartOf", "BindsTo", "Requires"} & set(service["unitConfig"])


def test_systemd_holds_the_dashboards_port(tmp_path: Path) -> None:
    module = ENABLED + 'services.hyperhive.dashboard = { host = "::1"; port = 7001; };'
    host = evaluate("host", module, tmp_path)
    assert host["sockets"]["hyperhive-dashboard"]["listenStreams"] == ["[::1]:7001"]
    assert host["services"]["hyperhive-dashboard"]["requires"] == ["hyperhive-dashboard.socket"]
    assert host["firewall"] == []
    opened = evaluate("host", module + "services.hyperhive.openFirewall = true;", tmp_path)
    assert opened["firewall"] == [7001]


def test_services_that_start_no_containers_have_no_capabilities(tmp_path: Path) -> None:
    services = evaluate("host", ENABLED + "services.hyperhive.forge.enable = true;", tmp_path)[
        "services"
    ]
    for name, service in services.items():
        config = service["serviceConfig"]
        if name == "container@":
            assert config == {"TimeoutStartSec": "5min"}
        elif name == "hyperhive-lifecycle":
            assert "CAP_SYS_ADMIN" in config["CapabilityBoundingSet"]
            assert "-/etc/nixos-containers" in config["ReadWritePaths"]
            for breaks in ("PrivateNetwork", "PrivateUsers", "RestrictNamespaces"):
                assert breaks not in config
        else:
            assert config["CapabilityBoundingSet"] == ""
            assert config["RestrictNamespaces"] is True
        if name != "container@":
            assert config["ProtectSystem"] == "strict"
            assert config["NoNewPrivileges"] is True


FORGE = ENABLED + "services.hyperhive.forge.enable = true;"


# What was tried with nixos-container under it, one by one and together.
HARDENING = {
    **dict.fromkeys(
        ("ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectKernelTunables",
         "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups", "ProtectClock",
         "ProtectHostname", "NoNewPrivileges", "RestrictSUIDSGID", "LockPersonality",
         "RestrictRealtime"),
        True,
    ),
    "ProtectSystem": "strict",
    "RestrictAddressFamilies": ["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"],
    "SystemCallArchitectures": "native",
    "SystemCallFilter": ["@system-service", "@mount"],
    "CapabilityBoundingSet": [
        f"CAP_{name}" for name in (
            "SYS_ADMIN", "SYS_PTRACE", "SYS_CHROOT", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER",
            "CHOWN", "SETUID", "SETGID", "KILL", "LINUX_IMMUTABLE",
        )
    ],
    "ReadWritePaths": [
        "/var/lib/hyperhive", "-/etc/nixos-containers", "-/var/lib/nixos-containers",
        "-/nix/var/nix/profiles/per-container", "-/nix/var/nix/gcroots/per-container",
        "-/run/lock", "-/run/systemd/system",
    ],
}  # fmt: skip


def test_lifecycle_is_hardened_exactly_as_it_was_tried(tmp_path: Path) -> None:
    config = evaluate("host", ENABLED, tmp_path)["services"]["hyperhive-lifecycle"]["serviceConfig"]
    found = {
        key: value for key, value in config.items()
        if key.startswith(("Protect", "Private", "Restrict", "Lock", "NoNew", "SystemCall"))
        or key in {"CapabilityBoundingSet", "ReadWritePaths", "InaccessiblePaths"}
    }  # fmt: skip
    assert found == HARDENING


def test_a_forge_of_our_own_is_a_container_on_the_hosts_network(tmp_path: Path) -> None:
    host = evaluate("host", FORGE, tmp_path)
    container = host["containers"]["hive-forge"]
    assert (container["privateNetwork"], container["autoStart"]) == (False, True)
    gateway = host["services"]["hyperhive-forge-gw"]
    shared = container["bindMounts"]["/run/hive-forge"]["hostPath"]
    assert f"d {shared} 0700 root root -" in host["tmpfiles"]["rules"]
    assert gateway["environment"]["HIVE_FORGE_TOKEN_FILE"] == f"{shared}/admin-token"
    assert gateway["environment"]["HIVE_FORGE_URL"] == "http://127.0.0.1:3000"
    # A credential that is not there yet would keep the gateway from starting and saying so.
    assert "LoadCredential" not in gateway["serviceConfig"]


def test_our_own_forge_is_closed_to_the_world_and_makes_its_token_by_itself(tmp_path: Path) -> None:
    module = FORGE + "services.hyperhive.forge.port = 3100;"
    forge = evaluate("forge", module, tmp_path)
    assert forge["forgejo"]["database"]["type"] == "sqlite3"
    settings = forge["forgejo"]["settings"]
    server = settings["server"]
    assert (server["HTTP_ADDR"], server["HTTP_PORT"]) == ("127.0.0.1", 3100)
    assert server["ROOT_URL"] == "http://127.0.0.1:3100/"
    assert (server["DISABLE_SSH"], server["START_SSH_SERVER"]) == (True, False)
    assert settings["service"]["DISABLE_REGISTRATION"] is True
    assert settings["federation"]["ENABLED"] is False
    assert settings["webhook"]["ALLOWED_HOST_LIST"] == "loopback"
    admin = forge["services"]["hive-forge-admin"]
    assert admin["wantedBy"] == ["multi-user.target"]
    assert admin["after"] == ["forgejo.service"]
    assert "--config /var/lib/forgejo/custom/conf/app.ini" in admin["serviceConfig"]["ExecStart"]
    shell = subprocess.run(
        ["bash", "-n"], input=admin["serviceConfig"]["ExecStart"], text=True, check=False,
        capture_output=True,
    )  # fmt: skip
    assert shell.returncode == 0, shell.stderr


def test_the_administrators_token_is_made_once_and_again_when_the_forge_is_new(
    tmp_path: Path,
) -> None:
    admin = evaluate("forge", FORGE, tmp_path)["services"]["hive-forge-admin"]
    script = admin["serviceConfig"]["ExecStart"]
    bin_of, data, shared = tmp_path / "bin", tmp_path / "data", tmp_path / "shared"
    for folder in (bin_of, data, shared):
        folder.mkdir()
    for place, stand_in in (
        ("/stub/util-linux/bin/runuser", bin_of / "runuser"),
        ("/stub/forgejo-lts/bin/forgejo", bin_of / "forgejo"),
        ("/var/lib/forgejo", data),
        ("/run/hive-forge", shared),
    ):
        script = script.replace(place, str(stand_in))
    (bin_of / "runuser").write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    (bin_of / "forgejo").write_text(
        f'#!/bin/sh\necho "$@" >> {data}/calls\n'
        f'case "$*" in *"user list"*) cat {data}/users 2>/dev/null;; *create*) echo hive-admin'
        f" > {data}/users;; *generate*) echo token-$(wc -l < {data}/calls);; esac\n"
    )
    for program in bin_of.iterdir():
        program.chmod(0o755)

    def start() -> str:
        subprocess.run(["bash", "-c", script], check=True, capture_output=True)
        return (shared / "admin-token").read_text()

    first = start()
    assert (shared / "admin-token").stat().st_mode & 0o777 == 0o600
    assert start() == first
    assert (data / "calls").read_text().count("admin user create") == 1
    for file in data.iterdir():  # `nixos-container destroy hive-forge`
        file.unlink()
    assert start() != ""
    assert (data / "calls").read_text().count("generate-access-token") == 1


def test_the_gateway_reaches_what_it_mirrors_and_has_git(tmp_path: Path) -> None:
    gateway = evaluate("host", FORGE, tmp_path)["services"]["hyperhive-forge-gw"]
    config = gateway["serviceConfig"]
    assert "InaccessiblePaths" not in config
    assert config["ReadOnlyPaths"] == ["-/var/lib/hyperhive/applied", "-/var/lib/hyperhive/meta"]
    assert config["ReadWritePaths"] == ["/var/lib/hyperhive"]
    assert gateway["environment"]["HYPERHIVE_GIT"] == "/stub/git/bin/git"
    assert gateway["path"] == ["/stub/git"]


def test_webhooks_have_a_port_that_nothing_else_has(tmp_path: Path) -> None:
    polled = evaluate("host", FORGE, tmp_path)["services"]["hyperhive-forge-gw"]
    assert "HIVE_FORGE_WEBHOOK_PORT" not in polled["environment"]
    module = FORGE + "services.hyperhive.forge.webhookPort = 3001;"
    hooked = evaluate("host", module, tmp_path)["services"]["hyperhive-forge-gw"]
    assert hooked["environment"]["HIVE_FORGE_WEBHOOK_PORT"] == "3001"
    for taken, words in (("3000", "two options have the same port"), ("8200", "agents' pages")):
        module = FORGE + f"services.hyperhive.forge.webhookPort = {taken};"
        assert any(words in said for said in evaluate("host", module, tmp_path)["failed"])


def test_the_token_of_an_existing_forge_is_a_credential(tmp_path: Path) -> None:
    module = (
        FORGE
        + 'services.hyperhive.forge = { container = false; url = "https://git.example";'
        + ' tokenFile = "/run/secrets/forge"; };'
    )
    host = evaluate("host", module, tmp_path)
    gateway = host["services"]["hyperhive-forge-gw"]
    assert gateway["serviceConfig"]["LoadCredential"] == "forge-admin-token:/run/secrets/forge"
    where = "%d/forge-admin-token"
    assert gateway["environment"]["HIVE_FORGE_TOKEN_FILE"] == where
    assert gateway["environment"]["HIVE_FORGE_URL"] == "https://git.example"
    assert host["containers"] == {}
    assert (host["failed"], gateway["wants"]) == ([], ["hyperhive-bus.service"])


def test_an_existing_forge_needs_its_token(tmp_path: Path) -> None:
    module = ENABLED + "services.hyperhive.forge = { enable = true; container = false; };"
    assert evaluate("host", module, tmp_path)["failed"] == [
        "services.hyperhive.forge: an existing Forgejo needs forge.tokenFile"
    ]


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("services.hyperhive.enabel = true;", "`services.hyperhive.enabel' does not exist"),
        (ENABLED + 'services.hyperhive.dashboard.port = "x";', "not of type `16 bit unsigned"),
        (ENABLED + "services.hyperhive.dashboard.port = 70000;", "not of type `16 bit unsigned"),
        (ENABLED + 'services.hyperhive.operators = "ada";', "not of type `list of string'"),
        (ENABLED + 'services.hyperhive.stateDir = "hive";', "not of type `absolute path'"),
        (ENABLED + "services.hyperhive.settings.X = [ ];", "not of type"),
        (ENABLED + 'services.hyperhive.startTimeout = "soon";', "not of type"),
        (ENABLED + 'services.hyperhive.runtimeDir = "/x";', "is read-only"),
    ],
)
def test_a_bad_type_or_a_typo_is_refused_with_the_options_name(
    module: str, words: str, tmp_path: Path
) -> None:
    assert words in refusal(module, tmp_path)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("dashboard.port = 4222;", "two options have the same port: dashboard.port"),
        ("dashboard.port = 8879;", "takes a port of the agents' pages"),
        ("bus.port = 8000;", "takes a port of the agents' pages"),
        ("operators = [ ];", "at least one operator"),
        ('operators = [ "Ada L" ];', "a name is 1 to 32 of"),
        ('stateDir = "/srv/my hive";', "'/srv/my hive' cannot be bound into containers"),
        ('dashboard.host = "localhost";', "'localhost' is none"),
        ('settings.HIVE_HOME = "/x";', "HIVE_HOME has an option of its own"),
        ("settings.port = 1;", "those of environment variables"),
    ],
)
def test_what_cannot_work_is_an_assertion_that_says_why(
    settings: str, words: str, tmp_path: Path
) -> None:
    failed = evaluate("host", ENABLED + f"services.hyperhive = {{ {settings} }};", tmp_path)
    assert any(words in message for message in failed["failed"])
    assert len(failed["failed"]) == 1


def test_a_disabled_module_changes_nothing(tmp_path: Path) -> None:
    host = evaluate("host", "", tmp_path)
    assert host["services"] == {}
    assert host["sockets"] == {}
    assert host["tmpfiles"] == {"rules": []}
    assert host["boot"]["enableContainers"] is False


def test_free_settings_reach_every_service(tmp_path: Path) -> None:
    module = ENABLED + "services.hyperhive.settings.HIVE_START_PARALLEL = 2;"
    services = evaluate("host", module, tmp_path)["services"]
    for name in ("approvals", "dashboard", "lifecycle"):
        assert services[f"hyperhive-{name}"]["environment"]["HIVE_START_PARALLEL"] == "2"


@pytest.mark.needs("systemd-analyze")
def test_systemd_knows_every_directive_of_the_units(tmp_path: Path) -> None:
    host = evaluate("host", ENABLED + "services.hyperhive.forge.enable = true;", tmp_path)
    agent = evaluate("agent", "", tmp_path)
    units = {**host["services"], **agent["services"]}
    for name, service in units.items():
        (tmp_path / f"{name}.service").write_text(_unit_file(service))
    assert _complaints(tmp_path) == []
    (tmp_path / "hyperhive-bus.service").write_text("[Service]\nRuntimeDirectoryPerserve=yes\n")
    assert any("Unknown key" in line for line in _complaints(tmp_path))


def _unit_file(service: dict[str, Any]) -> str:
    lines = ["[Unit]", f"Description={service['description']}", "[Service]"]
    lines += [f'Environment="{key}={value}"' for key, value in service["environment"].items()]
    for key, value in service["serviceConfig"].items():
        for each in value if isinstance(value, list) else [value]:
            text = str(each).lower() if isinstance(each, bool) else str(each)
            if key.startswith("Exec"):
                text = "/bin/true " + text.partition(" ")[2]
            lines.append(f"{key}={text}")
    return "\n".join(lines) + "\n"


def _complaints(units: Path) -> list[str]:
    names = [str(path) for path in units.glob("*.service") if "@" not in path.name]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names],
        check=False,
        capture_output=True,
        text=True,
    )
    return [line for line in done.stderr.splitlines() if str(units) in line]


@pytest.mark.needs("nix")
def test_the_flake_passes_its_check_offline_on_a_stub_of_nixpkgs(tmp_path: Path) -> None:
    tree = tmp_path / "project"
    tracked = subprocess.run(
        ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True, text=True,
    ).stdout.split("\0")  # fmt: skip
    for name in filter(None, tracked):
        if (PROJECT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, tree / name)
    inputs = [
        word
        for name in ("nixpkgs", "nixpkgs-unstable")
        for word in ("--override-input", name, f"path:{STUB}")
    ]
    offline = ["--offline", "--no-write-lock-file", *inputs]
    done = nix("nix", "flake", "check", f"path:{tree}", "--no-build", *offline, home=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = nix("nix", "flake", "show", f"path:{tree}", "--json", *offline, home=tmp_path)
    outputs = json.loads(shown.stdout)
    assert set(outputs) == {
        "checks", "devShells", "formatter", "nixosModules", "overlays", "packages", "templates",
    }  # fmt: skip
    assert {"hyperhive", "default"} <= set(outputs["nixosModules"])
    assert set(outputs["overlays"]) == {"default", "claude-unstable"}
    services = {path.parent.name for path in (PROJECT / "services").glob("*/pyproject.toml")}
    libs = {path.parent.name for path in (PROJECT / "libs").glob("*/pyproject.toml")}
    assert {"hivecommon", "hivectl", "hiveforge", "hiveweb"} <= libs
    members = {f"hive-{name}" for name in services} | (libs - {"hivetesting"})
    assert set(outputs["packages"]["x86_64-linux"]) == {
        *members, "hyperhive", "default", "option-docs",
    }  # fmt: skip
    assert set(outputs["checks"]["x86_64-linux"]) == {"package", "vm"}
    assert set(outputs["templates"]) == {"default"}
    for name in ("devShells", "formatter"):
        assert set(outputs[name]) == {"x86_64-linux", "aarch64-linux"}


@pytest.mark.needs("nix")
def test_the_five_lines_of_the_template_make_a_host(tmp_path: Path) -> None:
    host = tmp_path / "host"
    shutil.copytree(PROJECT / "deploy/nix/template", host)
    tree = tmp_path / "project"
    for name in ("flake.nix", "deploy"):
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copyfile
        tree.mkdir(exist_ok=True)
        copy(source, tree / name)
    for pyproject in (
        *PROJECT.glob("libs/*/pyproject.toml"),
        *PROJECT.glob("services/*/pyproject.toml"),
    ):
        copy_to = tree / pyproject.relative_to(PROJECT)
        copy_to.parent.mkdir(parents=True)
        shutil.copyfile(pyproject, copy_to)
    inputs = {
        "nixpkgs": STUB, "hyperhive": tree, "hyperhive/nixpkgs": STUB,
        "hyperhive/nixpkgs-unstable": STUB,
    }  # fmt: skip
    overrides = [
        word for name, path in inputs.items() for word in ("--override-input", name, f"path:{path}")
    ]
    apply = (
        "c: { inherit (c.systemd.services.hyperhive-lifecycle.serviceConfig) ExecStart;"
        " meta = c.systemd.services.hyperhive-lifecycle.environment.HIVE_META_HYPERHIVE;"
        " system = c.system.build.toplevel.drvPath; }"
    )
    done = nix(
        "nix", "eval", "--json", "--offline", "--no-write-lock-file", *overrides,
        f"path:{host}#nixosConfigurations.hive.config", "--apply", apply, home=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ExecStart"].endswith("/bin/hive-lifecycle")
    # Agents are made from the very tree that the host was made from.
    assert found["meta"].startswith("path:/nix/store/")


def test_the_page_of_options_is_up_to_date(tmp_path: Path) -> None:
    script = "deploy/nix/tests/option_page.py"
    done = nix(sys.executable, str(PROJECT / script), home=tmp_path)
    assert done.returncode == 0, done.stderr
    page = PROJECT / "docs/nixos-options.md"
    assert page.read_text() == done.stdout, f"run: python {script} > docs/nixos-options.md"
