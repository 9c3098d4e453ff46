# lib.sh - what deploy/run and deploy/test share: root, packages, huge pages, build. Sourced, not run.
# shellcheck shell=bash

set -euo pipefail
DEPLOY=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$DEPLOY")
BUILD=${POSTERN_BUILD:-$TOP/build}
PYTHON=/usr/bin/python3

say() { printf '== %s\n' "$*"; }

# Ends with what is wrong ($1) and what to do ($2).
fail() {
	printf 'error: %s\n       %s\n' "$1" "$2" >&2
	exit 1
}

# Starts the script again as root when it was not started so.
need_root() {
	[ "$(id -u)" -eq 0 ] && return
	command -v sudo > /dev/null || fail 'this needs root, and there is no sudo' 'run it as root'
	exec sudo --preserve-env=POSTERN_CORPUS,POSTERN_BUILD,CI "$0" "$@"
}

# The packages of deploy/packages whose purpose is one of the arguments.
packages_for() {
	local purpose
	for purpose in "$@"; do
		awk -v want="$purpose" '$1 == want { for (i = 2; i <= NF; i++) print $i }' "$DEPLOY/packages"
	done
}

package_missing() { ! dpkg-query -W -f='${Status}' "$1" 2> /dev/null | grep -q 'ok installed'; }

# Installs what is missing. Services that packages bring are not started.
install_packages() {
	local missing=() name policy=/usr/sbin/policy-rc.d made_policy=
	while read -r name; do
		if package_missing "$name"; then missing+=("$name"); fi
	done < <(packages_for "$@" | sort -u)
	if [ ${#missing[@]} -eq 0 ]; then
		say "packages: all there"
		return
	fi
	say "packages: installing ${missing[*]}"
	command -v apt-get > /dev/null || fail 'no apt-get here' 'use Debian 12 or 13'
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' > $policy
		chmod 755 $policy
		made_policy=1
	fi
	if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "${missing[@]}"; } > "$TOP/.packages.log" 2>&1; then
		[ -z "$made_policy" ] || rm -f $policy
		tail -n 20 "$TOP/.packages.log" >&2
		fail 'packages could not be installed' "see above; check the machine's package sources"
	fi
	rm -f "$TOP/.packages.log"
	[ -z "$made_policy" ] || rm -f $policy
}

# Packages of purpose `unpack` cannot be installed beside others: they lie in $BUILD/unpacked, with the libraries they
# need installed. Without them the tests that want them are skipped.
unpack_packages() {
	local name folder="$BUILD/unpacked" work
	for name in $(packages_for unpack); do
		[ ! -e "$folder/.$name" ] || continue
		work=$(mktemp -d)
		chmod 755 "$work"
		if (cd "$work" && apt-get download -qq "$name" && mkdir -p "$folder" && dpkg-deb -x "$name"_*.deb "$folder" &&
			apt-cache depends --no-recommends --no-suggests --no-conflicts --no-replaces --no-breaks --no-enhances "$name" |
			awk '$1 == "Depends:" && $2 ~ /^lib/ { print $2 }' |
				DEBIAN_FRONTEND=noninteractive xargs apt-get install -y -qq --no-install-recommends) \
			> "$TOP/.packages.log" 2>&1; then
			: > "$folder/.$name"
		else
			say "going on without $name, which could not be unpacked"
		fi
		rm -rf "$work" "$TOP/.packages.log"
	done
}

# At least $1 free huge pages of 2 MiB; fewer are no error: postern then uses 4 KiB pages.
prepare_hugepages() {
	local want=$1 free total
	free=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
	total=$(awk '/^HugePages_Total/ {print $2}' /proc/meminfo)
	if [ -z "$free" ]; then
		say 'huge pages: not supported here; going on with 4 KiB pages'
		return
	fi
	if [ "$free" -lt "$want" ]; then
		sysctl -q -w vm.nr_hugepages=$((total - free + want)) 2> /dev/null || true
		free=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
	fi
	if [ "$free" -lt "$want" ]; then
		say "huge pages: $free of $want free; going on with what there is"
	else
		say "huge pages: $free of 2 MiB free"
	fi
}

# The source of the TLS library; without it everything but TLS is built.
fetch_tls() {
	[ -e "$TOP/subprojects/mbedtls.wrap" ] || "$DEPLOY/fetch-mbedtls" ||
		say 'going on without TLS: deploy/fetch-mbedtls TARBALL, then remove the build folder, brings it'
}

# Configures $BUILD when needed (more arguments go to meson) and builds.
build() {
	local log="$BUILD.log"
	if [ ! -e "$BUILD/build.ninja" ]; then
		say "configuring $(basename "$BUILD")"
		rm -rf "$BUILD"
		fetch_tls
		meson setup "$BUILD" "$TOP" "$@" > "$log" 2>&1 || {
			tail -n 30 "$log" >&2
			fail 'meson could not configure the build' 'see above'
		}
	fi
	say "building (a few minutes the first time)"
	ninja -C "$BUILD" > "$log" 2>&1 || {
		grep -E -A 12 'error|FAILED' "$log" | head -n 60 >&2
		fail 'the build failed' "the whole log is $log"
	}
	rm -f "$log"
}
