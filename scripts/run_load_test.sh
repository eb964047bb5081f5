#!/bin/sh
# run_load_test.sh [light|medium|heavy|stress|custom|all] [more options of `python -m project.load upload`]
# API_URL: the upload endpoint; AUTH_TOKEN: a bearer token; custom: BATCH_SIZE, CONCURRENCY, DURATION (minutes).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python="$here/../.venv/bin/python"
[ -x "$python" ] || python=python3
url=${API_URL:-http://localhost:5001/clients/upload/process/}
preset=${1:-light}
[ $# -eq 0 ] || shift
export PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}"

one() {
    name=$1
    shift
    "$python" -m project.load upload --preset "$name" --name "$name" --url "$url" \
        --output load_test_results/reports --flat load_test_results "$@"
}

case $preset in
    light|medium|heavy|stress|custom) one "$preset" "$@" ;;
    all)
        worst=0
        for name in light medium heavy stress; do
            one "$name" "$@" || {
                code=$?
                [ "$code" -le "$worst" ] || worst=$code
                # Refused, Ctrl+C, SIGTERM: the others would be refused as well, or are not wanted.
                case $code in 6|130|143) exit "$code" ;; esac
            }
        done
        exit "$worst" ;;
    -h|--help) sed -n '2,3s/^# //p' "$0" ;;
    *)
        echo "$preset is not a scenario: light, medium, heavy, stress, custom or all" >&2
        exit 2 ;;
esac
