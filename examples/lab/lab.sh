#!/bin/sh
# A lab that is a folder, as a program that Testyard starts (docs/runners.md). Each job is a folder of its own under
# $LAB/jobs; $LAB/start, if there is one, runs it.
#
#   jobs/TOKEN/question   what was asked, as it came
#   jobs/TOKEN/started    is there once it runs
#   jobs/TOKEN/results    a line of JSON for each test
#   jobs/TOKEN/verdict    is there once it is over: PASS, FAIL, …
#   jobs/TOKEN/stop       is there once somebody wants it stopped
set -eu
question=$(cat)

# A member that is text. What callers choose has its quotes escaped and so cannot pass for a member.
member() { printf '%s\n' "$question" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

operation=$(member operation)
token=$(member token)
uid=$(member uid)
[ -d "$LAB" ] || { echo "the folder $LAB is not there" >&2; exit 75; }
mkdir -p "$LAB/jobs"

case $operation in
submit)
    # Made elsewhere and then renamed: a job is there whole or not at all, and a second one cannot take its place.
    if [ ! -d "$LAB/jobs/$token" ]; then
        new=$(mktemp -d "$LAB/new.XXXXXX")
        printf '%s\n' "$question" >"$new/question"
        if mv -T "$new" "$LAB/jobs/$token" 2>/dev/null; then
            # In a group of its own, for ours is killed when we are done; its line tells that it has left ours.
            [ ! -x "$LAB/start" ] ||
                setsid -f sh -c 'echo; exec "$@" >/dev/null 2>&1' - "$LAB/start" "$LAB/jobs/$token" </dev/null | read -r _ ||
                true
        else
            rm -rf "$new"
        fi
    fi
    printf '{"uid":"%s"}\n' "$token"
    ;;
find)
    if [ -d "$LAB/jobs/$token" ]; then printf '{"uid":"%s"}\n' "$token"; else echo '{"uid":null}'; fi
    ;;
poll)
    job=$LAB/jobs/$uid
    if [ ! -d "$job" ]; then
        echo '{"uid":null}'
    elif [ -f "$job/verdict" ]; then
        printf '{"phase":"finished","verdict":"%s"}\n' "$(cat "$job/verdict")"
    elif [ -f "$job/started" ]; then
        echo '{"phase":"running"}'
    else
        echo '{"phase":"waiting"}'
    fi
    ;;
cancel)
    [ ! -d "$LAB/jobs/$uid" ] || touch "$LAB/jobs/$uid/stop"
    ;;
collect)
    [ ! -f "$LAB/jobs/$uid/results" ] || cat "$LAB/jobs/$uid/results"
    ;;
*)
    echo "there is no operation $operation" >&2
    exit 64
    ;;
esac
