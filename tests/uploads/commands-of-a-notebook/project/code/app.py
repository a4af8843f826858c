%matplotlib inline
!pip install tabulate
print(1)
