"""Names under which people look for Python libraries, and the names that the libraries have.

This module owns the table of names that are known to be other libraries' (renamed ones, and what conda or a tutorial
calls them), and the most used libraries, to tell a slip of the pen. It is pure, and never asks a package index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name

# A name on the left is on the index only as a stand-in, as an old library of the same maker, or not at all.
RENAMED: Mapping[str, str] = {
    "beautiful-soup": "beautifulsoup4",
    "beautifulsoup": "beautifulsoup4",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "python-opencv": "opencv-python-headless",
    "opencv-headless": "opencv-python-headless",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "pytorch-vision": "torchvision",
    "scikitimage": "scikit-image",
    "scikitlearn": "scikit-learn",
    "tensorflow-gpu": "tensorflow",
    "torch-audio": "torchaudio",
    "torch-cpu": "torch",
    "torch-gpu": "torch",
    "torch-vision": "torchvision",
}
# Among the most downloaded of the package index (hugovk.github.io/top-pypi-packages), those that researchers use.
_WELL_KNOWN = (
    "aiohttp anndata astropy beautifulsoup4 biopython bokeh boto3 cartopy catboost certifi cffi click cryptography "
    "cupy cvxpy cython dask datasets django duckdb einops fastapi fiona flask folium fsspec gensim geopandas gpytorch "
    "h5py httpx huggingface-hub imageio imbalanced-learn ipykernel ipython jax jinja2 joblib jsonschema jupyter "
    "jupyterlab keras kornia librosa lightgbm llvmlite lxml markdown matplotlib mpi4py mpmath music21 netcdf4 networkx "
    "nibabel nilearn nltk notebook numba numexpr numpy nose openai opencv-contrib-python opencv-python openpyxl optuna "
    "pandas patsy pillow pingouin plotly polars protobuf psutil psycopg2 pyarrow pydantic pydicom pyfftw pygments "
    "pymc pyproj pyserial pysam pytest python-dateutil pytorch-lightning pytz pyvista pyyaml pyzmq rasterio regex "
    "requests rich rpy2 scanpy scikit-image scikit-learn scipy seaborn selenium sentencepiece shap shapely simpy six "
    "soundfile spacy sqlalchemy statsmodels sympy tables tabulate tensorboard tensorflow threadpoolctl tifffile "
    "timm tokenizers toml torch torchaudio torchvision tqdm traitlets transformers trimesh umap-learn urllib3 "
    "wandb xarray xgboost xlrd xlsxwriter zarr"
).split()


def known_as(name: str, distributions: Mapping[str, str]) -> str:
    """The requirement that is known to be meant by `name`; "" for none.

    `distributions`: import name → requirement that provides it.
    """
    plain = canonicalize_name(name)
    imports = {canonicalize_name(module): requirement for module, requirement in distributions.items()}
    meant = RENAMED.get(plain) or imports.get(plain, "")
    return "" if canonicalize_name(meant) == plain else meant


def slip(name: str, distributions: Mapping[str, str]) -> str:
    """The one well-known library whose name is one letter away from `name`, which the index has not; "" for none."""
    plain = canonicalize_name(name)
    known = {canonicalize_name(one): one for one in [*distributions.values(), *_WELL_KNOWN]}
    if len(plain) < 4 or plain in known:
        return ""
    near = {requirement for key, requirement in known.items() if len(key) > 3 and _is_one_edit(plain, key)}
    return near.pop() if len(near) == 1 else ""


def _is_one_edit(one: str, other: str) -> bool:
    """Whether one letter more, less or other, or two letters swapped, make `other` of `one`."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = _common(one, other)
    end = min(_common(one[::-1], other[::-1]), len(one) - start, len(other) - start)
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    return max(len(left), len(right)) == 1 or (len(left) == 2 and left == right[::-1])


def _common(one: Iterable[str], other: Iterable[str]) -> int:
    """The number of letters with which both begin."""
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count
