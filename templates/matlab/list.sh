# Lists MATLAB and its toolboxes with their versions in /opt/labd/packages.txt, from the files that come with them: to
# start MATLAB and ask `ver` would take a licence.
root=$(dirname "$(dirname "$(readlink -f "$(command -v matlab)")")")
{
    sed -n 's|.*<version>\(.*\)</version>.*|MATLAB==\1|p' "$root/VersionInfo.xml"
    # {"Simulink 10.3 glnxa64":"…", …}
    cat "$root/appdata/prodcontents.json" | tr ',{' '\n\n' \
        | sed -n 's/^ *"\(.*\) \([0-9][0-9.]*\) [a-z0-9]*" *:.*/\1==\2/p' | grep -v '^MATLAB==' | sort
} > /opt/labd/packages.txt 2> /dev/null
