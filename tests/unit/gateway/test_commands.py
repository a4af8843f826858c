"""What the gateway makes of commands: the good ones it knows, and that nothing else ever gets past."""

from __future__ import annotations

import posixpath
import random
import re
import shlex

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labd.common.errors import Exit, NotAllowedError
from labd.gateway.commands import Question, Secluded, Transfer, understand
from labd.gateway.verbs import VERBS
from labd.gateway.words import split

HOME = "/home/ana-silva"

# Written down from rsync(1) and not taken from the gateway: what can do no harm to anybody but who asks for it.
HARMLESS = frozenset(
    """
    append backup backup-dir block-size bwlimit checksum-choice checksum-seed compare-dest compress-choice
    compress-level copy-dest copy-unsafe-links debug delay-updates delete delete-after delete-before delete-delay
    delete-during delete-excluded delete-missing-args dirs existing files-from force from0 fsync fuzzy groupmap iconv
    ignore-errors ignore-existing ignore-missing-args ignore-non-existing ignore-times info inplace link-dest list-only
    log-format max-alloc max-delete max-size min-size mkpath modify-window msgs2stderr new-compress no-W
    no-implied-dirs no-msgs2stderr no-r no-relative no-specials numeric-ids old-compress only-write-batch open-noatime
    partial partial-dir preallocate progress relative remove-sent-files remove-source-files safe-links sender server
    size-only skip-compress specials stats suffix super temp-dir timeout use-qsort usermap
    """.split()
)
LETTERS = re.compile(r"-[vqbunldKmOJyLkWHogDtUNpEAXrcCIRxSz]*(e[0-9]*\.?[0-9A-Za-z]+(\.[0-9A-Za-z]+)*)?")
NUMBERS = re.compile(r"-B[0-9]+|-@-*[0-9]+")
SOME_OPTIONS = [
    *("-vlogDtpre.iLsfxCIvu", "-logDtpr", "-nlogDtpr", "-e", "-s", "-se.LsfxC", "--sender", "--server", "--daemon"),
    *(
        "--delete",
        "--config=/etc/passwd",
        "--config",
        "--log-file",
        "--rsh",
        "--log-file=/home/ana-silva/.labd/x",
        "--log-file-format=%i",
        "--rsh=sh",
    ),
    *("--partial-dir", ".rsync-partial", "--link-dest=../v1", "--link-dest", "../../../etc", "--temp-dir=/tmp"),
    *("--backup-dir=~/inbox/old", "--files-from=-", "--files-from", "/etc/shadow", "--from0", "--write-devices"),
    *("--copy-devices", "--remove-source-files", "--suffix=../x", "--suffix=~", "--iconv=utf-8", "-B700", "-@-1"),
    *("--rsync-path=sh", "--password-file=/etc/shadow", "--read-batch=x", "--only-write-batch=X", "-M--daemon"),
    *("--compare-dest=/home/ana-silva/inbox/../.ssh", "--out-format=x", "--usermap=*:root", "-T/tmp", "-f", "-t", "-r"),
]
SOME_PATHS = [
    *("inbox", "inbox/", "inbox/galaxies", "inbox/galaxies/project/", "~/inbox/x", "./inbox/x", "outbox/x/*/y"),
    *("/home/ana-silva/inbox/x", "/home/ana-silva/outbox", "/home/ana-silva", "/home/ana-silva/.labd/x", "..", "."),
    *("inbox/../.ssh", "inbox/..", "~ben-okoro/inbox", "~", "~/", "/etc/passwd", "inbox/../../etc", "outbox/../inbox"),
    *(r"inbox/a\ b", "'inbox/a b'", '"inbox/*"', r"inbox/\*", "inbox/[", "-inbox", "--", "inboxx/y", "i*box/x", "''"),
    *("/home/ana-silva//inbox/x", "inbox//x", "inbox/./x", ".//inbox/x", "outbox/./galaxies/output", "inbox/;reboot"),
]
SOME_WORDS = [
    *(
        "rsync",
        "scp",
        "sftp-server",
        "internal-sftp",
        "/usr/lib/openssh/sftp-server",
        "/bin/sh",
        "bash",
        "-c",
        ";",
        "&&",
    ),
    *(
        "|",
        "$(id)",
        "`id`",
        "\n",
        "*",
        "git-receive-pack",
        *VERBS,
        "--json",
        "/tmp/rsync",
        "./rsync",
        "",
        "'",
        '"',
        "\\",
    ),
]


def many(examples: int) -> settings:
    """The same cases in each run, as many as `examples`."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


def is_inside(path: str, areas: tuple[str, ...]) -> bool:
    full = posixpath.normpath(posixpath.join(HOME, path))
    return any(full == f"{HOME}/{area}" or full.startswith(f"{HOME}/{area}/") for area in areas)


def assert_harmless(request: object) -> None:
    """The oracle: nothing but what researchers may do, with paths of their own."""
    if isinstance(request, Question):
        assert request.verb in ("", *VERBS)
        return
    assert isinstance(request, Transfer)
    areas = ("inbox", "outbox") if "--sender" in request.options or "-f" in request.options else ("inbox",)
    for word in request.paths:
        assert is_inside(word.text, areas)
        assert ".." not in word.text.split("/")
        assert not word.text.startswith(("-", "/"))
        if word.pattern:
            assert is_inside(word.pattern, areas)
            assert ".." not in word.pattern.split("/")
            assert not set(word.pattern.split("/")[0]) & set("*?[")
    {"rsync": assert_harmless_rsync, "scp": assert_harmless_scp, "sftp": assert_harmless_sftp}[request.kind](request)


def assert_harmless_sftp(request: Transfer) -> None:
    assert request.options == []
    assert request.paths == []


def assert_harmless_scp(request: Transfer) -> None:
    assert all(re.fullmatch("-[rpdvqtf]", option) for option in request.options)
    assert ("-t" in request.options) != ("-f" in request.options)
    assert request.receives == ("-t" in request.options)


def assert_harmless_rsync(request: Transfer) -> None:
    assert request.options[0] == "--server"
    assert request.options[-1] == "."
    sends = "--sender" in request.options
    assert not (sends and request.receives)
    assert sends or len(request.paths) == 1
    destination = request.paths[0].text
    for option in request.options[1:-1]:
        name, has_value, value = option[2:].partition("=") if option.startswith("--") else ("", "", "")
        assert name in HARMLESS if name else LETTERS.fullmatch(option) or NUMBERS.fullmatch(option)
        assert not (sends and name.startswith("remove-"))
        assert "s" not in option.partition("e")[0] or name
        if has_value and ("/" in value or ".." in value):
            assert name.endswith(("-dir", "-dest", "-from"))
            assert is_inside(posixpath.join(destination, value), ("inbox", "outbox"))
            assert not value.startswith("~")


def understood(command: str) -> object:
    """What the gateway makes of `command`, None for a refusal that a person can read."""
    try:
        return understand(command, HOME)
    except NotAllowedError as error:
        refused = error
    assert refused.exit_code == Exit.NO_PERMISSION
    assert refused.message.isprintable()
    assert refused.hint
    return None


def mixture(chance: random.Random, words: list[str], most: int) -> list[str]:
    """Up to `most` of `words`, a few of them more often."""
    return chance.choices(words, k=min(chance.randint(0, most), chance.randint(0, most)))


# These two go through more cases than hypothesis has time to make: the same ones in each run.


@pytest.mark.parametrize("seed", range(6))
def test_no_mixture_of_words_gets_past(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(2000):
        words = mixture(chance, [*SOME_WORDS, *SOME_OPTIONS, *SOME_PATHS], 8)
        request = understood(" ".join(words))
        if request and not isinstance(request, Secluded):
            assert_harmless(request)


@pytest.mark.parametrize("seed", range(10))
def test_no_call_of_a_transfer_program_gets_past_that_leaves_the_boxes(seed: int) -> None:
    chance, passed = random.Random(seed), 0
    for _ in range(3000):
        start = chance.choice(["rsync --server", "rsync --server --sender", "scp -t", "scp -f", "scp -r -p -t"])
        options = mixture(chance, SOME_OPTIONS, 4)
        paths = [some_path(chance) for _ in range(chance.choice([0, 1, 1, 1, 2, 3]))]
        secluded = mixture(chance, [*SOME_OPTIONS, *SOME_PATHS], 4)
        is_secluded = "-s" in options or "-se.LsfxC" in options
        rest = [] if is_secluded else [".", *paths] if "rsync" in start else paths
        request = understood(" ".join([start, *options, *rest]))
        if isinstance(request, Secluded):
            try:
                request = request.transfer([*secluded, ".", *paths])
            except NotAllowedError:
                continue
        if request:
            passed += 1
            assert_harmless(request)
    assert passed > 50, "so few get past that nothing is proved"


def some_path(chance: random.Random) -> str:
    """One of the paths, or up to 12 characters, every other of them one that means something to a shell."""
    if chance.random() < 0.5:
        return chance.choice(SOME_PATHS)
    return "".join(
        chance.choice("/.~*?[]\\'\"$`;&|<> \t\n-") if chance.random() < 0.5 else chr(chance.randrange(0xD800))
        for _ in range(chance.randint(0, 12))
    )


@many(3000)
@given(st.text(max_size=60))
def test_no_text_at_all_breaks_the_gateway(command: str) -> None:
    request = understood(command)
    if request and not isinstance(request, Secluded):
        assert_harmless(request)


@many(3000)
@given(st.text("ab*?[ \t'\"\\-/", max_size=30))
def test_words_are_those_of_the_standard_library(command: str) -> None:
    try:
        expected = shlex.split(command)
    except ValueError:
        return
    assert [word.text for word in split(command)] == expected


@pytest.mark.parametrize(
    ("command", "passed", "paths"),
    [
        ("rsync --server -vlogDtpr . inbox/x/", ["--server", "-vlogDtpr", "."], ["inbox/x/"]),
        ("rsync --server -logDtpre.iLsfxCIvu . ~/inbox/x/", ["--server", "-logDtpre.iLsfxCIvu", "."], ["inbox/x/"]),
        (
            "rsync --server -re.iLs --partial-dir .part . ./inbox",
            ["--server", "-re.iLs", "--partial-dir=.part", "."],
            ["inbox"],
        ),
        (f"rsync --server -r --delete . {HOME}/inbox/x", ["--server", "-r", "--delete", "."], ["inbox/x"]),
        (
            "rsync --server --sender -r . outbox/a outbox/b",
            ["--server", "--sender", "-r", "."],
            ["outbox/a", "outbox/b"],
        ),
        ("rsync --server --sender -R . outbox/./a/b", ["--server", "--sender", "-R", "."], ["outbox/./a/b"]),
        (
            "rsync --server -r --link-dest ../v1 . inbox/x/v2/",
            ["--server", "-r", f"--link-dest={HOME}/inbox/x/v1", "."],
            ["inbox/x/v2/"],
        ),
        (
            "rsync --server -r --skip-compress=gz/jpg . inbox/x",
            ["--server", "-r", "--skip-compress=gz/jpg", "."],
            ["inbox/x"],
        ),
        ("scp -r -p -d -t -- inbox/x", ["-r", "-p", "-d", "-t"], ["inbox/x"]),
        ("scp -f outbox/x/output", ["-f"], ["outbox/x/output"]),
        ("/usr/lib/openssh/sftp-server -f AUTHPRIV -l INFO", [], []),
        ("internal-sftp", [], []),
    ],
)
def test_what_real_clients_send_is_passed_on(command: str, passed: list[str], paths: list[str]) -> None:
    request = understand(command, HOME)
    assert isinstance(request, Transfer)
    assert (request.options, [word.text for word in request.paths]) == (passed, paths)


@pytest.mark.parametrize(
    ("command", "pattern"),
    [
        ("rsync --server --sender -r . outbox/*/output", "outbox/*/output"),
        ("rsync --server --sender -r . outbox/\\*/output", ""),
        ("rsync --server --sender -r . 'outbox/*'", ""),
        ("scp -f outbox/\\[1\\]/*", "outbox/[[]1]/*"),
        (f"scp -f {HOME}/outbox/*", "outbox/*"),
    ],
)
def test_only_wildcards_that_a_shell_would_see_are_expanded(command: str, pattern: str) -> None:
    request = understand(command, HOME)
    assert isinstance(request, Transfer)
    assert request.paths[0].pattern == pattern


@pytest.mark.parametrize("command", ["bash", "ls -la", "python x.py", "sbatch job.sh", "/bin/sh -c id", "unheard-of"])
def test_a_refusal_says_what_to_do_instead(command: str) -> None:
    with pytest.raises(NotAllowedError) as refused:
        understand(command, HOME)
    assert "help" in refused.value.hint or "sftp" in refused.value.hint or "queue" in refused.value.hint


@pytest.mark.parametrize(
    "command",
    [
        "rsync --daemon",
        "rsync -a inbox/x elsewhere:",
        "rsync --server --daemon .",
        "rsync --server --sender --remove-source-files -r . outbox/x",
        "rsync --server -r . inbox/x inbox/y",
        "rsync --server -e . inbox/x",
        "rsync --server -r . 'inbox/x",
        "scp -t inbox/x -f outbox/y",
        "scp -S /bin/sh -t inbox/x",
        "scp -t outbox/x",
        "rsync --server -r . outbox/x",
        "rsync --server -r . inbox/x/../../.ssh",
        f"rsync --server -r . {'./' * 2100}inbox/x",
        "rsync --server -r --files-from=/etc/shadow --sender . inbox",
    ],
)
def test_what_leaves_the_transfer_is_refused(command: str) -> None:
    with pytest.raises(NotAllowedError):
        understand(command, HOME)


def test_a_dry_run_changes_nothing_and_so_leaves_no_record() -> None:
    request = understand("rsync --server -nre.iLs . inbox/x", HOME)
    assert isinstance(request, Transfer)
    assert not request.receives
