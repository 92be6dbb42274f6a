#!/bin/sh
# As the original: writes the page that names this container, then runs the command (nginx when none is given).
addresses=$(ip -j -4 addr show scope global 2>/dev/null | jq -r '.[].addr_info[].local' | paste -sd' ')
mkdir -p /usr/share/nginx/html
echo "WBITT Network MultiTool (with NGINX) - $(hostname) - ${addresses} - HTTP: ${HTTP_PORT:-80} , HTTPS: ${HTTPS_PORT:-443} . (stand-in)" \
  >/usr/share/nginx/html/index.html
if [ -n "$HTTP_PORT" ]; then sed -i "s/listen  80;/listen  $HTTP_PORT;/" /etc/nginx/nginx.conf; fi
if [ -n "$HTTPS_PORT" ]; then sed -i "s/listen  443 ssl;/listen  $HTTPS_PORT ssl;/" /etc/nginx/nginx.conf; fi
exec "$@"
