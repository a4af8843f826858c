# Fetches into /opt/fetched what install.sh needs to make libraries from their sources, where a password is known.
#
#     fetch.sh LIBRARIES
#
# No code of a library runs: Python itself does not start with this PYTHONHOME, and the installer's own look at it is
# made before. So the installer gets as far as a library's first own word, and what it fetched until then stays.
PATH=${PATH#/opt/env/bin:}
[ ! -e /dev/labd/settings ] || . /dev/labd/settings
uv=/dev/labd/uv/bin/uv libraries=$1 one=/dev/labd/one
mkdir -p /opt/fetched
$uv pip list --python /opt/env --cache-dir /opt/fetched > /dev/null 2>&1
export PYTHONHOME=/nonexistent

get() {
    $uv pip install --python /opt/env --cache-dir /opt/fetched --link-mode copy --index-strategy unsafe-best-match \
        "$@" > /dev/null 2>&1
}

echo "==> Fetching sources, and what they need"
get $libraries -r requirements.txt
# One by one, because it fetches nothing that is ready to use before it knows what the sources need. They say so
# themselves, and are taken at their word only for plain names and versions: an address could send a password there.
for round in 1 2; do
    {
        grep -v '^-' requirements.txt
        find /opt/fetched -name PKG-INFO -exec sed -n 's/^Requires-Dist: *\([^;]*\).*/\1/p' {} + | tr -d ' ()\r' \
            | grep -xE '[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]*\])?[A-Za-z0-9.,<>=!~*+]*'
    } | sort -u | while read -r line; do
        { grep '^-' requirements.txt | sed "s|^-c |-c $PWD/|"; echo "$line"; } > $one
        get -r $one < /dev/null || get --no-build -r $one < /dev/null
    done
done
exit 0
