#!/bin/bash
# Does what the entrypoint of dpage/pgadmin4 does: writes config_distro.py, makes the configuration database when
# there is none, which takes PGADMIN_DEFAULT_EMAIL and _PASSWORD, and becomes gunicorn. Whatever user runs it.
set -u
cd /pgadmin4 || exit

distro=${PGADMIN_CUSTOM_CONFIG_DISTRO_FILE:-/pgadmin4/config_distro.py}
if ! [ -s "$distro" ]; then
  { echo "CA_FILE = '/etc/ssl/certs/ca-certificates.crt'"
    echo "LOG_FILE = '/dev/null'"
    echo "DEFAULT_BINARY_PATHS = {'pg': '/usr/bin'}"
    # Upstream's looks for a newer release after each login; this one talks to nobody by itself.
    echo "UPGRADE_CHECK_ENABLED = False"
    # PGADMIN_CONFIG_NAME=VALUE becomes NAME = VALUE, where VALUE is Python.
    for name in $(compgen -e PGADMIN_CONFIG_); do printf '%s = %s\n' "${name#PGADMIN_CONFIG_}" "${!name}"; done
  } >"$distro"
fi

if [ -n "${PGADMIN_DEFAULT_PASSWORD_FILE:-}" ]; then
  if [ -n "${PGADMIN_DEFAULT_PASSWORD:-}" ]; then
    echo >&2 'error: both PGADMIN_DEFAULT_PASSWORD and PGADMIN_DEFAULT_PASSWORD_FILE are set (but are exclusive)'; exit 1
  fi
  PGADMIN_DEFAULT_PASSWORD=$(<"$PGADMIN_DEFAULT_PASSWORD_FILE")
fi

if ! [ -f /var/lib/pgadmin/pgadmin4.db ]; then
  if [ -z "${PGADMIN_DEFAULT_EMAIL:-}" ] || [ -z "${PGADMIN_DEFAULT_PASSWORD:-}" ]; then
    echo 'You need to define the PGADMIN_DEFAULT_EMAIL and PGADMIN_DEFAULT_PASSWORD or PGADMIN_DEFAULT_PASSWORD_FILE environment variables.'
    exit 1
  fi
  export PGADMIN_SETUP_EMAIL=$PGADMIN_DEFAULT_EMAIL PGADMIN_SETUP_PASSWORD=$PGADMIN_DEFAULT_PASSWORD
  # By the program's own rule, in the folder that has it: as part of the program it would want its database.
  if ! (cd pgadmin/utils && /venv/bin/python3 -c 'import os, sys; from validation_utils import validate_email
rule = dict(CHECK_EMAIL_DELIVERABILITY=False, ALLOW_SPECIAL_EMAIL_DOMAINS=[], GLOBALLY_DELIVERABLE=True)
sys.exit(not validate_email(os.environ["PGADMIN_SETUP_EMAIL"], rule))'); then
    echo "'$PGADMIN_DEFAULT_EMAIL' does not appear to be a valid email address. Please reset the PGADMIN_DEFAULT_EMAIL environment variable and try again."
    exit 1
  fi
  # Importing the program makes the database.
  /venv/bin/python3 run_pgadmin.py
  servers=${PGADMIN_SERVER_JSON_FILE:-/pgadmin4/servers.json}
  if [ -f "$servers" ]; then
    /venv/bin/python3 setup.py load-servers "$servers" --user "$PGADMIN_DEFAULT_EMAIL" ${PGADMIN_REPLACE_SERVERS_ON_STARTUP:+--replace}
  fi
fi

address=${PGADMIN_LISTEN_ADDRESS:-[::]} tls=()
if [ -n "${PGADMIN_ENABLE_TLS:-}" ]; then
  tls=(--keyfile /certs/server.key --certfile /certs/server.cert)
  port=${PGADMIN_LISTEN_PORT:-443}
else
  port=${PGADMIN_LISTEN_PORT:-80}
fi
# One process, as the sessions live in it; as patient as a session is long, which is a day.
exec /venv/bin/gunicorn --timeout 86400 --bind "$address:$port" --workers 1 --threads "${GUNICORN_THREADS:-25}" \
  --no-control-socket --access-logfile "${GUNICORN_ACCESS_LOGFILE:--}" "${tls[@]}" run_pgadmin:app
