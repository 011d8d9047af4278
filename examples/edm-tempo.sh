#!/bin/sh
# The experiment edm-tempo, from nothing: sh examples/edm-tempo.sh
# What is made goes to ${OUT:-edm-tempo}: 84 tracks of three tempi and a store with the scores.
set -eu
examples=$(dirname "$0")
out=${OUT:-edm-tempo}
export MIRSTORE_STORE="$out/store"

python "$examples/tempo_tracks.py" "$out/tracks"
mirstore ingest "$out/tracks/tracks.csv" --dataset edm-tempo --label tempo \
    --features mel,tempogram-autocorrelation,tempogram-fourier
mirstore run-experiment edm-tempo
mirstore runs compare edm-tempo
echo "its report: mirstore report edm-tempo --store $MIRSTORE_STORE --open"
