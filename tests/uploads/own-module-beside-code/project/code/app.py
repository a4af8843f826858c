from stars import mass

print(mass())
