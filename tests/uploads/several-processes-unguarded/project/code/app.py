import multiprocessing


def square(x):
    return x * x


context = multiprocessing.get_context("spawn")
with context.Manager() as manager:
    print(manager.list(map(square, range(4))))
