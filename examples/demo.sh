#!/bin/sh
# From 40 clips of real music to answers in SQL. Run by `make demo`.
set -eu
cd "$(dirname "$0")/.."
export MIRSTORE_STORE=demo/store

run() {
    printf '\n\033[1m$ mirstore %s\033[0m\n' "$*"
    mirstore "$@"
}

mkdir -p demo
run ingest examples/clips/tracks.csv --dataset clips --features essentia,essentia-key,mfcc-windows,mel
run ingest examples/clips/tracks.csv --dataset clips --features essentia,essentia-key,mfcc-windows,mel

echo; echo "Which genre is loudest, brightest and most danceable?"
run sql "SELECT label AS genre, count(*) AS tracks, round(avg(loudness), 2) AS loudness,
       round(avg(spectral_centroid)) AS centroid_hz, round(avg(danceability), 2) AS danceability
FROM essentia JOIN labels USING (track) WHERE label_set = 'genre'
GROUP BY genre ORDER BY centroid_hz DESC"

echo; echo "The five fastest tracks and their keys"
run sql "SELECT artist, title, round(bpm, 1) AS bpm, key || ' ' || scale AS key
FROM tracks JOIN essentia USING (track) JOIN \"essentia-key\" USING (track) ORDER BY bpm DESC LIMIT 5"

echo; echo "What made these numbers?"
run features list
