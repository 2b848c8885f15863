#!/usr/bin/env python3
"""Makes a model of each checkpoint with a running server, runs it in llama.cpp, and compares what it computes with PyTorch.

    pip install gguf llama-cpp-python torch transformers
    ollamake serve &
    run_by_llama_cpp.py CHECKPOINT...

Each CHECKPOINT is a directory in the Hugging Face layout, such as the cases of tests/fixtures/conversion. For each, one
line says whether llama.cpp loads the model (and its projector), and how far the logits of a fixed sequence of tokens, or
the last hidden states of an encoder, are from those of the class that transformers has for the checkpoint. Both compute in
single precision, so nothing but the order of sums should differ. Where transformers has no class or does not load the
checkpoint, the line says so, and that the model ran has to do.

What is called BAD need not be wrong here: compare the bytes with those of llama.cpp's converter (against_reference.py). Where
they are the same, it is between that converter and the runtime, as was seen of these:

- heads of which only a part is rotated in architectures that rotate neighbouring pairs (Bamba): the converter pairs whole heads;
- a base of rotary embeddings that the converter does not read (GLM 4, `rope_theta`);
- projectors of Mistral 3 and Pixtral, for which the converter leaves out the embedding of [IMG_BREAK] that the runtime needs;
- sizes that the runtime fixes, such as DeepSeek V4's four residual streams, and that small cases do not have.

The server is that of OLLAMA_HOST, and its store that of OLLAMA_MODELS, which has to be on this machine.
"""

import inspect
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import tempfile
import warnings

import llama_cpp
import numpy
import torch
import transformers
from gguf import GGUFReader
from safetensors.torch import load_file

from computed_by_llama_cpp import create, curl, layer_path, manifest

# llama.cpp calls a debugger when it gives up, unless it is told not to.
os.environ["GGML_NO_BACKTRACE"] = "1"

# Largest difference of a logit that still counts as the same, relative to the largest logit. llama.cpp rounds activations
# of some functions to half precision (GELU by a table), which is what most of it is.
TOLERANCE = 2e-2
TOKENS = 24
# Architectures that make states and no logits whether or not they pool.
ENCODERS = {"bert", "modern-bert", "nomic-bert", "t5encoder"}


def tokens_of(vocabulary):
    """A fixed sequence of tokens, spread over the vocabulary."""
    return [(7 + 31 * index * (index + 3)) % vocabulary for index in range(TOKENS)]


def run(model_path, projector_path):
    """Runs a model on its tokens; answers with its vocabulary, kind, and the values of every position."""
    llama_cpp.llama_backend_init()
    options = llama_cpp.llama_model_default_params()
    options.use_extra_bufts = False
    options.use_mmap = True
    model = llama_cpp.llama_model_load_from_file(str(model_path).encode(), options)
    if not model:
        raise RuntimeError("llama.cpp does not load the model")
    if projector_path:
        load_projector(model, projector_path)
    vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    has_decoder = llama_cpp.llama_model_has_decoder(model)
    has_encoder = llama_cpp.llama_model_has_encoder(model)
    tokens = tokens_of(vocabulary)
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = 256
    settings.type_k = settings.type_v = 0
    settings.flash_attn_type = 0
    settings.n_threads = settings.n_threads_batch = 1
    head = output_head(model_path)
    settings.embeddings = not head
    settings.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_NONE
    context = llama_cpp.llama_init_from_model(model, settings)
    if not context:
        raise RuntimeError("llama.cpp makes no context for the model")
    batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
    batch.n_tokens = len(tokens)
    for position, token in enumerate(tokens):
        batch.token[position] = token
        batch.pos[position] = position
        batch.n_seq_id[position] = 1
        batch.seq_id[position][0] = 0
        batch.logits[position] = 1
    if has_encoder and has_decoder:
        raise RuntimeError("it has an encoder and a decoder, which are not compared")
    step = llama_cpp.llama_encode if has_encoder and not has_decoder else llama_cpp.llama_decode
    status = step(context, batch)
    if status != 0:
        raise RuntimeError(f"llama.cpp does not run the model (status {status})")
    width = vocabulary if head else llama_cpp.llama_model_n_embd(model)
    read = llama_cpp.llama_get_logits_ith if head else llama_cpp.llama_get_embeddings_ith
    rows = [numpy.ctypeslib.as_array(read(context, position), shape=(width,)).copy() for position in range(len(tokens))]
    return tokens, ("logits" if head else "states"), numpy.array(rows)


def output_head(path):
    """Whether a model makes logits: what pools or only encodes does not."""
    fields = GGUFReader(str(path)).fields
    architecture = bytes(fields["general.architecture"].parts[-1]).decode()
    return f"{architecture}.pooling_type" not in fields and architecture not in ENCODERS


def load_projector(model, path):
    from llama_cpp import mtmd_cpp

    options = mtmd_cpp.mtmd_context_params_default()
    options.use_gpu = False
    options.n_threads = 1
    if hasattr(options, "warmup"):
        options.warmup = False
    context = mtmd_cpp.mtmd_init_from_file(str(path).encode(), model, options)
    if not context:
        raise RuntimeError("llama.cpp does not load the projector")
    mtmd_cpp.mtmd_free(context)


def settings(checkpoint):
    """The configuration of a checkpoint; what transformers 5 writes of rotary embeddings as older versions read it."""
    own = transformers.AutoConfig.from_pretrained(checkpoint, local_files_only=True)
    for part in [own, getattr(own, "text_config", own)]:
        rope = getattr(part, "rope_parameters", None)
        if int(transformers.__version__.split(".")[0]) < 5 and rope and "rope_theta" in rope:
            part.rope_theta = rope["rope_theta"]
            part.rope_scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
    return own


def dense(checkpoint, states):
    """What the dense modules of sentence-transformers make of states; llama.cpp applies them to every position."""
    modules = checkpoint / "modules.json"
    named = json.loads(modules.read_text()) if modules.exists() else []
    for folder in [module["path"] for module in named if module["type"].endswith("Dense")]:
        own = json.loads((checkpoint / folder / "config.json").read_text())
        weights = load_file(checkpoint / folder / "model.safetensors")
        bias = weights["linear.bias"].float() if own.get("bias") else None
        states = torch.nn.functional.linear(states, weights["linear.weight"].float(), bias)
    return states


def reference(checkpoint, kind, tokens):
    """What the class of transformers computes, or why there is nothing."""
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    names = ["AutoModelForCausalLM", "AutoModelForImageTextToText", "AutoModel"] if kind == "logits" else ["AutoModel"]
    problems = []
    for name in names:
        try:
            model = getattr(transformers, name).from_pretrained(
                checkpoint, config=settings(checkpoint), dtype=torch.float32, attn_implementation="eager",
                local_files_only=True, trust_remote_code=False
            )
        except Exception as error:  # Whatever hinders transformers is no fault of the model's.
            problems.append(str(error).strip().splitlines()[0][:90])
            continue
        with torch.no_grad():
            # The classes of some encoders do not know that there are caches.
            known = inspect.signature(model.forward).parameters
            output = model.eval().float()(input_ids=torch.tensor([tokens]), **{"use_cache": False} if "use_cache" in known else {})
            values = getattr(output, "logits", None) if kind == "logits" else dense(checkpoint, output.last_hidden_state)
        if values is not None:
            return values[0].float().numpy(), None
        problems.append(f"{name} has no {kind}")
    return None, problems[0]


def compare(checkpoint, weights, projector):
    tokens, kind, values = run(weights, projector)
    if not numpy.isfinite(values).all():
        raise RuntimeError(f"llama.cpp computes {kind} that are not finite")
    expected, problem = reference(checkpoint, kind, tokens)
    loaded = "runs, projector loads" if projector else "runs"
    if expected is None:
        return f"{loaded}; nothing to compare with: {problem}", None
    width = min(expected.shape[1], values.shape[1])
    expected, values = expected[:, :width], values[:, :width]
    difference = float(abs(expected - values).max() / abs(expected).max())
    agreeing = int((expected.argmax(axis=1) == values.argmax(axis=1)).sum())
    line = f"{loaded}; {kind} differ by {difference:.1e} of the largest, best equal at {agreeing} of {len(tokens)}"
    return line, difference <= TOLERANCE


def examine(checkpoint):
    """One checkpoint: makes the model, and leaves the rest to a process of its own, which llama.cpp may end."""
    name = "run-" + checkpoint.name.lower().replace(".", "-")
    try:
        weights = create(name, checkpoint, "f32")
    except subprocess.CalledProcessError as error:
        if any(reason in error.stdout for reason in ["quantize needs a model", "target/config.json is missing"]):
            return "is a projector or a draft without the model that it belongs to", None
        # Weights that are packed already are not unpacked.
        if "already quantized" not in error.stdout:
            return f"is refused: {error.stdout.strip()[:160]}", False
        weights = create(name, checkpoint, "")
    projectors = [layer for layer in manifest(name)["layers"] if layer["mediaType"].endswith(".projector")]
    projector = layer_path(projectors[0]) if projectors else None
    answer = apart(compare, checkpoint, weights, projector)
    curl("/api/delete", "-X", "DELETE", "-d", json.dumps({"model": name}))
    return answer


def apart(work, *arguments):
    """Does the work in a copy of this process; one that ends early is bad, and its last words say why."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with tempfile.TemporaryFile() as words:

        def child():
            os.dup2(words.fileno(), 2)
            sender.send(work(*arguments))

        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        sender.close()
        try:
            answer = receiver.recv()
        except EOFError:
            answer = None
        process.join()
        if answer is not None:
            return answer
        words.seek(0)
        said = [line for line in words.read().decode(errors="replace").splitlines() if line.strip()]
        how = f"llama.cpp ends the process (signal {-process.exitcode})" if process.exitcode < 0 else "fails"
        # What llama.cpp says of a failure comes before what Python makes of it.
        telling = [line for line in said if "error loading model:" in line or "GGML_ASSERT" in line] or said[-1:]
        return f"{how}: {telling[0][:200] if telling else 'without a word'}", False


def main():
    checkpoints = [pathlib.Path(argument) for argument in sys.argv[1:]]
    if not checkpoints:
        sys.exit(__doc__)
    warnings.simplefilter("ignore")
    counts = {True: 0, False: 0, None: 0}
    for checkpoint in checkpoints:
        architecture = json.loads((checkpoint / "config.json").read_text()).get("architectures", ["?"])[0]
        line, good = examine(checkpoint)
        counts[good] += 1
        print(f"{'BAD ' if good is False else ''}{checkpoint.name} ({architecture}): {line}", flush=True)
    print(f"{counts[True]} as PyTorch computes, {counts[None]} run and could not be compared, {counts[False]} bad")
    sys.exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
