"""What of a change an operator should look at twice: found by words, so a hint and no proof."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from hivecommon.contracts.agent_toml import FILE as AGENT_TOML
from hivecommon.contracts.agent_toml import AgentToml
from hivecommon.contracts.changes import ChangedFile, Risk, RiskMark

_MAX_MARKS: Final = 100
_MAX_TEXT: Final = 200
_EXECUTABLE: Final = "100755"

# Words of NixOS options and Nix functions (search.nixos.org/options); matched on added lines of *.nix.
_WORDS: Final = (
    (Risk.PACKAGES, r"systemPackages|\bpackages\b|with\s+pkgs|\bpkgs\.|overlays|programs\."),
    (Risk.NETWORK, r"networking\.|firewall|allowed(TCP|UDP)Port|openssh|listen|nginx|proxy|wireguard"),
    (Risk.MOUNTS, r"fileSystems|bindMounts|\bmounts?\b|tmpfiles|BindPaths|extraNspawn|swapDevices"),
    (Risk.SECRETS, r"(?i:secret|passw|token|credential|api_?key|private_?key|\bsops\b|agenix)"),
    (Risk.PRIVILEGES, r"security\.|sudo|users\.|capabilit|setuid|\bwrappers\b|polkit|\bUser\s*="),
    (Risk.DOWNLOADS, r"fetch(url|git|Git|Tarball|Tree|zip|From)|getFlake|builtins\.(fetch|exec)|https?://"),
    (Risk.DOWNLOADS, r"\bimport\s+<"),
)  # fmt: skip
_PATTERNS: Final = tuple((risk, re.compile(pattern)) for risk, pattern in _WORDS)
# Characters that make text look like what it is not: directional overrides, zero widths, controls
# ("Trojan Source", CVE-2021-42574).
_HIDDEN: Final = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def find_risks(files: Iterable[ChangedFile], old: AgentToml, new: AgentToml) -> list[RiskMark]:
    """Return the marks of a change, at most 100, those of `agent.toml` first."""
    marks = list(_of_settings(old, new))
    for file in files:
        marks += _of_file(file)
    return list(dict.fromkeys(marks))[:_MAX_MARKS]


def _of_settings(old: AgentToml, new: AgentToml) -> Iterator[RiskMark]:
    if old.recipients != new.recipients:
        before, after = set(old.recipients or ()), set(new.recipients or ())
        if new.recipients is None:
            text = "may write to everybody"
        elif old.recipients is None:
            text = f"only {', '.join(sorted(after)) or 'the operator'} (was everybody)"
        else:
            text = " ".join([*(f"+{one}" for one in sorted(after - before)),
                             *(f"-{one}" for one in sorted(before - after))])  # fmt: skip
        yield _mark(Risk.RECIPIENTS, AGENT_TOML, text)
    if old.tools != new.tools:
        allowed = "all" if new.tools.allow is None else ", ".join(new.tools.allow) or "none"
        denied = f"; denied: {', '.join(new.tools.deny)}" if new.tools.deny else ""
        yield _mark(Risk.TOOLS, AGENT_TOML, f"allowed: {allowed}{denied}")
    for name, server in new.mcp_servers.items():
        if old.mcp_servers.get(name) == server:
            continue
        yield _mark(Risk.MCP_SERVERS, AGENT_TOML, f"{name}: {server.command or server.url}")
        if server.url:
            yield _mark(Risk.NETWORK, AGENT_TOML, f"{name}: {server.url}")
        if server.env:
            yield _mark(Risk.SECRETS, AGENT_TOML, f"{name}: {', '.join(sorted(server.env))}")
    if (old.limits, old.spend) != (new.limits, new.spend):
        limits = (new.limits.memory, new.limits.cpu, _dollars(new.spend.usd_per_day))
        yield _mark(Risk.LIMITS, AGENT_TOML, ", ".join(filter(None, limits)) or "none")


def _of_file(file: ChangedFile) -> Iterator[RiskMark]:
    if file.new_mode == _EXECUTABLE != file.old_mode:
        yield _mark(Risk.EXECUTABLE, file.path, "can be executed")
    if file.binary:
        yield _mark(Risk.BINARY, file.path, "is no text and is not shown")
    lines = [line[1:] for hunk in file.hunks for line in hunk.lines if line.startswith("+")]
    for line in lines:
        if _HIDDEN.search(line):
            yield _mark(Risk.HIDDEN_TEXT, file.path, repr(line.strip())[1:-1])
        if file.path.endswith(".nix"):
            for risk, pattern in _PATTERNS:
                if pattern.search(line):
                    yield _mark(risk, file.path, line.strip())


def _mark(risk: Risk, path: str, text: str) -> RiskMark:
    return RiskMark(risk=risk, path=path, text=text[:_MAX_TEXT])


def _dollars(usd: float | None) -> str:
    return "" if usd is None else f"${usd:g} a day"
