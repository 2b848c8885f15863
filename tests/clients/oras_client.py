"""oras (PyPI) against the server as a registry: artifacts are pushed, in one piece and in chunks, listed, pulled
and deleted; a model is pulled as the files that it consists of, and an artifact becomes a model."""

import hashlib
import json
import os
import tempfile
import unittest
import urllib.request

import oras.client

HOST = os.environ["OLLAMA_HOST"].removeprefix("http://")
GGUF = os.environ["EXAMPLE_GGUF"]


def api(path, body, method="POST"):
    """The last line of an answer; nothing if it has none."""
    request = urllib.request.Request(f"http://{HOST}/api/{path}", json.dumps(body).encode(), method=method)
    with urllib.request.urlopen(request) as answer:
        lines = answer.read().splitlines()
        return json.loads(lines[-1]) if lines else None


class Artifacts(unittest.TestCase):
    def setUp(self):
        self.client = oras.client.OrasClient(hostname=HOST, insecure=True)
        self.work = tempfile.TemporaryDirectory()
        self.addCleanup(self.work.cleanup)

    def file(self, name, content):
        path = os.path.join(self.work.name, name)
        with open(path, "wb") as file:
            file.write(content)
        return path

    def push(self, target, files, **more):
        answer = self.client.push(target, files=files, disable_path_validation=True, **more)
        self.assertEqual(answer.status_code, 201, answer.text)

    def pull(self, target):
        with tempfile.TemporaryDirectory() as out:
            pulled = {}
            for path in self.client.pull(target, outdir=out):
                with open(path, "rb") as file:
                    pulled[os.path.basename(path)] = file.read()
            return pulled

    def test_files_come_back(self):
        content = os.urandom(1_000_000)
        path = self.file("data.bin", content)
        for target, more in [
            (f"{HOST}/oras/plain:v1", {}),
            (f"{HOST}/a/b/chunked:v1", {"do_chunked": True, "chunk_size": 70_000}),
        ]:
            self.push(target, [path], **more)
            pulled = self.pull(target)
            self.assertEqual(list(pulled.values()), [content])
            self.assertEqual(self.client.get_tags(target.rsplit(":", 1)[0]), ["v1"])
            self.assertTrue(self.client.delete_tag(target, "v1"))

    def test_an_artifact_becomes_a_model(self):
        target = f"{HOST}/oras/pack:v1"
        self.push(target, [GGUF])
        made = api("create", {"model": "from-oras", "from": "oras/pack:v1"})
        self.assertEqual(made["status"], "success", made)
        with open(GGUF, "rb") as file:
            weights = "sha256:" + hashlib.sha256(file.read()).hexdigest()
        # A client that knows no other manifests than OCI's gets one of these.
        kind = "application/vnd.oci.image.manifest.v1+json"
        manifest = self.client.get_manifest(f"{HOST}/library/from-oras:latest", allowed_media_type=[kind])
        self.assertEqual(manifest["mediaType"], kind)
        self.assertIn(weights, [layer["digest"] for layer in manifest["layers"]])
        self.client.delete_tag(target, "v1")
        api("delete", {"model": "from-oras"}, method="DELETE")


if __name__ == "__main__":
    unittest.main()
