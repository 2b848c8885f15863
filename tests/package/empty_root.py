"""The static program in a root directory that has nothing but it, an address of a name server, and a root certificate:
names are found, and certificates checked, without a library or a service of the system.

    python3 tests/package/empty_root.py PROGRAM

It starts a name server on 127.0.0.1:53 that knows one name, and Docker's registry with TLS under that name; the program
publishes a model there and fetches it. Takes root, for chroot and for the port.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "tests/fixtures/registry"
# The name that the certificate is for.
NAME = "registry.example"


def question(packet: bytes) -> tuple[str, int, int]:
    """The name that is asked for, the type of record, and where the question ends (RFC 1035, 4.1.2)."""
    labels, at = [], 12
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), int.from_bytes(packet[at + 1 : at + 3], "big"), at + 5


def answered(packet: bytes) -> bytes:
    """What the name server says: 127.0.0.1 for the name, nothing for its other records, and that there is no other."""
    name, kind, end = question(packet)
    known, is_address = name.lower() == NAME, kind == 1
    records = (
        b"\xc0\x0c" + (1).to_bytes(2, "big") * 2 + (60).to_bytes(4, "big") + (4).to_bytes(2, "big") + bytes([127, 0, 0, 1])
        if known and is_address
        else b""
    )
    flags = b"\x81\x80" if known else b"\x81\x83"
    counts = b"\x00\x01" + (b"\x00\x01" if records else b"\x00\x00") + b"\x00\x00" * 2
    return packet[:2] + flags + counts + packet[12:end] + records


def serve_names(names: socket.socket) -> None:
    while True:
        try:
            packet, client = names.recvfrom(512)
        except OSError:
            return
        names.sendto(answered(packet), client)


def registry(scratch: Path, certificate: Path, key: Path) -> tuple[subprocess.Popen, int]:
    """Docker's registry with TLS."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    configuration = scratch / "registry.yml"
    configuration.write_text(
        "version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\n"
        f"storage: {{filesystem: {{rootdirectory: {scratch}/registry}}}}\n"
        f'http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {certificate}, key: {key}}}}}\n'
    )
    process = subprocess.Popen(["docker-registry", "serve", configuration], stderr=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return process, port
        time.sleep(0.1)
    raise RuntimeError("docker-registry did not start")


def empty_root(scratch: Path, program: Path) -> Path:
    """A root directory with the program and what it has to be told."""
    root = scratch / "root"
    for directory in ["etc/ssl/certs", "tmp", "tiny"]:
        (root / directory).mkdir(parents=True)
    shutil.copy(program, root / "ollamake")
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")
    shutil.copytree(ROOT / "examples/tiny", root / "tiny", dirs_exist_ok=True)
    return root


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Runs the program in the root directory."""

    def enter() -> None:
        os.chroot(root)
        os.chdir("/")

    environment = {"HOME": "/", "OLLAMA_MODELS": "/models", "OLLAMA_HOST": "127.0.0.1:9"}
    return subprocess.run(
        ["/ollamake", *arguments], env=environment, preexec_fn=enter, text=True, capture_output=True, timeout=120
    )


def main() -> None:
    if not shutil.which("docker-registry"):
        print("skipped: docker-registry is not installed")
        return
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        names.bind(("127.0.0.1", 53))
    except OSError as error:
        print(f"skipped: there can be no name server on 127.0.0.1:53: {error}")
        return
    threading.Thread(target=serve_names, args=[names], daemon=True).start()
    with tempfile.TemporaryDirectory() as directory:
        scratch = Path(directory)
        root = empty_root(scratch, Path(sys.argv[1]))
        process, port = registry(scratch, FIXTURES / "other-name.pem", FIXTURES / "self-signed-key.pem")
        try:
            model = f"{NAME}:{port}/team/tiny"
            steps = [["create", "tiny", "-f", "/tiny/Modelfile"], ["cp", "tiny", model]]
            for step in steps:
                result = run(root, *step)
                assert result.returncode == 0, result
            refused = run(root, "push", model)
            assert refused.returncode and "certificate" in refused.stderr, refused
            # With the certificate where systems have theirs.
            shutil.copy(FIXTURES / "other-name.pem", root / "etc/ssl/certs/ca-certificates.crt")
            for step in [["push", model], ["rm", model], ["pull", model], ["show", model]]:
                result = run(root, *step)
                assert result.returncode == 0, result
            unknown = run(root, "pull", f"elsewhere.example:{port}/team/tiny")
            assert unknown.returncode and "elsewhere.example" in unknown.stderr, unknown
        finally:
            process.terminate()
            process.wait()
            names.close()
    print(f"ok: {NAME} was found and trusted, and nothing else")


if __name__ == "__main__":
    main()
