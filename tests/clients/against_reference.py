#!/usr/bin/env python3
"""Converts checkpoints with llama.cpp's converter and with ollamake, and tells name by name whether the bytes agree.

    against_reference.py [--binary OLLAMAKE] [--only BEGINNING,...] [--variations N] [--json FILE] LLAMA_CPP DIRECTORY...

LLAMA_CPP is a llama.cpp source tree; the Python that runs this needs what its converter needs (torch, transformers,
sentencepiece, numpy). Every folder of a DIRECTORY that holds a config.json and weights is a checkpoint. Both convert
it with the element type that suits the checkpoint best (`--outtype auto`), the text model and the projector.

A checkpoint may have an expected.json as those of tests/fixtures/conversion do: its `options` are further switches
for the converter, in which a directory is a folder of the checkpoint or another checkpoint. The pre-tokenizer of a
vocabulary that the converter does not know is taken from ollamake's file, so it does not count there. What else does
not count: keys that the converter takes from the directory's name, and a chat template that it brings along itself.

With --variations, every N-th variation of each checkpoint is tried in its place (variations.py says which there are): what
is changed holds for the configuration and the weights alike, so the model is as good as before.

It fails if both convert a checkpoint and differ, or if only the reference does.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import multiprocessing
import os
import pathlib
import re
import runpy
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from variations import varied

ARGUMENTS = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
ARGUMENTS.add_argument("--binary", type=pathlib.Path, default=pathlib.Path("target/debug/ollamake"))
ARGUMENTS.add_argument("--only", default="", help="beginnings of the names of checkpoints, apart by commas")
ARGUMENTS.add_argument("--variations", type=int, help="try every N-th variation of each checkpoint instead")
ARGUMENTS.add_argument("--json", type=pathlib.Path, help="write the report there as JSON too")
ARGUMENTS.add_argument("llama_cpp", type=pathlib.Path)
ARGUMENTS.add_argument("directories", type=pathlib.Path, nargs="+")

NOT_UPLOADED = {"expected.json", "logits.json"}
# Keys that the reference takes from the name of the checkpoint's directory, which an upload does not have.
FROM_DIRECTORY = {f"general.{key}" for key in ["name", "basename", "finetune", "version", "organization"]}
# What ollamake says of a tensor whose shape is not the one that the configuration calls for.
CONTRADICTION = "but config.json calls for"
# Seconds for one conversion by the reference.
PATIENCE = 300
MEDIA_TYPES = {"text": "application/vnd.ollama.image.model", "projector": "application/vnd.ollama.image.projector"}


class Server:
    """An ollamake server on a store of its own."""

    def __init__(self, binary, store):
        self.store = pathlib.Path(store)
        environment = os.environ | {"OLLAMA_HOST": "127.0.0.1:0", "OLLAMA_MODELS": str(store), "RUST_LOG": "info"}
        self.log = open(self.store.parent / "server.log", "w+")
        self.process = subprocess.Popen([binary, "serve"], env=environment, stderr=self.log)
        for _ in range(100):
            found = re.search(r"listening on (http://\S+)", pathlib.Path(self.log.name).read_text())
            if found:
                self.address = found[1]
                return
            time.sleep(0.1)
        raise SystemExit("the server did not start")

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def ask(self, method, path, data=None):
        request = urllib.request.Request(self.address + path, method=method, data=data)
        with urllib.request.urlopen(request) as answer:
            return answer.read()

    def upload(self, path):
        digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        with contextlib.suppress(urllib.error.HTTPError):
            self.ask("HEAD", f"/api/blobs/{digest}")
            return digest
        self.ask("POST", f"/api/blobs/{digest}", path.read_bytes())
        return digest

    def create(self, files):
        """The files of the model by kind, or why there are none."""
        uploaded = {name: self.upload(path) for name, path in files.items()}
        request = json.dumps({"model": "checked", "files": uploaded, "stream": False}).encode()
        try:
            answer = json.loads(self.ask("POST", "/api/create", request))
        except urllib.error.HTTPError as error:
            answer = json.loads(error.read())
        if "error" in answer:
            return {}, answer["error"]
        manifest = json.loads((self.store / "manifests/registry.ollama.ai/library/checked/latest").read_text())
        layers = {layer["mediaType"]: layer["digest"] for layer in manifest["layers"]}
        blob = lambda digest: self.store / "blobs" / digest.replace(":", "-")
        return {kind: blob(layers[media]) for kind, media in MEDIA_TYPES.items() if media in layers}, ""


def options_of(checkpoint, siblings):
    """Further switches for the reference, and the directory of the model that a draft is for."""
    expected = checkpoint / "expected.json"
    options = json.loads(expected.read_text()).get("options", []) if expected.exists() else []
    if not options and (checkpoint / "target").is_dir():
        options = ["--target-model-dir", "target"]
    places = lambda option: [checkpoint / option, *(parent / option for parent in siblings)]
    found = lambda option: next((place for place in places(option) if place.is_dir()), option)
    options = [option if option.startswith("-") else str(found(option)) for option in options]
    target = options[options.index("--target-model-dir") + 1] if "--target-model-dir" in options else None
    return options, target and pathlib.Path(target)


def files_of(checkpoint, target):
    """The files to be uploaded by name; those of the model that a draft is for lie in the folder `target`."""
    def below(directory, prefix):
        paths = sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in NOT_UPLOADED)
        return {prefix + str(path.relative_to(directory)): path for path in paths}

    files = below(checkpoint, "")
    if target and target.parent != checkpoint:
        named = below(target, "target/")
        files |= {name: path for name, path in named.items() if not name.endswith(".safetensors")}
    return files


def convert(llama_cpp, checkpoint, output, options, pre, log):
    """Runs the reference in this process, which ends with it. Lazy evaluation, its default, does not always work."""
    from conversion.base import TextModel

    known = TextModel.get_vocab_base_pre

    def named(self, tokenizer):
        try:
            return known(self, tokenizer)
        except NotImplementedError:
            return pre or "default"

    TextModel.get_vocab_base_pre = named
    with open(log, "w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    command = ["convert_hf_to_gguf.py", str(checkpoint), "--outtype", "auto", "--outfile", str(output)]
    sys.argv = command + options
    runpy.run_path(str(llama_cpp / "convert_hf_to_gguf.py"), run_name="__main__")


def reference(llama_cpp, checkpoint, output, options, pre):
    """The reference's file, or why there is none."""
    reason = ""
    for attempt in [options, [*options, "--no-lazy"]]:
        log = output.with_suffix(".log")
        output.unlink(missing_ok=True)
        # What one conversion leaves behind in the classes of the reference must not reach the next.
        process = multiprocessing.get_context("fork").Process(
            target=convert, args=(llama_cpp, checkpoint, output, attempt, pre, log)
        )
        process.start()
        process.join(PATIENCE)
        if process.is_alive():
            process.kill()
            process.join()
            return None, f"no result within {PATIENCE} seconds"
        if process.exitcode == 0 and output.exists():
            return output, ""
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        reason = reason or (lines[-1].strip() if lines else "it says nothing")
    return None, reason


def contents(path):
    """Metadata with types, and tensors with types and digests, in the order of the file."""
    import gguf

    reader = gguf.GGUFReader(path)
    fields = [field for field in reader.fields.values() if not field.name.startswith("GGUF.")]
    metadata = {field.name: ([kind.name for kind in field.types], repr(field.contents())) for field in fields}
    digest = lambda tensor: hashlib.sha256(tensor.data.tobytes()).hexdigest()
    tensors = {
        tensor.name: (tensor.tensor_type.name, tensor.shape.tolist(), digest(tensor)) for tensor in reader.tensors
    }
    return metadata, tensors


def has_template(files):
    named = any("chat_template" in name for name in files)
    settings = files.get("tokenizer_config.json")
    return named or bool(settings and "chat_template" in settings.read_text(errors="replace"))


def told(value, one, other):
    """A value in a few words: of long ones the part in which two of them differ."""
    text = str(value)
    if one is None or other is None or len(text) <= 80:
        return text[:80]
    common = len(os.path.commonprefix([str(one), str(other)]))
    return "…" + text[max(0, common - 20) : common + 60]


def difference(ours, theirs, files):
    """How two files differ, in a few words; nothing if they do not."""
    (own_keys, own_tensors), (their_keys, their_tensors) = contents(ours), contents(theirs)
    exempt = set(FROM_DIRECTORY)
    if not has_template(files):
        exempt.add("tokenizer.chat_template")
    size = their_keys.get("general.size_label", (None, "0"))[1]
    if not re.search(r"\d", size):
        exempt.add("general.size_label")
    kept = lambda keys: {key: value for key, value in keys.items() if key not in exempt}
    for kind, one, other in [("key", kept(own_keys), kept(their_keys)), ("tensor", own_tensors, their_tensors)]:
        for name in [*other, *one]:
            if one.get(name) != other.get(name):
                what = lambda side: "missing" if name not in side else told(side[name], one.get(name), other.get(name))
                return f"{kind} {name}: {what(one)}, expected {what(other)}"
        if list(one) != list(other):
            return f"the {kind}s are in another order"
    return ""


def names_of(checkpoint):
    """The names under which the reference looks the text model and the projector up."""
    from conversion import ModelBase, ModelType, get_model_architecture

    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        parameters = ModelBase.load_hparams(checkpoint, False)
    return [get_model_architecture(parameters, kind) for kind in (ModelType.TEXT, ModelType.MMPROJ)]


def check(server, llama_cpp, checkpoint, siblings, scratch):
    """For each kind of file the name of the class, the verdict and the reason for it."""
    from conversion import MMPROJ_MODEL_MAP, TEXT_MODEL_MAP

    options, target = options_of(checkpoint, siblings)
    files = files_of(checkpoint, target)
    made, refusal = server.create(files)
    text_name, projector_name = names_of(checkpoint)
    pre = None
    if "text" in made:
        kinds, value = contents(made["text"])[0].get("tokenizer.ggml.pre", (None, "None"))
        pre = value.strip("'") if kinds else None
    wanted = []
    if projector_name in MMPROJ_MODEL_MAP:
        wanted.append(("projector", projector_name, [*options, "--mmproj"]))
    if text_name in TEXT_MODEL_MAP or not wanted:
        wanted.insert(0, ("text", text_name, options))
    for kind, name, switches in wanted:
        theirs, failure = reference(llama_cpp, checkpoint, scratch / f"{kind}.gguf", switches, pre)
        ours = made.get(kind)
        if ours and theirs:
            differing = difference(ours, theirs, files)
            yield kind, name, "differs" if differing else "same", differing
        elif ours:
            yield kind, name, "only ours", f"the reference: {failure}"
        elif theirs and CONTRADICTION in refusal:
            # The reference takes no notice; what it makes cannot be loaded.
            yield kind, name, "contradictory", refusal
        elif theirs:
            yield kind, name, "only theirs", refusal or "none is made"
        else:
            yield kind, name, "neither", f"{refusal or 'none is made'}; the reference: {failure}"


def checkpoints_in(directory):
    has_weights = lambda path: (path / "config.json").exists() and any(path.glob("*.safetensors"))
    return [path for path in sorted(directory.iterdir()) if has_weights(path)]


def tried(checkpoints, scratch, variations):
    """What is converted: the checkpoints themselves, or variations of them, under what they are called here."""
    for checkpoint in checkpoints:
        if variations is None:
            yield checkpoint.name, checkpoint
            continue
        for name, directory in varied(checkpoint, scratch / "varied", variations):
            yield f"{checkpoint.name}/{name}", directory


def report_names(binary, verdicts):
    """Prints what was seen of each name of the reference, and the names without an answer."""
    from conversion import MMPROJ_MODEL_MAP, TEXT_MODEL_MAP

    classes = json.loads(subprocess.run([binary, "architectures", "--json"], check=True, capture_output=True).stdout)
    answered = {
        "text": {entry["name"] for entry in classes},
        "projector": {entry["name"] for entry in classes if entry["projector"]},
    }
    registered = {"text": set(TEXT_MODEL_MAP), "projector": set(MMPROJ_MODEL_MAP)}
    missing = {}
    for kind, names in registered.items():
        print(f"\n{kind}: {len(names)} names of the reference")
        for name in sorted(names):
            counts = collections.Counter(verdict for verdict in verdicts[kind][name])
            seen = ", ".join(f"{verdict}: {count}" for verdict, count in sorted(counts.items()))
            answer = "" if name in answered[kind] else " (not answered to)"
            print(f"  {name:48} {seen or 'no checkpoint'}{answer}")
        missing[kind] = sorted(names - answered[kind])
        print(f"{kind}: not answered to: {', '.join(missing[kind]) or 'none'}")
    return missing


def main():
    arguments = ARGUMENTS.parse_args()
    llama_cpp, binary = arguments.llama_cpp.resolve(), arguments.binary.resolve()
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    # What the conversions need is loaded once, before they part.
    import torch  # noqa: F401
    import transformers  # noqa: F401
    import conversion

    conversion.load_all_models()
    # It tells at length in how many ways it tries to read a configuration.
    conversion.logger.setLevel("ERROR")
    transformers.logging.set_verbosity_error()
    siblings = [directory.resolve() for directory in arguments.directories]
    beginnings = tuple(arguments.only.split(","))
    checkpoints = [path for parent in siblings for path in checkpoints_in(parent) if path.name.startswith(beginnings)]
    verdicts = {kind: collections.defaultdict(list) for kind in MEDIA_TYPES}
    totals, rows = collections.Counter(), []
    with tempfile.TemporaryDirectory() as directory:
        scratch = pathlib.Path(directory)
        (scratch / "store").mkdir()
        server = Server(binary, scratch / "store")
        try:
            for label, checkpoint in tried(checkpoints, scratch, arguments.variations):
                for kind, name, verdict, reason in check(server, llama_cpp, checkpoint, siblings, scratch):
                    verdicts[kind][name].append(verdict)
                    totals[verdict] += 1
                    rows.append(dict(zip(["checkpoint", "kind", "name", "verdict", "reason"],
                                         [label, kind, name, verdict, reason])))
                    said = f": {reason}" if reason else ""
                    print(f"{label} ({kind}, {name}): {verdict}{said}", flush=True)
        finally:
            server.stop()
    missing = report_names(binary, verdicts)
    print("\n" + ", ".join(f"{verdict}: {count}" for verdict, count in sorted(totals.items())))
    if arguments.json:
        arguments.json.write_text(json.dumps({"checkpoints": rows, "not_answered_to": missing}, indent=1))
    sys.exit(1 if totals["differs"] or totals["only theirs"] else 0)


if __name__ == "__main__":
    main()
