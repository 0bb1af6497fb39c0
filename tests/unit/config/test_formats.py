"""Keys of other tools, one at a time: what each becomes, or why it is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procman.config.diagnostics import InvalidConfig
from procman.config.formats.detect import format_of, import_source
from procman.config.formats.draft import needs_shell
from procman.config.formats.finish import Finished, finish
from procman.config.formats.nodes import of_json
from procman.config.procfile import parse_procfile
from procman.config.read import parse_config
from procman.config.source import Source, read_source
from procman.config.syntax import parse_toml
from procman.core.config import Config


def source(text: str, name: str) -> Source:
    return Source(f"/project/{name}", name, text, "")


def imported(text: str, name: str, folder: str = "/project") -> Finished:
    """Return what a file becomes in a folder."""
    file = source(text, name)
    return finish(import_source(file, format_of(file.path, text) or "?"), file, folder)


def tables(finished: Finished) -> Any:
    return parse_toml(source(finished.text, "portwatch.toml"))["apps"]


def program(*lines: str) -> Any:
    """Return the table of a program of supervisord."""
    text = "\n".join(["[program:web]", "command=node web.js", *lines])
    return tables(imported(text, "supervisord.conf"))["web"]


def service(*lines: str) -> Any:
    """Return the table of a service of compose."""
    text = "\n".join(["services:", "  web:", "    build: .", "    command: node web.js", *lines])
    return tables(imported(text.replace("\n- ", "\n    "), "compose.yaml"))["web"]


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("directory=/srv/web", "cwd", "/srv/web"),
        ("directory=%(here)s/web", "cwd", "web"),
        ("autostart=false", "autostart", False),
        ("autorestart=true", "restart", "always"),
        ("autorestart=unexpected", "restart", "on-failure"),
        ("autorestart=false", "restart", "never"),
        ("startretries=5", "give_up", {"starts": 6}),
        ("startsecs=10", "backoff", {"reset_after": "10s"}),
        ("stopsignal=INT", "stop_signal", "INT"),
        ("stopwaitsecs=90", "stop_timeout", "1m30s"),
        ('environment=A="1,2",B=x/y', "env", {"A": "1,2", "B": "x/y"}),
        ("environment=A='${X}'", "env", {"A": "$${X}"}),
        ("environment=A=%(ENV_HOME)s", "env", {"A": "${HOME}"}),
        ("environment=PORT=3000", "port", 3000),
        ("stdout_logfile_maxbytes=5MB", "logs", {"max_size": "5MiB"}),
    ],
)
def test_a_key_of_supervisord_is_carried_over(line: str, key: str, value: object) -> None:
    assert program(line)[key] == value


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("node a.js", "node a.js"),
        ('node "a b.js"', ["node", "a b.js"]),
        ("node a.js ; a comment", "node a.js"),
        ("date +%%Y", "date +%Y"),
        ("echo $HOME && x", ["echo", "$HOME", "&&", "x"]),
        ("run %(program_name)s", "run web"),
        ("%(ENV_BIN)s 'a b'", "${BIN} 'a b'"),
    ],
)
def test_a_command_of_supervisord_is_split_as_it_does(command: str, meant: object) -> None:
    text = f"[program:web]\ncommand={command}\n"
    assert tables(imported(text, "supervisord.conf"))["web"]["command"] == meant


def test_files_that_supervisord_includes_are_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "web.conf").write_text("[program:web]\ncommand=node web.js\nfoo=1\n")
    (tmp_path / "supervisord.conf").write_text("[include]\nfiles = conf.d/*.conf\n")
    file = read_source(str(tmp_path / "supervisord.conf"))

    finished = finish(import_source(file, "supervisord"), file, str(tmp_path))

    assert list(finished.config.apps) == ["web"]
    assert finished.losses[0].place.endswith("conf.d/web.conf:3")


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("ports: ['3000:3000']", "port", 3000),
        ("ports: [3000]", "port", 3000),
        ("ports: ['127.0.0.1:8080:3000/tcp']", "port", 3000),
        ("ports: ['[::1]:8080:3000']", "port", 3000),
        ("ports: ['${P:-3000}:3000']", "port", 3000),
        ("expose: ['3000']", "port", 3000),
        ("restart: 'no'", "restart", "never"),
        ("restart: unless-stopped", "restart", "always"),
        ("restart: on-failure:3", "give_up", {"starts": 4}),
        ("environment: {A: 1, B: '$$x', C: '${D-e}', F: $G}", "env",
         {"A": "1", "B": "$x", "C": "${D:-e}", "F": "${G}"}),
        ("environment: ['A=b=c', 'HOME']", "env", {"A": "b=c"}),
        ("env_file: .env", "env_file", ".env"),
        ("stop_signal: SIGINT", "stop_signal", "SIGINT"),
        ("stop_grace_period: 1m30s", "stop_timeout", "1m30s"),
        ("profiles: [jobs]", "tags", ["jobs"]),
        ("profiles: [jobs]", "autostart", False),
        ("healthcheck: {test: [CMD, pg_isready]}", "check", {"exec": ["pg_isready"]}),
        ("healthcheck: {test: 'a && b'}", "check", {"exec": ["/bin/sh", "-c", "a && b"]}),
        ("healthcheck: {test: 'curl -f http://localhost:80/h || exit 1'}", "check", {"http": "/h"}),
        ("healthcheck: {test: 'wget -q http://db/h'}", "check", {"exec": "wget -q http://db/h"}),
    ],
)  # fmt: skip
def test_a_key_of_compose_is_carried_over(line: str, key: str, value: object) -> None:
    assert service(f"    {line}")[key] == value


def test_a_key_is_written_as_soon_as_procman_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from procman.core import fields

    known = {key: field for key, field in fields.APP.items() if key != "tags"}
    monkeypatch.setattr("procman.config.formats.draft.APP", known)
    text = "services:\n  web: {build: ., command: node web.js, profiles: [a]}\n"

    assert "tags" not in tables(imported(text, "compose.yaml"))["web"]
    assert any("`tags` is not supported" in loss.why for loss in imported(text, "compose.yaml").losses)
    monkeypatch.undo()
    assert tables(imported(text, "compose.yaml"))["web"]["tags"] == ["a"]


def test_paths_lead_from_the_new_file_to_the_same_places() -> None:
    text = "services:\n  web: {build: ./web, command: node web.js, env_file: .env}\n"

    table = tables(imported(text, "compose.yaml", folder="/project/deploy"))["web"]

    assert (table["cwd"], table["env_file"]) == ("../web", "../.env")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{"apps": [{"name": "a", "script": "a.js", "foo": 1}]}', 1),
        ('{\n "apps": [\n  {"name": "foo", "script": "a.js",\n   "foo": 1}]}', 4),
        ('{\n // "foo"\n "apps": [{"script": "a.js",\n\n "foo": {},},]}', 5),
    ],
)
def test_a_loss_in_json_has_its_line(text: str, line: int) -> None:
    losses = imported(text, "ecosystem.config.json").losses
    assert [loss.place for loss in losses if loss.what.endswith(".foo")] == [f"ecosystem.config.json:{line}"]


def test_json_means_what_json_means() -> None:
    node = of_json(source(r'{"a": [1, 2.5, true, null, "x\u00e9,}"], "b": {}}', "x.json"))
    values = [each.value for each in node.table["a"].items]
    assert values == [1, 2.5, True, None, "xé,}"]
    assert node.table["b"].value == {}


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("node a.js --port 3", False),
        ("FOO=1 node a.js", True),
        ("node a.js | tee x", True),
        ("echo $HOME", True),
        ("cat *.js", True),
        ("cat 'x y'", False),
        ("exec node a.js", True),
        ("cd x && y", True),
        ("ls ~", True),
    ],
)
def test_a_command_has_a_shell_where_it_needs_one(text: str, needs: bool) -> None:
    assert needs_shell(text) is needs


PROCFILES = [
    "web: node server.js\nworker: node worker.js --queue mail\n",
    "web: PORT=3000 npm start | tee log\nbeat: cd jobs && ./beat 'a b' \"$HOME\"\n",
]


@pytest.mark.parametrize("text", PROCFILES)
def test_a_procfile_comes_back_from_the_file_as_it_was(text: str) -> None:
    from procman.config.exports.procfile import export_procfile
    from procman.config.exports.subject import Options, subjects

    finished = imported(text, "Procfile")
    file = source(finished.text, "portwatch.toml")
    apps = subjects(parse_config(file), file, list(finished.config.apps))

    assert export_procfile(apps, Options()).files["Procfile"] == text


def commands(config: Config) -> dict[str, str]:
    return {name: app.command.text for name, app in config.apps.items()}


@pytest.mark.parametrize("text", PROCFILES)
def test_an_imported_procfile_means_what_it_meant(text: str) -> None:
    before = parse_procfile(source(text, "Procfile"))
    assert commands(imported(text, "Procfile").config) in (
        commands(before),
        {name: command.replace("'", "") for name, command in commands(before).items()},
    )


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("Procfile.dev", "", "procfile"),
        ("docker-compose.override.yml", "", "compose"),
        ("x.yaml", "services:\n  a: {}", "compose"),
        ("x.yaml", "processes:\n", "process-compose"),
        ("x.yml", "procs:\n", "mprocs"),
        ("web.conf", "[program:web]\n", "supervisord"),
        ("x.toml", "[daemons.web]\n", "pitchfork"),
        ("app.js", "", "pm2"),
        ("ecosystem.config.cjs", "", "pm2"),
        ("x.json", '{"apps": []}', "pm2"),
        ("package.json", "{}", "package.json"),
        ("run", "web: node x\n", "procfile"),
        ("x.sh", "exec node x", None),
    ],
)
def test_a_format_is_known_by_its_name_or_its_content(name: str, text: str, found: str | None) -> None:
    assert format_of(f"/project/{name}", text) == found


def test_a_toml_file_that_ends_after_an_equals_sign_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidConfig, match=r"^pitchfork\.toml:2:6: "):
        imported("[daemons.web]\nrun =", "pitchfork.toml")
