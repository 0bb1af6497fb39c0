"""The export to a Dockerfile: what is installed by which lock file, in which stage, and as whom it runs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from procman.config.exports.subject import Exported
from tests.unit.config.test_exports import export

API = '[apps.api]\ncommand = "node server.js"\ncwd = "api"\nport = 3000\n'
FROM = re.compile(r"FROM ([a-z]+:[\w.-]+)(?: AS [a-z]+)?")


def exported(folder: Path, text: str, files: Mapping[str, str]) -> Exported:
    """Return the export of a project with these files."""
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return export("dockerfile", text, str(folder))


def stages(folder: Path, text: str, files: Mapping[str, str]) -> list[list[str]]:
    """Return the lines of each stage of the Dockerfile."""
    parts = exported(folder, text, files).files["Dockerfile"].split("\n\n")
    found = [part.strip().splitlines() for part in parts]
    for stage in found:
        assert FROM.fullmatch(stage[0])
        for line in stage[1:]:
            assert re.match(r"(?:WORKDIR|ENV|RUN|COPY|USER|EXPOSE|STOPSIGNAL|CMD) \S|# ", line), line
    return found


def package(**keys: object) -> str:
    """Return a `package.json`."""
    return json.dumps({"name": "x", "dependencies": {"express": "4"}, **keys})


@pytest.mark.parametrize(
    ("lock", "install", "tools"),
    [
        ({"package-lock.json": ""}, "npm ci", False),
        ({"npm-shrinkwrap.json": ""}, "npm ci", False),
        ({"pnpm-lock.yaml": ""}, "pnpm install --frozen-lockfile", True),
        ({"yarn.lock": "# yarn lockfile v1"}, "yarn install --frozen-lockfile", True),
        ({"yarn.lock": "\n__metadata:\n"}, "yarn install --immutable", True),
        ({"bun.lock": ""}, "bun install --frozen-lockfile", True),
        ({}, "npm install", False),
    ],
)
def test_what_is_installed_is_what_the_lock_file_says(
    tmp_path: Path, lock: dict[str, str], install: str, tools: bool
) -> None:
    files = {"api/package.json": package(), **{f"api/{name}": text for name, text in lock.items()}}
    build, final = stages(tmp_path, API, files)
    names = " ".join(f"api/{name}" for name in ("package.json", *lock))
    copied, installed = build.index(f"COPY {names} api/"), build.index(f"RUN cd api && {install}")
    assert copied < installed < build.index("COPY . .")
    assert any("corepack" in line or "bun" in line for line in final) is tools
    assert final[-4:] == ["USER 1000:1000", "EXPOSE 3000", "WORKDIR /app/api", 'CMD ["node", "server.js"]']
    assert not any(line.startswith("RUN cd") for line in final)


def test_a_workspace_is_installed_at_its_root_with_the_manifests_of_its_members(tmp_path: Path) -> None:
    text = '[apps.web]\ncommand = "npm start"\ncwd = "packages/web"\n'
    files = {
        "package.json": package(workspaces=["packages/*"]), "package-lock.json": "", ".npmrc": "",
        "packages/web/package.json": package(scripts={"build": "vite build"}),
        "packages/ui/package.json": package(),
    }  # fmt: skip
    build, _ = stages(tmp_path, text, files)
    assert build[2:] == [
        "COPY package.json package-lock.json .npmrc ./",
        "COPY packages/ui/package.json packages/ui/",
        "COPY packages/web/package.json packages/web/",
        "RUN npm ci",
        "COPY . .",
        "RUN cd packages/web && npm run build",
    ]


def test_a_package_whose_scripts_need_its_sources_gets_them_first(tmp_path: Path) -> None:
    files = {"api/package.json": package(scripts={"postinstall": "x"}), "api/package-lock.json": ""}
    build, _ = stages(tmp_path, API, files)
    assert build[2:] == ["COPY . .", "RUN cd api && npm ci"]


def test_a_server_for_development_is_not_built(tmp_path: Path) -> None:
    text = '[apps.web]\ncommand = "npm run dev"\n'
    build, _ = stages(tmp_path, text, {"package.json": package(scripts={"build": "x", "dev": "y"})})
    assert not any("npm run build" in line for line in build)


def test_prepare_runs_in_the_build_unless_it_installs_what_is_there(tmp_path: Path) -> None:
    files = {"api/package.json": package(), "api/package-lock.json": ""}
    build, _ = stages(tmp_path, f'{API}prepare = "npm ci"\n', files)
    assert sum("npm ci" in line for line in build) == 1
    build, _ = stages(tmp_path, f'{API}prepare = "npx prisma generate"\n', files)
    assert build[-1] == "RUN cd api && npx prisma generate"


@pytest.mark.parametrize(
    ("files", "install"),
    [
        ({"requirements.txt": ""}, "RUN /venv/bin/pip install --no-cache-dir -r requirements.txt"),
        ({"pyproject.toml": "", "uv.lock": ""}, "RUN uv sync --locked --no-install-project"),
        ({"pyproject.toml": "", "poetry.lock": ""}, "RUN poetry install --no-interaction --no-root"),
        ({"pyproject.toml": ""}, "RUN /venv/bin/pip install --no-cache-dir ."),
    ],
)
def test_python_is_installed_into_an_environment_of_its_own(
    tmp_path: Path, files: dict[str, str], install: str
) -> None:
    text = '[apps.web]\ncommand = "uvicorn main:app"\nstop_signal = "SIGINT"\n'
    build, final = stages(tmp_path, text, {**files, ".python-version": "3.12.4\n"})
    assert build[0] == "FROM python:3.12-slim AS python"
    assert install in build
    assert final[0] == "FROM python:3.12-slim"
    assert "RUN useradd --uid 1000 --create-home app" in final
    assert "COPY --from=python /venv /venv" in final
    assert final[-3:] == ["USER 1000:1000", "STOPSIGNAL SIGINT", 'CMD ["uvicorn", "main:app"]']


def test_two_languages_are_two_stages_and_run_in_one_image(tmp_path: Path) -> None:
    text = f'{API}[apps.jobs]\ncommand = "python3 jobs.py"\ncwd = "jobs"\n'
    files = {"api/package.json": package(), "jobs/requirements.txt": "", ".nvmrc": "v20.11\n"}
    node, python, final = stages(tmp_path, text, files)
    assert (node[0], python[0]) == ("FROM node:20-slim AS node", "FROM python:3.13-slim AS python")
    assert final[0] == "FROM python:3.13-slim"
    assert "COPY --from=node /usr/local/bin/node /usr/local/bin/node" in final
    assert not any(line.startswith("CMD") for line in final)  # each has its own
    assert not any("corepack" in line for line in final)

    (tmp_path / "api" / "pnpm-lock.yaml").write_text("")
    *_, final = stages(tmp_path, text, files)
    linked = final.index("RUN ln -s ../lib/node_modules/corepack/dist/corepack.js /usr/local/bin/corepack")
    assert linked < final.index("RUN corepack enable") < final.index("COPY --from=node /corepack /corepack")


@pytest.mark.parametrize(
    ("engines", "version"), [("20.x", "20"), ("^18", "18"), (">=18", "22"), ("18 || 20", "22")]
)
def test_node_is_the_one_that_the_project_names(tmp_path: Path, engines: str, version: str) -> None:
    build, _ = stages(tmp_path, API, {"api/package.json": package(engines={"node": engines})})
    assert build[0] == f"FROM node:{version}-slim AS node"


def test_secrets_and_what_is_installed_here_stay_here(tmp_path: Path) -> None:
    ignored = exported(tmp_path, API, {}).files[".dockerignore"].splitlines()
    assert {"**/.env", "**/.env.*", "**/node_modules", ".procman", ".git"} <= set(ignored)


def test_what_no_image_can_say_is_lost(tmp_path: Path) -> None:
    text = (
        f'{API}stop_signal = "SIGINT"\nprepare = "a\\nb"\nshell = true\n'
        '[apps.out]\ncommand = "ls"\ncwd = ".."\n'
    )
    lost = {loss.what for loss in exported(tmp_path, text, {"api/package.json": package()}).losses}
    assert {"api.stop_signal", "api.prepare", "out.cwd"} <= lost


def test_a_program_of_another_language_gets_the_files_alone(tmp_path: Path) -> None:
    (final,) = stages(tmp_path, '[apps.x]\ncommand = ["./run", "it\'s"]\n', {})
    assert final == [
        "FROM debian:stable-slim", "RUN useradd --uid 1000 --create-home app",
        "COPY --chown=1000:1000 . /app", "WORKDIR /app", "USER 1000:1000", 'CMD ["./run", "it\'s"]',
    ]  # fmt: skip
