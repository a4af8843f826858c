# What tools/bootstrap and tools/install share: which of Debian's packages are missing, and how they come.
# shellcheck shell=sh

# The PATH of somebody who became root by `su` has no sbin.
PATH=$PATH:/usr/sbin:/sbin
missing=""

say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
fail() { printf 'labd: %s\n' "$*" >&2; exit 1; }

need() { command -v "$1" >/dev/null 2>&1 || missing="$missing $2"; }
need_file() { [ -e "$1" ] || missing="$missing $2"; }

docker_answers() { PATH=/usr/bin:$PATH docker version >/dev/null 2>&1; }

# Up to version 22, BuildKit is a part of the docker command; later it is the plugin buildx.
docker_can_build() (
    IFS=:
    for folder in $PATH:/usr/bin:/usr/local/bin; do
        [ -x "$folder/docker" ] || continue
        ! "$folder/docker" buildx version >/dev/null 2>&1 || return 0
        case $("$folder/docker" --version 2>/dev/null) in
        "Docker version 18.09."* | "Docker version 19."* | "Docker version 2"[0-2].*) return 0 ;;
        esac
    done
    return 1
)

# An engine that answers stays whatever it is. The command comes with docker.io or in packages of its own, by release.
need_docker() {
    if ! docker_answers; then
        need dockerd docker.io
        need iptables iptables
    fi
    docker_can_build || missing="$missing $DOCKER_COMMAND"
}
DOCKER_COMMAND="docker-cli docker-buildx"

is_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }
is_offered() { apt-cache show "$1" >/dev/null 2>&1; }

# The words of $missing as packages of this release: where it has none of $DOCKER_COMMAND, they are in its docker.io.
choose_packages() {
    packages=""
    for package in $missing; do
        case " $DOCKER_COMMAND " in
        *" $package "*)
            # Docker's own packages do not live together with Debian's.
            if is_installed docker-ce-cli; then
                package=docker-buildx-plugin
            elif ! is_offered "$package"; then
                package=docker.io
            fi
            ;;
        esac
        case "$packages " in
        *" $package "*) ;;
        *) packages="$packages $package" ;;
        esac
    done
}

install_missing() {
    [ -n "$missing" ] || return 0
    choose_packages
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        fail "please install first (as root; these are the names in Debian):$packages"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # A source of somebody else's that does not answer is no reason to stop: apt says below what cannot be had.
    apt-get update -qq || say "Not all of apt's sources answer; going on with what is known"
    choose_packages
    say "Installing$packages"
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $packages >/dev/null
}
