# Makes the R packages whose sources install.sh fetched, with their own code: no password is known here.
[ -d /opt/env/sources ] || exit 0
set -e
while read -r name; do
    echo "==> Making $name from its source"
    Rscript -e "install.packages('$name', lib = '/opt/env/library', repos = 'file:///opt/env/sources', \
            contriburl = 'file:///opt/env/sources', type = 'source', Ncpus = 2)" \
        -e "library('$name', lib.loc = '/opt/env/library', character.only = TRUE)"
done < /opt/env/missing
rm -rf /opt/env/sources /opt/env/missing /tmp/*
Rscript -e 'p <- installed.packages(c("/opt/env/library", .libPaths())); cat(paste0(p[, "Package"], "==", p[, "Version"]), sep = "\n")' \
    > /opt/env/packages.txt
