"""Which values are never shown."""

from __future__ import annotations

import pytest

from procman.core.secrets import HIDDEN, hide, holds_secret, is_secret, show_command


@pytest.mark.parametrize(
    "name",
    [
        "NPM_TOKEN",
        "DB_PASSWORD",
        "PGPASSWORD",
        "API_KEY",
        "apiKey",
        "API_KEYS",
        "ENCRYPTION_KEY_2",
        "SIGNING_KEY_BASE64",
        "AWS_ACCESS_KEY_ID",
        "SECRET_KEY_BASE",
        "DB_PASS",
        "MYSQL_PWD",
        "SENTRY_DSN",
        "Authorization",
        "Cookie",
        "X-Api-Key",
        "npm_config_//registry.example/:_authToken",
    ],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    assert is_secret(name)
    assert hide(name, "word") == HIDDEN


@pytest.mark.parametrize("name", ["NODE_ENV", "PORT", "HOST", "PWD", "OLDPWD", "KEYBOARD", "DEBUG", "PATH"])
def test_an_everyday_variable_is_shown(name: str) -> None:
    assert not is_secret(name)
    assert hide(name, "word") == "word"


@pytest.mark.parametrize(
    "value",
    [
        "postgres://user:word@host/db",
        "redis://:word@host",
        "postgres://host/db?user=a&password=word",
        "https://host/hook?token=word",
        "Server=host;Password=word",
    ],
)
def test_a_text_that_holds_a_secret_is_hidden_whatever_its_name(value: str) -> None:
    assert hide("DATABASE_URL", value) == HIDDEN


@pytest.mark.parametrize(
    "value", ["http://localhost:3000", "@scope/package", "--max-old-space-size=4096", "a@b.example"]
)
def test_a_text_without_a_secret_is_shown(value: str) -> None:
    assert hide("DATABASE_URL", value) == value


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), ""),
        (("node", "server.js", "--port", "3000"), "node server.js --port 3000"),
        (("npm run dev",), "npm run dev"),
        (("node", "--token=word", "--port=1"), "node --token=(hidden) --port=1"),
        (("node", "--api-key", "word", "go"), "node --api-key (hidden) go"),
        (("node", "--auth", "--port", "1"), "node --auth --port 1"),
        (("psql", "postgres://user:word@host/db"), "psql (hidden)"),
        (("app", "--db=postgres://user:word@host/db"), "app --db=(hidden)"),
        (("sh", "-c", "DB_PASSWORD=word exec node x.js"), "sh -c DB_PASSWORD=(hidden) exec node x.js"),
        (("node", "node_modules/next-auth/cli.js", "token"), "node node_modules/next-auth/cli.js token"),
        (("next-server (v15)\n",), "next-server (v15)"),
    ],
)
def test_a_command_line_is_shown_without_its_secrets(arguments: tuple[str, ...], shown: str) -> None:
    assert show_command(arguments) == shown


@pytest.mark.parametrize(
    ("most", "shown"),
    [(100, "node --token (hidden) a b"), (25, "node --token (hidden) a b"), (24, "node --token (hidden) a…")],
)
def test_a_long_command_line_is_cut_once_its_secrets_are_hidden(most: int, shown: str) -> None:
    assert show_command(("node", "--token", "word" * 20, "a", "b"), most) == shown
    assert len(show_command(("node", "x" * 1000), most)) == most


@pytest.mark.parametrize(
    ("line", "holds"),
    [
        ('env = { API_KEY = "word" }', True),
        ('API_TOKEN: "word"', True),
        ('"password" = "word"', True),
        ('command = "db postgres://me:word@host/db"', True),
        ('command = "npm run dev"', False),
        ("port = 99999", False),
        ("[apps.web", False),
    ],
)
def test_a_line_that_gives_a_secret_its_value_is_known(line: str, holds: bool) -> None:
    assert holds_secret(line) is holds
