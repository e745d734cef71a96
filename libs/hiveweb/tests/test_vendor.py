"""The vendored modules are those that the manifest names."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hiveweb.bundle import SHARED

VENDOR = SHARED / "vendor"


@pytest.fixture
def manifest() -> Any:
    return json.loads((VENDOR / "manifest.json").read_text())


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_every_vendored_file_is_what_the_manifest_says(manifest: Any) -> None:
    assert {name: sha256(VENDOR / name) for name in manifest["sha256"]} == manifest["sha256"]


def test_no_vendored_file_is_missing_in_the_manifest(manifest: Any) -> None:
    files = {file.relative_to(VENDOR).as_posix() for file in VENDOR.rglob("*") if file.is_file()}

    assert files == {*manifest["sha256"], "manifest.json"}


def test_every_package_has_a_version_a_licence_and_its_text(manifest: Any) -> None:
    for package in manifest["packages"]:
        assert package["version"]
        assert package["licence"] in {"MIT", "Apache-2.0", "ISC", "BSD-3-Clause"}
        assert len((VENDOR / package["licence_file"]).read_text()) > 500
        assert package["file"] in manifest["sha256"]


@pytest.mark.parametrize("file", sorted(SHARED.glob("*.js")), ids=lambda file: file.name)
def test_no_module_makes_markup_from_text(file: Path) -> None:
    source = file.read_text()

    for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "dangerouslySetInnerHTML", "eval("):
        assert way not in source
