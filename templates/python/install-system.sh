# Installs Debian's packages that code/apt.txt names.
[ -s apt.txt ] || exit 0
if [ -e /dev/labd/settings ]; then . /dev/labd/settings; fi
set -e
export DEBIAN_FRONTEND=noninteractive
echo "==> Installing the system libraries of apt.txt"
if ! apt-get update -qq -o APT::Update::Error-Mode=any; then
    echo "Cause: The server that system libraries come from does not answer."
    echo "What to do: This is no fault of your project: tell the administrator, and run it again later."
    exit 1
fi
for name in $(cat apt.txt); do
    # By its very name: apt-get would take `a.+` for a pattern, and `name-` for a wish to remove it.
    if ! apt-cache pkgnames --all-names "$name" | grep -qxF -- "$name" \
        || ! apt-get install -s -qq "$name" > /dev/null 2>&1; then
        near=$(apt-cache pkgnames "$(printf %.5s "$name")" | sort | head -n 4 | paste -sd ' ' | sed 's/ /, /g')
        echo "Cause: Debian has no package \`$name\` that can be installed, which code/apt.txt asks for."
        echo "What to do: Correct the name in code/apt.txt${near:+ (there is $near)}, or leave the line out."
        exit 1
    fi
done
apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 $(cat apt.txt)
apt-get clean
rm -rf /var/lib/apt/lists/*
