# Completion of labd's commands in bash. Put here by `labd setup`. What there is to complete labd's own help says.

_labd() {
    local current=${COMP_WORDS[COMP_CWORD]} help words=""
    if ((COMP_CWORD == 1)); then
        words=$(labd --help | sed -n 's/^  \([a-z-]*\) .*/\1/p')
    else
        help=$(labd "${COMP_WORDS[1]}" --help 2>/dev/null)
        if [[ $current == -* ]]; then
            words=$(grep -oE -- '--[a-z][a-z-]+' <<<"$help")
        elif ((COMP_CWORD == 2)) && [[ $help == *{*}* ]]; then
            words=$(grep -m 1 -oE '[{][a-z,]+[}]' <<<"$help" | tr -d '{}' | tr , ' ')
        elif [[ $help == *'name of the account'* ]]; then
            words=$(_labd_accounts)
        elif [[ $help == *JOB* ]]; then
            words=$(labd jobs 2>/dev/null | cut -f2 | sort -u)
        fi
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
