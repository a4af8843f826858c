# Completion of labd's commands in bash. Put here by `labd setup`.

_labd() {
    local current=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} words
    if ((COMP_CWORD == 1)); then
        words="status queue jobs logs submit cancel rerun images templates try check check-config daemon
               setup doctor users adduser deluser key disable enable"
    elif [[ $current == -* ]]; then
        words="--help $(labd "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+')"
    else
        case $command in
        deluser | disable | enable) words=$(_labd_accounts) ;;
        templates) words=check ;;
        key) ((COMP_CWORD == 2)) && words="add list remove" || words=$(_labd_accounts) ;;
        status | logs | cancel | rerun) words=$(labd jobs 2>/dev/null | cut -f2 | sort -u) ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

_labd_accounts() {
    local file
    for file in /etc/labd/accounts/*.toml; do
        [[ -e $file ]] && basename "$file" .toml
    done
}

complete -o default -F _labd labd
