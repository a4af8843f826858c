"""How a build reaches the world: package index, certificates, proxy. Secrets, all of them.

This module owns the translation of the administrator's [build] settings into what installers understand. Builds get it
as secret files, pieces of shell to be sourced, which are in no layer and in no history of an image: one with all
settings, for steps that run no code of packages, and one without passwords for those that do.
"""

from __future__ import annotations

import base64
import configparser
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, unquote

from labd.common.errors import ConfigError
from labd.model.config import Build

_PLACE = "/dev/labd"  # of the build's own /dev, which is memory and ends with the build
_LIMIT = 500 * 1024  # BuildKit's, for one secret
_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_PROXIES = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
_CREDENTIALS = re.compile(r"(?<=://)[^/\s]+(?=@)")
_QUERY = re.compile(r"(://[^\s?#,]+)\?([^\s#,]*)")  # some indexes take their password there
_NO_SECRET = ("", "x-oauth-basic", "oauth2accesstoken")  # in place of a password, where the user is the secret


class BuildSettings:
    """The settings, read once, when first needed. Any of it may raise ConfigError."""

    def __init__(self, build: Build) -> None:
        self._build = build

    @property
    def key(self) -> list[str]:
        """What of the settings can change an image's content, without anything secret."""
        return [_without_passwords(value) for value in self._index.values()]

    @cached_property
    def script(self) -> str:
        """Shell that puts files below /dev/labd and exports variables: all of the settings."""
        return self._script(str)

    @cached_property
    def open_script(self) -> str:
        """The same without anything secret: what code of packages may know."""
        return self._script(_without_passwords)

    @property
    def withholds(self) -> bool:
        """Whether there are passwords that code of packages does not get."""
        return bool(self._secrets)

    @cached_property
    def proxies(self) -> Mapping[str, str]:
        """Environment variables for programs of this machine that fetch something for a build."""
        proxy = self._build.proxy or self._pip.get("proxy", "")
        return dict.fromkeys(_PROXIES, proxy) if proxy else {}

    @property
    def open_proxies(self) -> Mapping[str, str]:
        """Those that Docker may hand to every step of a build: none if there is a password in them."""
        return {} if self._is_proxy_secret else self.proxies

    def redact(self, text: str) -> str:
        """`text` with `****` in place of passwords that stand in the settings, however they are written."""
        for secret in self._secrets:
            text = text.replace(secret, "****")
        return text

    def _script(self, shown: Callable[[str], str]) -> str:
        """The shell, with `shown` of each text that may hold a password."""
        no_index = "true" if self._pip.get("no-index", "").lower() in ("1", "true", "yes", "on") else "false"
        lines = ["umask 022", f"mkdir -p {_PLACE}", _file("uv.toml", f"no-index = {no_index}")]
        lines.append(f"export UV_PYTHON_DOWNLOADS=never UV_CONFIG_FILE={_PLACE}/uv.toml")
        if self._build.pip_conf:
            lines += [_file("pip.conf", shown(_read(self._build.pip_conf)))]
            lines += [f"export PIP_CONFIG_FILE={_PLACE}/pip.conf"]
        if self._authorities:
            lines.append(_file("ca.pem", _read(self._authorities)))
            lines += [f"export {name}={_PLACE}/ca.pem" for name in _CERTIFICATES]
        # Where a proxy has no password, Docker itself hands it to all steps.
        variables = {**self._index, **(self.proxies if self._is_proxy_secret else {})}
        lines += [f"export {name}={shlex.quote(shown(value))}" for name, value in variables.items()]
        text = "\n".join(lines) + "\n"
        if len(text.encode()) > _LIMIT:
            raise ConfigError(
                f"Builds can take {_LIMIT // 1024} kB of settings, and these are {len(text) // 1024} kB.",
                "Put only your own authorities and the common ones into `ca_bundle`.",
            )
        return text

    @property
    def _is_proxy_secret(self) -> bool:
        return any(_without_passwords(proxy) != proxy for proxy in self.proxies.values())

    @cached_property
    def _secrets(self) -> list[str]:
        """Passwords in all forms in which a program may print or send them, the longest first."""
        texts = [*self._index.values(), *self.proxies.values(), self._build.debian_mirror]
        texts += self._build.local_versions.values()
        texts += [_read(self._build.pip_conf)] if self._build.pip_conf else []
        found = {form for text in texts for credentials in _CREDENTIALS.findall(text) for form in _forms(credentials)}
        found |= {query for text in texts for _, query in _QUERY.findall(text)}
        return sorted(found - {""}, key=len, reverse=True)

    @cached_property
    def _index(self) -> dict[str, str]:
        """uv's variables (it reads no pip.conf) and pip's, where they go beyond pip.conf."""
        index = self._build.index or self._pip.get("index-url", "")
        variables = {"PIP_INDEX_URL": self._build.index, "UV_DEFAULT_INDEX": index}
        variables["UV_EXTRA_INDEX_URL"] = self._pip.get("extra-index-url", "")
        variables["UV_FIND_LINKS"] = self._pip.get("find-links", "").replace(" ", ",")
        variables["UV_INSECURE_HOST"] = self._pip.get("trusted-host", "")
        return {name: value for name, value in variables.items() if value}

    @cached_property
    def _pip(self) -> dict[str, str]:
        """pip.conf's settings for an installation, values of several lines as one."""
        parser = configparser.RawConfigParser(strict=False)
        if self._build.pip_conf:
            try:
                parser.read_string(_read(self._build.pip_conf))
            except configparser.Error as error:
                raise ConfigError(f"{self._build.pip_conf} is no pip.conf: {error}.") from None
        found: dict[str, str] = {}
        for section in ("global", "install"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): " ".join(value.split()) for key, value in parser.items(section)}
        return found

    @cached_property
    def _authorities(self) -> Path | None:
        candidates = [self._build.ca_bundle, *([Path(self._pip["cert"])] if self._pip.get("cert") else [])]
        return next((file for file in candidates if file.is_file()), None)


def _without_passwords(text: str) -> str:
    """`text` with URLs that have neither user nor password nor query."""
    return _QUERY.sub(r"\1", _CREDENTIALS.sub("", text).replace("://@", "://"))


def _forms(credentials: str) -> Iterator[str]:
    """What of `credentials`, "user:password" in a URL, is secret, in each way to write it."""
    user, _, password = (unquote(part) for part in credentials.partition(":"))
    plain = unquote(credentials)
    secrets = [plain, user if password in _NO_SECRET else password]
    for secret in (credentials, credentials.partition(":")[2], *secrets):
        yield secret if secret not in _NO_SECRET else ""
    for secret in secrets:
        yield quote(secret, safe="")
        yield re.sub("%..", lambda found: found[0].lower(), quote(secret, safe=""))
        yield base64.b64encode(secret.encode()).decode().rstrip("=")
    yield base64.b64encode(f"{user}:{password}".encode()).decode().rstrip("=")  # as HTTP's Basic authentication has it


def _file(name: str, content: str) -> str:
    """Shell that writes `content` into the file `name`."""
    return f"cat > {_PLACE}/{name} <<'LABD_END_OF_FILE'\n{content.rstrip()}\nLABD_END_OF_FILE"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", "Correct it below [build] in the config."
        ) from None
