# a try
seed = 1
