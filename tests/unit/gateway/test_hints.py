"""What is said of a command that the gateway does not do: each remedy in it is one that the gateway does."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from labd.common.errors import NotAllowedError
from labd.gateway import questions
from labd.gateway.commands import Question, Transfer, understand
from labd.gateway.habit_hints import ADVICE, PROGRAMS
from labd.gateway.shell_hints import calls
from labd.gateway.verbs import OTHER_WORDS

HOME = "/home/ana-silva"
SERVER = "--server -logDtpre.iLsfxCIvu"
COPY_ID = (  # of OpenSSH 9.2, as Debian 12 has it
    'exec sh -c \'cd; umask 077; mkdir -p ".ssh" && { [ -z `tail -1c .ssh/authorized_keys 2>/dev/null` ] || echo >> '
    '".ssh/authorized_keys" || exit 1; } && cat >> ".ssh/authorized_keys" || exit 1; if type restorecon >/dev/null '
    '2>&1; then restorecon -F ".ssh" ".ssh/authorized_keys"; fi\''
)
COPY_ID_10 = (  # of OpenSSH 10
    'exec sh -c \' cd; umask 077; AUTH_KEY_FILE=".ssh/authorized_keys"; [ -f /etc/openwrt_release ] && { [ '
    '"$LOGNAME" = "root" ] || [ "$(id -u)" = "0" ]; } && AUTH_KEY_FILE=/etc/dropbear/authorized_keys; '
    'AUTH_KEY_DIR=`dirname "${AUTH_KEY_FILE}"`; mkdir -p "${AUTH_KEY_DIR}" && cat >> "${AUTH_KEY_FILE}" || exit 1; '
    "if type restorecon >/dev/null 2>&1; then restorecon -F x; fi '"
)
TRIED = {
    # rsync by other ways
    "rsync --server --daemon .": "one colon: `rsync -a my-project/ lab:inbox/my-project/`",
    f"sudo rsync {SERVER} . inbox/galaxies/": "out --rsync-path",
    f"sudo -n -u root nice -n 19 rsync {SERVER} . inbox/x/": "out --rsync-path",
    f"mkdir -p inbox/x && rsync {SERVER} . inbox/x/": "`rsync -a x/ lab:inbox/x/`",
    f"cd inbox && rsync {SERVER} . x/code": "`rsync -a code/ lab:inbox/x/code/`",
    f"/opt/rsync {SERVER} . inbox/x/": "out --rsync-path",
    f"/opt/rsync --server --sender {SERVER[9:]} . outbox/x/": "`rsync -a lab:outbox/x/ .`",
    f"env LC_ALL=C rsync-3.2 {SERVER} . inbox/x/": "out --rsync-path",
    f"bash -c 'rsync {SERVER} . inbox/x'": "out --rsync-path",
    "rsync -a inbox/x elsewhere:": "`rsync -a my-project/ lab:inbox/my-project/`",
    # Files that are looked at
    "cat outbox/x/STATUS": "`ssh lab status x`",
    "cat ~/outbox/x/status.json": "`ssh lab status --json x`",
    f"cat {HOME}/outbox/x/run.log": "`ssh lab logs x`",
    "cd outbox/x && cat STATUS": "`ssh lab status x`",
    "tail -f outbox/x/run.log": "`ssh lab logs -f x`",
    "tail -n 20 outbox/x/run.log": "`ssh lab logs x`",
    "less outbox/x/output/a.csv": "`scp -r lab:outbox/x/output/a.csv .`",
    "head -3 inbox/x/code/app.py": "`scp -r lab:inbox/x/code/app.py .`",
    "cat outbox/x/output/*.csv": "`scp -r lab:outbox/x/output .`",
    "cat 'outbox/x/two words.txt'": "`rsync lab:outbox/x/`",
    "grep -i error outbox/x/run.log": "`ssh lab logs x`",
    "cat /etc/passwd": "`sftp lab`",
    "cat ../ben-okoro/outbox/x/run.log": "`sftp lab`",
    "ls": "`rsync lab:inbox/`",
    "ls -la outbox": "`rsync lab:outbox/`",
    "ls -l inbox/x/": "`rsync lab:inbox/x/`",
    "find outbox/x -name '*.csv'": "`rsync -r lab:outbox/x/`",
    "pwd": "`rsync lab:inbox/`",
    "du -sh inbox": "`ssh lab`",
    "vi inbox/x/code/app.py": "`rsync -a x/ lab:inbox/x/`",
    # Files that are changed
    "mkdir -p inbox/x": "`rsync -a x/ lab:inbox/x/`",
    "mkdir inbox/x/code": "`rsync -a x/ lab:inbox/x/`",
    "rm -r inbox/x": "--include='/x/***' --exclude='*' empty/ lab:inbox/`",
    "rm -r inbox/x/code/old.py": "`rsync -a --delete x/ lab:inbox/x/`",
    "rm -rf outbox/x": "`sftp lab`",
    "mv inbox/a inbox/b": "rename inbox/a inbox/b",
    "touch inbox/x/SUBMIT": "`ssh lab submit x`",
    "echo > inbox/x/CANCEL": "`ssh lab cancel x`",
    "> inbox/x/RERUN": "`ssh lab rerun x`",
    "cat > inbox/x/code/app.py": "`rsync -a app.py lab:inbox/x/code/app.py`",
    "dd of=inbox/x/input/a.bin": "`rsync -a a.bin lab:inbox/x/input/a.bin`",
    "unzip inbox/x/data.zip": "`rsync -a x/ lab:inbox/x/`",
    "tar x -C inbox/x": "`rsync -a x/ lab:inbox/x/`",
    "tar czf - outbox/x": "`rsync -az lab:outbox/x/ x/`",
    "chmod -R u+rX inbox/x": "`rsync -a x/ lab:inbox/x/`",
    # Keys, git
    COPY_ID: "`labd key add",
    COPY_ID_10: "`labd key add",
    "umask 077; test -d .ssh || mkdir .ssh ; cat >> .ssh/authorized_keys": "`labd key add",
    "passwd": "`labd key add",
    "git-upload-pack 'inbox/x'": "`rsync -a lab:inbox/x/ x/`",
    "git-receive-pack '/home/ana-silva/inbox/x.git'": "`rsync -a --exclude=.git x/ lab:inbox/x/`",
    "git-upload-archive 'x'": "`rsync -a --exclude=.git x/ lab:inbox/x/`",
    "git clone https://example.org/x": "git my-project/ lab:inbox/my-project/`",
    # More than a question
    "status x; jobs": "`ssh lab status x`, then `ssh lab jobs`",
    "status x && logs -f y": "`ssh lab status x`, then `ssh lab logs -f y`",
    "status x\njobs": "`ssh lab status x`, then `ssh lab jobs`",
    "status x | grep failed": "`ssh lab status x` | grep failed",
    "logs x > out.txt": "`ssh lab logs x` > out.txt",
    "logs x 2>&1": "`ssh lab logs x`",
    "logs x &": "`ssh lab logs x`",
    "status $(cat name)": "`ssh lab status NAME`",
    "status $NAME": "`ssh lab status NAME`",
    "cancel `cat name`": "`ssh lab cancel NAME`",
    "cd inbox; check x": "`ssh lab check x`",
    "bash -lc 'status x'": "`ssh lab status x`",
    "sh -c 'sh -c \"logs -f x\"'": "`ssh lab logs -f x`",
    "sudo labd status x": "`ssh lab status x`",
    "labd logs -f x": "`ssh lab logs -f x`",
    "ssh lab queue": "`ssh lab queue`",
    "STATUS": "`ssh lab status`",
    "Logs inbox/x/": "`ssh lab logs x`",
    "stauts x": "`ssh lab status x`",
    "sumbit x": "`ssh lab submit x`",
    "hlep": "`ssh lab help`",
    "cancle 42": "`ssh lab cancel 42`",
    # Other machines' ways
    "squeue -u me": "`ssh lab queue`",
    "sbatch job.sh": "`ssh lab queue`",
    "scancel 42": "`ssh lab cancel 42`",
    "kill -9 42": "`ssh lab cancel 42`",
    "nvidia-smi -l 1": "`ssh -t lab top`",
    "watch -n 1 nvidia-smi": "`ssh -t lab top`",
    "htop -u me": "`ssh -t lab top`",
    "whoami": "`ssh lab`",
    "hostname -f": "`ssh lab`",
    "exit": "`ssh lab`",
    "logout": "`ssh lab`",
    "python x.py": "`rsync -a my-project/ lab:inbox/my-project/`",
    "nohup python3 -u x.py > log 2>&1 &": "code/app.py",
    "cd inbox/x && python code/app.py": "`ssh lab submit x`",
    "module load matlab; matlab -batch main": "code/app.py",
    "./run.sh": "code/app.py",
    "wget https://example.org/data": "input/",
    # Programs that look for a shell or a server of theirs
    "bash": "WinSCP",
    "/bin/sh": "`ssh lab help`",
    "exec env TERM=dumb /bin/sh": "`ssh lab help`",
    "powershell -Command ls": "`sftp lab`",
    "mosh-server new -s -c 256": "`ssh -t lab top`",
    "sudo su -c /usr/lib/sftp-server": "`sftp lab`",
    "test -x /usr/lib/sftp-server && exec /usr/lib/sftp-server; exec sftp-server": "`sftp lab`",
    "scp -r outbox/x other:y": "`scp -3 -r lab:outbox/x other:y`",
    "scp x": "`scp -r my-project lab:inbox/`",
    "unheard-of": "`ssh lab help`",
}
Recorder = Callable[[str], list[str]]


@pytest.fixture
def asked_of_server(tmp_path: Path) -> Recorder:
    """What a client's command makes the server be asked for, in place of which nothing is done."""
    stub, log = tmp_path / "ssh", tmp_path / "log"
    stub.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" >> {log}\nexit 9\n')
    stub.chmod(0o755)

    def ask(command: str) -> list[str]:
        log.write_text("")
        program, *rest = shlex.split(command)
        options = {"rsync": ["-e", str(stub)], "scp": ["-O", "-S", str(stub)]}[program]
        subprocess.run([program, *options, *rest], cwd=tmp_path, capture_output=True, check=False, timeout=30)
        lines = [line for line in log.read_text().splitlines() if re.search(r"(^|\s)lab ", line)]
        return [re.split(r"(?:^|\s)lab ", line, maxsplit=1)[1] for line in lines]

    return ask


def refused(command: str) -> NotAllowedError:
    with pytest.raises(NotAllowedError) as told:
        understand(command, HOME)
    return told.value


def remedies(text: str) -> list[str]:
    return [found for found in re.findall("`([^`]+)`", text) if re.match(r"(ssh|rsync|scp|sftp)\b", found)]


@pytest.mark.parametrize("command", TRIED)
def test_what_people_try_is_told_with_what_does_it_here(command: str) -> None:
    told = refused(command)
    assert TRIED[command] in told.hint
    assert told.message.isprintable() and told.hint.isprintable()
    assert len(told.message) < 120
    assert "HOST" not in told.hint


@pytest.mark.parametrize("command", TRIED)
def test_each_remedy_is_something_that_the_gateway_does(command: str, asked_of_server: Recorder) -> None:
    found = remedies(refused(command).hint)
    assert found or "labd key add" in refused(command).hint or "rename" in refused(command).hint
    for remedy in found:
        assert_works(remedy, asked_of_server)


def assert_works(remedy: str, asked_of_server: Recorder) -> None:
    words = shlex.split(remedy)
    if words[0] == "ssh":
        words = [word for word in words[1:] if word != "-t"]
        assert words[0] == "lab"
        question = understand(" ".join(words[1:]), HOME)
        assert isinstance(question, Question)
        questions.parse(question.verb, question.arguments)
    elif words[0] == "sftp":
        assert words == ["sftp", "lab"]
    else:
        asked = asked_of_server(remedy)
        assert asked
        assert all(isinstance(understand(command, HOME), Transfer) for command in asked)


@pytest.mark.parametrize("word", sorted({*ADVICE, *OTHER_WORDS, *PROGRAMS} - {"jobs", "sftp-server", "internal-sftp"}))
@pytest.mark.parametrize("arguments", ["", " x", " -la inbox/x", " 42; true"])
def test_a_word_of_other_servers_has_a_remedy_that_works_whatever_follows(word: str, arguments: str) -> None:
    for remedy in remedies(refused(f"{word}{arguments}").hint):
        if remedy.startswith("ssh"):
            assert_works(remedy, lambda command: [])


@pytest.mark.parametrize("command", ["help", "--help", "-h", "help status", "status --help", "logs -h", "help logs"])
def test_help_is_given_however_it_is_asked_for(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    question = understand(command, HOME)
    assert isinstance(question, Question)
    assert questions.answer(question.verb, question.arguments, HOME) == 0
    assert "Send a folder, get a result." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("verb", "arguments", "hint"),
    [
        ("top", ["-b", "-n1"], "`ssh -t lab top`"),
        ("queue", ["-u", "me"], "`ssh lab queue`"),
        ("logs", ["--tail", "20", "x"], "`ssh lab logs x`"),
        ("logs", [], "`ssh lab logs galaxies`"),
        ("status", ["x", "y"], "`ssh lab status x`, then `ssh lab status y`"),
        ("help", ["me"], "`ssh lab help`"),
        ("jobs", ["x"], "`ssh lab jobs`"),
        ("", ["x"], "`ssh lab`"),
    ],
)
def test_a_question_that_is_asked_wrongly_is_told_with_one_that_works(
    verb: str, arguments: list[str], hint: str
) -> None:
    with pytest.raises(questions.UsageError) as told:
        questions.answer(verb, arguments, HOME)
    assert hint in told.value.hint
    for remedy in remedies(told.value.hint):
        assert_works(remedy, lambda command: [])


def test_calls_are_cut_where_a_shell_would() -> None:
    made = calls("a 'b;c' | d && e \"f|g\" > h; i\nj & k \\; l 2>&1")
    assert [(call.before, call.words, call.written) for call in made] == [
        ("", ["a", "b;c"], ""),
        ("|", ["d"], ""),
        ("&&", ["e", "f|g"], "h"),
        (";", ["i"], ""),
        ("\n", ["j"], ""),
        ("&", ["k", ";", "l"], ""),
    ]


def test_a_command_of_ten_thousand_calls_is_refused_at_once() -> None:
    assert refused("x;" * 10_000).hint
    assert refused("sh -c " * 10_000).hint
