"""What people are used to type on other servers, and what to say of it here.

This module owns words for what no verb does; other words for a verb are the verb's own (`Request.other_words`). It is
imported only for a refusal. The server's name in it is `lab`, as in the welcome of `labd adduser`.
"""

from __future__ import annotations

SEND = "`rsync -a my-project/ lab:inbox/my-project/`"
HELP = "(`ssh lab help` has more)"
KEYS = "Send the .pub file to your administrator, who adds it by `labd key add YOUR-NAME FILE`."
_ADVICE_BY_NAMES: tuple[tuple[str, tuple[str, str]], ...] = (
    (
        "bash sh dash zsh fish ksh csh tcsh busybox powershell pwsh cmd su sudo doas login expect",
        (
            "There is no shell here, which VS Code, PyCharm and WinSCP's protocol SCP would need.",
            f"Work on your own computer and send the folder: {SEND} (in WinSCP: SFTP; `ssh lab help` has more)",
        ),
    ),
    ("mosh-server mosh", ("mosh is not served here, and nothing is lost when ssh ends.", "`ssh -t lab top` is live.")),
    (
        "tmux screen byobu zellij disown bg fg",
        ("Programs run on here without a terminal that is kept open.", f"Send the project: {SEND} {HELP}"),
    ),
    (
        "nvidia-smi nvtop gpustat rocm-smi htop btop atop glances uptime free vmstat iostat w nproc lscpu lsblk lsmem"
        " lspci sinfo bhosts qhost pbsnodes sensors",
        ("The machine is shown by labd's own screen.", "`ssh lab` shows what is taken; `ssh -t lab top` is live."),
    ),
    (
        "ps pgrep pidof jobs lsof strace",
        ("Processes are not listed here.", "`ssh lab queue` shows what runs and waits, `ssh lab jobs` yours."),
    ),
    (
        "whoami id groups hostname hostnamectl uname date who finger last env printenv set locale echo printf"
        " lsb_release which whereis whence command ulimit getconf ssh-add ping",
        (
            "The connection works, but commands are not run here: there is no shell.",
            "`ssh lab` shows your name, your jobs and the machine; `ssh lab help` what can be asked.",
        ),
    ),
    (
        "exit logout quit bye true : false close disconnect end",
        (
            "Your key opens this account, and there is no session to leave: each command is one of its own.",
            "`ssh lab` shows your jobs. For one more key, send its .pub file to your administrator.",
        ),
    ),
    ("passwd chsh chfn ssh-keygen", ("There are no passwords here: your key opens the account.", KEYS)),
    ("sftp-server sftp internal-sftp", ("sftp runs on your own computer.", "`sftp lab`; in WinSCP choose SFTP.")),
    (
        "sbatch srun salloc qsub bsub condor_submit",
        (
            "This is not a Slurm login: labd queues what you send.",
            f"Write the program as code/app.py, and send its folder: {SEND} (`ssh lab queue` shows the queue)",
        ),
    ),
    (
        "curl wget aria2c gdown kaggle rclone aws gsutil hg svn",
        ("Nothing is downloaded here.", f"Download it on your own computer into input/, and send: {SEND}"),
    ),
)
ADVICE = {name: advice for names, advice in _ADVICE_BY_NAMES for name in names.split()}
"""For each program what happened, and what to do."""
PROGRAMS = frozenset(
    "python python2 python3 ipython matlab Rscript R julia octave java node perl ruby gcc g++ make cmake ninja"
    " snakemake nextflow pip pip3 conda mamba micromamba uv poetry pytest jupyter jupyter-lab jupyter-notebook"
    " spark-submit mpirun mpiexec torchrun accelerate docker podman singularity apptainer apt apt-get dnf yum brew npm"
    " module crontab at systemctl service journalctl tensorboard".split()
)
