"""What a valid file means: defaults, inheritance, and what is resolved."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from procman.config.read import EmptyFile, InvalidConfig, MissingFile, read_config
from procman.core.config import (
    AppConfig,
    Backoff,
    Check,
    CheckKind,
    Command,
    Condition,
    Config,
    GiveUp,
    HistoryBudget,
    LogBudget,
    ManagerConfig,
    Restart,
)


@pytest.fixture
def read(tmp_path: Path) -> Reader:
    return Reader(tmp_path)


class Reader:
    """Reads a text as a `portwatch.toml` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def config(self, text: str) -> Config:
        path = self.folder / "portwatch.toml"
        path.write_text(text, encoding="utf-8")
        return read_config(str(path), shown_as="portwatch.toml")

    def app(self, text: str, before: str = "") -> AppConfig:
        return self.config(f"{before}\n[apps.web]\n{text}").apps["web"]

    def errors(self, text: str) -> list[str]:
        with pytest.raises(InvalidConfig) as caught:
            self.config(text)
        return [diagnostic.headline for diagnostic in caught.value.diagnostics]


def test_a_command_is_enough(read: Reader) -> None:
    config = read.config('[apps.web]\ncommand = "npm run dev"\n')

    folder = str(read.folder)
    assert config == Config(
        file=f"{folder}/portwatch.toml",
        folder=folder,
        manager=ManagerConfig(),
        apps={"web": AppConfig("web", Command(("npm", "run", "dev")), cwd=folder)},
    )


def test_every_key_arrives(read: Reader) -> None:
    app = read.app(
        """
        command = ["vite", "--port", "{port}", "--name={name}", "{other}", "${port}"]
        cwd = "web"
        port = 5173
        host = "127.0.0.1"
        check_interval = "5m"
        check = { http = "/health", status = 204, headers = { A = "b" }, timeout = 1, failures = 1, \
                  retry_interval = "2s", successes = 2 }
        start_timeout = "2m"
        restart = "on-failure"
        backoff = { initial = "2s", factor = 3, max = "1m", jitter = 0, reset_after = "2m" }
        give_up = { starts = 3, within = "1m" }
        stop_signal = "INT"
        stop_timeout = "3s"
        env = { A = "${B}", C = 1 }
        env_file = [".env", "/etc/env"]
        inherit_env = false
        prepare = "npm ci"
        prepare_inputs = "package-lock.json"
        autostart = false
        logs = { max_size = "1MB", keep = 1 }
        tags = ["front"]
    """.replace("\\\n", "")
    )

    cwd = f"{read.folder}/web"
    assert app == AppConfig(
        name="web",
        command=Command(("vite", "--port", "5173", "--name=web", "{other}", "${port}")),
        cwd=cwd,
        port=5173,
        host="127.0.0.1",
        check_interval=300.0,
        check=Check(
            kind=CheckKind.HTTP,
            path="/health",
            status=((204, 204),),
            headers=(("A", "b"),),
            timeout=1.0,
            failures=1,
            retry_interval=2.0,
            successes=2,
        ),
        start_timeout=120.0,
        restart=Restart.ON_FAILURE,
        backoff=Backoff(2.0, 3.0, 60.0, 0.0, 120.0),
        give_up=GiveUp(3, 60.0),
        stop_signal="SIGINT",
        stop_timeout=3.0,
        env=(("A", "${B}"), ("C", "1")),
        env_file=(f"{cwd}/.env", "/etc/env"),
        inherit_env=False,
        prepare=Command(("npm", "ci")),
        prepare_inputs=(f"{cwd}/package-lock.json",),
        autostart=False,
        logs=LogBudget(1_000_000, 1),
        tags=("front",),
    )


@pytest.mark.parametrize(
    ("lines", "check"),
    [
        ("port = 1", Check(CheckKind.TCP)),
        ("", Check(CheckKind.NONE)),
        ("port = 1\ncheck = { tcp = true, failures = 5 }", Check(CheckKind.TCP, failures=5)),
        ("port = 1\ncheck.failures = 5", Check(CheckKind.TCP, failures=5)),
        ('port = 1\ncheck.http = "/x"', Check(CheckKind.HTTP, path="/x")),
        ("check.log = 'ready in \\d+'", Check(CheckKind.LOG, pattern="ready in \\d+")),
        ('check.exec = "true {name}"', Check(CheckKind.EXEC, command=Command(("true", "web")))),
        ('check.exec = ["true", "a b"]', Check(CheckKind.EXEC, command=Command(("true", "a b")))),
        (
            'shell = true\ncheck.exec = "a | b"',
            Check(CheckKind.EXEC, command=Command(("a | b",), shell=True)),
        ),
    ],
)
def test_the_kind_of_a_check(read: Reader, lines: str, check: Check) -> None:
    assert read.app(f'command = "x"\n{lines}\n').check == check


def test_a_shell_gets_the_text_as_it_is_but_for_what_is_filled_in(read: Reader) -> None:
    app = read.app('command = "A=1 x {port} | y && ${port}"\nshell = true\nport = 1\nprepare = "a; b"')

    assert app.command == Command(("A=1 x 1 | y && ${port}",), shell=True)
    assert app.prepare == Command(("a; b",), shell=True)


def test_an_array_is_never_run_by_a_shell_that_is_the_default(read: Reader) -> None:
    assert read.app('command = ["a", "|"]', "[defaults]\nshell = true").command == Command(("a", "|"))


def test_an_app_inherits_defaults_then_the_manager(read: Reader) -> None:
    config = read.config("""
        [manager]
        stop_timeout = "1s"
        logs = { max_size = "1MB", keep = 1 }
        [defaults]
        command = "npm run {name}"
        check_interval = "1m"
        logs.keep = 2
        backoff = { initial = "5s", max = "1m" }
        env = { A = "1", B = "1" }
        tags = ["all"]
        [apps.web]
        [apps.api]
        stop_timeout = "2s"
        logs.max_size = "2MB"
        backoff.max = "2m"
        env = { B = "2", C = "2" }
        tags = ["api"]
    """)

    web, api = config.apps["web"], config.apps["api"]
    assert config.manager == ManagerConfig(1.0, LogBudget(1_000_000, 1))
    assert (web.command.text, api.command.text) == ("npm run web", "npm run api")
    assert (web.check_interval, web.stop_timeout, api.stop_timeout) == (60.0, 1.0, 2.0)
    assert (web.logs, api.logs) == (LogBudget(1_000_000, 2), LogBudget(2_000_000, 2))
    assert (web.backoff, api.backoff) == (Backoff(initial=5.0, max=60.0), Backoff(initial=5.0, max=120.0))
    assert (dict(web.env), dict(api.env)) == ({"A": "1", "B": "1"}, {"A": "1", "B": "2", "C": "2"})
    assert (web.tags, api.tags) == (("all",), ("api",))


def test_how_much_of_the_history_is_kept(read: Reader) -> None:
    apps = '[apps.web]\ncommand = "x"\n'

    assert read.config(apps).manager.history == HistoryBudget(50_000_000, 2_592_000.0)
    assert read.config(f'manager.history = {{ keep = "90d" }}\n{apps}').manager.history == HistoryBudget(
        50_000_000, 7_776_000.0
    )
    assert read.errors(f'manager.history = {{ max_size = "1kB", keep = 0 }}\n{apps}') == [
        'portwatch.toml:1:32: manager.history.max_size: expected at least 1MB and less than 8EiB, got "1kB"',
        "portwatch.toml:1:46: manager.history.keep: expected a duration from 1h to 365d, got 0",
    ]


def test_a_check_is_inherited_key_by_key_as_long_as_its_kind_stays(read: Reader) -> None:
    defaults = '[defaults]\ncheck = { http = "/health", status = 200, timeout = "1s" }\n'

    def check(lines: str) -> Check:
        return read.app(f'command = "x"\n{lines}\n', defaults).check

    ok = ((200, 200),)
    assert check("port = 1") == Check(CheckKind.HTTP, path="/health", status=ok, timeout=1.0)
    assert check("port = 1\ncheck.failures = 1") == Check(
        CheckKind.HTTP, path="/health", status=ok, timeout=1.0, failures=1
    )
    assert check('port = 1\ncheck.http = "/"') == Check(CheckKind.HTTP, path="/", status=ok, timeout=1.0)
    assert check("port = 1\ncheck.tcp = true") == Check(CheckKind.TCP, timeout=1.0)
    assert check("") == Check(CheckKind.NONE, timeout=1.0)


def test_a_wrong_default_is_told_once(read: Reader) -> None:
    defaults = '[defaults]\ncommand = "a && b"\ncheck = { exec = "x", log = "y" }\n'

    assert read.errors(f"{defaults}[apps.a]\n[apps.b]\n") == [
        "portwatch.toml:2:14: defaults.command: `&&` needs a shell",
        "portwatch.toml:3:23: defaults.check.log: expected one kind of check, got `exec` and `log`",
    ]


def test_a_dependency_is_waited_for_until_it_is_healthy_if_that_is_checked(read: Reader) -> None:
    config = read.config("""
        [apps.web]
        command = "x"
        depends_on = ["api", "worker"]
        [apps.api]
        command = "x"
        port = 1
        depends_on = { worker = "healthy", migrate = "completed", api2 = "started" }
        [apps.api2]
        command = "x"
        port = 2
        [apps.worker]
        command = "x"
        [apps.migrate]
        command = "x"
        restart = "never"
    """)

    healthy, started, completed = Condition.HEALTHY, Condition.STARTED, Condition.COMPLETED
    assert config.apps["web"].depends_on == (("api", healthy), ("worker", started))
    assert dict(config.apps["api"].depends_on) == {"worker": healthy, "migrate": completed, "api2": started}


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("", Restart.ON_FAILURE),
        ('restart = "never"', Restart.NEVER),
        ('restart = "on-failure"', Restart.ON_FAILURE),
    ],
)
def test_an_app_that_is_waited_for_to_be_completed_can_complete(
    read: Reader, said: str, means: Restart
) -> None:
    config = read.config(f"""
        [apps.api]
        command = "x"
        depends_on = {{ migrate = "completed" }}
        [apps.migrate]
        command = "x"
        {said}
    """)

    assert config.apps["migrate"].restart is means
    assert config.apps["api"].restart is Restart.ALWAYS


def test_an_env_file_is_looked_for_beside_the_app_and_else_beside_the_file(read: Reader) -> None:
    (read.folder / "api").mkdir()
    text = '[apps.api]\ncommand = "x"\ncwd = "api"\nenv_file = ".env"\n'
    near, far = str(read.folder / "api" / ".env"), str(read.folder / ".env")

    assert read.config(text).apps["api"].env_file == (near,), "where an error says it should be"
    Path(far).touch()
    assert read.config(text).apps["api"].env_file == (far,)
    Path(near).touch()
    assert read.config(text).apps["api"].env_file == (near,)


def test_a_disabled_app_is_kept_but_in_nobodys_way(read: Reader) -> None:
    config = read.config("""
        [apps.web]
        command = "x"
        port = 1
        [apps.old]
        command = "x"
        port = 1
        enabled = false
        depends_on = ["older"]
        [apps.older]
        command = "x"
        enabled = false
    """)

    assert list(config.apps) == ["web", "old", "older"]
    assert list(config.enabled_apps()) == ["web"]


def test_a_number_of_zero_never_gives_up(read: Reader) -> None:
    assert read.app('command = "x"\ngive_up = 0').give_up == GiveUp(starts=0)


def test_paths_start_at_home_or_at_the_folder(read: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    assert read.app('command = "x"\ncwd = "~/x"').cwd == "/home/ada/x"
    assert read.app('command = "x"\ncwd = "../x/./y"').cwd == f"{read.folder.parent}/x/y"


def test_a_wrong_value_is_not_also_missing(read: Reader) -> None:
    assert read.errors(
        '[apps.web]\ncmd = "x {port}"\nport = "80"\ncheck.http = "/"\n[apps.api]\ncommand = 3'
    ) == [
        "portwatch.toml:2:1: apps.web.cmd: unknown key",
        'portwatch.toml:3:8: apps.web.port: expected 1 to 65535, got the string "80"',
        "portwatch.toml:6:11: apps.api.command: expected a string or an array of strings, got the number 3",
    ]
    assert len(read.errors('[apps.web]\ncommand = "x {port}"\ndepends_on = 3\nport = 0\n')) == 2
    assert len(read.errors('[apps.web]\ncommand = "x"\nenabled = 3\nshell = 3\nprepare = 3\n')) == 3


def test_windows_line_ends_and_a_byte_order_mark_are_fine(read: Reader) -> None:
    path = read.folder / "portwatch.toml"
    path.write_bytes(b'\xef\xbb\xbf[apps.web]\r\ncommand = "x"\r\nport = 0\r\n')

    with pytest.raises(InvalidConfig) as caught:
        read_config(str(path), shown_as="portwatch.toml")
    assert caught.value.render() == (
        "portwatch.toml:3:8: apps.web.port: expected 1 to 65535, got 0\n  |\n3 | port = 0\n  |        ^"
    )


def test_no_file_and_an_empty_file_are_told_apart(read: Reader) -> None:
    with pytest.raises(MissingFile):
        read_config(str(read.folder / "portwatch.toml"))
    for content in ("", " \n\n", "\ufeff"):
        with pytest.raises(EmptyFile):
            read.config(content)


def test_an_error_knows_how_many_there_are(read: Reader) -> None:
    with pytest.raises(InvalidConfig) as caught:
        read.config("a = 1\nb = 2\n")
    assert str(caught.value) == "portwatch.toml:1:1: a: unknown key (and 1 more)"

    with pytest.raises(InvalidConfig) as caught:
        read.config("a = 1\n")
    assert str(caught.value) == "portwatch.toml:1:1: a: unknown key"


def test_values_nested_too_deeply_have_a_place(read: Reader) -> None:
    [error] = read.errors(f"x = {'[' * 20000}\n")

    assert error.startswith("portwatch.toml:1:")
    assert error.endswith("the values are nested too deeply")


def test_a_number_too_long_to_read_has_a_place(read: Reader) -> None:
    limit = sys.get_int_max_str_digits()

    assert read.errors(f"[apps.web]\nport = {'1' * (limit + 1)}\n") == [
        "portwatch.toml:2:8: expected a number of fewer digits"
    ]
