import ctypes

print("reading address 0")
ctypes.string_at(0)
