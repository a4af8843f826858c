# Installs the libraries of requirements.txt into /opt/env, and lists there what that has now.
#
#     install.sh LIBRARIES OPTIONS-OF-UV...
#
# LIBRARIES are what an environment needs in any case. With --no-build it ends with exit code 75 when a library has to
# be made from its source. When the requirements cannot be met, it says with which of the other versions of Python (in
# .versions) all of them could. Nothing of what is installed is run here, where passwords may be known: not the
# environment's own Python (a library can have it run code at each start), and no program beside it.
PATH=${PATH#/opt/env/bin:}
[ ! -e /dev/labd/settings ] || . /dev/labd/settings
uv=/dev/labd/uv/bin/uv said=/dev/labd/said failed=/dev/labd/failed libraries=$1
shift
[ -n "$libraries" ] || [ -s requirements.txt ] || exit 0
[ -s requirements.txt ] && list=requirements.txt || list=/dev/null
python=$(readlink -f /opt/env/bin/python)
version=$("$python" -I -S -c 'import platform; print(platform.python_version())')

echo "==> Installing the libraries of requirements.txt"
{
    $uv pip install --python /opt/env --index-strategy unsafe-best-match "$@" $libraries -r $list 2>&1 || touch $failed
} | tee $said
if [ ! -e $failed ]; then
    {
        echo "python==$version"
        ls /opt/env/lib/python*/site-packages | sed -n 's/^\([^-]*\)-\(.*\)\.dist-info$/\1==\2/p'
    } > /opt/env/packages.txt
    exit
fi

if grep -qi "building \(from \)\?source" $said; then
    exit 75
fi
if [ -s .versions ] && grep -qi "no solution found\|failed to \(download and \)\?build" $said; then
    fit= unknown=
    for version in $(cat .versions); do
        if UV_NO_BUILD=1 timeout 30 $uv pip compile --quiet --python "$python" --index-strategy unsafe-best-match "$@" \
            --python-version "$version" requirements.txt > /dev/null 2> $said; then
            fit="$fit $version"
        elif ! grep -qi "no solution found" $said; then
            unknown=1
        fi
    done
    [ -z "$fit" ] && [ -n "$unknown" ] || echo "Other versions of Python that satisfy the whole file:${fit:- none}"
fi
exit 1
