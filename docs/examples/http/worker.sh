#!/usr/bin/env bash
# A worker that needs nothing but bash and curl.
#
#   worker.sh API QUEUE COMMAND [ARGUMENT…]     API is for example http://127.0.0.1:5678/api/v1
#
# It runs the command for each job: the job as JSON on standard input, its jid as the last argument.
# What the command prints is the result, as JSON; an exit code other than 0 is an error, reported with
# what it wrote to standard error. QLESS_PY_TOKEN is the token, if the API wants one; RENEW_EVERY is in
# seconds, well below the length of a lease. QUIT lets the running job end; TERM and INT stop it, and
# the job goes back to the queue at no cost.
set -uo pipefail

api=$1 queue=$2
shift 2
worker="bash-$(tr -cd 'A-Za-z0-9' < /proc/sys/kernel/hostname)-$$"
folder=$(mktemp -d)
jid='' lease='' is_stopping='' is_quiet=''

# post PATH JSON: prints the response; fails if the API rejects the request or is unavailable.
post() {
  curl --silent --show-error --fail-with-body --max-time 60 \
    ${QLESS_PY_TOKEN:+--header "Authorization: Bearer $QLESS_PY_TOKEN"} \
    --header 'Content-Type: application/json' --data-binary "$2" "$api$1"
}

# report WHAT FIELDS: reports the outcome of the job; retried while the API is unavailable.
report() {
  local try
  for try in 1 2 3 4 5; do
    # curl exits with 22 if the API rejects the report, for example because the lease is lost.
    post "/jobs/$jid/$1" "{\"lease\":\"$lease\"$2}" && return 0
    [[ $? == 22 ]] && return 1
    sleep "$try"
  done
  return 1
}

as_text() { # standard input as a JSON string
  printf '"%s"' "$(tr -d '\000-\010\013\014\016-\037' | tail -c 8000 \
    | sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' -e 's/\r/\\r/g' | sed -z 's/\n/\\n/g')"
}

# Renews the lease until it is lost or this worker was killed; then stops the command, as another
# worker gets the job. This runs in a subshell, which gets a new parent when the worker ($$) is killed.
keep_lease() {
  local parent
  while sleep "${RENEW_EVERY:-15}"; read -r _ _ _ parent _ < "/proc/$BASHPID/stat"; [[ $parent == $$ ]]; do
    post "/jobs/$jid/heartbeat" "{\"lease\":\"$lease\"}" > /dev/null
    [[ $? == 22 ]] && break
  done
  kill -TERM "-$1"
}

run() {
  printf '%s' "$job" | setsid "$@" "$jid" > "$folder/out" 2> "$folder/error" &
  command=$!
  keep_lease "$command" &
  local keeper=$! code=0
  # A signal ends the wait, not the command.
  while wait "$command"; code=$?; [[ $code -gt 128 && -z ${is_stopping/later/} ]] \
    && kill -0 "$command" 2> /dev/null; do :; done
  kill "$keeper" 2> /dev/null
  if [[ $is_stopping == now ]]; then
    kill -TERM "-$command" 2> /dev/null
    report release ''
  elif ((code == 0)) && report complete ",\"result\":$(cat "$folder/out")"; then
    return
  else
    report fail ",\"error\":\"Exit$code\",\"message\":$(as_text < "$folder/error")"
  fi > /dev/null
}

trap 'is_stopping=later' QUIT
trap 'is_stopping=now' TERM INT
trap 'rm -rf "$folder"' EXIT

while [[ -z $is_stopping ]]; do
  beat=$(post "/workers/$worker/beat" "{\"pid\":$$,\"slots\":1,\"queues\":[\"$queue\"]}") || sleep 1
  case $beat in
    *'"command":"stop"'* | *'"command":"restart"'*) break ;;
    *'"command":"quiet"'*) is_quiet=yes ;;
    *'"command":"resume"'*) is_quiet='' ;;
  esac
  [[ -z $is_quiet ]] || { sleep 5; continue; }
  job=$(post /pop "{\"worker\":\"$worker\",\"queues\":[\"$queue\"],\"wait\":10}") || { sleep 1; continue; }
  # The jid is the first member of a job and the lease its last, whatever is in its data.
  jid=$(sed -n 's/^{"jobs":\[{"jid":"\([^"]*\)".*/\1/p' <<< "$job")
  lease=$(sed -n 's/.*"lease":"\([^"]*\)"}\]}$/\1/p' <<< "$job")
  job=${job#'{"jobs":['} job=${job%']}'}
  [[ -n $jid ]] || continue
  if [[ -z $is_stopping ]]; then run "$@"; else report release ''; fi
done
curl --silent ${QLESS_PY_TOKEN:+--header "Authorization: Bearer $QLESS_PY_TOKEN"} \
  --request DELETE "$api/workers/$worker"
