#!/bin/sh
# The model midlevel-rendered, from a folder of rendered MIDI: sh examples/midlevel-rendered.sh FOLDER
# FOLDER has audio/, midi/, tracks.csv and chords.csv as midlevel_targets.py describes them. What is made goes to
# ${OUT:-midlevel-rendered}: the table of targets, a store with the scores, and the model in it.
set -eu
examples=$(dirname "$0")
folder=${1:?usage: sh examples/midlevel-rendered.sh FOLDER}
out=${OUT:-midlevel-rendered}
name=midlevel-rendered
export MIRSTORE_STORE="$out/store"

mkdir -p "$out"
python "$examples/midlevel_targets.py" "$folder" >"$out/targets.csv"
mirstore ingest "$folder/audio" --dataset $name --no-tags --features mfcc40-15s,mfcc40-stats \
    --labels "$out/targets.csv" --targets midlevel=melody..minorness
mirstore run-experiment "$name*"
mirstore runs compare $name $name-baselines
mirstore train $name
echo "the model:  mirstore --store $MIRSTORE_STORE models export $name $name.zip"
