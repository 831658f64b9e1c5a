#!/bin/sh
# Makes the bucket, and a user who may read and write in it and nothing else; run again, it changes
# nothing. docker-compose.yml runs the same file. MC_HOST_root and MC_HOST_own are the URL of the
# store with the credentials of its root and of that user.
set -eu
here=${0%/*}
# Not `mc ready`, which waits for ever for a store that answers and is not complete. mc itself repeats
# each try for some seconds; after thirty it is for whoever has started this to show that it failed.
tries=0
until mc mb --ignore-existing root/conveyor; do
    tries=$((tries + 1))
    if [ "$tries" -ge 30 ]; then
        echo "no bucket after $tries tries; the last answer of mc says why" >&2
        exit 1
    fi
    sleep 2
done
mc admin user add root conveyor "$S3_SECRET_KEY"
mc admin policy create root conveyor "$here/policy.json"
# Says no when it is attached already; the last line tells whether it is.
mc admin policy attach root conveyor --user conveyor || true
mc ls own/conveyor
