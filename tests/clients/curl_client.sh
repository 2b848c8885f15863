#!/usr/bin/env bash
# The tutorial's calls with curl against the server at OLLAMA_HOST.
set -euo pipefail
# shellcheck source=tests/clients/checks.sh
. "$(dirname "$0")/checks.sh"

digest=sha256:$(sha256sum "$EXAMPLE_GGUF" | cut -d' ' -f1)
missing=sha256:$(printf '0%.0s' {1..64})

check 'HEAD of a missing blob' 404 "$(status -I "$api/blobs/$missing")"
check 'HEAD of a malformed digest' 400 "$(status -I "$api/blobs/sha256:abc")"
check 'upload' 1 "$(status -T "$EXAMPLE_GGUF" -X POST "$api/blobs/$digest" | grep -cE '20[01]')"
check 'upload with Expect: 100-continue' 200 "$(status -H 'Expect: 100-continue' -T "$EXAMPLE_GGUF" -X POST "$api/blobs/$digest")"
check 'HEAD of the blob' 200 "$(status -I "$api/blobs/$digest")"
check 'upload under another digest' 400 "$(status -T "$EXAMPLE_GGUF" -X POST "$api/blobs/$missing")"

last=$(curl -s "$api/create" -d "{\"model\": \"curl\", \"files\": {\"tiny.gguf\": \"$digest\"}}" | tail -n 1)
check 'create from GGUF' '{"status":"success"}' "$last"
last=$(curl -s "$api/create" -d '{"model": "curl-mario", "from": "curl", "system": "You are Mario."}' | tail -n 1)
check 'create from a model' '{"status":"success"}' "$last"
last=$(curl -s "$api/create" -d '{"model": "curl-q4", "from": "curl", "quantize": "q4_K_M", "stream": false}')
check 'quantize' '{"status":"success"}' "$last"
check 'show' 200 "$(status "$api/show" -d '{"model": "curl-q4"}')"
check 'copy' 200 "$(status "$api/copy" -d '{"source": "curl", "destination": "curl-copy"}')"
check 'tags' 4 "$(curl -s "$api/tags" | grep -o '"name":"curl' | wc -l)"
for model in curl curl-mario curl-q4 curl-copy; do
    check "delete $model" 200 "$(status -X DELETE "$api/delete" -d "{\"model\": \"$model\"}")"
done
check 'the last user gone, the blob gone' 404 "$(status -I "$api/blobs/$digest")"
