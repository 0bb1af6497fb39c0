"""Configurations in the shapes that people have, each with what `procman import` makes of it, word for word.

`UPDATE_GOLDEN=1 pytest tests/golden/import` writes the texts anew, and fails, so that nobody leaves it set.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from procman.cli.entry import main
from procman.config.read import read_config
from tests.fakes.snapshots import compare

HERE = Path(__file__).parent
CASES = sorted(path for path in HERE.iterdir() if path.is_dir() and path.name != "__pycache__")
SCRIPTS = (".js", ".cjs", ".mjs")


def only_file(case: Path) -> Path:
    """Return the file of a case."""
    (file,) = case.iterdir()
    return file


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_a_file_is_imported_or_refused_with_a_reason_and_a_place(
    case: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = only_file(case)
    is_script = file.suffix in SCRIPTS
    if is_script and shutil.which("node") is None:
        pytest.skip("node is not installed")
    (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)

    words = ["import", "--print", file.name, *(["--run-js"] if is_script else [])]
    code = main(words)

    printed = capsys.readouterr()
    err = printed.err.partition("node says:\n")  # what follows depends on its version
    told = f"$ procman {' '.join(words)}\nexit {code}\n{printed.out}{''.join(err[:2])}".replace(
        str(tmp_path), "/tmp"
    )
    compare(HERE / f"{case.name}.expected", told)
    if code == 0:
        (tmp_path / "portwatch.toml").write_text(printed.out, encoding="utf-8")
        assert read_config(str(tmp_path / "portwatch.toml")).apps
    else:
        assert code == 2
        assert file.name in printed.err


def test_there_are_forty_files_and_no_text_is_left_over() -> None:
    assert len(CASES) >= 40
    assert sorted(path.stem for path in HERE.glob("*.expected")) == [case.name for case in CASES]
