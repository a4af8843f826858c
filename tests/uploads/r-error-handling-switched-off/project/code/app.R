options(error = traceback)
stop("no masses: the table is empty")
