"""What a typed key and a typed value mean."""

from __future__ import annotations

import pytest

from procman.config.keys import WrongKey, resolve, toml_token
from procman.core.selection import UnknownApp

APPS = ("web", "api", "api.v2", "manager", "apps")


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("web", ("apps", "web")),
        ("web.port", ("apps", "web", "port")),
        ("web.check.timeout", ("apps", "web", "check", "timeout")),
        ("api.port", ("apps", "api", "port")),
        ("api.v2.port", ("apps", "api.v2", "port")),
        ("api.v2", ("apps", "api.v2")),
        ("apps.web.port", ("apps", "web", "port")),
        ("apps.port", ("apps", "apps", "port")),
        ("manager.logs.keep", ("manager", "logs", "keep")),
        ("apps.manager.port", ("apps", "manager", "port")),
        ("defaults.restart", ("defaults", "restart")),
        ("defaults", ("defaults",)),
        ("web.env.A.B", ("apps", "web", "env", "A.B")),
        ("web.check.headers.X-Y", ("apps", "web", "check", "headers", "X-Y")),
        ("web.depends_on.api.v2", ("apps", "web", "depends_on", "api.v2")),
    ],
)
def test_a_key_is_found(written: str, path: tuple[str, ...]) -> None:
    assert resolve(written, APPS).path == path


@pytest.mark.parametrize(
    ("written", "message", "hint"),
    [
        ("web.prot", "web.prot: unknown key", "did you mean `port`?"),
        ("web.cmd", "web.cmd: unknown key", "`cmd` is circus's name; here it is `command`"),
        ("web.check.interval", "web.check.interval: unknown key", "`interval` is Docker Compose's name; "
         "here it is `check_interval` of the app"),
        ("web.port.x", "web.port.x: `port` has no keys in it, it takes 1 to 65535", None),
        ("manager.lgos", "manager.lgos: unknown key", "did you mean `logs`?"),
        ("defaults.port", "defaults.port: it cannot be a default",
         "no two apps may share a port; it belongs in the table of each app"),
    ],
)  # fmt: skip
def test_a_wrong_key_says_what_is_right(written: str, message: str, hint: str | None) -> None:
    with pytest.raises(WrongKey) as caught:
        resolve(written, APPS)

    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize(("written", "wrong"), [("wbe.port", "wbe"), ("apps.wbe.port", "wbe"), ("", "")])
def test_an_unknown_app_is_named(written: str, wrong: str) -> None:
    with pytest.raises(UnknownApp) as caught:
        resolve(written, ("web",))

    assert caught.value.pattern == wrong


@pytest.mark.parametrize(
    ("key", "written", "token"),
    [
        ("web.check_interval", "30s", '"30s"'),
        ("web.check_interval", "30", "30"),
        ("web.port", "5173", "5173"),
        ("web.port", " 5173 # the proxy", "5173"),
        ("web.port", "soon", '"soon"'),
        ("web.port", "99999", "99999"),
        ("web.shell", "true", "true"),
        ("web.command", "true", '"true"'),
        ("web.command", "npm run dev", '"npm run dev"'),
        ("web.command", '"npm run dev"', '"npm run dev"'),
        ("web.command", '["a", "b"]', '["a", "b"]'),
        ("web.command", '1\n[x]', '"1\\n[x]"'),
        ("web.cwd", "2020-01-01", '"2020-01-01"'),
        ("web.cwd", 'a"b\\c', '"a\\"b\\\\c"'),
        ("web.check", '{ http = "/health" }', '{ http = "/health" }'),
        ("web.check.http", "/health", '"/health"'),
        ("web.check.status", "200-299", '"200-299"'),
        ("web.env.A", "1.50", '"1.50"'),
        ("web.env.A", "'1.50'", "'1.50'"),
        ("web.tags", "front", '"front"'),
    ],
)  # fmt: skip
def test_a_value_is_toml_where_the_key_takes_it(key: str, written: str, token: str) -> None:
    parse = resolve(key, APPS).parse
    assert parse is not None

    assert toml_token(written, parse) == token
