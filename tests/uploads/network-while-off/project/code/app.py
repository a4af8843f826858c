import urllib.request

with urllib.request.urlopen("http://catalogue.example.org/stars.csv", timeout=20) as page:
    print(page.read())
