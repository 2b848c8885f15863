"""The `ollama` package, synchronous and asynchronous, against the server at OLLAMA_HOST."""

import asyncio
import hashlib
import os
import unittest

import ollama

GGUF = os.environ["EXAMPLE_GGUF"]


def sha256(path):
    with open(path, "rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


class Synchronous(unittest.TestCase):
    def setUp(self):
        self.client = ollama.Client()

    def test_life_of_a_model(self):
        client = self.client
        digest = client.create_blob(GGUF)
        self.assertEqual(digest, sha256(GGUF))
        answer = client.create("sync", files={"tiny.gguf": digest}, system="You are terse.", license=["MIT", "more"])
        self.assertEqual(answer.status, "success")

        statuses = [
            line.status
            for line in client.create(
                "sync-child", from_="sync", parameters={"temperature": 0.5, "stop": ["a", "b"]}, stream=True
            )
        ]
        self.assertEqual(statuses[-2:], ["writing manifest", "success"])

        names = [model.model for model in client.list().models]
        self.assertIn("sync:latest", names)
        self.assertIn("sync-child:latest", names)

        shown = client.show("sync-child")
        self.assertEqual(shown.details.family, "llama")
        self.assertEqual(shown.details.format, "gguf")
        self.assertIn("temperature", shown.parameters)
        self.assertEqual(shown.license, "MIT\nmore")
        self.assertEqual(shown.modelinfo["general.architecture"], "llama")
        self.assertIn("SYSTEM You are terse.", shown.modelfile)

        self.assertEqual(client.copy("sync", "sync-copy").status, "success")
        for name in ("sync", "sync-copy", "sync-child"):
            self.assertEqual(client.delete(name).status, "success")
        self.assertFalse([model for model in client.list().models if model.model.startswith("sync")])

    def test_quantized_on_the_way(self):
        digest = self.client.create_blob(GGUF)
        lines = list(self.client.create("quantized", files={"m.gguf": digest}, quantize="q4_K_M", stream=True))
        self.assertEqual(lines[-1].status, "success")
        self.assertEqual(self.client.show("quantized").details.quantization_level, "Q4_K_M")
        self.client.delete("quantized")

    def test_published_and_fetched(self):
        client = self.client
        digest = client.create_blob(GGUF)
        client.create("published", files={"tiny.gguf": digest}, system="You travel.")
        client.create("local", from_="published", quantize="q4_K_M", system="You stay.")
        remote = os.environ["REGISTRY"] + "/team/published"
        client.copy("published", remote)
        pushed = [line.status for line in client.push(remote, insecure=True, stream=True)]
        self.assertEqual(pushed[-1], "success")
        weights = client.show("local").modelfile.split("FROM ")[-1].splitlines()[0]
        self.assertIn("sha256:", weights)
        for name in ("published", "local", remote):
            client.delete(name)
        self.assertNotIn(f"{remote}:latest", [model.model for model in client.list().models])

        lines = list(client.pull(remote, insecure=True, stream=True))
        self.assertEqual(lines[0].status, "pulling manifest")
        self.assertTrue(any(line.digest == digest and line.completed == line.total for line in lines))
        self.assertEqual(lines[-1].status, "success")
        self.assertIn("SYSTEM You travel.", client.show(remote).modelfile)

        # The base model is fetched where it is not here.
        client.delete(remote)
        made = client.create("traveller", from_=remote, quantize="q4_K_M", system="You stay.")
        self.assertEqual(made.status, "success")
        shown = client.show("traveller")
        self.assertEqual(shown.details.quantization_level, "Q4_K_M")
        self.assertIn(weights, shown.modelfile)
        self.assertEqual(client.pull(remote, insecure=True).status, "success")
        self.assertEqual(client.push(remote, insecure=True).status, "success")
        for name in ("traveller", remote):
            client.delete(name)

    def test_errors(self):
        for call, status in [
            (lambda: self.client.show("no-such-model"), 404),
            (lambda: self.client.delete("no-such-model"), 404),
            (lambda: self.client.copy("no-such-model", "x"), 404),
            (lambda: self.client.create("bad name!!", from_="x"), 400),
            (lambda: self.client.create("x", files={"a.gguf": "sha256:" + "0" * 64}), 400),
            (lambda: list(self.client.create("x", files={"a.gguf": "sha256:" + "0" * 64}, stream=True)), 400),
            (lambda: self.client.generate("no-such-model", "hi"), 501),
        ]:
            with self.assertRaises(ollama.ResponseError) as caught:
                call()
            self.assertEqual(caught.exception.status_code, status)
            self.assertTrue(caught.exception.error)


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def test_life_of_a_model(self):
        client = ollama.AsyncClient()
        digest = await client.create_blob(GGUF)
        self.assertEqual(digest, sha256(GGUF))
        statuses = []
        async for line in await client.create("async", files={"tiny.gguf": digest}, stream=True):
            statuses.append(line.status)
        self.assertEqual(statuses[0], "parsing GGUF")
        self.assertEqual(statuses[-1], "success")
        copies = [client.copy("async", f"async-{number}") for number in range(8)]
        self.assertTrue(all(answer.status == "success" for answer in await asyncio.gather(*copies)))
        self.assertEqual((await client.show("async-3")).details.family, "llama")
        for name in ["async", *(f"async-{number}" for number in range(8))]:
            await client.delete(name)


if __name__ == "__main__":
    unittest.main()
