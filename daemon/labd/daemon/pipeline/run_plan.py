"""The plan of a run: what a job's grant, its folders and the administrator's settings come to in a container.

This module owns the environment variables and the places that a program finds. It is pure; engines carry it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labd.accounts.accounts import Account
from labd.daemon.outbox.job_folder import home
from labd.model.config import Config
from labd.model.engine import Run
from labd.model.jobs import Job
from labd.model.languages import Template
from labd.model.licences import LicenceSettings

# Libraries start a thread for each core of the machine unless they are told what the job was granted.
_THREAD_COUNTS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)

_LICENCE_FILE = Path("/etc/licence.lic")  # in the container


def plan(job: Job, account: Account, template: Template, frozen: Path, folder: Path, config: Config) -> Run:
    """How to run `job` of `account`, whose snapshot is `frozen` and whose own folder is `folder`."""
    assert job.grant is not None
    threads = str(max(1, int(job.grant.cpus)))
    licence, licence_file = _licence(template, config.licences), config.licences.licence_file
    own = {"HOME": home(account), "USER": account.name, "LABD_JOB": str(job.id)}
    return Run(
        job=job.id,
        user=job.user,
        uid=account.identity.uid,
        gid=account.identity.gid,
        groups=account.identity.groups,
        image=job.image,
        command=(*template.command, *job.grant.args),
        env={**dict.fromkeys(_THREAD_COUNTS, threads), **template.defaults, **job.grant.env, **licence, **own},
        code=frozen / "code",
        input=frozen / "input",
        scratch=folder / "scratch",
        output=folder / "delivery" / "output",
        home=folder / "home",
        passwd=folder / "passwd",
        group=folder / "group",
        further={_LICENCE_FILE: licence_file} if template.licence and licence_file else {},
        cpus=job.grant.cpus,
        memory=job.grant.memory,
        gpu_ids=job.gpu_ids,
        network=job.grant.network,
        pids=config.job.pids,
        tmp=config.job.tmp,
        shm=config.job.shm,
        log=config.output.log,
    )


def _licence(template: Template, settings: LicenceSettings) -> Mapping[str, str]:
    """The variable that says where a licence is, for programs that need one and where there is one."""
    where = str(_LICENCE_FILE) if settings.licence_file else settings.licence
    return {template.licence: where} if template.licence and where else {}
