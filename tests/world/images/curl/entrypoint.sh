#!/bin/sh
# `docker run curlimages/curl URL` and `docker run curlimages/curl sh -c …` both work.
set -e
if [ "${1#-}" != "$1" ] || ! command -v "$1" >/dev/null; then set -- curl "$@"; fi
exec "$@"
