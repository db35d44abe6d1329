#!/usr/bin/env bash
# Installs what stackemu needs to be built, to build images and to run them.
#
#   scripts/setup.sh           what `make up` needs
#   scripts/setup.sh --build   only what compiling and unit tests need
#   scripts/setup.sh --test    also what only `make test` needs (Node, a browser, strace)
#   scripts/setup.sh --check   change nothing; exit 1 and list what is missing
#   --arch amd64|arm64         with any of them: for guests of that architecture, too, beside this machine's own. To build an
#                              image of arm64 elsewhere, the kernel is made to run its programs (qemu-user, binfmt_misc)
#
# It may be run as often as you like: when nothing is missing it does nothing, and needs no root. Otherwise it
# uses the machine's own package manager and the package sources that it is set up with, as root or through sudo.
# Debian 12 and 13, Ubuntu 25.04 and later; on macOS Homebrew, for running (an image cannot be built there).
set -euo pipefail

readonly min_qemu=9    # major version: the first with all migration features that we use
readonly min_go_minor=21 # Go 1.21 fetches the toolchain that go.mod names by itself; older ones cannot

level=up check_only=false guest='' given=$*
while (($# > 0)); do
  case $1 in
    --build) level=build ;;
    --test) level='test' ;;
    --check) check_only=true ;;
    --arch)
      guest=${2:-}
      [[ $guest == amd64 || $guest == arm64 ]] || { echo "setup: --arch '$guest' (allowed: amd64, arm64)" >&2; exit 2; }
      shift ;;
    -h | --help) sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "setup: unknown argument '$1' (allowed: --build, --test, --check, --arch)" >&2; exit 2 ;;
  esac
  shift
done

# Daemons and file system tools live in sbin, which an ordinary user's PATH may lack; Go's own installer uses the last.
PATH=$PATH:/usr/sbin:/sbin:/usr/local/go/bin

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }
has() { command -v "$1" >/dev/null; }

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif has sudo; then
    sudo "$@"
  else
    die "packages are missing, this is not root, and there is no sudo: run '$0${given:+ $given}' as root first"
  fi
}

# qemu_is_new BINARY: whether the binary exists and is QEMU >= min_qemu.
qemu_is_new() {
  has "$1" || return 1
  local version
  version=$("$1" --version | sed -n '1s/.*version \([0-9]*\).*/\1/p') || return 1
  [[ -n $version ]] && ((version >= min_qemu))
}

# qemu_of ARCH: the program that runs guests of it.
qemu_of() {
  case $1 in
    amd64) echo qemu-system-x86_64 ;;
    arm64) echo qemu-system-aarch64 ;;
  esac
}

# qemus_are_new: whether every kind of guest has its QEMU.
qemus_are_new() {
  local arch
  for arch in "${guests[@]}"; do qemu_is_new "$(qemu_of "$arch")" || return 1; done
}

go_is_new() {
  has go || return 1
  local version
  version=$(cd / && GOTOOLCHAIN=local go version) || return 1
  [[ $version =~ go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= min_go_minor))
}

# os_release KEY: a value of the file that names the distribution.
os_release() { sed -n "s/^$1=[\"']*\([^\"']*\).*/\1/p" /etc/os-release; }

browser_is_there() {
  local name
  for name in chromium chromium-browser google-chrome google-chrome-stable; do
    has "$name" && return 0
  done
  return 1
}

# ---------------------------------------------------------------------------------------------------------- macOS

setup_macos() {
  local missing=()
  go_is_new || missing+=(go)
  [[ $level == build ]] || qemus_are_new || missing+=(qemu)
  if ((${#missing[@]} > 0)); then
    $check_only && die "missing: ${missing[*]}"
    has brew || die "missing: ${missing[*]}; install Homebrew, or these by hand, and run this again"
    say "installing with Homebrew: ${missing[*]}"
    brew install "${missing[@]}"
  fi
  [[ $level != build ]] || return 0
  say "macOS can run the emulator, but cannot build an image (that takes mmdebstrap, so Debian or Ubuntu):"
  say "build one there with 'stackemu image build' and copy it here, or pull a published one"
}

# --------------------------------------------------------------------------------------------- Debian and Ubuntu

# missing_packages: one name a line. Commands and files are looked at, not the package database: it is
# faster, and what was installed in another way counts too.
missing_packages() {
  local arch probe
  local need="make:make git:git ca-certificates:/etc/ssl/certs/ca-certificates.crt gcc:gcc libc6-dev:/usr/include/stdlib.h"
  go_is_new || echo golang-go
  if [[ $level != build ]]; then
    need="$need mmdebstrap:mmdebstrap debian-archive-keyring:/usr/share/keyrings/debian-archive-keyring.gpg"
    need="$need e2fsprogs:mke2fs uidmap:newuidmap"
    qemu_is_new qemu-img || echo qemu-utils
    for arch in "${guests[@]}"; do
      case $arch in
        amd64)
          qemu_is_new "$(qemu_of amd64)" || echo qemu-system-x86
          [[ $host != amd64 ]] || need="$need grub-common:grub-mkimage grub-pc-bin:/usr/lib/grub/i386-pc/boot.img" ;;
        arm64)
          qemu_is_new "$(qemu_of arm64)" || echo qemu-system-arm
          need="$need qemu-efi-aarch64:/usr/share/AAVMF/AAVMF_CODE.fd"
          [[ $host == arm64 ]] || arm64_programs_run || need="$need arch-test:arch-test qemu-user-static:qemu-aarch64-static" ;;
      esac
    done
  fi
  [[ $level != test ]] || need="$need nodejs:node strace:strace" # for the tests of the stack's JavaScript, and of what is synced when
  for probe in $need; do
    if [[ ${probe#*:} == /* ]]; then
      [[ -e ${probe#*:} ]] || echo "${probe%%:*}"
    else
      has "${probe#*:}" || echo "${probe%%:*}"
    fi
  done
  # Ubuntu has it as a snap only, which a container cannot install: there the browser's test is skipped without one.
  if [[ $level == test && $(os_release ID) == debian ]] && ! browser_is_there; then echo chromium; fi
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 "$@"
}

# apt's lock timeout does not cover the lock of the package lists, so that an update next to another one fails.
apt_update() {
  local try
  for try in 1 2 3 4 5 6; do
    apt_get update && return 0
    ((try < 6)) && { say "apt-get update failed (try $try of 6), once more in 5 s"; sleep 5; }
  done
  die "apt-get update failed: see its messages above"
}

# candidate PACKAGE: the version that apt would install, without its epoch; 0 if there is none.
candidate() {
  local version
  version=$(apt-cache policy "$1" | sed -n 's/^  Candidate: //p')
  version=${version#*:}
  [[ $version == *[0-9]* ]] || version=0
  echo "$version"
}

# signed_by URI: the Signed-By value (a path, or a key block with its continuation lines) of the source that names URI.
signed_by() {
  local uri=${1%/} files=()
  shopt -s nullglob
  files=(/etc/apt/sources.list.d/*.sources)
  if ((${#files[@]} > 0)); then
    awk -v uri="$uri" '
      function flush() { if (found && key != "" && !done) { print key; done = 1 }; found = 0; key = ""; field = "" }
      FNR == 1 || /^[ \t]*$/ { flush() }
      /^#/ { next }
      /^[^ \t:]+:/ { field = tolower($1) }
      field == "uris:" { for (i = 1; i <= NF; i++) { u = $i; sub(/\/$/, "", u); if (u == uri) found = 1 } }
      field == "signed-by:" { line = $0; if (/^[^ \t]/) { sub(/^[^:]*:[ \t]*/, "", line); key = line } else key = key "\n" line }
      END { flush() }' "${files[@]}"
  fi
  files=(/etc/apt/sources.list /etc/apt/sources.list.d/*.list)
  sed -n "s|^deb .*signed-by=\([^] ]*\).* $uri/\{0,1\} .*|\1|p" "${files[@]}" 2>/dev/null || true
}

# add_backports CODENAME: makes the backports suite of this release known to apt, from the mirror and under the key
# of the sources that the machine already has. apt installs nothing from backports that it is not told to.
add_backports() {
  local suite=$1-backports uri key
  local file=/etc/apt/sources.list.d/stackemu-backports.sources
  if apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -qx "$suite"; then
    return 0
  fi
  uri=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    sed -n "s/^$1 main //p" | grep -v '^cdrom:' | head -n 1) || true
  [[ -n $uri ]] || die "apt's sources name no mirror of $1 main, so there is none to take $suite from"
  key=$(signed_by "$uri" | awk 'NR == 1 || /^[ \t]/ { print; next } { exit }')
  say "adding $suite to apt's sources, from the machine's own mirror ($file)"
  {
    echo "# Added by stackemu's scripts/setup.sh: QEMU >= $min_qemu is in backports only."
    printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$uri" "$suite"
    [[ -z $key ]] || printf 'Signed-By: %s\n' "$key"
  } | as_root tee "$file" >/dev/null
  as_root chmod 0644 "$file"
  apt_update
}

# too_old PACKAGE: whether the version that apt would install is older than what we need.
too_old() {
  local version
  version=$(candidate "$1")
  case $1 in
    qemu-system-* | qemu-utils | qemu-user-static) ((${version%%.*} < min_qemu)) ;;
    golang-go) dpkg --compare-versions "$version" lt "1.$min_go_minor" ;;
    *) false ;;
  esac
}

# install [-t SUITE] PACKAGE...: apt's own many lines are shown only when it fails.
install() {
  local log
  log=$(mktemp)
  say "installing: $*"
  if ! apt_get -o Dpkg::Use-Pty=0 install -y --no-install-recommends "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*"
  fi
  rm -f "$log"
}

# install_packages PACKAGE...: from the release, and what is too old there from its backports.
install_packages() {
  local package old=() plain=() codename
  apt_update
  for package in "$@"; do
    if too_old "$package"; then old+=("$package"); else plain+=("$package"); fi
  done
  if ((${#old[@]} > 0)); then
    codename=$(os_release VERSION_CODENAME)
    [[ $(os_release ID) == debian && -n $codename ]] || die "too old in this release: ${old[*]}. Debian 12 and 13, Ubuntu 25.04 and later are new enough"
    add_backports "$codename"
    install -t "$codename-backports" "${old[@]}"
  fi
  if ((${#plain[@]} > 0)); then install "${plain[@]}"; fi
}

setup_debian() {
  local missing
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]} > 0)); then
    $check_only && die "missing packages: ${missing[*]}"
    say "missing: ${missing[*]}"
    install_packages "${missing[@]}"
  fi
  if [[ $level != build ]]; then
    give_subids
    [[ $host == arm64 || " ${guests[*]} " != *" arm64 "* ]] || run_arm64_programs
  fi
}

arm64_programs_run() { arch-test arm64 >/dev/null 2>&1; }

# run_arm64_programs has the kernel start them by qemu-user, as the package has done unless this is a container without
# systemd. There the kernel is shared: what is registered lasts until it reboots.
run_arm64_programs() {
  local binfmt=/proc/sys/fs/binfmt_misc
  ! arm64_programs_run || return 0
  $check_only && die "programs of arm64 do not run here: binfmt_misc does not know them"
  say "making the kernel run programs of arm64 by qemu-user (binfmt_misc)"
  if [[ -d /run/systemd/system ]]; then
    as_root systemctl restart systemd-binfmt
  else
    [[ -e $binfmt/register ]] || as_root mount -t binfmt_misc binfmt_misc "$binfmt" ||
      die "$binfmt cannot be mounted: in a container that takes --privileged"
    [[ ! -e $binfmt/qemu-aarch64 ]] || echo -1 | as_root tee "$binfmt/qemu-aarch64" >/dev/null # its program is gone
    as_root tee "$binfmt/register" </usr/lib/binfmt.d/qemu-aarch64.conf >/dev/null
  fi
  arm64_programs_run || die "programs of arm64 still do not run here: see $binfmt/qemu-aarch64"
}

# Rootless mmdebstrap maps the user to a range of ids: Debian gives one to each new user, but not to older ones.
give_subids() {
  local user
  ((EUID != 0)) || return 0
  user=$(id -un)
  if grep -qs "^\($user\|$EUID\):" /etc/subuid && grep -qs "^\($user\|$EUID\):" /etc/subgid; then return 0; fi
  $check_only && die "user $user has no range in /etc/subuid and /etc/subgid"
  local first
  first=$(cat /etc/subuid /etc/subgid 2>/dev/null |
    awk -F: 'BEGIN { n = 100000 } $2 + $3 > n { n = $2 + $3 } END { print n }')
  say "giving $user the ids $first-$((first + 65535)) for rootless image builds"
  as_root usermod --add-subuids "$first-$((first + 65535))" --add-subgids "$first-$((first + 65535))" "$user"
}

# ----------------------------------------------------------------------------------------------------------- main

case $(uname -m) in
  x86_64 | amd64) host=amd64 ;;
  aarch64 | arm64) host=arm64 ;;
  *) die "this is a $(uname -m) machine: stackemu runs on amd64 and arm64" ;;
esac
guests=("$host")
if [[ -n $guest && $guest != "$host" ]]; then guests+=("$guest"); fi

if [[ $(uname -s) == Darwin ]]; then
  setup_macos
elif has apt-get; then
  setup_debian
elif go_is_new && { [[ $level == build ]] || qemus_are_new; }; then
  [[ $level == build ]] || say "no apt-get here: running works; to build an image, install mmdebstrap yourself"
else
  die "no apt-get here: install QEMU >= $min_qemu, Go >= 1.$min_go_minor and, to build an image, mmdebstrap yourself"
fi

# What counts is not what the package manager says, but the tools.
[[ $level == build ]] || qemus_are_new || die "QEMU for ${guests[*]} is still missing or older than $min_qemu"
go_is_new || die "go is still missing or older than 1.$min_go_minor"
