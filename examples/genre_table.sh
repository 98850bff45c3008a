#!/bin/sh
# Genre from a feature table: genre_table.sh TABLE OUT [words for earmark explore]
# TABLE is a csv as published, features_30_sec.csv or features_3_sec.csv, or as 'earmark features' writes it.
set -eu
TABLE=$1 OUT=$2; shift 2
EARMARK=${EARMARK:-earmark}

$EARMARK check "$TABLE" --html "$OUT/check.html" || echo "see $OUT/check.html"
$EARMARK explore "$TABLE" -o "$OUT/explored" "$@"
$EARMARK predict "$OUT/explored/best.onnx" "$TABLE" --top 3 --format csv > "$OUT/answers.csv"
