"""Which values are hidden from viewers, by the name that they have."""

from __future__ import annotations

from typing import Any

import pytest

from qless_py.client.redaction import data_text
from qless_py.dashboard import DashboardConfig

SECRETS = (
    "password", "pwd", "db_pwd", "userPwd", "passwd", "pass", "passcode", "passphrase", "auth",
    "Auth", "x-auth", "basic_auth", "oauth", "authorization", "Authorisation", "authentication",
    "secret", "client_secret", "token", "accessToken", "api_key", "apiKey", "access_key",
    "AWS_ACCESS_KEY", "private-key", "signing_key", "encryptionKey", "account_key", "cookie",
    "credential", "credentials", "creds", "session_id", "sessionId", "connection_string",
    "csrf", "bearer", "jwt", "user_jwt", "pin", "user_pin", "userPin", "otp", "dsn",
    "sentryDsn", "sid", "signature", "mnemonic", "security_code", "ssn", "iban", "card_number",
    "accountNumber", "cvc",
)  # fmt: skip
ORDINARY = (
    "author", "authors", "authored_by", "key", "keys", "shipping", "spinning", "pinned", "to",
    "name", "user", "inside", "residence", "session", "number", "order_number", "account",
    "credit", "incredible", "code", "state", "url", "dsnx", "opinion", "license",
)  # fmt: skip


@pytest.mark.parametrize("key", SECRETS)
def test_values_under_names_of_secrets_are_hidden(key: str) -> None:
    redactor = DashboardConfig().redactor
    text = data_text({"a": [{key: "hunter2"}], "note": f"{key}=hunter2, end"}, redactor)

    assert "hunter2" not in text
    assert "end" in text


@pytest.mark.parametrize("key", ORDINARY)
def test_values_under_other_names_are_shown(key: str) -> None:
    redactor = DashboardConfig().redactor

    assert "hunter2" in data_text({key: "hunter2"}, redactor)
    assert "hunter2" in redactor.redact_text(f"{key}=hunter2")


@pytest.mark.parametrize(
    "data",
    [
        {"argv": ["mysql", "--password", "hunter2", "db"]},
        {"argv": ["curl", "--auth", "hunter2"]},
        {"headers": [["Authorization", "hunter2"]]},
        {"headers": [{"name": "X-Api-Key", "value": "hunter2"}]},
        {"env": [{"key": "DB_PWD", "value": "hunter2"}]},
    ],
)
def test_values_beside_names_of_secrets_are_hidden(data: Any) -> None:
    assert "hunter2" not in data_text(data, DashboardConfig().redactor)


@pytest.mark.parametrize(
    "data",
    [
        {"argv": ["the password", "hunter2"]},
        {"argv": ["mysql", "--user", "hunter2"]},
        {"words": ["token", "hunter2", "more"]},
        {"rows": [{"name": "ann", "value": "hunter2"}]},
    ],
)
def test_values_beside_other_texts_are_shown(data: Any) -> None:
    assert "hunter2" in data_text(data, DashboardConfig().redactor)
