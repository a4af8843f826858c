"""What builds are told of the administrator's network, and what nobody else is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from labd.common.errors import ConfigError
from labd.engines import build_settings
from labd.engines.build_settings import BuildSettings
from labd.model.config import Build

PIP_CONF = """
[global]
index-url = https://ana:s3cr3t@index.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
trusted_host = one.example
[install]
find-links = https://wheels.example/it's /srv/wheels
proxy = http://ben:0ther@proxy.example:3128
[list]
format = columns
"""


@pytest.fixture
def pip_conf(tmp_path: Path) -> Path:
    file = tmp_path / "pip.conf"
    file.write_text(PIP_CONF)
    return file


def sourced(settings: BuildSettings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables that the settings export, in a shell that has no others."""
    monkeypatch.setattr(build_settings, "_PLACE", str(folder / "settings"))
    printed = subprocess.run(
        ["env", "-i", "/bin/sh", "-e"], input=f"{settings.script}\nenv", capture_output=True, text=True, check=True
    ).stdout
    return dict(line.split("=", 1) for line in printed.splitlines())


def test_pip_conf_is_there_for_pip_and_means_the_same_to_uv(
    pip_conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = sourced(BuildSettings(Build(pip_conf=pip_conf)), tmp_path, monkeypatch)
    assert Path(told["PIP_CONFIG_FILE"]).read_text().strip() == PIP_CONF.strip()
    assert told["UV_DEFAULT_INDEX"] == "https://ana:s3cr3t@index.example/simple"
    assert told["UV_EXTRA_INDEX_URL"] == "https://one.example/simple https://two.example/simple"
    assert told["UV_INSECURE_HOST"] == "one.example"
    assert told["UV_FIND_LINKS"] == "https://wheels.example/it's,/srv/wheels"
    assert Path(told["UV_CONFIG_FILE"]).read_text() == "no-index = false\n"


def test_an_index_in_the_config_goes_before_that_in_pip_conf(
    pip_conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = sourced(BuildSettings(Build(pip_conf=pip_conf, index="https://my.example/simple")), tmp_path, monkeypatch)
    assert told["UV_DEFAULT_INDEX"] == told["PIP_INDEX_URL"] == "https://my.example/simple"


def test_certificates_are_for_all_that_may_fetch_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n$(rm -rf) `x`\n")
    told = sourced(BuildSettings(Build(ca_bundle=bundle)), tmp_path, monkeypatch)
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO"):
        assert Path(told[name]).read_text() == bundle.read_text()


def test_certificates_that_are_not_there_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "SSL_CERT_FILE" not in sourced(BuildSettings(Build(ca_bundle=tmp_path / "none")), tmp_path, monkeypatch)


def test_what_decides_the_result_has_no_password(pip_conf: Path) -> None:
    key = BuildSettings(Build(pip_conf=pip_conf)).key
    assert "https://index.example/simple" in key
    assert not any("s3cr3t" in value for value in key)


def test_passwords_are_taken_out_of_what_is_printed(pip_conf: Path) -> None:
    settings = BuildSettings(Build(pip_conf=pip_conf, index="https://labd:t0ken@my.example/simple"))
    said = settings.redact("403 for https://labd:t0ken@my.example/simple, by proxy ben:0ther; the password is 0ther")
    assert said == "403 for https://****@my.example/simple, by proxy ****; the password is ****"


def test_the_proxy_of_pip_conf_is_that_of_the_build(pip_conf: Path) -> None:
    assert BuildSettings(Build(pip_conf=pip_conf)).proxies["https_proxy"] == "http://ben:0ther@proxy.example:3128"
    assert BuildSettings(Build()).proxies == {}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.conf cannot be read: No such file"):
        BuildSettings(Build(pip_conf=tmp_path / "none.conf")).key  # noqa: B018 - reading it is the test


def test_more_than_the_builder_takes_is_said(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("x" * 600_000)
    with pytest.raises(ConfigError, match="Builds can take 500 kB of settings"):
        BuildSettings(Build(ca_bundle=bundle)).script  # noqa: B018 - making it is the test


def test_what_code_of_packages_may_know_has_no_password(pip_conf: Path) -> None:
    proxy = "http://ben:0ther@proxy.example:3128"
    settings = BuildSettings(
        Build(pip_conf=pip_conf, index="https://labd:t0ken@my.example/simple?key=query-t0ken", proxy=proxy)
    )
    assert all(secret in settings.script for secret in ("s3cr3t", "t0ken", "0ther", "query-t0ken"))
    assert not [secret for secret in ("s3cr3t", "t0ken", "0ther", "query-t0ken") if secret in settings.open_script]
    assert "https://my.example/simple" in settings.open_script
    assert settings.withholds
    assert settings.open_proxies == {}


def test_a_proxy_without_password_is_for_all_steps() -> None:
    settings = BuildSettings(Build(proxy="http://proxy.example:3128"))
    assert settings.open_proxies == settings.proxies != {}
    assert not settings.withholds


@pytest.mark.parametrize(
    ("url", "printed"),
    [
        ("https://ana:p%40ss%2Fw@my.example/s", "p%40ss%2Fw"),
        ("https://ana:p%40ss%2Fw@my.example/s", "p%40ss%2fw"),
        ("https://ana:p%40ss%2Fw@my.example/s", "p@ss/w"),
        ("https://ana:p%40ss%2Fw@my.example/s", "YW5hOnBAc3Mvdw=="),
        ("https://ana:p@ss@my.example/s", "p@ss"),
        ("https://tok3n@my.example/s", "tok3n"),
        ("https://tok3n:@my.example/s", "tok3n"),
        ("https://tok3n:x-oauth-basic@my.example/s", "tok3n"),
        ("https://my.example/s?key=tok3n", "key=tok3n"),
    ],
)
def test_a_password_is_taken_out_in_each_way_to_write_it(url: str, printed: str) -> None:
    assert BuildSettings(Build(index=url)).redact(f"<{printed}>").strip("<=>") == "****"
