#!/usr/bin/env bash
# schemathesis against a server: every operation of the OpenAPI document is called with what the document allows
# and with what it does not; no status may be one that it does not have, no answer one that it does not describe,
# and none may be 5xx but what it says (501 of the routes that run models). Needs python3.
#
#   tests/clients/described.sh [path of the ollamake binary] [options of schemathesis, such as -n 200]
set -euo pipefail
cd "$(dirname "$0")/../.."
binary=${1:-target/debug/ollamake}
[ $# -eq 0 ] || shift
clients=target/clients
here=tests/clients

if [ ! -x "$clients/venv/bin/schemathesis" ]; then
    python3 -m venv "$clients/venv"
    "$clients/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements-described.txt"
fi

store=$(mktemp -d)
log=$(mktemp)
# Nothing may leave this machine. Pulls and pushes need a registry; whatever it says, or the way to it, is a 500, as
# with Ollama.
OLLAMA_HOST=127.0.0.1:0 OLLAMA_MODELS="$store" OLLAMAKE_STALL_SECONDS=5 \
    HTTPS_PROXY=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1 "$binary" serve 2>"$log" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true; rm -rf "$store" "$log"' EXIT
for _ in $(seq 100); do
    url=$(sed -n 's/.*listening on \(http:[^ ]*\)$/\1/p' "$log" | head -n 1)
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { cat "$log" >&2; echo "the server did not start" >&2; exit 1; }

export OLLAMA_HOST=$url
# A model for the routes that ask for one.
"$binary" create tiny -f examples/tiny/Modelfile
"$binary" create half -f examples/tiny/Modelfile -q q8_0
SCHEMATHESIS_HOOKS=described PYTHONPATH=$here "$clients/venv/bin/schemathesis" --config-file "$here/described.toml" \
    run "$url/ollamake/v1/openapi.json" --workers 1 --exclude-path /api/pull --exclude-path /api/push "$@"
