"""Names that conda, and the Pythons of Ubuntu and Debian, give to what Python's package index has not, or otherwise.

This module owns the tables: what such a name is on the index, and which are no libraries at all. It is pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_OTHER = {
    "faiss": "faiss-cpu",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
}
# The installers themselves: in every environment, and no news.
_ALWAYS = re.compile(r"python|pip|setuptools|wheel|python_abi")
# Compilers, C libraries and conda's own parts: pip's packages bring their own, or apt.txt can name them.
_NOT_PYTHON = re.compile(
    r"_\w+|lib(?!rosa|sass|cst|tmux|clang)[\w.-]*|ld_impl_.*|(?:gcc|gxx|gfortran|binutils|sysroot|ld64|cctools)[\w.-]*"
    r"|mkl(?:[_-].*)?|blas|openblas.*|nomkl|intel-openmp|llvm-openmp|tbb|(?:m2w64|msys2|font|fonts|xorg|perl|aws)-.*"
    r"|conda.*|anaconda.*|navigator-updater|ca-certificates|openssl|ncurses|readline|sqlite|tk|xz|zlib|zlib-ng|bzip2"
    r"|zstd|lz4-c|vc|vc14_runtime|vs20\d\d_runtime|vs20\d\d_.*|ucrt|compilers|c-compiler|cxx-compiler|fortran-compiler"
    r"|freetype|fontconfig|icu|jpeg|giflib|glib|glib-tools|gstreamer|gst-.*|qt(?:-main|-webengine)?|qt6-.*|expat|pcre2?"
    r"|krb5|hdf4|hdf5|geos|proj|gdal|alsa-lib|attr|cairo|dbus|eigen|fribidi|gettext|gflags|glog|gmp|gnutls|graphite2"
    r"|gsl|harfbuzz|json-c|keyutils|lame|lcms2|lerc|mpc|mpfr|mysql-common|mysql-libs|nettle|nspr|nss|openh264|openjpeg"
    r"|orc|p11-kit|pango|pixman|popt|pthread-stubs|re2|s2n|spdlog|unixodbc|x264|x265|xcb-util.*|xerces-c|zfp|aom|dav1d"
    r"|boost-cpp|cfitsio|freexl|suitesparse|metis|fftw|mpi|mpich|openmpi|blosc|c-blosc2|charls|snappy|cudatoolkit"
    r"|cudnn|cuda-.*|pytorch-cuda|pytorch-mutex|nccl|tzdata|brotli-.*|c-ares|double-conversion|xkeyboard-config"
)
_OF_R = re.compile(r"r-.*|bioconductor-.*|r")
# Of these, none is a library on the index that anyone means: they are left out in a plain list as well.
_IN_ANY_LIST = re.compile(
    r"_libgcc[-_]mutex|_openmp[-_]mutex|mkl[-_](?:fft|random|service)|m2w64-.*|msys2-.*|ld[-_]impl[-_].*"
    r"|lib(?:gcc|gfortran|stdcxx|gomp)[-_].*|vs20\d\d[-_]runtime|vc14[-_]runtime|ca-certificates|conda|conda-.*"
    r"|anaconda-(?:anon-usage|catalogs|client|cloud-.*|navigator|project)|navigator-updater|clyent"
)
_UBUNTU = set(
    "apt-clone apt-xapian-index aptdaemon apturl command-not-found cupshelpers defer language-selector python-apt "
    "screen-resolution-extra software-properties ubuntu-advantage-tools ubuntu-dev-tools ubuntu-drivers-common "
    "ubuntu-pro-client ufw unattended-upgrades usb-creator xkit brlapi louis".split()
)
# The index has these, too; what Ubuntu changed in them is not there.
_UBUNTU_CHANGED = set("cloud-init distro-info python-debian ssh-import-id systemd-python".split())
# Programs that conda and Debian have: conda's name → Debian's.
_PROGRAMS = {
    **{name: name for name in "bcftools bedtools bowtie2 bwa cmake curl emboss fastqc ffmpeg ghostscript".split()},
    **{name: name for name in "git gnuplot hmmer imagemagick jq mafft make minimap2 muscle nodejs octave".split()},
    **{name: name for name in "pandoc parallel povray rsync samtools seqtk sox subversion unzip wget zip".split()},
    "blast": "ncbi-blast+",
    "exiftool": "libimage-exiftool-perl",
    "openjdk": "default-jre",
    "poppler": "poppler-utils",
    "tesseract": "tesseract-ocr",
    "texlive-core": "texlive",
}

CONDA, R, UBUNTU = "parts of conda", "packages of R, which is another language here", "parts of Ubuntu"
PROGRAM = "programs"


def on_index(name: str) -> str:
    """The name on the package index of what conda calls `name`; "" for what is no Python library."""
    plain = name.lower()
    if plain in _OTHER:
        return _OTHER[plain]
    return "" if _ALWAYS.fullmatch(plain) or what_is(name) else name


def what_is(name: str) -> str:
    """What of conda's is called `name`: CONDA, R or PROGRAM; "" for a library, and for what every environment has."""
    plain = name.lower()
    if plain in _PROGRAMS:
        return PROGRAM
    if _OF_R.fullmatch(plain):
        return R
    return CONDA if _NOT_PYTHON.fullmatch(plain) and plain not in _OTHER else ""


def in_any_list(name: str, version: str) -> str:
    """CONDA or UBUNTU where `name` (normalised) in `version` is theirs in whatever list it stands; otherwise ""."""
    if _IN_ANY_LIST.fullmatch(name):
        return CONDA
    return UBUNTU if name in _UBUNTU or (name in _UBUNTU_CHANGED and "ubuntu" in version) else ""


def in_debian(names: Iterable[str]) -> list[str]:
    """Debian's names of the programs that conda calls `names`."""
    return sorted({_PROGRAMS[name.lower()] for name in names})
