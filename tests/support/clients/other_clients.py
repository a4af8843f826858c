"""What people send with who use neither rsync nor OpenSSH's scp: each client as lines of shell on a PC.

In these lines `$x` is the name of the project and of its folder, `$port` the near end of a wire to the lab's server
(`slow_wire`), and the words below are known. This module owns how each client is called; it never says what labd must
make of it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from support.box.installed_lab import Person
from support.clients.sending import PROGRAM

WIRE = Path(__file__).with_name("slow_wire.py")
RATE = 300_000  # bytes a second

# A plain script; and what WinSCP and FileZilla do, by their sources: WinSCP sends a large file under another name, goes
# on with it where it was cut, and waits for the answer to its end; FileZilla has two connections for a queue of files,
# and kills them when it is done.
_PARAMIKO = """
import os, sys, threading, paramiko
port, source, target = sys.argv[1:]
manner = os.environ.get("manner", "")
failures = []
def connect():
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = os.path.expanduser("~/.ssh/id_ed25519")
    client.connect("127.0.0.1", int(port), os.environ["user"], key_filename=key)
    return client, client.open_sftp()
def make(sftp, folder):
    for end in range(len(folder) + 1):
        if folder[end : end + 1] in ("", "/"):
            try:
                sftp.mkdir(folder[:end])
            except OSError:
                pass
def put(sftp, here, there):
    name = there + ".filepart" if manner == "winscp" and os.path.getsize(here) > 100_000 else there
    try:
        done = sftp.stat(name).st_size if name != there or "resume" in os.environ else 0
    except OSError:
        done = 0
    if done:
        with open(here, "rb") as file, sftp.open(name, "ab") as other:
            file.seek(done)
            other.set_pipelined(True)
            other.write(file.read())
    else:
        sftp.put(here, name, confirm=not manner)
    if name != there:
        try:
            sftp.remove(there)
        except OSError:
            pass
        sftp.rename(name, there)
def put_all(sftp, files):
    try:
        while files:
            put(sftp, *files.pop(0))
    except BaseException as failure:
        failures.append(failure)
client, sftp = connect()
files = [(source, target)]
if os.path.isdir(source):
    files = []
    for folder, _, names in os.walk(source):
        there = os.path.normpath(os.path.join(target, os.path.relpath(folder, source)))
        make(sftp, there)
        files += [(os.path.join(folder, name), os.path.join(there, name)) for name in sorted(names)]
if manner == "filezilla":
    others = [connect() for _ in range(min(2, len(files)))]
    workers = [threading.Thread(target=put_all, args=(other, files)) for _, other in others]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    os._exit(len(failures))
put_all(sftp, files)
if manner == "winscp" and not failures:
    sftp.get_channel().shutdown_write()
    sftp.get_channel().recv_exit_status()
sftp.close()
client.close()
sys.exit(len(failures))
"""
_BASE = """
mkdir -p base/code base/input/more
cp program base/code/app.py
for number in 1 2 3 4 5; do echo $number >base/input/more/$number; done
head -c 300000 /dev/urandom >base/input/big
cp -r base crowd
rm crowd/input/big
mkdir crowd/input/small
for number in $(seq 100); do head -c 200 /dev/urandom >crowd/input/small/$number; done
puttygen ~/.ssh/id_ed25519 -O private -o ~/key.ppk
"""
_WORDS = """
set -u
sum_up() { (cd $x/input && find * -type f -print0 | xargs -0 sha256sum | sed 's/  / /' | LC_ALL=C sort -k 2); }
make_folder() { echo "-mkdir inbox/$x" | sftp -q -b - lab; }
over_ssh="ssh -a -x -o HostName=127.0.0.1 -o HostKeyAlias=lab -p $port"
in_lftp() {
    lftp -c "set sftp:connect-program '$over_ssh'; set net:max-retries 6; set net:reconnect-interval-base 1;
        set net:reconnect-interval-multiplier 1; set net:timeout 10; set cmd:fail-exit yes; open sftp://lab; $*"
}
in_rclone() {
    rclone --config '' --sftp-host 127.0.0.1 --sftp-port $port --sftp-user $user --sftp-key-file ~/.ssh/id_ed25519 "$@"
}
keys=$(ssh-keygen -lf ~/.ssh/known_hosts | sed 's/.*\\(SHA256:[^ ]*\\).*/-hostkey \\1/')
putty="-batch -P $port -i $HOME/key.ppk $keys"
in_psftp() { printf '%s\\n' "$@" >$x.$BASHPID.psftp; psftp $putty -b $x.$BASHPID.psftp $user@127.0.0.1; }
in_pscp() { pscp -q $putty "$@"; }
in_sshfs() {
    local mount=$x.$BASHPID.mount code
    mkdir $mount
    sshfs -f -o ssh_command="$over_ssh" lab: $mount &
    until mountpoint -q $mount; do kill -0 $! || return 1; sleep 0.02; done
    eval "$*"; code=$?
    fusermount -u $mount; wait $!
    return $code
}
in_paramiko() { python3 ../send.py $port "$@"; }
as_winscp() { manner=winscp in_paramiko "$@"; }
as_filezilla() { manner=filezilla in_paramiko "$@"; }
in_curl() {
    local files= login="-u $user: --key $HOME/.ssh/id_ed25519 --pubkey $HOME/.ssh/id_ed25519.pub"
    for file in $(find "$@" -type f); do files="$files -T $file sftp://127.0.0.1:$port/~/inbox/$file"; done
    curl -sSk $login --ftp-create-dirs --fail-early ${options:-} $files
}
"""


@dataclass(frozen=True)
class Client:
    """How a client is told to send."""

    all: str  # the whole folder
    part: str  # the folder $part of it
    big: str  # the file input/big
    rest: str = ""  # the same, from where it was cut; "" when the client cannot
    says_done: bool = True  # it closes its session and always waits for the answer
    repairs: bool = False  # it connects anew by itself and goes on


CLIENTS = {
    "lftp": Client(
        all="in_lftp mirror -R $x inbox/$x",
        part="in_lftp mirror -R $x/$part inbox/$x/$part",
        big="in_lftp put -O inbox/$x/input $x/input/big",
        rest="in_lftp put -c -O inbox/$x/input $x/input/big",
        says_done=False,
        repairs=True,
    ),
    "lftp-of-many": Client(
        all="in_lftp mirror -R -P 4 $x inbox/$x",
        part="in_lftp mirror -R -P 4 $x/$part inbox/$x/$part",
        big="in_lftp mirror -R -f $x/input/big -O inbox/$x/input",
        rest="in_lftp mirror -R -c -P 4 $x inbox/$x",
        says_done=False,
        repairs=True,
    ),
    "rclone": Client(
        all="in_rclone copy $x :sftp:inbox/$x",
        part="in_rclone copy $x/$part :sftp:inbox/$x/$part",
        big="in_rclone copyto $x/input/big :sftp:inbox/$x/input/big",
        repairs=True,
    ),
    "psftp": Client(
        all='in_psftp "put -r $x inbox/$x"',
        part='make_folder; in_psftp "put -r $x/$part inbox/$x/$part"',
        big='in_psftp "put $x/input/big inbox/$x/input/big"',
        rest='in_psftp "reput $x/input/big inbox/$x/input/big"',
    ),
    "pscp": Client(
        all="in_pscp -r $x $user@127.0.0.1:inbox/",
        part="make_folder; in_pscp -r $x/$part $user@127.0.0.1:inbox/$x/${part%${part##*/}}",
        big="in_pscp $x/input/big $user@127.0.0.1:inbox/$x/input/",
    ),
    "sshfs": Client(
        all="in_sshfs 'cp -r $x $mount/inbox/'",
        part="in_sshfs 'mkdir -p $mount/inbox/$x; cp -r $x/$part $mount/inbox/$x/${part%${part##*/}}'",
        big="in_sshfs 'cp $x/input/big $mount/inbox/$x/input/'",
    ),
    "paramiko": Client(
        all="in_paramiko $x inbox/$x",
        part="in_paramiko $x/$part inbox/$x/$part",
        big="in_paramiko $x/input/big inbox/$x/input/big",
        says_done=False,
    ),
    "winscp": Client(
        all="as_winscp $x inbox/$x",
        part="as_winscp $x/$part inbox/$x/$part",
        big="as_winscp $x/input/big inbox/$x/input/big",
    ),
    "filezilla": Client(
        all="as_filezilla $x inbox/$x",
        part="as_filezilla $x/$part inbox/$x/$part",
        big="as_filezilla $x/input/big inbox/$x/input/big",
        rest="resume=1 as_filezilla $x/input/big inbox/$x/input/big",
        says_done=False,
    ),
    "curl": Client(
        all="in_curl $x",
        part="in_curl $x/$part",
        big="in_curl $x/input/big",
        rest="options='-C -' in_curl $x/input/big",
        says_done=False,
    ),
}


@dataclass
class Sent:
    """How a client ended."""

    was_cut: bool
    code: int


class Wires:
    """A researcher, with a PC that has all clients and a slow wire to the lab's server."""

    def __init__(self, person: Person) -> None:
        self.person = person
        person.pc.put("uploads/program", PROGRAM)
        person.pc.put("slow_wire.py", WIRE.read_text())
        person.pc.put("send.py", _PARAMIKO)
        person.run(f"cd uploads && {_BASE}")

    def make(self, project: str, base: str = "base") -> None:
        self.person.run(f"cd uploads && cp -r {base} {project}")

    def send(self, project: str, line: str, how: str = "none", moment: int = 0, seconds: float = 0.0) -> Sent:
        """Run `line` at a wire that is cut as `slow_wire` says."""
        words = f"x={project}; export user={self.person.name}; {_WORDS}\n"
        wired = f"python3 ../slow_wire.py {RATE} {how} {moment} {seconds:.3f} {shlex.quote(words + line)}"
        # A mount whose sshfs was killed stays.
        unmount = f"for mount in {project}.*.mount; do fusermount -uz $mount 2>/dev/null; done; :"
        said = self.person.run(f"cd uploads; {wired} 2>{project}.said; {unmount}").stdout.split()
        return Sent(said[-2] == "cut", int(said[-1]))

    def sums(self, project: str) -> str:
        """What the program says of the project as it is on the PC."""
        return self.person.run(f"bash -c {shlex.quote(f'cd uploads; x={project} port=0; {_WORDS}sum_up')}").stdout
