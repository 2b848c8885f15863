"""What schemathesis sends to ollamake, beside what it makes up: names of models and digests of blobs that are there."""

import hashlib
import json
import pathlib
import random

import schemathesis

MODELS = ["tiny", "half"]
BLOB = "sha256:" + hashlib.sha256(pathlib.Path("examples/tiny/tiny.gguf").read_bytes()).hexdigest()


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    if path_parameters and random.random() < 0.7:
        there = {"name": random.choice(MODELS), "model": random.choice(MODELS), "digest": BLOB}
        path_parameters.update({key: there[key] for key in path_parameters.keys() & there.keys()})
    return path_parameters


@schemathesis.hook
def map_query(context, query):
    if query and context.operation.path.endswith("/compare") and random.random() < 0.7:
        query.update({side: random.choice(MODELS) for side in ("a", "b")})
    return query


@schemathesis.hook
def map_body(context, body):
    # A model that is not there would be pulled.
    if context.operation.path == "/api/create" and isinstance(body, dict) and body.get("from"):
        body["from"] = random.choice(MODELS)
    return body


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    return json.loads(response.content.splitlines()[-1])


# Bytes of an upload are bytes.
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
