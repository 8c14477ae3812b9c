#!/bin/sh
# Puts the root file system of the image into the folder $1. Runs in the build stage, on Debian, in the folder of the build.
set -eu
image=$1
app=$image/opt/federate
mkdir -p "$app/node_modules/better-sqlite3/prebuilds" "$image/usr/local/bin" "$image/etc/ssl/certs" "$image/var/lib/dpkg/status.d" "$image/empty"
mkdir -m 1777 "$image/tmp"

# Node.js, and each library that the loader finds for it, at the same path.
cp -L "$(command -v node)" "$image/usr/local/bin/node"
sqlite=node_modules/better-sqlite3/prebuilds/$(node -p '`${process.platform}-${process.arch}`').node
for library in $(ldd "$(command -v node)" "$sqlite" | sed -n 's/^[^/]*\(\/[^ :]*\) (0x.*/\1/p' | sort -u); do
  mkdir -p "$image$(dirname "$library")"
  cp -L "$library" "$image$library"
done
# What Debian knows about them, so that scanners of images find their versions.
for name in libc6 libstdc++6 libgcc-s1 ca-certificates; do
  dpkg-query --status "$name" >"$image/var/lib/dpkg/status.d/$name" 2>/dev/null || rm -f "$image/var/lib/dpkg/status.d/$name"
done
cp -L /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/" 2>/dev/null || echo 'no CA certificates in the base: Node.js has its own'
printf 'root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000:node:/var/lib/federate:/sbin/nologin\n' >"$image/etc/passwd"
printf 'root:x:0:\nnode:x:1000:\n' >"$image/etc/group"
printf 'hosts: files dns\n' >"$image/etc/nsswitch.conf"

cp -r dist package.json "$app/"
# The types of the library have no use here.
rm -rf "$app/dist/types"
cp -r node_modules/better-sqlite3/lib node_modules/better-sqlite3/package.json node_modules/better-sqlite3/LICENSE "$app/node_modules/better-sqlite3/"
cp "$sqlite" "$app/node_modules/better-sqlite3/prebuilds/"
mkdir "$app/bin"
# There is no /usr/bin/env here.
for program in federate federate-probe; do
  sed '1s|.*|#!/usr/local/bin/node|' "bin/$program.js" >"$app/bin/$program.js"
  chmod 755 "$app/bin/$program.js"
  ln -s "/opt/federate/bin/$program.js" "$image/usr/local/bin/$program"
done
