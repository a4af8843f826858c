with open('/output/done.txt', 'w') as file:
    file.write('done')
