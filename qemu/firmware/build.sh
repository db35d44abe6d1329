#!/bin/sh
# Builds the probe's firmware images from their sources, into this directory or the one given. Needs binutils for x86-64
# and for arm64; PREFIX_AMD64 and PREFIX_ARM64 say what their programs' names begin with.
set -eu
cd "$(dirname "$0")"
out=${1:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

flat() { # name, prefix of the tools
    "$2"as -o "$tmp/$1.o" "$1.S"
    "$2"ld -Ttext=0 -e 0 -o "$tmp/$1.elf" "$tmp/$1.o"
    "$2"objcopy -O binary -j .text "$tmp/$1.elf" "$out/$1.bin"
}

flat probe-amd64 "${PREFIX_AMD64-x86_64-linux-gnu-}"
flat probe-arm64 "${PREFIX_ARM64-aarch64-linux-gnu-}"
