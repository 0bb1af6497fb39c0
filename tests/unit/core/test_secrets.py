"""Which values are never shown."""

from __future__ import annotations

import pytest

from procman.core.secrets import HIDDEN, hide, is_secret


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
