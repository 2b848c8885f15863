"""Variations of a checkpoint: other settings of rotary embeddings, keys left to the defaults of the model class, ends tied
or apart, other biases, other types of weights, files divided otherwise.

Each variation changes a copy of the checkpoint's directory in place and answers with whether there was anything to change.
What both the configuration and the weights say is changed in both. Whether the model class allows it is not known here.
"""

import json
import shutil
import struct

import torch
from safetensors.torch import load_file, save_file

# The conversions run in copies of this process, in which threads of PyTorch's would be missing.
torch.set_num_threads(1)

# Settings of rotary embeddings in the forms that released checkpoints have.
ROPE_SCALING = {
    "linear": {"rope_type": "linear", "factor": 4.0},
    "linear-older": {"type": "linear", "factor": 2},
    "dynamic": {"rope_type": "dynamic", "factor": 2.0},
    "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 2048},
    "yarn-detailed": {
        "type": "yarn",
        "factor": 40,
        "original_max_position_embeddings": 4096,
        "beta_fast": 32,
        "beta_slow": 1,
        "attention_factor": 0.8,
    },
    "llama3": {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    },
    "none": None,
}
# Keys that configurations of some checkpoints leave to the defaults of their class.
OPTIONAL = [
    "attention_bias",
    "eos_token_id",
    "head_dim",
    "hidden_act",
    "layer_norm_eps",
    "layer_types",
    "max_position_embeddings",
    "mlp_bias",
    "norm_topk_prob",
    "num_experts_per_tok",
    "num_key_value_heads",
    "partial_rotary_factor",
    "rms_norm_eps",
    "rope_scaling",
    "rope_parameters",
    "rope_theta",
    "sliding_window",
    "tie_word_embeddings",
    "use_sliding_window",
]
FILES = ["generation_config.json", "special_tokens_map.json", "tokenizer_config.json", "chat_template.jinja"]
TEXT_PARTS = ["text_config", "llm_config", "lm_config", "language_config"]


def text_part(configuration):
    return next((configuration[key] for key in TEXT_PARTS if isinstance(configuration.get(key), dict)), configuration)


def change_configuration(directory, change):
    path = directory / "config.json"
    configuration = json.loads(path.read_text())
    before = json.dumps(configuration)
    change(text_part(configuration))
    path.write_text(json.dumps(configuration))
    return json.dumps(configuration) != before


def only_weights(directory):
    """The one file of weights, if there is one and all of its types can be read."""
    files = list(directory.glob("*.safetensors"))
    return files[0] if len(files) == 1 and (directory / "model.safetensors").exists() else None


def header(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length])


def sets(key, value):
    def vary(directory):
        return change_configuration(directory, lambda values: values.update({key: value}))

    return vary


def replaces(key, value):
    """The same where the configuration has the key already."""
    def vary(directory):
        return change_configuration(directory, lambda values: key in values and values.update({key: value}))

    return vary


def lacks(key):
    return lambda directory: change_configuration(directory, lambda values: values.pop(key, None))


def lacks_file(name):
    def vary(directory):
        path = directory / name
        if not path.exists():
            return False
        path.unlink()
        return True

    return vary


def rope(settings):
    """Rotary embeddings of one kind for all layers, by the older key or by the one that the checkpoint has."""
    def change(values):
        parameters = values.get("rope_parameters")
        if parameters is None:
            values["rope_scaling"] = settings
        elif not any(isinstance(value, dict) for value in parameters.values()):
            theta = parameters.get("rope_theta", 10000.0)
            values["rope_parameters"] = (settings or {"rope_type": "default"}) | {"rope_theta": theta}

    return lambda directory: change_configuration(directory, change)


def newer_rope(directory):
    """As transformers 5 writes it: everything about rotary embeddings in one place."""
    def change(values):
        if "rope_theta" in values and "rope_parameters" not in values:
            scaling = values.pop("rope_scaling", None) or {"rope_type": "default"}
            values["rope_parameters"] = scaling | {"rope_theta": values.pop("rope_theta")}

    return change_configuration(directory, change)


def change_weights(directory, change):
    path = only_weights(directory)
    if path is None:
        return False
    weights = load_file(path)
    changed = change(weights)
    if changed is None:
        return False
    save_file({name: weight.contiguous().clone() for name, weight in changed.items()}, path, {"format": "pt"})
    return True


def embeddings_of(weights):
    names = ["embed_tokens.weight", "wte.weight", "tok_embeddings.weight", "word_embeddings.weight", "embedding.weight"]
    return next((name for name in weights if any(name.endswith(ending) for ending in names)), None)


def unties(directory):
    """An output of its own for a model whose embeddings are its output."""
    def change(weights):
        name = embeddings_of(weights)
        if name is None or any("lm_head" in other for other in weights):
            return None
        return weights | {"lm_head.weight": weights[name].flip(0)}

    tied = not change_configuration(directory, lambda values: values.update(tie_word_embeddings=False))
    return not tied and change_weights(directory, change)


def ties(directory):
    """Embeddings that are the output too."""
    def change(weights):
        heads = [name for name in weights if name.endswith("lm_head.weight")]
        if not heads:
            return None
        return {name: weight for name, weight in weights.items() if name not in heads}

    changed = change_configuration(directory, lambda values: values.update(tie_word_embeddings=True))
    return changed and change_weights(directory, change)


def keeps_tied_copy(directory):
    """A copy of tied embeddings as the output, which some libraries save."""
    def change(weights):
        name = embeddings_of(weights)
        if name is None or any("lm_head" in other for other in weights):
            return None
        return weights | {"lm_head.weight": weights[name]}

    return change_weights(directory, change)


def biased(endings, keys=()):
    """Biases for the projections of these names that have none."""
    def vary(directory):
        def change(weights):
            added = {}
            for name, weight in weights.items():
                bias = name.removesuffix("weight") + "bias"
                if name.endswith(tuple(f"{ending}.weight" for ending in endings)) and bias not in weights:
                    added[bias] = weight.reshape(weight.shape[0], -1)[:, 0]
            return weights | added if added else None

        change_configuration(directory, lambda values: values.update({key: True for key in keys}))
        return change_weights(directory, change)

    return vary


def stored_as(dtype):
    def vary(directory):
        def change(weights):
            floats = (torch.float32, torch.float16, torch.bfloat16)
            if not all(weight.dtype in floats for weight in weights.values()):
                return None
            changed = {name: weight.to(dtype) for name, weight in weights.items()}
            return changed if any(changed[name].dtype != weights[name].dtype for name in weights) else None

        return change_weights(directory, change)

    return vary


def sharded(directory):
    """Three files with an index, the later tensors first."""
    path = only_weights(directory)
    if path is None:
        return False
    weights = load_file(path)
    names = sorted(weights, reverse=True)
    index = {}
    for part in range(3):
        name = f"model-{part + 1:05}-of-00003.safetensors"
        own = names[part::3]
        save_file({tensor: weights[tensor].contiguous().clone() for tensor in own}, directory / name, {"format": "pt"})
        index |= {tensor: name for tensor in own}
    path.unlink()
    text = json.dumps({"metadata": {}, "weight_map": index})
    (directory / "model.safetensors.index.json").write_text(text)
    return True


def tokenizer_setting(key, value):
    def vary(directory):
        path = directory / "tokenizer_config.json"
        if not path.exists():
            return False
        settings = json.loads(path.read_text())
        if settings.get(key) == value:
            return False
        path.write_text(json.dumps(settings | {key: value}))
        return True

    return vary


def generation(values):
    def vary(directory):
        path = directory / "generation_config.json"
        path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))
        return True

    return vary


ATTENTION = ["q_proj", "k_proj", "v_proj"]
VARIATIONS = {
    **{f"rope-{name}": rope(settings) for name, settings in ROPE_SCALING.items()},
    "rope-newer": newer_rope,
    "rope-theta-whole": replaces("rope_theta", 500000),
    "rope-partial": replaces("partial_rotary_factor", 0.5),
    **{f"lacks-{key}": lacks(key) for key in OPTIONAL},
    **{f"lacks-{name}": lacks_file(name) for name in FILES},
    "untied": unties,
    "tied": ties,
    "tied-copy": keeps_tied_copy,
    "bias-of-attention": biased(ATTENTION, ["attention_bias", "use_bias", "qkv_bias"]),
    "bias-of-output": biased(["o_proj", "out_proj"], ["attention_bias", "use_bias"]),
    "bias-of-feed-forward": biased(["gate_proj", "up_proj", "down_proj"], ["mlp_bias"]),
    "window": replaces("sliding_window", 77),
    "window-none": replaces("sliding_window", None),
    "window-unused": replaces("use_sliding_window", False),
    "window-used": replaces("use_sliding_window", True),
    "as-f32": stored_as(torch.float32),
    "as-f16": stored_as(torch.float16),
    "as-bf16": stored_as(torch.bfloat16),
    "sharded": sharded,
    "several-ends": sets("eos_token_id", [2, 3]),
    "ends-of-generation": generation({"eos_token_id": [3, 4], "bos_token_id": 1, "temperature": 0.6, "top_k": 20}),
    "adds-bos": tokenizer_setting("add_bos_token", True),
    "adds-no-bos": tokenizer_setting("add_bos_token", False),
    "adds-eos": tokenizer_setting("add_eos_token", True),
    "template": tokenizer_setting("chat_template", "{% for m in messages %}{{ m.content }}{% endfor %}"),
    "templates": tokenizer_setting(
        "chat_template",
        [{"name": "default", "template": "{{ messages }}"}, {"name": "tool_use", "template": "{{ tools }}"}],
    ),
}


def varied(checkpoint, scratch, number):
    """Copies of a checkpoint with one thing changed each, of every `number`-th variation that applies to it; the next
    checkpoint begins with another one."""
    start = sum(checkpoint.name.encode()) % number
    for name, vary in list(VARIATIONS.items())[start::number]:
        directory = scratch / name / checkpoint.name
        shutil.rmtree(directory.parent, ignore_errors=True)
        shutil.copytree(checkpoint, directory)
        for path in [directory, *directory.rglob("*")]:
            path.chmod(path.stat().st_mode | 0o200)
        if vary(directory):
            yield name, directory
        shutil.rmtree(directory.parent)
