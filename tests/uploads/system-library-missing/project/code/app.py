import ctypes

audio = ctypes.CDLL("libsndfile.so.1")
