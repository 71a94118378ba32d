#!/bin/sh
# Installs the example configuration, but never over one that an administrator may have edited.
# Usage: install-config.sh EXAMPLE DIRECTORY   (meson sets DESTDIR)
set -eu
target="${DESTDIR:-}$2/number-dispenser.yaml"
if [ -e "$target" ]; then
  echo "Keeping $target"
  exit 0
fi
# 0640: it can hold a password. The group comes from the tmpfiles.d entry.
install -D -m 0640 "$1" "$target"
echo "Installing $1 to $target"
