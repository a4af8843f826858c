"""What Python and its libraries do not have any more, and what is there instead: tables, and nothing else.

Sources: "What's New" of Python 3.0, 3.8 to 3.10; the release notes of NumPy 1.24 and its migration guide to 2.0, of
pandas 1.0 and 2.0, SciPy 1.3 and 1.14, scikit-learn 0.20 to 1.2, Pillow 10, networkx 3, TensorFlow 2, Matplotlib 3.9.
"""

from __future__ import annotations

PYTHON2_MODULES = {
    "urllib2": "urllib.request", "urlparse": "urllib.parse", "httplib": "http.client", "Cookie": "http.cookies",
    "cookielib": "http.cookiejar", "BaseHTTPServer": "http.server", "SimpleHTTPServer": "http.server",
    "HTMLParser": "html.parser", "htmlentitydefs": "html.entities", "xmlrpclib": "xmlrpc.client",
    "ConfigParser": "configparser", "Queue": "queue", "SocketServer": "socketserver", "cPickle": "pickle",
    "StringIO": "io", "cStringIO": "io", "Tkinter": "tkinter", "tkMessageBox": "tkinter.messagebox",
    "tkFileDialog": "tkinter.filedialog", "commands": "subprocess", "popen2": "subprocess", "md5": "hashlib",
    "sha": "hashlib", "__builtin__": "builtins", "thread": "_thread", "copy_reg": "copyreg", "sets": "set",
    "exceptions": "builtins", "anydbm": "dbm", "UserDict": "collections", "itertools.izip": "zip",
}  # fmt: skip
"""Module of Python 2 → what Python 3 has instead."""

PYTHON2_NAMES = {
    "xrange": "range", "raw_input": "input", "unicode": "str", "basestring": "str", "long": "int", "unichr": "chr",
    "reduce": "functools.reduce", "reload": "importlib.reload", "execfile": "exec(open(NAME).read())",
}  # fmt: skip
"""Name that Python 2 has without an import → what Python 3 has instead."""

AMBIGUOUS = frozenset("commands exceptions long md5 reduce reload sets sha thread unicode".split())
"""Those of them that people also give to their own modules and values: alone they show nothing."""

_ABSTRACT = "Callable Hashable Iterable Iterator Mapping MutableMapping MutableSequence MutableSet Sequence Set Sized"
_PLAIN = {name: name for name in ("float", "int", "bool", "object", "complex", "str")}

REMOVED = {
    **{f"dict.{name}": f".{name[4:]}()" for name in ("iteritems", "itervalues", "iterkeys")},
    "dict.has_key": "key in dictionary",
    **{f"itertools.i{name}": name for name in ("zip", "map", "filter")},
    "sys.maxint": "sys.maxsize", "os.getcwdu": "os.getcwd", "time.clock": "time.perf_counter",
    "string.letters": "string.ascii_letters", "string.maketrans": "str.maketrans", "fractions.gcd": "math.gcd",
    "string.lowercase": "string.ascii_lowercase", "string.uppercase": "string.ascii_uppercase",
    "cgi.escape": "html.escape", "inspect.getargspec": "inspect.getfullargspec",
    **{f"collections.{name}": f"collections.abc.{name}" for name in _ABSTRACT.split()},
    **{f"numpy.{old}": new for old, new in {**_PLAIN, "long": "int", "unicode": "str"}.items()},
    **{f"numpy.{name}": "np.inf" for name in ("Inf", "Infinity", "PINF", "infty")},
    **{f"numpy.{name}": "np.nan" for name in ("NaN", "NAN")},
    "numpy.float_": "np.float64", "numpy.complex_": "np.complex128", "numpy.unicode_": "np.str_",
    "numpy.string_": "np.bytes_", "numpy.bool8": "np.bool_", "numpy.product": "np.prod", "numpy.alltrue": "np.all",
    "numpy.cumproduct": "np.cumprod", "numpy.sometrue": "np.any", "numpy.row_stack": "np.vstack",
    "numpy.in1d": "np.isin", "numpy.trapz": "np.trapezoid", "numpy.round_": "np.round", "numpy.NINF": "-np.inf",
    "DataFrame.append": "pd.concat([…])", "Series.append": "pd.concat([…])", "DataFrame.ix": ".loc or .iloc",
    "DataFrame.iteritems": ".items()", "Series.iteritems": ".items()", "DataFrame.as_matrix": ".to_numpy()",
    "Series.ix": ".loc or .iloc", "Series.as_matrix": ".to_numpy()", "pandas.Int64Index": "pd.Index",
    "scipy.integrate.simps": "scipy.integrate.simpson", "scipy.integrate.trapz": "scipy.integrate.trapezoid",
    "scipy.integrate.cumtrapz": "scipy.integrate.cumulative_trapezoid",
    **{f"scipy.misc.{name}": f"scipy.special.{name}" for name in ("comb", "factorial", "logsumexp")},
    **{f"scipy.signal.{name}": f"scipy.signal.windows.{name}" for name in ("hann", "hamming", "blackman", "gaussian")},
    "scipy.stats.binom_test": "scipy.stats.binomtest",
    **{f"sklearn.{name}": "sklearn.model_selection" for name in ("cross_validation", "grid_search", "learning_curve")},
    "sklearn.preprocessing.Imputer": "sklearn.impute.SimpleImputer",
    "sklearn.metrics.plot_confusion_matrix": "ConfusionMatrixDisplay.from_estimator",
    "sklearn.datasets.samples_generator": "sklearn.datasets", "PIL.Image.ANTIALIAS": "Image.LANCZOS",
    "matplotlib.cm.get_cmap": "matplotlib.colormaps[NAME]",
    **{f"networkx.{way}_numpy_matrix": f"nx.{way}_numpy_array" for way in ("from", "to")},
    **{
        f"tensorflow.{name}": f"tf.compat.v1.{name}"
        for name in ("placeholder", "Session", "ConfigProto", "global_variables_initializer", "get_variable")
    },
}  # fmt: skip
"""What was removed, by its module or its class → what to write instead."""

MOVED_OUT = {
    "sklearn.externals.joblib": ("import joblib", "joblib"), "sklearn.externals.six": ("import six", "six"),
    "scipy.misc.imread": ("from imageio.v3 import imread", "imageio"),
    "scipy.misc.imsave": ("from imageio.v3 import imwrite", "imageio"),
    "scipy.misc.imresize": ("from skimage.transform import resize", "scikit-image"),
}  # fmt: skip
"""What is in a library of its own by now → the import of that, and the line that it needs."""

PLATFORMS = {
    "google.colab": "Google Colab", "kaggle_secrets": "Kaggle", "kaggle_datasets": "Kaggle",
    "pyspark.dbutils": "Databricks", "notebookutils": "Microsoft Fabric", "mssparkutils": "Azure Synapse",
}  # fmt: skip
"""Module that exists on one platform only → that platform."""
