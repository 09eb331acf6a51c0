#!/bin/bash
# A reconstruction of the method's tagger, from its description and not from its code: inotifywait
# names the file that was written to, tail reads its last line, and the line is appended to the
# tagged log with the CUID. Where the description leaves a choice, this takes the lighter one: a
# log of its own beside the source, no program but tail for each event.
#
#   shell_tagger.sh SOURCE OUT CUID SVC
source=$1 out=$2 cuid=$3 svc=$4
mkdir -p "$out"
inotifywait --quiet --monitor --event modify --format '%w%f' "$source" |
  while read -r file; do
    line=$(tail -n1 "$file")
    printf '%s{"ikontainer_CUID":"%s","svc":"%s"}\n' "$line" "$cuid" "$svc" >> "$out/${file##*/}"
  done
