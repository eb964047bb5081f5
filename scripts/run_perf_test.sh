#!/bin/sh
# run_perf_test.sh SERVICE load [USERS] [SECONDS]
# run_perf_test.sh SERVICE stress [MOST USERS] [RAMP-UP SECONDS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python="$here/../.venv/bin/python"
[ -x "$python" ] || python=python3
case ${1:-} in -h|--help) sed -n '2,3s/^# //p' "$0"; exit 0 ;; esac
if [ $# -lt 2 ]; then
    echo "usage: $0 SERVICE load|stress [USERS] [SECONDS]" >&2
    exit 2
fi
service=$1 kind=$2
shift 2
case $kind in
    load)
        users=${1:-10} seconds=${2:-60}
        set -- --users "$users" --duration "$seconds" ;;
    stress)
        users=${1:-100} seconds=${2:-300}
        set -- --max-users "$users" --ramp-up "$seconds" ;;
    *)
        echo "$kind is not a test: load or stress" >&2
        exit 2 ;;
esac
exec "$python" "$here/performance_test.py" "$kind" "$service" "$@"
