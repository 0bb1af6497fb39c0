"""The apps of Python projects: Django, FastAPI, Flask and what gunicorn serves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from procman.config.discover.findings import Found, Listening
from procman.config.discover.tree import Tree, join

MANIFESTS = ("pyproject.toml", "requirements.txt", "Pipfile", "setup.py", "setup.cfg", "manage.py")
_PLACES = ("", "app", "src", "src/app", "api", "backend", "server", "src/api", "src/server")
_FILES = ("main.py", "app.py", "asgi.py", "wsgi.py", "server.py", "api.py", "run.py", "__init__.py")
_LOCKS = {
    "poetry.lock": ("poetry run python", "poetry install"),
    "Pipfile.lock": ("pipenv run python", "pipenv sync"),
}
_DJANGO, _FLASK, _ASGI, _GUNICORN = 8000, 5000, 8000, 8000


@dataclass(frozen=True, slots=True)
class _Application:
    """An object that a server serves."""

    path: str  # of the file it is in, below the project
    name: str  # of the variable, or of the function that makes it

    @property
    def module(self) -> str:
        """The module of the file, with the folder that it is imported from left out."""
        inner = self.path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__")
        return inner.replace("/", ".")

    @property
    def folder(self) -> str | None:
        """The folder that it is imported from, if that is not the project's."""
        return "src" if self.path.startswith("src/") else None


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a Python project."""

    tree: Tree
    folder: str

    @property
    def manifests(self) -> str:
        """All that its manifests say, in lower case."""
        names = (*MANIFESTS, "requirements/base.txt", "requirements-dev.txt")
        return "\n".join(self.tree.text(join(self.folder, name)) or "" for name in names).lower()

    @property
    def runner(self) -> str:
        """What runs Python with the project's packages: `uv run python`, or that of a virtual environment."""
        if tool := self._tool:
            return tool[0]
        programs = ("bin/python", "Scripts/python.exe")
        names = [f"{folder}/{program}" for folder in (".venv", "venv", "env") for program in programs]
        found = next((path for each in self._upwards if (path := self.tree.first(each, names))), None)
        return "python3" if found is None else os.path.relpath(found, self.folder).replace(os.sep, "/")

    @property
    def prepare(self) -> str | None:
        """What installs its packages, where that is told by a lock file or by a virtual environment."""
        if tool := self._tool:
            return tool[1]
        required = self.tree.is_file(join(self.folder, "requirements.txt")) and "/" in self.runner
        return f"{self.runner} -m pip install -r requirements.txt" if required else None

    @property
    def _tool(self) -> tuple[str, str] | None:
        """What runs Python and what installs, by the lock file; that of a uv workspace is in its root."""
        if any(self.tree.is_file(join(each, "uv.lock")) for each in self._upwards):
            return "uv run python", "uv sync --locked"
        here = (each for lock, each in _LOCKS.items() if self.tree.is_file(join(self.folder, lock)))
        return next(here, None)

    @property
    def _upwards(self) -> list[str]:
        parts = [] if self.folder == "." else self.folder.split("/")
        return ["/".join(parts[:count]) or "." for count in range(len(parts), -1, -1)]

    def asks_for(self, package: str) -> bool:
        """Return whether its manifests name a package."""
        return re.search(rf"(?<![\w.-]){package}(?![\w-])", self.manifests) is not None

    def application(self, pattern: str) -> _Application | None:
        """Return the first application that a file defines as `pattern` says, whose group is its name."""
        for place in _PLACES:
            for file in _FILES:
                path = f"{place}/{file}" if place else file
                match = re.search(pattern, self.tree.text(join(self.folder, path)) or "", re.MULTILINE)
                if match:
                    return _Application(path, match[1])
        return None


def find_python(tree: Tree, folder: str) -> Found | None:
    """Return the app of a Python project in a folder, or None."""
    if not tree.first(folder, MANIFESTS):
        return None
    project = Project(tree, folder)
    return next((found for find in _KINDS for found in find(project)), None)


def _django(project: Project) -> Iterator[Found]:
    if project.tree.is_file(join(project.folder, "manage.py")):
        yield _found(project, "manage.py", "Django", "manage.py runserver {port}", _DJANGO)


def _asgi(project: Project) -> Iterator[Found]:
    kinds = {"fastapi": "FastAPI", "starlette": "Starlette", "litestar": "Litestar", "quart": "Quart"}
    for package, name in kinds.items():
        if not project.asks_for(package):
            continue
        application = project.application(rf"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?{name}\(")
        if application:
            inside = f" --app-dir {application.folder}" if application.folder else ""
            target = f"{application.module}:{application.name}"
            command = f"-m uvicorn{inside} {target} --reload --port {{port}}"
            yield _found(project, application.path, name, command, _ASGI)


def _flask(project: Project) -> Iterator[Found]:
    if not project.asks_for("flask"):
        return
    application = project.application(r"^(\w+)\s*(?::[^=\n]+)?=\s*(?:\w+\.)?Flask\(")
    application = application or project.application(r"^def (create_app|make_app)\(")
    if application:
        target = application.path.removesuffix(".py").removesuffix("/__init__")
        yield _found(
            project, application.path, "Flask", f"-m flask --app {target} run --port {{port}}", _FLASK
        )


def _gunicorn(project: Project) -> Iterator[Found]:
    application = project.application(r"^(app|application)\s*=") if project.asks_for("gunicorn") else None
    if application and not application.folder:
        target = f"{application.module}:{application.name}"
        command = f"-m gunicorn {target} --bind 127.0.0.1:{{port}}"
        yield _found(project, application.path, "gunicorn", command, _GUNICORN)


_KINDS = (_django, _asgi, _flask, _gunicorn)


def _found(project: Project, path: str, what: str, command: str, port: int) -> Found:
    folder = project.folder
    own = project.tree.root.name if folder == "." else folder.rpartition("/")[2]
    return Found(
        names=(own, folder.replace("/", "-"), what.lower()),
        command=f"{project.runner} {command}",
        cwd=folder,
        source=join(folder, path),
        what=what,
        listening=Listening(port, f"{what}'s default", movable=True),
        prepare=project.prepare,
        env={"PYTHONUNBUFFERED": "1"},
        remarks={"env": "else its output comes late, in blocks"},
    )
