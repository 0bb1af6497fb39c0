"""The inputs that are kept, and those that fuzzing begins with."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.judge import KINDS

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
REPOSITORY = HERE.parents[1]
_EXAMPLE = re.compile(rb"```toml\n(.*?)```", re.DOTALL)
_ENV = (
    b"A=1\nexport B = 'two words' # why\n# all\nC=\"x\\n${A} \\$ \\\\\"\nD=${A:-b}\nE=\n",
    b'KEY=\'over\nlines\'\nB="\\""\nURL=postgres://u:p@h/db#x\n',
)


def kept(kind: str) -> Iterator[tuple[str, bytes]]:
    """Yield each input of a kind that is kept, by its name."""
    for path in sorted((CORPUS / kind).iterdir() if (CORPUS / kind).is_dir() else ()):
        yield path.name, path.read_bytes()


def keep(kind: str, content: bytes) -> Path:
    """Keep an input, under a name that its content gives it."""
    path = CORPUS / kind / hashlib.blake2b(content, digest_size=5).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def begin_with(kind: str) -> list[bytes]:
    """Return the files of a kind that the repository has: examples, and those with mistakes."""
    assert kind in KINDS
    golden = REPOSITORY / "tests" / "golden"
    if kind == "env":
        return list(_ENV)
    if kind == "procfile":
        paths = [*(golden / "config").glob("*.Procfile"), *golden.glob("import/*/Procfile")]
        return [path.read_bytes() for path in sorted([*paths, REPOSITORY / "Procfile.example"])]
    paths = [*(golden / "config").glob("*.toml"), REPOSITORY / "portwatch.toml"]
    pages = [REPOSITORY / "README.md", REPOSITORY / "docs" / "reference" / "portwatch.toml.md"]
    examples = [match[1] for page in pages for match in _EXAMPLE.finditer(page.read_bytes())]
    return [*(path.read_bytes() for path in sorted(paths)), *examples]
