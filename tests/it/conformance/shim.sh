#!/bin/sh
# Does what the next line of $TROUBLE/OPERATION says, and then or else what the lab does.
set -eu
question=$(cat)
operation=$(printf '%s\n' "$question" | sed -n 's/^{"operation":"\([a-z]*\)".*/\1/p')
echo "$operation" >>"$TROUBLE/asked"
lab() { printf '%s\n' "$question" | "$REAL"; }
[ -f "$TROUBLE/$operation" ] || { lab; exit; }
first=$(head -n 1 "$TROUBLE/$operation")
tail -n +2 "$TROUBLE/$operation" >"$TROUBLE/rest"
if [ -s "$TROUBLE/rest" ]; then mv "$TROUBLE/rest" "$TROUBLE/$operation"; else rm "$TROUBLE/$operation"; fi
case $first in
later*) echo "busy now" >&2; printf '{"retry_after_s":%s}\n' "${first#later }"; exit 75 ;;
refused*) echo "${first#refused }" >&2; exit 1 ;;
lost) lab >/dev/null; kill -KILL $$ ;;
garbage) echo '{"uid": <html>' ;;
esac
