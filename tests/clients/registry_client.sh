#!/usr/bin/env bash
# The distribution specification with curl against the server at OLLAMA_HOST: a model is taken from it and pushed to
# it under another name, byte for byte.
set -euo pipefail
# shellcheck source=tests/clients/checks.sh
. "$(dirname "$0")/checks.sh"

# A header of an answer to a request.
told() { local name=$1; shift; curl -s -o /dev/null -D - "$@" | tr -d '\r' | sed -n "s/^$name: //ip"; }
v2=$OLLAMA_HOST/v2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

digest=sha256:$(sha256sum "$EXAMPLE_GGUF" | cut -d' ' -f1)
curl -s -o /dev/null -T "$EXAMPLE_GGUF" -X POST "$api/blobs/$digest"
curl -s "$api/create" -d "{\"model\": \"team/given\", \"files\": {\"tiny.gguf\": \"$digest\"}, \"system\": \"Be brief.\"}" | tail -n 1
check 'the root' 200 "$(status "$v2/")"
curl -s "$v2/team/given/manifests/latest" >"$work/manifest"
named=sha256:$(sha256sum "$work/manifest" | cut -d' ' -f1)
check 'the digest of the manifest' "$named" "$(told docker-content-digest -I "$v2/team/given/manifests/latest")"
blobs=$(grep -o 'sha256:[0-9a-f]\{64\}' "$work/manifest" | sort -u)
for blob in $blobs; do
    curl -s "$v2/team/given/blobs/$blob" >"$work/$blob"
    check "blob ${blob:0:19}" "$blob" "sha256:$(sha256sum "$work/$blob" | cut -d' ' -f1)"
done
check 'a range' "$(head -c 4 "$EXAMPLE_GGUF")" "$(curl -s -r 0-3 "$v2/team/given/blobs/$digest")"

curl -s -X DELETE "$api/delete" -d '{"model": "team/given"}'
check 'the blobs have gone' 404 "$(status -I "$v2/team/taken/blobs/$digest")"
check 'a manifest before its blobs' 404 "$(status -T "$work/manifest" "$v2/team/taken/manifests/latest")"
for blob in $blobs; do
    place=$(told location -X POST "$v2/team/taken/blobs/uploads/")
    half=$(($(stat -c %s "$work/$blob") / 2))
    if [ "$half" -gt 0 ]; then
        head -c "$half" "$work/$blob" | curl -s -o /dev/null -X PATCH -H "Content-Range: 0-$((half - 1))" --data-binary @- "$place"
        check 'how far it is' "0-$((half - 1))" "$(told range "$place")"
    fi
    tail -c +$((half + 1)) "$work/$blob" >"$work/rest"
    check 'the rest of a blob' 201 "$(status -T "$work/rest" "$place?digest=$blob")"
done
kind=$(sed -n 's/.*"mediaType":"\([^"]*manifest[^"]*\)".*/\1/p' "$work/manifest" | head -n 1)
check 'the manifest' 201 "$(status -H "Content-Type: $kind" -T "$work/manifest" "$v2/team/taken/manifests/latest")"
check 'the same bytes' "$named" "sha256:$(curl -s "$v2/team/taken/manifests/latest" | sha256sum | cut -d' ' -f1)"
check 'a model' 200 "$(status "$api/show" -d '{"model": "team/taken"}')"
check 'a needed blob stays' 403 "$(status -X DELETE "$v2/team/taken/blobs/$digest")"
check 'delete' 202 "$(status -X DELETE "$v2/team/taken/manifests/$named")"
check 'it is gone' 404 "$(status "$api/show" -d '{"model": "team/taken"}')"
