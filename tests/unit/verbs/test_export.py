"""`mien export`: what is written, and what is refused in one line."""

import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

import mien
from mien.core.errors import ModelError, OutputError, UsageError
from mien.verbs import export_web
from mien.verbs.export import export
from mien.verbs.export_web import runtime_missing, serve_command
from mien.zoo.store import load_card


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The package's files for the page, with small files in place of ONNX Runtime Web's."""
    web = tmp_path / "package" / "web"
    for name in ("static", "browser"):
        shutil.copytree(str(files("mien").joinpath("web", name)), web / name)
    (web / "runtime").mkdir()
    for name in ("ort.js", "ort-wasm-simd-threaded.wasm"):
        (web / "runtime" / name).write_bytes(name.encode())
    monkeypatch.setattr(export_web, "files", lambda package: web.parent)
    return web / "runtime"


def test_weights_are_copied_with_a_card_of_their_own(tmp_path: Path) -> None:
    result = export("mien-s", format="int8", out=tmp_path / "a")
    assert [path.name for path in result.files] == ["mien-s.int8.onnx", "mien-s.int8.toml"]
    assert load_card(result.files[0]).default_file == "int8"


def test_an_unknown_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a format out of onnx, int8, web, got 'tflite'"):
        export("mien-s", format="tflite", out=tmp_path)


def test_a_page_holds_all_that_it_imports(runtime: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    result = export("mien-s", format="web", out=out)
    there = {path.relative_to(out).as_posix() for path in result.files}
    assert there == {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"index.html", "recogniser.js", "README.txt", "licences.txt", "models/mien-s.onnx"} <= there
    assert "server.js" not in there
    for script in out.rglob("*.js"):
        for target in re.findall(r'^(?:import|export).*from "(\./[^"]+)"', script.read_text("utf-8"), re.MULTILINE):
            assert (script.parent / target).is_file(), f"{script.name}: {target}"
    page = (out / "index.html").read_text("utf-8")
    for target in re.findall(r'(?:src|href)="([^"#:]+)"', page):
        assert target in there
    assert "Content-Security-Policy" in page and "connect-src 'self'" in page
    assert export_web.HINT in page and page.count(export_web.PRIVACY) == 2
    assert "mien server" not in page and 'id="tab-videos" hidden' in page
    assert str(tmp_path) not in (out / "README.txt").read_text("utf-8")
    assert result.serve == serve_command(out)


def test_the_pages_card_says_what_the_models_card_says(runtime: Path, tmp_path: Path) -> None:
    export("mien-s", format="web", out=tmp_path)
    found, card = json.loads((tmp_path / "models" / "card.json").read_text("utf-8")), load_card("mien-s")
    head = card.heads["ferplus"]
    assert found["heads"]["ferplus"] == {
        "labels": list(head.label_set),
        "output": head.output,
        "temperature": head.temperature,
    }
    assert found["crop"] == {"scale": 0.9, "shift_x": 0.0, "shift_y": 0.0, "align": False}
    assert found["license"] == card.license
    assert {each["file"] for each in found["figures"]} == {"int8"}
    assert found["sha256"] == card.files["int8"].sha256
    weights = (tmp_path / "models" / found["file"]).read_bytes()
    assert len(weights) == found["bytes"] == card.files["int8"].bytes


def test_a_file_keeps_the_weights_that_it_names(runtime: Path, tmp_path: Path, tiny_model: Path) -> None:
    export(tiny_model, format="web", out=tmp_path / "page")
    found = json.loads((tmp_path / "page" / "models" / "card.json").read_text("utf-8"))
    assert (found["name"], found["weights"], found["figures"]) == ("tiny", "float32", [])
    assert (tmp_path / "page" / "models" / "tiny.onnx").read_bytes() == tiny_model.read_bytes()
    export(tiny_model.parent, format="web", out=tmp_path / "of a folder")
    assert (tmp_path / "of a folder" / "models" / "tiny.onnx").is_file()


def test_a_file_without_a_card_is_refused(runtime: Path, tmp_path: Path, tiny_model: Path) -> None:
    tiny_model.with_suffix(".toml").unlink()
    with pytest.raises(ModelError, match=r"expected the card tiny.toml beside .*tiny.onnx, got none"):
        export(tiny_model, format="web", out=tmp_path / "page")


def test_a_model_of_clips_is_refused(runtime: Path, tmp_path: Path, tiny_model: Path) -> None:
    card = tiny_model.with_suffix(".toml")
    card.write_text(card.read_text("utf-8").replace("frames = 0", "frames = 4"), "utf-8")
    with pytest.raises(UsageError, match="expected a model of single faces for format web, got tiny, which sees clips"):
        export(tiny_model, format="web", out=tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_what_is_missing_of_the_runtime_is_named_with_what_to_do(runtime: Path, tmp_path: Path) -> None:
    (runtime / "ort-wasm-simd-threaded.wasm").unlink()
    assert runtime_missing() == "ort-wasm-simd-threaded.wasm"
    with pytest.raises(ModelError, match=r"got none of its file ort-wasm.*: install mien from a wheel .* needs npm"):
        export("mien-s", format="web", out=tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_nothing_is_replaced_unasked(runtime: Path, tmp_path: Path) -> None:
    (tmp_path / "style.css").write_text("mine", "utf-8")
    with pytest.raises(OutputError, match=r"expected no file at .*style.css, got one"):
        export("mien-s", format="web", out=tmp_path)
    assert [path.name for path in tmp_path.glob("*.js")] == []
    export("mien-s", format="web", out=tmp_path, overwrite=True)
    assert (tmp_path / "style.css").read_text("utf-8") != "mine"


def test_a_folder_with_a_space_is_quoted() -> None:
    assert '--directory "my page" 8000' in serve_command(Path("my page"))


def test_mien_export_is_the_verb() -> None:
    assert mien.export is export
