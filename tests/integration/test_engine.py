"""The engine and Docker: what a program may do, and what Docker, or somebody's hand, may do to it."""

from __future__ import annotations

import gc
import json
import math
import os
import signal
import socket
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker import APIClient

from conftest import temporary_folder
from labd.engines.docker.client import DockerClient
from labd.engines.docker.containers import DockerPrograms
from labd.engines.docker.image_finishing import Finisher
from labd.model.config import bundled
from labd.model.engine import EngineError, Phase, StartError
from support.engine.docker_daemon import DockerDaemon
from support.engine.standalone import IMAGE, EngineTestbed
from support.lab import AS_ROOT, docker, wait_for

as_root = pytest.mark.skipif(not AS_ROOT, reason="only root can do this")
GPUS = ("GPU-5d5ba0d6-33a9-7bbf-c2b4-51bf6d1d1d1d", "MIG-57de94a5-be60-5a8f-aaaa-000000000001")


@pytest.fixture
def testbed() -> Iterator[EngineTestbed]:
    folder = temporary_folder()
    folder.chmod(0o755)
    made = EngineTestbed(folder)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


# System calls

FAMILIES = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def attempt(family, protocol=0):
    descriptor = libc.socket(family, 3 if family in (16, 17) else 5 if family == 38 else 1, protocol)
    return 'open' if descriptor >= 0 else errno.errorcode[ctypes.get_errno()]
for family in range(46):
    if attempt(family) != 'EPERM':
        print(family, attempt(family))
print('wide', libc.syscall(SOCKET, ctypes.c_long(40 + (1 << 32)), ctypes.c_long(1), ctypes.c_long(0)))
print('diagnostics', attempt(16, 4))
print('ring', libc.syscall(425, 8, None), errno.errorcode[ctypes.get_errno()])
print('namespace', libc.unshare(0x10000000), errno.errorcode[ctypes.get_errno()])
"""
SOCKET = {"x86_64": "41", "aarch64": "198"}


def test_a_program_can_open_sockets_of_the_internet_and_its_own_machine_and_no_others(testbed: EngineTestbed) -> None:
    program = FAMILIES.replace("SOCKET", SOCKET[os.uname().machine])
    told = testbed.output("python3", "-c", program).splitlines()
    assert told == [
        *("1 open", "2 open", "10 open", "16 open"),
        *("wide -1", "diagnostics EPERM", "ring -1 ENOSYS", "namespace -1 EPERM"),
    ]


ORDINARY = """
import concurrent.futures, multiprocessing, os, pty, signal, socket, subprocess, tempfile, threading, time
from multiprocessing import shared_memory
def square(x): return x * x
if __name__ == '__main__':
    for method in ('fork', 'spawn', 'forkserver'):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(square, range(3)) == [0, 1, 4]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert sum(pool.map(square, range(10))) == 285
    memory = shared_memory.SharedMemory(create=True, size=100); memory.close(); memory.unlink()
    server = socket.create_server(('127.0.0.1', 0))
    client = socket.create_connection(server.getsockname()); client.close(); server.close()
    assert socket.if_nameindex() and socket.getaddrinfo('localhost', 80)
    ours, theirs = socket.socketpair(); ours.close(); theirs.close()
    assert subprocess.run(['sh', '-c', 'echo $$ | cat'], capture_output=True).stdout
    os.sched_setaffinity(0, os.sched_getaffinity(0)); os.nice(1); os.urandom(9); os.openpty()
    os.copy_file_range, os.memfd_create('x'), os.pidfd_open(os.getpid()), os.eventfd
    signal.setitimer(signal.ITIMER_REAL, 100); time.clock_gettime(time.CLOCK_MONOTONIC)
    lock = multiprocessing.Lock(); lock.acquire(); lock.release()
    print('all well')
"""


def test_threads_processes_and_all_that_libraries_use_work(testbed: EngineTestbed) -> None:
    run = testbed.run("python3", "/code/app.py")
    (run.code / "app.py").write_text(ORDINARY)
    testbed.engine.start(run)
    testbed.ended(run.job)
    assert testbed.printed(run.job) == "all well\n"


@as_root
def test_a_program_may_make_no_system_call_that_docker_itself_would_refuse(testbed: EngineTestbed) -> None:
    profile = json.loads((bundled("system") / "seccomp.json").read_text())
    ours = {name for rule in profile["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    name = f"{testbed.instance}-default"
    container = docker("run", "-d", "--name", name, "--cap-drop=ALL", "--network=none", IMAGE, "sleep", "600").strip()
    try:
        specification = next(Path("/run").glob(f"**/io.containerd.runtime.v2.task/moby/{container}/config.json"))
        rules = json.loads(specification.read_text())["linux"]["seccomp"]["syscalls"]
    finally:
        docker("rm", "-f", name)
    theirs = {name for rule in rules if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    # Newer than this Docker; and what ptrace, which Docker allows, can do as well.
    newer = {"cachestat", "fchmodat2", "futex_requeue", "futex_wait", "futex_wake", "mseal"}
    assert ours - theirs <= newer | {"process_vm_readv", "process_vm_writev"}
    assert len(ours) > 250


# Limits that cannot be


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cpus": 1e-12}, "0.01 CPUs"),
        ({"cpus": math.nan}, "0.01 CPUs"),
        ({"cpus": -1.0}, "0.01 CPUs"),
        ({"memory": 1}, "of memory at least"),
        ({"memory": -5}, "of memory at least"),
    ],
)
def test_too_little_to_run_with_is_told_in_a_sentence(
    testbed: EngineTestbed, settings: dict[str, float], told: str
) -> None:
    with pytest.raises(StartError, match=told):
        testbed.engine.start(testbed.run("true", **settings))
    assert testbed.engine.jobs() == set()


def test_more_cpus_than_there_are_is_all_there_are(testbed: EngineTestbed) -> None:
    run = testbed.run("true", cpus=10_000.0)
    testbed.engine.start(run)
    assert testbed.ended(run.job).exit_code == 0


# Docker refuses


def test_what_docker_refuses_is_the_servers_fault_and_leaves_nothing(testbed: EngineTestbed) -> None:
    run = testbed.run("true")
    testbed.engine.start(run)
    testbed.ended(run.job)
    for broken, told in (
        (testbed.run("true", image="sha256:" + "0" * 64), "environment is gone"),
        (replace(testbed.run("true"), output=Path("/nonexistent/output")), "folders is not there"),
    ):
        with pytest.raises(StartError, match=told):
            testbed.engine.start(broken)
        assert testbed.engine.poll(broken.job).phase is Phase.ABSENT
    assert testbed.engine.jobs() == {run.job}


# By hand, while labd does not look


def started(testbed: EngineTestbed, *command: str) -> int:
    run = testbed.run(*command)
    testbed.engine.start(run)
    return run.job


def test_a_program_that_was_paused_by_hand_still_runs_and_can_be_stopped(testbed: EngineTestbed) -> None:
    job = started(testbed)
    docker("pause", f"{testbed.instance}-{job}")
    assert testbed.engine.poll(job).phase is Phase.RUNNING
    testbed.engine.stop(job, 0.5)
    assert testbed.ended(job).exit_code in (137, 143)


def test_a_container_that_was_removed_by_hand_is_absent_and_its_number_is_free(testbed: EngineTestbed) -> None:
    run = testbed.run()
    testbed.engine.start(run)
    docker("rm", "-f", f"{testbed.instance}-{run.job}")
    assert testbed.engine.wait(run.job, 10.0)
    assert testbed.engine.poll(run.job).phase is Phase.ABSENT
    testbed.engine.stop(run.job, 1.0)
    testbed.engine.remove(run.job)
    testbed.engine.start(replace(run, command=("true",)))
    assert testbed.ended(run.job).exit_code == 0


def test_half_a_second_of_grace_is_not_none(testbed: EngineTestbed) -> None:
    program = "trap 'echo asked; exit 3' TERM; echo begun; while :; do sleep 0.01; done"
    job = started(testbed, "sh", "-c", program)
    wait_for("its first line", lambda: "begun" in testbed.printed(job))
    testbed.engine.stop(job, 0.5)
    assert testbed.ended(job).exit_code == 3
    assert testbed.printed(job) == "begun\nasked\n"


@pytest.mark.parametrize("command", ["pause", "kill", "rm -f"])
def test_a_program_starts_whatever_was_done_to_the_idle_holder(testbed: EngineTestbed, command: str) -> None:
    first = started(testbed, "true")
    testbed.ended(first)
    testbed.engine.remove(first)
    (holder,) = holders(testbed)
    docker(*command.split(" "), holder)
    job = started(testbed, "true")
    found = testbed.ended(job)
    assert (found.exit_code, found.interrupted) == (0, False)


def holders(testbed: EngineTestbed) -> list[str]:
    return docker("ps", "-a", "--filter", f"label=labd.holder={testbed.instance}", "--format", "{{.Names}}").split()


def test_a_holder_that_docker_will_not_part_with_is_passed_over(testbed: EngineTestbed) -> None:
    # A container of that name that is nobody's holder, and cannot be started: Docker refuses it each time.
    name = f"{testbed.instance}-holder-none-0"
    docker("create", "--name", name, "--network=none", IMAGE, "/no/such/command")
    try:
        assert testbed.output("echo", "well") == "well\n"
    finally:
        docker("rm", "-f", name)


def test_a_start_that_is_repeated_by_another_life_keeps_its_network_to_itself(testbed: EngineTestbed) -> None:
    run = testbed.run()
    testbed.engine.start(run)
    again = testbed.again()
    again.start(run)
    other = started(testbed)
    modes = {docker("inspect", "-f", "{{.HostConfig.NetworkMode}}", f"{testbed.instance}-{job}") for job in (1, other)}
    assert len(modes) == 2
    assert again.jobs() == {run.job, other}


def test_looking_again_and_again_from_many_threads_keeps_no_descriptors(testbed: EngineTestbed) -> None:
    job = started(testbed)
    testbed.engine.poll(job)

    def look() -> None:
        for _ in range(20):
            testbed.engine.poll(job)
            testbed.engine.usage(job)
            testbed.engine.wait(job, 0.001)

    def looking() -> None:
        threads = [threading.Thread(target=look) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    looking()
    before = len(os.listdir("/proc/self/fd"))
    looking()
    assert len(os.listdir("/proc/self/fd")) <= before
    watched = sum("pidfd" in os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors())
    assert watched == 1
    testbed.engine.remove(job)
    testbed.engine.rest()
    assert sum("pidfd" in os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors()) == 0


def descriptors() -> list[str]:
    return [fd for fd in os.listdir("/proc/self/fd") if os.path.lexists(f"/proc/self/fd/{fd}")]


def test_connections_to_docker_are_few_and_used_again(testbed: EngineTestbed) -> None:
    def sockets() -> int:
        return sum(os.readlink(f"/proc/self/fd/{fd}").startswith("socket:") for fd in descriptors())

    before = sockets()
    for _ in range(12):
        testbed.output("true")
    # By itself the SDK keeps one for each URL that it asked for.
    assert sockets() < before + 5


def test_of_the_idle_holders_the_one_that_is_joined_first_is_kept(testbed: EngineTestbed) -> None:
    jobs = []
    for network in (True, False, False):
        run = testbed.run(network=network)
        testbed.engine.start(run)
        jobs.append(run.job)
    assert len(holders(testbed)) == 3
    testbed.engine.rest(keep=1)
    assert len(holders(testbed)) == 3, "all are joined"
    for job in jobs[:2]:
        testbed.engine.remove(job)
    testbed.engine.rest(keep=1)
    assert len(holders(testbed)) == 2
    assert f"{testbed.instance}-holder-none-0" in holders(testbed)
    assert testbed.engine.poll(jobs[2]).phase is Phase.RUNNING
    testbed.engine.remove(jobs[2])
    testbed.engine.rest()
    assert holders(testbed) == []


def test_a_program_starts_while_docker_takes_its_time_to_remove_an_idle_holder(
    testbed: EngineTestbed, monkeypatch: pytest.MonkeyPatch
) -> None:
    testbed.output("true")
    (idle,) = holders(testbed)
    removing, goes_on = threading.Event(), threading.Event()
    remove = APIClient.remove_container

    def late(client: APIClient, container: str, **options: object) -> None:
        if threading.current_thread() is rest:
            removing.set()
            assert goes_on.wait(60)
        remove(client, container, **options)

    monkeypatch.setattr(APIClient, "remove_container", late)
    rest = threading.Thread(target=testbed.engine.rest)
    rest.start()
    try:
        assert removing.wait(60)
        job = started(testbed, "true")
        assert rest.is_alive()
        assert testbed.ended(job).exit_code == 0
        (other,) = set(holders(testbed)) - {idle}
    finally:
        goes_on.set()
        rest.join()
    assert holders(testbed) == [other], "that of the program, which was not removed"


def test_a_container_with_strange_labels_is_no_job(testbed: EngineTestbed) -> None:
    name = f"{testbed.instance}-strange"
    docker("create", "--name", name, "--label", f"labd.instance={testbed.instance}", "--label", "labd.job=x²", IMAGE)
    try:
        assert testbed.engine.jobs() == set()
        assert testbed.output("echo", "well") == "well\n"
    finally:
        docker("rm", "-f", name)


# A Docker that hangs


@pytest.fixture
def silent() -> Iterator[str]:
    """A socket that accepts and never answers."""
    folder = temporary_folder()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "docker.sock"))
        listener.listen()
        yield f"unix://{folder}/docker.sock"
    subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def test_a_docker_that_never_answers_is_an_error_in_time(silent: str) -> None:
    engine = DockerPrograms("labd-hung", DockerClient(silent, timeout=0.5))
    began = time.monotonic()
    with warnings.catch_warnings():
        # The SDK leaves its socket to the garbage collector when nothing answers.
        warnings.simplefilter("ignore", ResourceWarning)
        with pytest.raises(EngineError, match="does not answer"):
            engine.poll(1)
        gc.collect()
    assert time.monotonic() - began < 10


# With an engine of our own, one for all: NVIDIA's parts, and one that is stopped

_WITH_NVIDIA = pytest.mark.xdist_group("nvidia")


@pytest.fixture(scope="module")
def nvidia() -> Iterator[DockerDaemon]:
    """Docker as it is where NVIDIA's runtime was made the default; an image that asks for all GPUs, as CUDA's do."""
    if not AS_ROOT:
        pytest.skip("only root can start an engine")
    made = DockerDaemon(temporary_folder(), ["--default-runtime=nvidia"])
    try:
        made.load(IMAGE)
        build = f"FROM {IMAGE}\nENV NVIDIA_VISIBLE_DEVICES=all CUDA_VISIBLE_DEVICES=7\n"
        command = ["docker", "-H", made.address, "build", "-q", "-t", "cuda", "-"]
        subprocess.run(command, input=build.encode(), check=True, capture_output=True)
        yield made
    finally:
        made.close()


@pytest.fixture
def with_gpus(nvidia: DockerDaemon) -> Iterator[EngineTestbed]:
    folder = temporary_folder()
    folder.chmod(0o755)
    made = EngineTestbed(folder, nvidia.address)
    try:
        yield made
    finally:
        made.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


TELL = "import os; print([os.environ.get(name + '_VISIBLE_DEVICES') for name in ('NVIDIA', 'CUDA')])"


@_WITH_NVIDIA
def test_a_program_without_gpus_gets_none_where_docker_gives_them_to_everybody(
    nvidia: DockerDaemon, with_gpus: EngineTestbed
) -> None:
    plain = ["docker", "-H", nvidia.address, "run", "--rm", "--network=none", "cuda", "true"]
    subprocess.run(plain, check=True)
    assert nvidia.noted("runtime") == ["all"], "this Docker gives GPUs to everybody"
    env = {"HOME": "/home/ana", "NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": "0"}
    assert with_gpus.output("python3", "-c", TELL, image="cuda", env=env) == "['void', '']\n"
    assert nvidia.noted("runtime") == ["all"], "neither the program nor its holder came by that runtime"


@_WITH_NVIDIA
def test_a_program_gets_the_gpus_it_was_granted_by_uuid_and_no_others(
    nvidia: DockerDaemon, with_gpus: EngineTestbed
) -> None:
    before = len(nvidia.noted("hook"))
    runtime = nvidia.noted("runtime")
    env = {"HOME": "/home/ana", "NVIDIA_VISIBLE_DEVICES": "all", "CUDA_VISIBLE_DEVICES": "0"}
    told = with_gpus.output("python3", "-c", TELL, image="cuda", env=env, gpu_ids=GPUS)
    assert told == f"['{','.join(GPUS)}', None]\n"
    assert nvidia.noted("hook")[before:] == [",".join(GPUS)]
    assert nvidia.noted("runtime") == runtime


@_WITH_NVIDIA
def test_finishing_an_image_gets_no_gpus_and_leaves_no_trace_in_it(nvidia: DockerDaemon) -> None:
    build = f"FROM {IMAGE}\nENV NVIDIA_VISIBLE_DEVICES=all\nLABEL labd.finish='touch /finished'\n"
    command = ["docker", "-H", nvidia.address, "build", "-q", "-t", "labd/env:finish", "-"]
    subprocess.run(command, input=build.encode(), check=True, capture_output=True)
    before = nvidia.noted("runtime")
    client = DockerClient(nvidia.address).api
    try:
        finisher = Finisher(lambda: client, f"labd-{uuid.uuid4().hex[:8]}")
        raw = client.inspect_image("labd/env:finish")
        finisher.add("labd/env:finish", raw["Id"])
        assert finisher.settle(60.0)
        finished = client.inspect_image("labd/env:finish")
        assert finished["Config"]["Labels"]["labd.finished"] == "1"
        assert finished["Config"]["Env"] == raw["Config"]["Env"]
        assert nvidia.noted("runtime") == before
    finally:
        client.close()


@_WITH_NVIDIA
def test_a_docker_that_was_stopped_fails_in_time_and_all_goes_on_when_it_is_back(nvidia: DockerDaemon) -> None:
    folder = temporary_folder()
    folder.chmod(0o755)
    patient, hasty = EngineTestbed(folder, nvidia.address), EngineTestbed(folder, nvidia.address, timeout=2.0)
    try:
        run = patient.run()
        patient.engine.start(run)
        hasty.instance = patient.instance
        engine = hasty.again()
        assert engine.poll(run.job).phase is Phase.RUNNING
        nvidia.process.send_signal(signal.SIGSTOP)
        for call in (
            lambda: engine.poll(run.job),
            lambda: engine.start(replace(patient.run(), job=77)),
            lambda: engine.jobs(),
            lambda: engine.stop(78, 1.0),
            lambda: engine.remove(78),
            lambda: engine.rest(),
            lambda: list(engine.logs(run.job, follow=False)),
        ):
            began = time.monotonic()
            with pytest.raises(EngineError):
                call()
            assert time.monotonic() - began < 15
        nvidia.process.send_signal(signal.SIGCONT)
        wait_for("Docker to be back", lambda: _is_running(engine, run.job))
    finally:
        nvidia.process.send_signal(signal.SIGCONT)
        hasty.client.api.close()
        patient.again()
        patient.close()
        subprocess.run(["rm", "-rf", "--", str(folder)], check=True)


def _is_running(engine: DockerPrograms, job: int) -> bool:
    try:
        return engine.poll(job).phase is Phase.RUNNING
    except EngineError:
        return False
