#!/usr/bin/env bash
# Debian's buildah against the server at OLLAMA_HOST as a registry: an image is pushed, pulled into another storage, and
# built upon, and an artifact (what buildah calls a source image) goes there and back.
set -euo pipefail
command -v buildah >/dev/null || { echo "skipped: buildah is not installed"; exit; }
[ "$(id -u)" = 0 ] || { echo "skipped: buildah is used as root here, since not every system lets others do without"; exit; }
# shellcheck source=tests/clients/checks.sh
. "$(dirname "$0")/checks.sh"

work=$(mktemp -d)
# Nothing of this machine's: places of its own, without a kernel's help, and no policy but to take everything.
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs REGISTRY_AUTH_FILE=$work/auth.json
printf '{}' >"$REGISTRY_AUTH_FILE"
printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$work/policy.json"
in_storage() { local storage=$1; shift; buildah --root "$work/$storage/root" --runroot "$work/$storage/run" "$@"; }
pushed=(--quiet --tls-verify=false --signature-policy "$work/policy.json")
clean() {
    for storage in one other; do in_storage "$storage" rm --all >/dev/null 2>&1 || true; done
    rm -rf "$work"
}
trap clean EXIT
registry=${OLLAMA_HOST#http://}
kinds=(-H 'Accept: application/vnd.oci.image.manifest.v1+json' -H 'Accept: application/vnd.docker.distribution.manifest.v2+json')

head -c 300000 /dev/urandom >"$work/file"
container=$(in_storage one from scratch)
in_storage one copy --quiet "$container" "$work/file" /data/file >/dev/null
in_storage one config --label made.by=tests "$container"
in_storage one commit --quiet --signature-policy "$work/policy.json" "$container" image >/dev/null
for format in oci v2s2; do
    there=docker://$registry/team/image:$format
    in_storage one push --format "$format" "${pushed[@]}" image "$there"
    check "the manifest of an image as $format" 200 "$(status -I "${kinds[@]}" "$OLLAMA_HOST/v2/team/image/manifests/$format")"
    in_storage other pull "${pushed[@]}" "$there" >/dev/null
    pulled=$(in_storage other from --quiet --signature-policy "$work/policy.json" "$registry/team/image:$format")
    place=$(in_storage other mount "$pulled")
    check "the file of an image as $format" "$(sha256sum <"$work/file")" "$(sha256sum <"$place/data/file")"
done

# What is there is a base for others.
printf 'FROM %s/team/image:oci\nCOPY file /data/again\n' "$registry" >"$work/Containerfile"
in_storage other build "${pushed[@]}" --file "$work/Containerfile" --tag again "$work" >/dev/null
in_storage other push "${pushed[@]}" again "docker://$registry/a/b/again:latest"
layers=$(curl -s "${kinds[@]}" "$OLLAMA_HOST/v2/a/b/again/manifests/latest" | grep -o '"digest":"sha256:[0-9a-f]*"' | wc -l)
check 'a configuration and two layers' 3 "$layers"

# An artifact.
buildah source create "$work/artifact" >/dev/null
buildah source add --annotation made.by=tests "$work/artifact" "$work/file" >/dev/null
buildah source push --quiet --tls-verify=false "$work/artifact" "$registry/team/artifact:v1"
buildah source pull --quiet --tls-verify=false "$registry/team/artifact:v1" "$work/back"
check 'the same artifact' "$(cd "$work/artifact/blobs" && find . -type f | sort)" "$(cd "$work/back/blobs" && find . -type f | sort)"
for repository in team/image/manifests/oci team/image/manifests/v2s2 a/b/again/manifests/latest team/artifact/manifests/v1; do
    check "delete $repository" 202 "$(status -X DELETE "$OLLAMA_HOST/v2/$repository")"
done
