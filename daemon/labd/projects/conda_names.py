"""Conda's names for what Python's package index has under others, or not at all.

This module owns the table, and nothing else.
"""

from __future__ import annotations

import re

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
# Compilers, C libraries and programs: pip's packages bring their own, or apt.txt can name them.
_NOT_PYTHON = re.compile(
    r"_\w+|lib(?!rosa|sass|cst|tmux|clang)[\w.-]*|ld_impl_.*|(?:gcc|gxx|gfortran|binutils|sysroot)[\w.-]*|mkl(?:[_-].*)?"
    r"|python|pip|setuptools|wheel|conda.*|anaconda.*|ca-certificates|openssl|ncurses|readline|sqlite|tk|xz|zlib|bzip2"
    r"|zstd|lz4-c|vc|vs20\d\d_runtime|vc14_runtime|ucrt|blas|openblas|intel-openmp|llvm-openmp|tbb|nomkl|freetype"
    r"|fontconfig|icu|jpeg|giflib|glib|gstreamer|qt(?:-main)?|expat|pcre2?|krb5|hdf5|geos|proj|gdal|ffmpeg|git|make|cmake"
    r"|cudatoolkit|cudnn|cuda-.*|pytorch-cuda|pytorch-mutex|nccl|tzdata|r-.*|nodejs|curl|brotli-.*|c-ares|snappy|bzip2"
)


def on_index(name: str) -> str:
    """The name on the package index of what conda calls `name`; "" for what is no Python library."""
    plain = name.lower()
    if plain in _OTHER:
        return _OTHER[plain]
    return "" if _NOT_PYTHON.fullmatch(plain) else name
