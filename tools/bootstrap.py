"""Make .venv from uv.lock with nothing but a Python: `python3 tools/bootstrap.py [--dev]`.

uv is taken from PATH, else from pip, else straight from the wheel that uv.lock pins (Debian's bare
python3 has neither pip nor venv). Runs outside the venv, so the standard library is all it has.
"""

import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
OWN_UV = ROOT / ".venv-uv"
DOWNLOAD_TIMEOUT_S = 300


def main() -> None:
    """Make or update the venv."""
    if sys.version_info < (3, 11):  # noqa: UP036 - the check is for whoever starts an older one
        die(f"Python {platform.python_version()} is too old", "install Python 3.11 or newer")
    # Bytecode halves the start of `hive`, also where PYTHONDONTWRITEBYTECODE is set.
    options = ["--frozen", "--inexact", "--compile-bytecode", "--python", sys.executable]
    command = [str(find_uv()), "sync", *options]
    if "--dev" not in sys.argv[1:]:
        command.append("--no-dev")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    # Machines behind a proxy have its CA in the system's store; the newer and the older name.
    for name in ("UV_SYSTEM_CERTS", "UV_NATIVE_TLS"):
        environment.setdefault(name, "1")
    result = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if result.returncode:
        die("the dependencies could not be installed", "read uv's words above; then run make again")


def find_uv() -> Path:
    """Return a uv to run."""
    for candidate in (
        shutil.which("uv"),
        VENV / "bin" / "uv",
        OWN_UV / "bin" / "uv",
        OWN_UV / "uv",
    ):
        if candidate and Path(candidate).exists():
            return Path(candidate)
    return uv_from_pip() or uv_from_lock()


def uv_from_pip() -> Path | None:
    """Install the pinned uv with pip, which knows the machine's mirrors; None without pip."""
    made = subprocess.run([sys.executable, "-m", "venv", OWN_UV], capture_output=True, check=False)
    pip = OWN_UV / "bin" / "pip"
    if made.returncode or not pip.exists():
        shutil.rmtree(OWN_UV, ignore_errors=True)
        return None
    wanted = f"uv=={locked_uv()['version']}"
    done = subprocess.run([pip, "install", "--quiet", wanted], check=False)
    return OWN_UV / "bin" / "uv" if done.returncode == 0 else None


def uv_from_lock() -> Path:
    """Fetch the wheel that uv.lock names for this machine and take the program out of it."""
    libc = "musllinux" if platform.libc_ver()[0] != "glibc" else "manylinux"
    machine = platform.machine()
    wheels = [
        wheel for wheel in locked_uv()["wheels"]
        if libc in wheel["url"] and f"{machine}." in wheel["url"].replace("-", ".")
    ]  # fmt: skip
    if not wheels:
        die(f"uv.lock pins no uv for {libc} {machine}", "install uv yourself and run make again")
    try:
        with urllib.request.urlopen(wheels[0]["url"], timeout=DOWNLOAD_TIMEOUT_S) as answer:
            content = answer.read()
    except OSError as error:
        die(
            f"cannot fetch uv: {error}", "check the network, or install uv or python3-venv yourself"
        )
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != wheels[0]["hash"]:
        die("the fetched uv is not the one that uv.lock pins", "try again; tell us if it stays so")
    OWN_UV.mkdir(exist_ok=True)
    uv = OWN_UV / "uv"
    with zipfile.ZipFile(io.BytesIO(content)) as wheel:
        name = next(entry for entry in wheel.namelist() if entry.endswith("/scripts/uv"))
        uv.write_bytes(wheel.read(name))
    uv.chmod(0o755)
    return uv


def locked_uv() -> dict[str, Any]:
    """Return what uv.lock says of uv itself."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    package: dict[str, Any] = next(entry for entry in lock["package"] if entry["name"] == "uv")
    return package


def die(message: str, hint: str) -> NoReturn:
    """End with a reason and what to do about it."""
    sys.exit(f"error: {message}\nhint: {hint}")


if __name__ == "__main__":
    main()
