import ctypes


def peek():
    return ctypes.string_at(0)


peek()
