# shellcheck shell=sh
# Read by scripts/demo and scripts/test: makes .venv and sees to MariaDB's programs, once; later calls cost
# nothing. Sets $root, the repository's folder. Without a terminal it asks nothing: it goes on or says what is
# missing.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)

terminal=no
[ ! -t 0 ] || terminal=yes

say() { printf '%s\n' "$*" >&2; }

# --- Python ---------------------------------------------------------------------------------------------------

# ensurepip is what Debian puts into python3-venv; without it `python3 -m venv` stops half way.
suits() { "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && suits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "No Python of version 3.11 or later with its venv module was found."
    say "Install it (Debian, Ubuntu: apt-get install python3 python3-venv) and run this again."
    return 1
}

make_venv() {
    venv=$root/.venv
    wanted=$(printf '%s\n' "$venv" | cat - "$root/pyproject.toml" "$root/constraints.txt" | sha256sum)
    if [ "$(cat "$venv/installed.sha256" 2>/dev/null)" = "$wanted" ] && "$venv/bin/python" -c '' 2>/dev/null; then
        return
    fi
    # Its programs name the folder that they were made in, so it doesn't survive a move either.
    if ! "$venv/bin/python" -c 'import pip' 2>/dev/null || ! grep -qF "$venv/bin/python" "$venv/bin/pip"; then
        python=$(find_python)
        say "Making .venv with $python"
        "$python" -m venv --clear "$venv"
    fi
    say "Installing the packages of constraints.txt into .venv"
    # What builds the package is installed first and used in place, so that it has its exact version too:
    # pip doesn't apply constraints inside an isolated build.
    pip_install hatchling editables
    pip_install --no-build-isolation -e "${root}[dev]"
    printf '%s\n' "$wanted" >"$venv/installed.sha256"
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-warn-script-location \
        -c "$root/constraints.txt" "$@" </dev/null >&2
}

# --- MariaDB --------------------------------------------------------------------------------------------------

# Only the programs, on purpose. The package mariadb-server around them would make a system account and a data
# folder and start a server for the whole machine; these two start nothing and leave nothing running.
packages="mariadb-server-core mariadb-client"

have_mariadb() (
    PATH=$PATH:/usr/sbin:/usr/local/sbin # where a plain user's PATH doesn't look, and the server is
    for program in mariadbd mariadb-install-db mariadb-dump; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
)

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif sudo -n true 2>/dev/null; then
        sudo -n "$@"
    elif [ "$terminal" = yes ]; then
        sudo "$@" # asks for the password on the terminal
    else
        return 1
    fi
}

refuse_mariadb() {
    say "$1"
    say "Install MariaDB 10.11 or later (the programs mariadbd, mariadb-install-db and mariadb-dump), with"
    say "    apt-get install --no-install-recommends $packages"
    say "as root, or in your system's own way, and run this again."
    exit 1
}

see_to_mariadb() {
    if have_mariadb; then
        return
    fi
    command -v apt-get >/dev/null 2>&1 || refuse_mariadb "MariaDB is missing, and there is no apt-get to install it."
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
        refuse_mariadb "MariaDB is missing, and installing it takes root or sudo."
    fi
    say "Installing $packages"
    # A fresh machine has no package lists. Where only one of several sources fails, the packages may still
    # come from another.
    as_root apt-get -q update </dev/null >&2 || say "apt-get update failed; going on with the lists that are there."
    # shellcheck disable=SC2086 # two words, two packages
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=120 \
        install --no-install-recommends $packages </dev/null >&2 || refuse_mariadb "apt-get could not install MariaDB."
    have_mariadb || refuse_mariadb "MariaDB was installed, and its programs still are not found."
}

make_venv
see_to_mariadb
