"""A wrong setting stops the start with a sentence that says which and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.kit.settings import Settings, SettingsError, load_settings


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text('name = "From the file"\nport = 4000\ntrusted_proxies = ["10.0.0.1"]\n')
    settings = load_settings({"PARLEY_NAME": "From the environment"}, file=file)
    assert (settings.name, settings.port) == ("From the environment", 4000)
    assert settings.trusted_proxies == ("10.0.0.1",)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PARLEY_PORT": "nonsense"}, ["port", "PARLEY_PORT", "nonsense"]),
        ({"PARLEY_PORT": "70000"}, ["port", "65535"]),
        ({"PARLEY_REGISTRATIONS": "maybe"}, ["registrations", "maybe", "open, approval, invite, closed"]),
        ({"PARLEY_RATE_LIMITS": "sideways"}, ["rate_limits", "sideways", "on, off"]),
        ({"PARLEY_EMAIL_CONFIRMATION": "perhaps"}, ["email_confirmation", "perhaps", "true or false"]),
        ({"PARLEY_DOMAIN": "https://social.example/"}, ["domain", "bare domain"]),
        ({"PARLEY_DOMAIN": "social.example:8080"}, ["domain", "port"]),
        ({"PARLEY_DOMAIN": "social"}, ["domain", "full domain"]),
        ({"PARLEY_DOMAIN": "soc!al.example"}, ["domain", "soc!al.example", "letters"]),
        ({"PARLEY_DOMAIN": "straße.example"}, ["domain", "xn--"]),
        ({"PARLEY_DOMAIN": "social..example"}, ["domain", "dots"]),
        ({"PARLEY_DOMAIN": "localhost:door"}, ["domain", "a port"]),
        ({"PARLEY_RATE_LIMITS": "off", "PARLEY_DOMAIN": "social.example"}, ["rate_limits", "loopback"]),
        ({"PARLEY_DATABASE_URL": "mysql://x"}, ["database_url", "postgresql://"]),
        ({"PARLEY_MAIL": "mail.example"}, ["mail", "smtp://"]),
        ({"PARLEY_MAIL": "smtp://"}, ["mail", "names no server"]),
        ({"PARLEY_MAIL": "smtp://mail.example:nothing"}, ["mail", "names no server"]),
        ({"PARLEY_SECRET_KEY": "abc"}, ["secret_key", "32 random bytes"]),
        ({"PARLEY_SECRET_KEY": "c2hvcnQ="}, ["secret_key", "32 random bytes"]),
        ({"PARLEY_PRT": "3000"}, ["PARLEY_PRT", "not a setting"]),
    ],
)
def test_a_wrong_setting_is_named_with_the_reason(
    tmp_path: Path, environment: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(environment, file=tmp_path / "none.toml")
    for word in words:
        assert word in str(caught.value)


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text("name: nope")
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings({}, file=file)


def test_an_unknown_setting_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "parley.toml"
    file.write_text("colour = 1")
    with pytest.raises(SettingsError, match="colour"):
        load_settings({}, file=file)


@pytest.mark.parametrize(
    ("domain", "port", "base_url"),
    [
        ("", 3000, "http://localhost:3000"),
        ("localhost", 3100, "http://localhost:3100"),
        ("localhost:4000", 3000, "http://localhost:4000"),
        ("127.0.0.1:4000", 3000, "http://127.0.0.1:4000"),
        ("[::1]:4000", 3000, "http://[::1]:4000"),
        ("social.example", 3000, "https://social.example"),
        ("Social.Example", 3000, "https://social.example"),
        ("xn--strae-oqa.example", 3000, "https://xn--strae-oqa.example"),
    ],
)
def test_the_address_follows_from_the_domain(domain: str, port: int, base_url: str) -> None:
    assert Settings(domain=domain, port=port).base_url == base_url
