"""How the files of ONNX Runtime Web come into a checkout and a wheel. Without a network: npm is a stand-in."""

import hashlib
import io
import runpy
import sys
import tarfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("package/dist/ort.wasm.bundle.min.mjs", "package/dist/ort-wasm-simd-threaded.wasm", "package/README.md")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="npm's stand-in needs a shell")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A package as npm packs it."""
    path = tmp_path / "onnxruntime-web-0.0.0.tgz"
    with tarfile.open(path, "w:gz") as package:
        for name in NAMES:
            member = tarfile.TarInfo(name)
            member.size = len(name)
            package.addfile(member, io.BytesIO(name.encode()))
    return path


@pytest.fixture
def script(tmp_path: Path, archive: Path) -> dict[str, Any]:
    """The script's names, with the pin of that package and a folder of the test's own."""
    names = runpy.run_path(str(ROOT / "scripts" / "fetch_web_runtime.py"))
    there = names["fetch"].__globals__
    there["SHA512"] = hashlib.sha512(archive.read_bytes()).hexdigest()
    there["RUNTIME"] = tmp_path / "runtime"
    return there


def npm(monkeypatch: pytest.MonkeyPatch, folder: Path, commands: str) -> None:
    """A stand-in for npm: shell commands, with the folder that it should pack into as $4."""
    tool = folder / "bin" / "npm"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{commands}\n", "utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/usr/bin:/bin")


def test_the_files_are_unpacked_once(
    script: dict[str, Any], archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm(monkeypatch, tmp_path, f'echo "$@" >> {tmp_path}/calls; cp {archive} "$4"')
    assert script["main"]() == 0
    assert script["main"]() == 0
    [call] = (tmp_path / "calls").read_text("utf-8").splitlines()
    assert call.startswith(f"pack onnxruntime-web@{script['VERSION']} --pack-destination")
    found = {path.name: path.read_text("utf-8") for path in (tmp_path / "runtime").iterdir()}
    assert found == {
        "ort.js": NAMES[0],
        "ort-wasm-simd-threaded.wasm": NAMES[1],
        "version.txt": f"onnxruntime-web {script['VERSION']}\n",
    }


def test_another_package_than_the_pinned_one_is_refused(
    script: dict[str, Any], archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    npm(monkeypatch, tmp_path, f'cp {archive} "$4"')
    script["SHA512"] = "0" * 128
    assert script["main"]() == 1
    assert "expected sha512 000000000000... of onnxruntime-web" in capsys.readouterr().err
    assert not script["is_there"]()


def test_without_npm_one_line_says_so(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert script["main"]() == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("expected npm to fetch onnxruntime-web") and "install Node.js" in line


def test_what_npm_says_is_passed_on(
    script: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    npm(monkeypatch, tmp_path, "echo no route to host >&2; exit 1")
    assert script["main"]() == 1
    assert "got: no route to host: is there a network?" in capsys.readouterr().err


def test_a_wheel_without_npm_is_built_with_a_warning_and_a_checkout_asks_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interface = ModuleType("interface")
    interface.BuildHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hatchling.builders.hooks.plugin.interface", interface)
    hook = runpy.run_path(str(ROOT / "scripts" / "hatch_build.py"))["WebRuntimeHook"]()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "fetch_web_runtime.py").write_bytes(
        (ROOT / "scripts" / "fetch_web_runtime.py").read_bytes()
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    said: list[str] = []
    hook.root, hook.app = str(tmp_path), SimpleNamespace(display_warning=said.append)
    hook.initialize("editable", {})
    assert said == []
    hook.initialize("standard", {})
    [line] = said
    assert "expected npm" in line and "built without" in line
