"""What `init` prints, how it exits, and the file that it writes, word for word.

`UPDATE_GOLDEN=1` writes the snapshots that differ, and fails once so that the difference is looked at.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from procman.cli.entry import main
from tests.fakes.files import Files, lay, package
from tests.fakes.snapshots import compare

SNAPSHOTS = Path(__file__).parent / "snapshots"

VITE: Files = {
    "package.json": package(
        {
            "dev": "vite",
            "build": "vite build",
            "preview": "vite preview",
            "storybook": "storybook dev -p 6006",
        },
        ["vite"],
        name="garden",
    ),
    "package-lock.json": {},
    "vite.config.ts": "export default defineConfig({\n  server: { port: 5180 }, // for the proxy\n})\n",
}
MONOREPO: Files = {
    "package.json": package({"dev": "turbo run dev"}, ["turbo"], packageManager="pnpm@9.1.0"),
    "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
    "pnpm-workspace.yaml": "packages:\n  - apps/*\n  - packages/*\n",
    "apps/admin/package.json": package({"dev": "next dev"}, ["next"]),
    "apps/api/package.json": package({"dev": "tsx watch src/index.ts"}, ["fastify"]),
    "apps/api/src/index.ts": "app.listen({ port: Number(process.env.API_PORT ?? 3000) })\n",
    "apps/web/package.json": package({"dev": "next dev"}, ["next"]),
    "packages/types/package.json": package({"build": "tsc"}),
    "packages/ui/package.json": package({"dev": "tsup --watch", "build": "tsup"}),
    "compose.yaml": "services: {}\n",
}
SIDE_BY_SIDE: Files = {
    "package.json": package(
        {
            "dev": "concurrently -n api,web,mail 'npm:server' 'npm start --prefix client' 'npx maildev'",
            "server": "nodemon server/index.js",
        },
        ["express", "concurrently"],
    ),
    "package-lock.json": {},
    "server/index.js": "const port = process.env.PORT || 5000\n\napp.listen(port)\n",
    ".env": "DATABASE_URL=postgres://localhost/shop\nPORT=5050\n",
    "client/package.json": package(
        {"start": "react-scripts start", "build": "react-scripts build"}, ["react-scripts"]
    ),
    "client/yarn.lock": "# yarn lockfile v1\n",
}
PROCFILE: Files = {
    "Procfile.dev": "web: bin/rails server -p $PORT\ncss: yarn build:css --watch\njobs: sidekiq | tee log\n",
    ".env": "RAILS_ENV=development\n",
}
PYTHON: Files = {
    "backend/manage.py": "",
    "backend/requirements.txt": "Django>=5\n",
    "backend/.venv/bin/python": "",
    "frontend/package.json": package({"start": "ng serve"}, ["@angular/core"]),
    "frontend/angular.json": {"projects": {"frontend": {"architect": {"serve": {}}}}},
}


@dataclass(frozen=True)
class Case:
    """A command, and the folder that it is typed in."""

    name: str
    files: Files
    words: str = "init"


CASES = [
    Case("vite", VITE),
    Case("monorepo", MONOREPO),
    Case("side-by-side", SIDE_BY_SIDE),
    Case("procfile", PROCFILE),
    Case("python", PYTHON),
    Case("nothing", {"README.md": "# Shop\n"}),
    Case("nothing-print", {}, "init --print"),
    Case("print", VITE, "init --print"),
    Case("json", VITE, "init --json"),
    Case("json-print", VITE, "init --json --print"),
    Case("there-already", {**VITE, "portwatch.toml": "[apps.web]\n"}),
    Case("there-already-print", {**VITE, "portwatch.toml": "[apps.web]\n"}, "init --print"),
    Case("a-folder", {"web/package.json": package({"dev": "vite"})}, "init web"),
    Case("a-folder-of-a-project", {"portwatch.toml": "", "web/manage.py": ""}, "init web"),
    Case("another-name", VITE, "-f dev.toml init"),
    Case("no-such-folder", VITE, "init web"),
    Case("a-folder-and-a-file", VITE, "-f dev.toml init web"),
    Case("the-name-of-a-procfile", VITE, "-f Procfile init"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and a terminal that is always the same."""
    for name in ("PROCMAN_FILE", "PROCMAN_HOME", "FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_init_prints_exits_and_writes_as_it_did(
    case: Case, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, case.files)
    code = main(shlex.split(case.words))
    out, err = capsys.readouterr()
    text = f"$ procman {case.words}\nexit {code}\n--- stdout\n{out}--- stderr\n{err}"
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in case.files:
            text += f"--- {name}\n{path.read_text()}"
    for name, content in case.files.items():
        assert not isinstance(content, str) or (folder / name).read_text() == content
    compare(SNAPSHOTS / f"{case.name}.txt", text.replace(str(folder), "[FOLDER]"))


def test_every_snapshot_belongs_to_a_case() -> None:
    assert {path.stem for path in SNAPSHOTS.iterdir()} == {case.name for case in CASES}


def test_the_file_that_the_environment_names_is_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(folder, VITE)
    monkeypatch.setenv("PROCMAN_FILE", str(folder / "other.toml"))
    assert main(["init"]) == 0
    assert main(["check"]) == 0
    assert (folder / "other.toml").exists()


def test_a_file_that_somebody_makes_in_this_moment_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, {**VITE, "portwatch.toml": "mine"})
    monkeypatch.setattr("os.path.lexists", lambda _: False)
    assert main(["init"]) == 1
    assert "error: `portwatch.toml` cannot be written: File exists\n" in capsys.readouterr().err
    assert (folder / "portwatch.toml").read_text() == "mine"


def test_a_link_that_leads_nowhere_is_not_followed(folder: Path) -> None:
    lay(folder, VITE)
    (folder / "portwatch.toml").symlink_to(folder / "gone.toml")
    assert main(["init"]) == 2
    assert not (folder / "gone.toml").exists()
