"""Whether the client of an SSH connection is still there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from labd.gateway.connection import Client


@pytest.fixture(params=["127.0.0.1", "::1", "mapped"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, str]]:
    """A client that is connected, and what sshd says of its connection; `mapped`: IPv4 on a socket of IPv6."""
    family = socket.AF_INET if request.param == "127.0.0.1" else socket.AF_INET6
    address = "127.0.0.1" if request.param == "mapped" else request.param
    with (
        socket.create_server(("", 0), family=family, dualstack_ipv6=family == socket.AF_INET6) as server,
        socket.create_connection((address, server.getsockname()[1])) as client,
        server.accept()[0],
    ):
        yield client, f"{address} {client.getsockname()[1]} {address} {server.getsockname()[1]}"


def test_a_client_is_there_until_it_closes_its_connection(ends: tuple[socket.socket, str]) -> None:
    client, connection = ends
    assert Client(connection, 0).is_there()
    client.close()
    assert not Client(connection, 0).is_there()


def test_a_client_that_resets_its_connection_is_gone(ends: tuple[socket.socket, str]) -> None:
    client, connection = ends
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert not Client(connection, 0).is_there()


def test_a_connection_that_never_was_is_not_there() -> None:
    assert not Client("192.0.2.7 50000 192.0.2.1 22", 0).is_there()


def test_what_sshd_leaves_when_it_ends_is_no_connection(ends: tuple[socket.socket, str]) -> None:
    _, connection = ends
    server = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert Client(connection, server.pid).is_there()
    server.kill()
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
    assert not Client(connection, server.pid).is_there()
    server.communicate()
    assert not Client(connection, server.pid).is_there()


def test_a_process_that_ends_is_seen_at_the_end_of_its_pipe(ends: tuple[socket.socket, str]) -> None:
    _, connection = ends
    for _ in range(50):
        process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin and process.stdout
        process.kill()
        assert process.stdout.read() == b""
        assert not Client(connection, process.pid).is_there()
        process.communicate()


def test_the_process_that_made_the_session_is_found() -> None:
    program = "import os; from labd.gateway.connection import find_sshd; print(find_sshd(), os.getppid())"
    shell = f"{sys.executable} -c '{program}'; true"
    for command in ([sys.executable, "-c", program], ["sh", "-c", shell]):
        done = subprocess.run(command, capture_output=True, text=True, check=True, start_new_session=True)
        assert int(done.stdout.split()[0]) == os.getpid()


@pytest.mark.parametrize("told", ["", "UNKNOWN 65535 UNKNOWN 65535", "192.0.2.7 x 192.0.2.1 22"])
def test_without_a_connection_it_counts_whether_somebody_reads_the_output(told: str) -> None:
    program = (
        "import sys; from labd.gateway.connection import Client; sys.stdin.read();"
        f"sys.stderr.write(str(Client({told!r}, 0).is_there()))"
    )
    for is_read in (True, False):
        read, write = os.pipe()
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=write, stderr=subprocess.PIPE, text=True
        )
        os.close(write)
        if not is_read:
            os.close(read)
        assert process.communicate(timeout=60)[1] == str(is_read)
        if is_read:
            os.close(read)
