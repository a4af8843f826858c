"""Which Debian package has what a library or a program misses.

This module owns the table, for what researchers' libraries ask for most; what it does not know it does not guess.
"""

from __future__ import annotations

import re

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


def _package_with(missing: str) -> str:
    """The Debian package that has `missing`: a shared object, a header, a program or a compiler; "" if not known."""
    if missing in _HAS:
        return _HAS[missing]
    for folder, package in _FOLDERS.items():
        if missing.startswith(folder):
            return package
    return ""


def compilers_for(words: str) -> str:
    """The lines for apt.txt, joined by " and ", that give the compiler whose absence `words` tell of."""
    more = next((package for word, package in _COMPILERS.items() if re.search(rf"(?i)\b{word}\b", words)), "")
    return f"`build-essential` and `{more}`" if more else "`build-essential`"


def advice(missing: str) -> str:
    """What to do about a `missing` shared object, header or program."""
    if package := _package_with(missing):
        return f"Write `{package}` into code/apt.txt."
    return (
        f"Write the name of the Debian package that has `{missing}` into code/apt.txt; the administrator can tell it."
    )
