# What the clients that are shell scripts share; for bash.

check() { # check WHAT EXPECTED GOT
    if [ "$2" != "$3" ]; then
        printf 'not ok - %s: expected %s, got %s\n' "$1" "$2" "$3"
        exit 1
    fi
    printf 'ok - %s\n' "$1"
}
status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }
api=$OLLAMA_HOST/api
