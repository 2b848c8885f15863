"""Applications that use an Ollama, against the server at OLLAMA_HOST: langchain-ollama itself, and the requests that the
sources of LiteLLM, Open WebUI and Continue show, as far as they list, look at and create models.

To chat they need an Ollama; what they are told here then is tested, too.
"""

import hashlib
import json
import os
import re
import unittest
from datetime import datetime

import httpx
from langchain_ollama import ChatOllama, OllamaEmbeddings
from ollama import ResponseError

GGUF = os.environ["EXAMPLE_GGUF"]
SERVER = os.environ["OLLAMA_HOST"]


class Application(unittest.TestCase):
    """Something that finds a model on the server."""

    model = "application"

    def setUp(self):
        self.http = httpx.Client(base_url=SERVER, timeout=60)
        with open(GGUF, "rb") as file:
            self.weights = file.read()
        self.digest = "sha256:" + hashlib.sha256(self.weights).hexdigest()
        self.http.post(f"/api/blobs/{self.digest}", content=self.weights).raise_for_status()
        request = {
            "model": self.model,
            "files": {"tiny.gguf": self.digest},
            "parameters": {"num_ctx": 256, "stop": ["<|im_end|>", "a word"]},
            "stream": False,
        }
        self.http.post("/api/create", json=request).raise_for_status()

    def tearDown(self):
        self.http.request("DELETE", "/api/delete", json={"model": self.model}).raise_for_status()
        self.http.close()


class LangChain(Application):
    def test_a_model_is_found(self):
        ChatOllama(model=self.model, validate_model_on_init=True)
        OllamaEmbeddings(model=f"{self.model}:latest", validate_model_on_init=True)

    def test_one_that_is_missing_is_told_with_those_that_are_there(self):
        with self.assertRaisesRegex(ValueError, f"missing.*not found.*{self.model}:latest"):
            ChatOllama(model="missing", validate_model_on_init=True)

    def test_chatting_is_told_to_be_for_ollama(self):
        with self.assertRaises(ResponseError) as caught:
            ChatOllama(model=self.model).invoke("Hello")
        self.assertEqual(caught.exception.status_code, 501)
        self.assertIn("Ollama", caught.exception.error)


class LiteLlm(Application):
    """Lists the names, looks a model up by `name` for its template and context, and chats by `/api/generate`."""

    def test_names(self):
        answer = self.http.get("/api/tags", headers={"Authorization": "Bearer unused"})
        names = {model.get("name") or model.get("model") for model in answer.raise_for_status().json()["models"]}
        self.assertIn(f"{self.model}:latest", names)

    def test_what_a_model_can_do(self):
        shown = self.http.post("/api/show", json={"name": self.model}).raise_for_status().json()
        lengths = [value for key, value in shown["model_info"].items() if "context_length" in key]
        self.assertEqual(lengths, [512])
        self.assertIsInstance(shown["template"], str)
        self.assertIn("completion", shown["capabilities"])

    def test_completing_is_told_to_be_for_ollama(self):
        request = {"model": self.model, "prompt": "Hello", "options": {}, "stream": False}
        answer = self.http.post("/api/generate", json=request)
        self.assertEqual(answer.status_code, 501)
        self.assertIn("Ollama", answer.json()["error"])


class OpenWebUi(Application):
    """Asks for the version, the models and those that are loaded; uploads a file, and makes a model of it."""

    def test_what_it_asks_first(self):
        version = self.http.get("/api/version").raise_for_status().json()["version"]
        # It compares versions of several servers as tuples of numbers.
        tuple(map(int, re.sub(r"^v|-.*", "", version).split(".")))
        models = self.http.get("/api/tags").raise_for_status().json()["models"]
        names = {model["model"]: model for model in models}
        datetime.fromisoformat(names[f"{self.model}:latest"]["modified_at"][:19])
        self.assertEqual(self.http.get("/api/ps").raise_for_status().json()["models"], [])

    def test_upload_and_create(self):
        # It sends the file without a type, and does not ask first whether the blob is there.
        self.http.post(f"/api/blobs/{self.digest}", content=self.weights).raise_for_status()
        request = {"model": "uploaded-file", "files": {"uploaded-file.gguf": self.digest}}
        headers = {"Content-Type": "application/json"}
        answer = self.http.post("/api/create", content=json.dumps(request), headers=headers).raise_for_status()
        self.assertEqual(json.loads(answer.text.splitlines()[-1]), {"status": "success"})
        # Deleting and looking up name the model twice.
        both = {"name": "uploaded-file:latest", "model": "uploaded-file:latest"}
        self.http.post("/api/show", json=both).raise_for_status()
        self.http.request("DELETE", "/api/delete", content=json.dumps(both)).raise_for_status()

    def test_a_model_of_a_model(self):
        # The editor sends the parts; empty ones are left out.
        request = {"model": "edited", "from": self.model, "system": "Answer shortly.", "stream": True}
        lines = self.http.post("/api/create", json=request).raise_for_status().text.splitlines()
        self.assertEqual(json.loads(lines[-1]), {"status": "success"})
        self.http.request("DELETE", "/api/delete", json={"name": "edited", "model": "edited"}).raise_for_status()

    def test_a_modelfile_of_old_is_told_what_to_send(self):
        request = {"name": "old", "modelfile": f"FROM {self.model}"}
        answer = self.http.post("/api/create", json=request)
        self.assertEqual(answer.status_code, 400)
        self.assertIn("from", answer.json()["error"])


class Continue(Application):
    """Lists names, and reads the context length, stop words and the template of a model."""

    headers = {"Content-Type": "application/json", "Authorization": "Bearer unused"}

    def test_names(self):
        models = self.http.get("/api/tags", headers=self.headers).raise_for_status().json()["models"]
        self.assertIn(f"{self.model}:latest", [model["name"] for model in models])

    def test_parameters_line_by_line(self):
        request = json.dumps({"name": self.model})
        shown = self.http.post("/api/show", content=request, headers=self.headers).raise_for_status().json()
        lines = shown["parameters"].split("\n")
        found = [re.fullmatch(r'(\S+)\s+((?:".*")|\S+)', line) for line in lines]
        self.assertTrue(all(found), lines)
        values = [(match[1], match[2]) for match in found]
        self.assertIn(("num_ctx", "256"), values)
        self.assertEqual([json.loads(value) for key, value in values if key == "stop"], ["<|im_end|>", "a word"])
        # A template that knows what stands behind the cursor would have this.
        self.assertNotIn(".Suffix", shown["template"])


# It has no tests of its own.
del Application

if __name__ == "__main__":
    unittest.main()
