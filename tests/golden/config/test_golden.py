"""Golden files: each file here with a mistake gives the text beside it, to the letter.

`UPDATE_GOLDEN=1 pytest tests/golden/config` writes the texts anew, and fails, so that nobody leaves it set.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from procman.config.read import InvalidConfig, read_config
from tests.fakes.snapshots import compare

HERE = Path(__file__).parent
INPUTS = sorted([*HERE.glob("*.toml"), *HERE.glob("*Procfile")])


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.name)
def test_a_wrong_file_is_told_what_is_wrong_with_it(path: Path, tmp_path: Path) -> None:
    is_procfile = path.suffix == ".Procfile"
    shown = "Procfile" if is_procfile else "portwatch.toml"
    copy = tmp_path / shown
    copy.write_bytes(path.read_bytes())

    with pytest.raises(InvalidConfig) as caught:
        read_config(str(copy), shown_as=shown)

    rendered = caught.value.render() + "\n"
    expected = path.with_suffix(".expected" if not is_procfile else ".Procfile.expected")
    compare(expected, rendered)


def test_no_expected_text_is_left_over() -> None:
    assert len(list(HERE.glob("*.expected"))) == len(INPUTS) > 30
