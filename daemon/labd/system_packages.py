"""System libraries and programs by the names of their Debian packages: code/apt.txt, and which package has what.

This room owns which names apt.txt may have (Debian Policy 5.6.1) and the table from what a library misses to the
package that has it. It is pure: only a build asks Debian.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from labd.config import Build
from labd.errors import ProjectError
from labd.evidence import shorten

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ORDER = re.compile(r"^(?:\$ *)?(?:sudo +)?apt(?:-get)? +(?:-\S+ +)*install +|(?<=\s)-\S+|^[-*] +")

_COMPILERS = {
    "gfortran": "gfortran",
    "cmake": "cmake",
    "cargo": "cargo",
    "rust": "cargo",
    "swig": "swig",
    "git": "git",
    "pkg-config": "pkg-config",
}
_HAS = {
    # shared objects
    "libGL.so.1": "libgl1",
    "libGLU.so.1": "libglu1-mesa",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libX11.so.6": "libx11-6",
    "libgomp.so.1": "libgomp1",
    "libsndfile.so.1": "libsndfile1",
    "libsndfile.so": "libsndfile1",
    "libportaudio.so.2": "libportaudio2",
    "libmagic.so.1": "libmagic1",
    "libcairo.so.2": "libcairo2",
    "libpango-1.0.so.0": "libpango-1.0-0",
    "libfftw3.so.3": "libfftw3-double3",
    "libopenblas.so.0": "libopenblas0",
    "libgfortran.so.5": "libgfortran5",
    "libxml2.so.2": "libxml2",
    "libmpi.so.40": "libopenmpi3",
    # programs
    "dot": "graphviz",
    "ffmpeg": "ffmpeg",
    "git": "git",
    "pdflatex": "texlive-latex-recommended",
    "latex": "texlive-latex-recommended",
    "convert": "imagemagick",
    "tesseract": "tesseract-ocr",
    "java": "default-jre-headless",
    "Rscript": "r-base-core",
    # what a compilation asks for
    "Python.h": "python3-dev",
    "mpi.h": "libopenmpi-dev",
    "mpicc": "libopenmpi-dev",
    "hdf5.h": "libhdf5-dev",
    "ffi.h": "libffi-dev",
    "fftw3.h": "libfftw3-dev",
    "proj.h": "libproj-dev",
    "proj_api.h": "libproj-dev",
    "geos_c.h": "libgeos-dev",
    "geos-config": "libgeos-dev",
    "gdal-config": "libgdal-dev",
    "gdal.h": "libgdal-dev",
    "cairo.h": "libcairo2-dev",
    "portaudio.h": "portaudio19-dev",
    "sndfile.h": "libsndfile1-dev",
    "zlib.h": "zlib1g-dev",
    "jpeglib.h": "libjpeg-dev",
    "png.h": "libpng-dev",
    "cblas.h": "libopenblas-dev",
    "lapacke.h": "liblapacke-dev",
    "cgraph.h": "libgraphviz-dev",
    "graphviz/cgraph.h": "libgraphviz-dev",
    "gsl-config": "libgsl-dev",
    "pg_config": "libpq-dev",
    "libpq-fe.h": "libpq-dev",
    "mysql_config": "default-libmysqlclient-dev",
    "xml2-config": "libxml2-dev",
    "xslt-config": "libxslt1-dev",
    "nc-config": "libnetcdf-dev",
    "netcdf.h": "libnetcdf-dev",
    "curl-config": "libcurl4-openssl-dev",
    "openssl/ssl.h": "libssl-dev",
    "sqlite3.h": "libsqlite3-dev",
    "bzlib.h": "libbz2-dev",
    "lzma.h": "liblzma-dev",
    "yaml.h": "libyaml-dev",
    "gmp.h": "libgmp-dev",
    "mpfr.h": "libmpfr-dev",
}
_FOLDERS = {
    "gsl/": "libgsl-dev",
    "boost/": "libboost-all-dev",
    "Eigen/": "libeigen3-dev",
    "libxml/": "libxml2-dev",
    "suitesparse/": "libsuitesparse-dev",
}


def read(content: str) -> tuple[str, ...]:
    """The packages that apt.txt asks for, sorted: one or several a line, `#` begins a comment.

    Raises ProjectError for a line that is something else.
    """
    names = set()
    for raw in content.split("\n"):
        line = raw.partition("#")[0].strip()
        for word in _ORDER.sub(" ", line).lower().split():
            if not _NAME.fullmatch(word):
                raise ProjectError(
                    f"The line `{shorten(line, 60)}` in code/apt.txt is not the name of a Debian package.",
                    "Write one name a line in code/apt.txt, such as `libgl1`, and no version.",
                )
            names.add(word)
    return tuple(sorted(names))


def allowed(names: Collection[str], build: Build) -> None:
    """Raises ProjectError if there are `names` and the administrator forbids them."""
    if names and not build.system_packages:
        raise ProjectError(
            "code/apt.txt asks for system libraries, and this server installs none for projects.",
            f"Ask the administrator for {', '.join(names)}, or remove code/apt.txt.",
        )


def package_with(missing: str) -> str:
    """The Debian package that has `missing`: a shared object, a header, a program or a compiler; "" if not known."""
    if missing in _HAS:
        return _HAS[missing]
    for folder, package in _FOLDERS.items():
        if missing.startswith(folder):
            return package
    return ""


def compiler_in(words: str) -> str:
    """The lines for apt.txt, joined by " and ", that give the compiler whose absence `words` tell of."""
    more = next((package for word, package in _COMPILERS.items() if re.search(rf"(?i)\b{word}\b", words)), "")
    return f"`build-essential` and `{more}`" if more else "`build-essential`"
