#!/usr/bin/env bash
# The program at work, in a few minutes from nothing: builds it, and makes models of a tiny checkpoint in a store of their
# own, target/quickstart. OLLAMAKE names a program that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -z "${OLLAMAKE:-}" ]; then
    # Only the program, none of what tests and examples need. `cargo install --path .` finds it compiled.
    cargo build --release --locked
    OLLAMAKE=${CARGO_TARGET_DIR:-target}/release/ollamake
fi
OLLAMAKE=$(realpath "$OLLAMAKE")

OLLAMA_MODELS=$PWD/target/quickstart
# Nobody answers here, so the commands do the work themselves.
OLLAMA_HOST=127.0.0.1:9
export OLLAMA_MODELS OLLAMA_HOST
rm -rf "$OLLAMA_MODELS"
cd examples/tiny-checkpoint

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
run() {
    printf '\n$ ollamake %s\n' "$*"
    "$OLLAMAKE" "$@"
}

say 'A checkpoint as Hugging Face has them: a Llama of one layer with random weights.'
ls -l

say 'The plan: what a quantized model would be, to the byte. Nothing is made yet.'
run create tiny -q q4_K_M --dry-run --verbose

say 'Two models from one pass over the weights, converted and quantized straight into the store.'
run create tiny -q q4_K_M -q q8_0
run list
run show tiny:q4_k_m

say 'How far the smaller one is off, tensor for tensor.'
run compare tiny:q8_0 tiny:q4_k_m --quality

say 'The weights as a file for llama.cpp.'
run export tiny:q4_k_m "$OLLAMA_MODELS/tiny-q4_k_m.gguf"

say 'Next'
cat <<'NEXT'
  cargo install --path . --locked     puts ollamake on your path
  ollamake serve                      serves your models; Ollama runs them from the same directory
  http://127.0.0.1:11434/             shows them in a browser, then
  docs/tutorial.md                    five ways to make a model
NEXT
