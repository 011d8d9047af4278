#!/bin/sh
# From 40 clips of real music to answers in SQL. Run by `make demo`; what it makes goes to ${DEMO:-demo}.
set -eu
cd "$(dirname "$0")/.."
DEMO=${DEMO:-demo}
export MIRSTORE_STORE="$DEMO/store"

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold='' plain=''
fi

run() {
    printf '\n%s$ mirstore %s%s\n' "$bold" "$*" "$plain"
    mirstore "$@"
}

mkdir -p "$DEMO"
echo "40 clips of real music become features, labels and credits in a store"
run ingest examples/clips/tracks.csv --dataset clips --features essentia,essentia-key,mfcc-stats

echo; echo "The same again: nothing is computed twice"
run ingest examples/clips/tracks.csv --dataset clips --features essentia,essentia-key,mfcc-stats

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

echo; echo "Which kind of feature tells the genres apart? Artists heard in training are never in the test."
run run-experiment clips

echo; echo "The shares of groups in SQL, with the deviation over folds: the report says what may be concluded"
run sql "SELECT r.grouping, g.\"group\", round(avg(value), 2) AS share, round(stddev(value), 2) AS sd_over_folds
FROM group_importances g JOIN runs r USING (run)
WHERE r.experiment = 'clips' AND r.model = 'em-banded' AND measure = 'share' AND kind = 'fold'
GROUP BY ALL ORDER BY r.grouping, share DESC"

echo; echo "A page to read and listen to, without any network"
run report clips -o "$DEMO/report.html" --embed-audio 9

command=$(command -v mirstore)
case $(uname) in Darwin) open=open ;; *) open=xdg-open ;; esac
cat <<END

${bold}The report is $DEMO/report.html${plain}
read it:          $open $DEMO/report.html
then your music:  ${command#"$PWD"/} --store my-store ingest ~/Music --features essentia
END
