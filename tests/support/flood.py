"""Many connections at once, from a process of their own: its handles are not counted with the test's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_SCRIPT = """
import resource, socket, ssl, sys, time
port, number, say, addresses = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3]), sys.argv[4:]
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, number + 200), hard))
held = []
for index in range(number):
    client = socket.socket()
    client.settimeout(10)
    client.bind((addresses[index % len(addresses)], 0))
    try:
        client.connect(("127.0.0.1", port))
        if say:
            client.sendall(say)
    except OSError:
        client.close()
        continue
    held.append(client)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def flood(port: int, number: int, *addresses: str, say: bytes = b"") -> Iterator[None]:
    """Hold ``number`` connections from ``addresses`` (of this machine) that say no more than ``say``."""
    command = [
        sys.executable,
        "-c",
        _SCRIPT,
        str(port),
        str(number),
        say.hex(),
        *(addresses or ["127.0.0.1"]),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "open\n"
        try:
            yield
        finally:
            other.stdin.close()
            other.wait(30)
