"""`tuspy` against the server at OLLAMA_HOST, over a connection that is cut ten times."""

import hashlib
import os
import socket
import tempfile
import threading
import unittest
from urllib.parse import urlsplit

import requests
from tusclient.client import TusClient

HOST = os.environ["OLLAMA_HOST"]
LENGTH = 22_000_000
CUTS = 10
# Of bytes that go to the server.
INTERVAL = 1_500_000


class CuttingProxy:
    """Passes connections on to the server, and breaks one whenever so many bytes more have gone there."""

    def __init__(self):
        self.cuts = 0
        self.sent = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        target = urlsplit(HOST)
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection((target.hostname, target.port))
            for source, sink, counts in ((client, server, True), (server, client, False)):
                threading.Thread(target=self.copy, args=(source, sink, counts), daemon=True).start()

    def copy(self, source, sink, counts):
        try:
            while data := source.recv(32 * 1024):
                self.sent += len(data) * counts
                if counts and self.cuts < CUTS and self.sent > INTERVAL * (self.cuts + 1):
                    self.cuts += 1
                    break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                # Whoever waits for it in the other thread is woken; what still comes is refused.
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def close(self):
        self.listener.close()


class Tuspy(unittest.TestCase):
    def upload(self, **options):
        contents = os.urandom(LENGTH)
        proxy = CuttingProxy()
        self.addCleanup(proxy.close)
        with tempfile.NamedTemporaryFile() as file:
            file.write(contents)
            file.flush()
            client = TusClient(f"{proxy.url}/ollamake/v1/uploads")
            uploader = client.uploader(
                file.name, metadata={"filename": "m.gguf"}, retries=20, retry_delay=0, **options
            )
            uploader.upload()
        self.assertEqual(proxy.cuts, CUTS)
        self.assertLess(proxy.sent, LENGTH * 2)
        digest = "sha256:" + hashlib.sha256(contents).hexdigest()
        answers = uploader.request.response_headers
        self.assertEqual({name.lower(): value for name, value in answers.items()}["ollamake-digest"], digest)
        self.assertEqual(requests.head(f"{HOST}/api/blobs/{digest}").status_code, 200)
        ended = requests.delete(f"{HOST}{urlsplit(uploader.url).path}", headers={"Tus-Resumable": "1.0.0"})
        self.assertEqual(ended.status_code, 204)

    def test_all_in_one_request(self):
        self.upload()

    def test_in_chunks_with_checksums(self):
        self.upload(chunk_size=1_000_000, upload_checksum=True)


if __name__ == "__main__":
    unittest.main()
