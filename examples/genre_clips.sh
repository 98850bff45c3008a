#!/bin/sh
# Genre from 3-s clips of sounds: genre_clips.sh DATA OUT [words for earmark train]
# DATA is a GTZAN folder, or any folder with one sub-folder of sounds per genre.
set -eu
DATA=$1 OUT=$2; shift 2
EARMARK=${EARMARK:-earmark}
SEGMENT_S=${SEGMENT_S:-3}

# Pictures and the table of the same segments: blues/blues.00000.3.png and the row blues.00000.3.wav.
$EARMARK show "$DATA" --all --segment-s "$SEGMENT_S" -o "$OUT/pictures"
$EARMARK features "$DATA" -o "$OUT/segments.csv" --segment-s "$SEGMENT_S" --group

# The protocol of most class projects deals clips at random, so clips of one track are on both sides; ours keeps the
# tracks of an artist together. The difference of the two scores is the leak.
$EARMARK train picture/minivgg --data "$OUT/pictures/manifest.csv" --as picture -o "$OUT/random" --set split.protocol=random "$@"
$EARMARK train picture/minivgg --data "$OUT/pictures/manifest.csv" --as picture -o "$OUT/grouped" "$@"
$EARMARK compare "$OUT/random" "$OUT/grouped" --html "$OUT/compare.html"

# Both together: each picture with its row of the table, joined by the name. What answers needs both as well.
$EARMARK train picture/resnet34-fusion --data "$OUT/pictures/manifest.csv" --as picture --table "$OUT/segments.csv" \
    -o "$OUT/fusion" "$@"
$EARMARK predict "$OUT/fusion" "$OUT/pictures" --table "$OUT/segments.csv" --top 1 --format csv > "$OUT/answers.csv"
