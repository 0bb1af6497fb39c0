"""Procfiles, Python projects, Makefiles and compose files, and how a folder is read at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procman.config.discover import tree as trees
from procman.config.discover.draft import EXAMPLE, MORE, draft
from procman.config.discover.findings import App, Discovery
from procman.config.discover.look import discover
from procman.config.discover.tree import Tree, glob_pattern
from procman.config.read import parse_config
from procman.config.source import Source
from tests.fakes.files import Files, lay, package


def look(folder: Path, files: Files) -> tuple[dict[str, App], Discovery]:
    """Return the apps of a folder with these files, and all that was found; a valid file was made of it."""
    discovery = discover(lay(folder / "shop", files))
    if discovery.apps:
        path = folder / "shop" / "portwatch.toml"
        parse_config(Source(str(path), path.name, draft(discovery), ""))
    return {app.name: app for app in discovery.apps}, discovery


# the line | its port | whether it needs a shell
LINES = """
node worker.js                              |      |
bundle exec rails server -p $PORT           | 5000 | shell
PORT=${PORT:-4000} ./serve                  | 4000 | shell
gunicorn app:app -w 4                       | 8000 |
python manage.py runserver 0.0.0.0:8001     | 8001 |
python manage.py runserver                  | 8000 |
uvicorn app:app --port 8002                 | 8002 |
npm run dev                                 | 5173 |
npm start                                   | 4100 |
cd web && npm run dev                       |      | shell
node api.js                                 | 4100 |
sidekiq | tee sidekiq.log                   |      | shell
"""


@pytest.mark.parametrize("line", LINES.strip().splitlines(), ids=lambda line: line.split(" |")[0].strip())
def test_a_line_of_a_procfile_runs_as_it_stands_on_the_port_of_what_it_runs(
    tmp_path: Path, line: str
) -> None:
    text, port, shell = (part.strip() for part in line.rsplit("|", 2))
    files = {
        "Procfile": f"# apps\n\nweb: {text}\n",
        "package.json": package({"dev": "vite", "start": "npm run serve", "serve": "node api"}),
        "api.js": "app.listen(process.env.PORT || 4100)",
    }
    app = look(tmp_path, files)[0]["web"]
    assert (app.found.command, str(app.port or ""), app.found.shell) == (text, port, shell == "shell")
    assert app.found.source == "Procfile, line 3"


def test_a_procfile_for_development_comes_first_and_says_all(tmp_path: Path) -> None:
    files = {
        "Procfile": "web: gunicorn app:app",
        "Procfile.dev": "web: vite\ncss: tailwindcss -w",
        "package.json": package({"dev": "next dev"}, ["next"]),
        "api/package.json": package({"dev": "vite"}),
        ".env": "PORT=7000\n",
    }
    apps, discovery = look(tmp_path, files)
    assert list(apps) == ["install", "web", "css"]
    assert [app.found.env_file for app in apps.values()] == [None, ".env", ".env"]
    assert (apps["web"].port, apps["css"].waits_for) == (5173, ("install",))
    assert discovery.notes == ("a Procfile says what runs here, so scripts of `package.json` were left out",)


def test_a_port_for_a_procfile_may_stand_in_its_env_file(tmp_path: Path) -> None:
    apps, _ = look(tmp_path, {"Procfile": "web: serve $PORT", ".env": "PORT=7000"})
    assert apps["web"].port == 7000


def test_a_procfile_with_a_mistake_is_left_out_and_noted(tmp_path: Path) -> None:
    apps, discovery = look(tmp_path, {"Procfile": "web vite", "package.json": package({"dev": "vite"})})
    assert apps["shop"].found.source == "script `dev` of package.json"
    assert discovery.notes == ("`Procfile` was left out: Procfile:1:1: expected `name: command`",)


def test_a_line_that_no_file_could_have_is_left_out_and_noted(tmp_path: Path) -> None:
    apps, discovery = look(tmp_path, {"Procfile": "web: vite\njobs: run '{port}'"})
    assert list(apps) == ["web"]
    assert discovery.notes == ("Procfile, line 2 was left out: `{port}` needs a port, and `jobs` has none",)


FASTAPI, FLASK = "app: FastAPI = FastAPI()\n", "import flask\napp = flask.Flask(__name__)\n"
UVICORN = "python3 -m uvicorn"
PYTHON: list[tuple[Files, str, int]] = [
    ({"manage.py": ""}, "python3 manage.py runserver {port}", 8000),
    ({"requirements.txt": "fastapi", "main.py": FASTAPI},
     f"{UVICORN} main:app --reload --port {{port}}", 8000),
    (
        {"requirements.txt": "fastapi", "src/shop.py": "", "src/app/main.py": FASTAPI},
        f"{UVICORN} --app-dir src app.main:app --reload --port {{port}}",
        8000,
    ),
    ({"requirements.txt": "starlette", "asgi.py": "api = Starlette()"},
     f"{UVICORN} asgi:api --reload --port {{port}}", 8000),
    ({"requirements.txt": "Flask>=3", "app.py": FLASK}, "python3 -m flask --app app run --port {port}", 5000),
    ({"requirements.txt": "flask", "app/__init__.py": "def create_app():"},
     "python3 -m flask --app app run --port {port}", 5000),
    ({"requirements.txt": "flask", "src/app/main.py": FLASK},
     "python3 -m flask --app src/app/main run --port {port}", 5000),
    ({"requirements.txt": "gunicorn", "wsgi.py": "application = x"},
     "python3 -m gunicorn wsgi:application --bind 127.0.0.1:{port}", 8000),
]  # fmt: skip


@pytest.mark.parametrize(("files", "command", "port"), PYTHON)
def test_a_python_project_is_served_by_its_framework(
    tmp_path: Path, files: Files, command: str, port: int
) -> None:
    apps, _ = look(tmp_path, files)
    assert (apps["shop"].found.command, apps["shop"].port) == (command, port)
    assert apps["shop"].found.env == {"PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("files", "runner", "prepare"),
    [
        ({}, "python3", None),
        ({"uv.lock": ""}, "uv run python", "uv sync --locked"),
        ({"poetry.lock": ""}, "poetry run python", "poetry install"),
        ({"Pipfile.lock": ""}, "pipenv run python", "pipenv sync"),
        ({".venv/bin/python": ""}, ".venv/bin/python", None),
        (
            {"venv/bin/python": "", "requirements.txt": ""},
            *("venv/bin/python", "venv/bin/python -m pip install -r requirements.txt"),
        ),
    ],
)
def test_python_runs_with_the_packages_of_its_project(
    tmp_path: Path, files: Files, runner: str, prepare: str | None
) -> None:
    apps, _ = look(tmp_path, {f"api/{name}": text for name, text in {"manage.py": "", **files}.items()})
    found = apps["api"].found
    assert (found.command, found.prepare, found.cwd) == (
        f"{runner} manage.py runserver {{port}}",
        prepare,
        "api",
    )


@pytest.mark.parametrize(
    ("path", "runner"), [("uv.lock", "uv run python"), (".venv/bin/python", "../.venv/bin/python")]
)
def test_python_packages_may_be_installed_above(tmp_path: Path, path: str, runner: str) -> None:
    apps, _ = look(tmp_path, {"api/manage.py": "", path: ""})
    assert apps["api"].found.command == f"{runner} manage.py runserver {{port}}"


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": "[project]\ndependencies = ['flask-cors']", "app.py": FLASK},
        {"requirements.txt": "fastapi", "main.py": "app = make()"},
        {"requirements.txt": "gunicorn\nflask"},
        {"main.py": FASTAPI},
    ],
)
def test_a_python_project_that_serves_nothing_is_no_app(tmp_path: Path, files: Files) -> None:
    assert look(tmp_path, files)[0] == {}


def test_a_project_of_both_worlds_has_an_app_of_each(tmp_path: Path) -> None:
    files = {"manage.py": "", "package.json": package({"dev": "tailwindcss --watch"})}
    assert list(look(tmp_path, files)[0]) == ["shop", "django"]


def test_a_makefile_is_the_last_resort(tmp_path: Path) -> None:
    makefile = "run:=x\nbuild:\n\tcc\nserve: build\n\t./a.out\n"
    apps, _ = look(tmp_path, {"Makefile": makefile})
    assert (apps["shop"].found.command, apps["shop"].found.source) == (
        "make serve",
        "target `serve` of Makefile",
    )
    assert list(look(tmp_path, {"Makefile": makefile, "manage.py": ""})[0]) == ["shop"]
    assert look(tmp_path / "other", {"Makefile": "build:\n\tcc\n"})[0] == {}


def test_a_compose_file_is_mentioned(tmp_path: Path) -> None:
    _, discovery = look(tmp_path, {"docker-compose.yml": "services: {}"})
    assert discovery.notes == (
        "`docker-compose.yml` declares services too: `procman import docker-compose.yml` brings them",
    )


def test_what_is_outside_of_the_folder_is_not_there(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"outside.json": "{}", "shop/package.json": package({"dev": "concurrently 'npm --prefix .. start'"})},
    )
    tree = Tree(tmp_path / "shop")
    assert tree.text("../outside.json") is None
    assert tree.text(str(tmp_path / "outside.json")) is None
    assert list(look(tmp_path, {})[0]) == ["shop"]


def test_what_cannot_be_read_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "LARGEST", 10)
    lay(tmp_path, {"small": "x" * 10, "large": "x" * 11})
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "fifo")
    tree = Tree(tmp_path)
    assert tree.text("small") == "x" * 10
    assert [tree.text(name) for name in ("large", "binary", "fifo", "gone")] == [None] * 4
    assert list(tree.folders("gone")) == []


def test_json_may_have_comments_and_last_commas_but_not_be_too_deep(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {"settings.json": '{ // mine\n "a": [1, 2, ], /* x */ "b": "//", }', "deep.json": "[" * 100_000},
    )
    assert Tree(tmp_path).json("settings.json") == {"a": [1, 2], "b": "//"}
    assert Tree(tmp_path).json("deep.json") == {}


def test_a_great_many_folders_are_not_all_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MOST_FOLDERS", 3)
    for name in "abcde":
        (tmp_path / name).mkdir()
    assert list(Tree(tmp_path).folders()) == ["a", "b"]


def test_folders_that_tools_make_are_not_looked_at(tmp_path: Path) -> None:
    vite = package({"dev": "vite"})
    names = ("node_modules/x", "dist", ".cache", "web", "examples/web", "e2e", "a\nb")
    apps, _ = look(tmp_path, {f"{name}/package.json": vite for name in names})
    assert list(apps) == ["web"]


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("apps/*", "apps/web", True),
        ("apps/*", "apps/web/deep", False),
        ("./apps/*/", "apps/web", True),
        ("**", "a/b/c", True),
        ("apps/**/web", "apps/web", True),
        ("apps/**/web", "apps/a/b/web", True),
        ("{apps,libs}/*", "libs/a", True),
        ("app?", "apps", True),
        ("a.ps/[x]", "a.ps/[x]", True),
        ("a.ps", "apps", False),
    ],
)
def test_globs_mean_what_package_managers_mean(glob: str, path: str, fits: bool) -> None:
    assert bool(glob_pattern(glob).fullmatch(path)) is fits


@pytest.mark.parametrize("line", MORE.splitlines()[2:])
def test_each_example_of_the_file_is_right_without_its_comment_sign(tmp_path: Path, line: str) -> None:
    apps = "[apps.api]\ncommand = 'x'\nport = 1\n[apps.web]\ncommand = 'x'\nport = 2\n"
    text = apps + line.removeprefix("# ")
    parse_config(Source(str(tmp_path / "portwatch.toml"), "portwatch.toml", text, ""))


def test_a_file_without_apps_has_an_example_that_is_right(tmp_path: Path) -> None:
    text = draft(Discovery((), ()))
    example = EXAMPLE.replace("# ", "", 1).replace("\n# ", "\n")
    text = text.replace(EXAMPLE, example)
    config = parse_config(Source(str(tmp_path / "portwatch.toml"), "portwatch.toml", text, ""))
    assert config.apps["web"].command.words == ("npm", "run", "dev", "--", "--port", "5173")
