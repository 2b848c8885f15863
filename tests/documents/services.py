"""What the examples talk to: a server on a store of its own, and a registry."""

import contextlib
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

LISTENING = re.compile(r"listening on http://(\S+)")


@contextlib.contextmanager
def running(command, **options):
    """A process that ends with the block."""
    process = subprocess.Popen(command, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def server(program: Path, environment: dict, scratch: str):
    """A server on a free port; its address."""
    environment = {**environment, "OLLAMA_HOST": "127.0.0.1:0"}
    path = Path(scratch, "server.log")
    with path.open("w") as log, running([str(program), "serve"], env=environment, stderr=log) as process:
        for _ in range(300):
            if address := LISTENING.search(path.read_text()):
                yield address[1]
                return
            if process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the server did not start: {path.read_text()}")


@contextlib.contextmanager
def registry(scratch: str, wanted: bool):
    """Docker's registry on a free port; its address, or one at which nobody answers."""
    if not wanted:
        yield "registry.invalid"
        return
    # Another program may be given the port between the question and the start.
    for attempt in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        configuration = Path(scratch, "registry.yml")
        configuration.write_text(
            "version: 0.1\n"
            "log: {level: error, accesslog: {disabled: true}}\n"
            f"storage: {{filesystem: {{rootdirectory: {scratch}/registry}}}}\n"
            f'http: {{addr: "{address}"}}\n'
        )
        command = [shutil.which("docker-registry"), "serve", str(configuration)]
        with running(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            if answers(process, f"http://{address}/v2/"):
                yield address
                return
    raise RuntimeError("docker-registry did not start")


def answers(process: subprocess.Popen, address: str) -> bool:
    """Waits until a process answers; whether it does before it ends."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        if process.poll() is not None:
            return False
        with contextlib.suppress(urllib.error.URLError, OSError):
            opener.open(address, timeout=5)
            return True
        time.sleep(0.1)
    return False
