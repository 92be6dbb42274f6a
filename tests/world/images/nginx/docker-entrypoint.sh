#!/bin/sh
# As the official image: runs /docker-entrypoint.d/*.sh, listens on IPv6 too while default.conf is untouched.
set -e
if [ "$1" = nginx ]; then
  for script in /docker-entrypoint.d/*.sh; do
    if [ -x "$script" ]; then echo >&2 "$0: Launching $script"; "$script"; fi
  done
  conf=/etc/nginx/conf.d/default.conf
  if [ -f /proc/net/if_inet6 ] && [ -w "$conf" ] && ! grep -q '\[::\]' "$conf"; then
    # Not sed -i: it would fail on a bind-mounted file.
    with_ipv6=$(sed 's/^    listen       80;$/&\n    listen  [::]:80;/' "$conf")
    printf '%s\n' "$with_ipv6" >"$conf"
  fi
  echo >&2 "$0: Configuration complete; ready for start up"
fi
# In the official build `stream` is compiled in; Debian has it as a module, which nobody's nginx.conf would load.
if [ "$*" = "nginx -g daemon off;" ]; then set -- nginx -g "load_module /usr/lib/nginx/modules/ngx_stream_module.so; daemon off;"; fi
exec "$@"
