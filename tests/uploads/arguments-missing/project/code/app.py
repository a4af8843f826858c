import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, required=True)
print(parser.parse_args().epochs)
