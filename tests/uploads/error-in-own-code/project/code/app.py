"""Mean brightness of the stars in a field."""

STARS = []


def mean(values):
    # An empty field has no mean.
    return sum(values) / len(values)


print("stars:", len(STARS))
print("mean:", mean(STARS))
