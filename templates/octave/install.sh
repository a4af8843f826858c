# Installs the Octave packages that packages.txt names, from Debian, and lists what is there in /opt/env/packages.txt.
if [ -e /dev/labd/settings ]; then . /dev/labd/settings; fi
set -e
export DEBIAN_FRONTEND=noninteractive
start=$(octave-cli --quiet --norc --eval 'disp (__octave_config_info__ ("localstartupfiledir"))' 2>/dev/null)
mkdir -p "$start"
cat .template/octaverc >> "$start/octaverc"

names=$(sed 's/#.*//; s/\r//g; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d; s/^octave-//' packages.txt \
    | tr '[:upper:]' '[:lower:]')
if [ -z "$names" ]; then
    dpkg-query -W -f '${Package}==${Version}\n' octave > /opt/env/packages.txt
    exit
fi

echo "==> Installing the Octave packages of packages.txt"
IFS='
'
for name in $names; do
    if ! printf %s "$name" | grep -qxE '[a-z0-9][a-z0-9.+-]*'; then
        echo "Cause: \`$name\` in code/packages.txt is not the name of an Octave package."
        echo "What to do: Write one name a line, such as \`signal\`, and no version."
        exit 1
    fi
done
if ! apt-get update -qq -o APT::Update::Error-Mode=any; then
    echo "Cause: The server that Octave's packages come from does not answer."
    echo "What to do: This is no fault of your project: tell the administrator, and run it again later."
    exit 1
fi
wanted=
for name in $names; do
    if ! apt-cache show "octave-$name" > /dev/null 2>&1; then
        near=$(apt-cache pkgnames octave- | sed 's/^octave-//' | grep -vE '^(dev|doc|common)$|-(doc|common|dev)$' \
            | grep -F "$(printf %.3s "$name")" | sort | head -n 5 | paste -sd ' ' | sed 's/ /, /g')
        echo "Cause: There is no Octave package \`$name\`, which code/packages.txt asks for."
        echo "What to do: Correct the name in code/packages.txt${near:+ (there is $near)}, or leave the line out."
        exit 1
    fi
    wanted="$wanted${wanted:+$IFS}octave-$name"
done
apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 $wanted
# MATLAB has its toolboxes at hand without being told, and so have programs that were written for it.
for name in $names; do echo "try, pkg load $name, end_try_catch" >> "$start/octaverc"; done
apt-get clean
rm -rf /var/lib/apt/lists/*
dpkg-query -W -f '${db:Status-Abbrev}${Package}==${Version}\n' 'octave' 'octave-*' | sed -n 's/^ii *//p' \
    > /opt/env/packages.txt
