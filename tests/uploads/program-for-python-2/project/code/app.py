import urllib2

for star in xrange(3):
    print(urllib2, star)
