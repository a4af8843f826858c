# Installs the R packages that packages.txt names, and lists what is there in /opt/env/packages.txt.
#
# Of CRAN's it only fetches the sources, into /opt/env/sources: making them runs code of theirs, and here passwords may be
# known. make.sh does that.
if [ -e /dev/labd/settings ]; then . /dev/labd/settings; fi
set -e
export DEBIAN_FRONTEND=noninteractive
mkdir -p /opt/env/library

list() {
    Rscript -e 'p <- installed.packages(); cat(paste0(p[, "Package"], "==", p[, "Version"]), sep = "\n")' \
        > /opt/env/packages.txt
}

names=$(sed 's/#.*//; s/\r//g; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' packages.txt)
if [ -z "$names" ]; then
    list
    exit
fi

echo "==> Installing the R packages of packages.txt"
IFS='
'
for name in $names; do
    if ! printf %s "$name" | grep -qxE '[A-Za-z][A-Za-z0-9.]*'; then
        echo "Cause: \`$name\` in code/packages.txt is not the name of an R package."
        echo "What to do: Write one name a line, such as \`ggplot2\`, and no version."
        exit 1
    fi
done
if ! apt-get update -qq -o APT::Update::Error-Mode=any; then
    echo "Cause: The server that R's packages come from does not answer."
    echo "What to do: This is no fault of your project: tell the administrator, and run it again later."
    exit 1
fi
there=$(Rscript -e 'cat(rownames(installed.packages()), sep = "\n")') wanted= missing=
for name in $names; do
    if printf '%s\n' "$there" | grep -qxF "$name"; then continue; fi
    small=$(printf %s "$name" | tr '[:upper:]' '[:lower:]') found=
    for package in "r-cran-$small" "r-bioc-$small"; do
        if apt-cache show "$package" > /dev/null 2>&1; then found=$package; break; fi
    done
    if [ -n "$found" ]; then
        wanted="$wanted${wanted:+$IFS}$found"
    else
        missing="$missing${missing:+$IFS}$name"
    fi
done
if [ -n "$wanted" ]; then apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 $wanted; fi

if [ -n "$missing" ]; then
    first=$(printf '%s\n' "$missing" | head -n 1) cran=https://cloud.r-project.org
    if ! Rscript -e "options(timeout = 30, warn = 2); p <- available.packages(repos = '$cran')" \
            -e 'writeLines(rownames(p), "/tmp/cran")' > /dev/null 2>&1; then
        echo "Cause: Debian has no R package \`$first\`, which code/packages.txt asks for, and CRAN does not answer."
        echo "What to do: Check its spelling in code/packages.txt, capital letters too; if it is right, tell the" \
            "administrator that this server does not reach CRAN."
        exit 1
    fi
    for name in $missing; do
        if ! grep -qxF "$name" /tmp/cran; then
            near=$(grep -ixF "$name" /tmp/cran | head -n 1 || true)
            echo "Cause: There is no R package \`$name\`, which code/packages.txt asks for."
            echo "What to do: Correct the name in code/packages.txt${near:+ (there is $near)}, or leave the line out."
            exit 1
        fi
    done
    # CRAN's packages come as source.
    apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 build-essential gfortran r-base-dev
    mkdir -p /opt/env/sources
    printf '%s\n' "$missing" > /opt/env/missing
    if ! Rscript -e "
        there <- available.packages(repos = '$cran')
        missing <- readLines('/opt/env/missing')
        needed <- tools::package_dependencies(missing, there, c('Depends', 'Imports', 'LinkingTo'), recursive = TRUE)
        needed <- setdiff(unique(c(missing, unlist(needed))), rownames(installed.packages()))
        got <- download.packages(intersect(needed, rownames(there)), '/opt/env/sources', there, '$cran', type = 'source')
        stopifnot(all(missing %in% got[, 1]))
        tools::write_PACKAGES('/opt/env/sources', type = 'source')
    "; then
        echo "Cause: CRAN does not answer, which has R package \`$first\` that code/packages.txt asks for."
        echo "What to do: This is no fault of your project: tell the administrator, and run it again later."
        exit 1
    fi
fi
list
apt-get clean
rm -rf /var/lib/apt/lists/* /tmp/*
