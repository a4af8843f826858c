# Runs /code/app.R and says at which line it stopped, which Rscript does not.
#
# R goes on behind an error as soon as a program has set options(error). So a job succeeds only where quit() below is
# reached, or the program's own; everything else ends with 1. What is kept here is in functions, where a program that
# clears its workspace does not reach. What is printed last is read by labd (diagnosis/r.py).
options(warn = 1, keep.source = TRUE, bitmapType = "cairo", device = function(...) pdf("/output/Rplots.pdf", ...))
(function() {
  program <- expression()
  lines <- here <- NULL
  warned <- failed <- ""

  # The lines of a source file as UTF-8. Windows writes Latin-1, and in some editors UTF-16.
  read <- function(file) {
    bytes <- readBin(file, "raw", file.size(file))
    mark <- paste(bytes[seq_len(min(2, length(bytes)))], collapse = "")
    text <- if (mark %in% c("fffe", "feff")) iconv(list(bytes), "UTF-16", "UTF-8") else rawToChar(bytes[bytes != 0])
    if (!isTRUE(validUTF8(text))) text <- iconv(text, "latin1", "UTF-8", sub = "?")
    Encoding(text) <- "UTF-8"
    strsplit(gsub("\r\n?", "\n", sub("^\ufeff", "", text)), "\n", fixed = TRUE)[[1]]
  }

  # "code/app.R, line 3" of the innermost line of the project's own, "" where there is none.
  place <- function(ref) {
    source <- attr(ref, "srcfile")
    file <- if (is.null(source)) "" else source$filename
    if (!startsWith(file, "/") && !is.null(source$wd)) file <- file.path(source$wd, file)
    file <- normalizePath(file, mustWork = FALSE)
    if (startsWith(file, "/code/")) paste0(sub("^/", "", file), ", line ", ref[1]) else ""
  }
  innermost <- function() {
    calls <- sys.calls()
    for (number in rev(seq_along(calls))) {
      ref <- attr(calls[[number]], "srcref")
      # source() evaluates a file line by line, and the lines carry no reference of their own.
      if (identical(sys.function(number), base::source)) {
        inside <- sys.frame(number)
        ref <- tryCatch(attr(inside$exprs, "srcref")[[inside$i]], error = function(e) NULL)
      }
      if (nzchar(found <- place(ref))) return(found)
    }
    place(here)
  }

  # What the program says in its source: all calls of a function with their arguments, and all texts.
  walk <- function(part, visit) {
    if (is.call(part) || is.character(part)) visit(part)
    if (is.call(part) || is.expression(part) || is.pairlist(part)) for (one in as.list(part))
      if (!missing(one)) walk(one, visit)
  }
  missing_packages <- function() {
    names <- character()
    walk(program, function(part) {
      if (!is.call(part)) return()
      called <- part[[1]]
      if (is.call(called) && length(called) == 3) called <- called[[3]]
      called <- paste(deparse(called), collapse = "")
      given <- as.list(part)[-1]
      if (called %in% c("library", "require", "::", ":::", "p_load") && !isTRUE(given$character.only))
        given <- if (called == "p_load") given else given[1]
      else if (called %in% c("requireNamespace", "loadNamespace", "install.packages", "install_github", "biocLite") ||
          called == "install" && grepl("BiocManager", deparse(part[[1]])[1])) given <- given[1]
      else return()
      for (one in given) {
        if (is.symbol(one)) one <- if (called %in% c("library", "require", "::", ":::", "p_load")) as.character(one)
        if (is.call(one) && identical(one[[1]], quote(c))) one <- Filter(is.character, as.list(one)[-1])
        names <<- c(names, sub("@.*", "", sub(".*/", "", unlist(Filter(is.character, as.list(one))))))
      }
    })
    names <- unique(grep("^[A-Za-z][A-Za-z0-9.]*$", names, value = TRUE))
    names[!vapply(names, function(name) nzchar(system.file(package = name)), TRUE)]
  }
  # Files of the job whose names, in whatever letters, are in `words` or in the source and which are not there as written.
  files_elsewhere <- function(words) {
    wanted <- regmatches(words, gregexpr("['\"\u2018][^'\"\u2018\u2019\n]+['\"\u2019]", words))[[1]]
    wanted <- gsub("['\"\u2018\u2019]", "", wanted)
    walk(program, function(part) if (is.character(part)) wanted <<- c(wanted, part[nchar(part, "bytes") < 300]))
    wanted <- gsub("\\", "/", unique(wanted), fixed = TRUE)
    wanted <- tolower(basename(wanted[grepl(".", wanted, fixed = TRUE) & !file.exists(wanted)]))
    found <- character()
    folders <- c("/input", "/code")
    seen <- 0
    while (length(folders) && seen < 2000) {  # large inputs are not searched as a whole
      here <- list.files(folders[1], full.names = TRUE, no.. = TRUE)
      here <- here[seq_len(min(length(here), 2000))]
      seen <- seen + length(here) + 1
      found <- c(found, here[tolower(basename(here)) %in% wanted])
      folders <- c(folders[-1], here[dir.exists(here)])
    }
    found[seq_len(min(length(found), 5))]
  }

  stopped <- function(words = geterrmessage(), at = innermost()) {
    diverted <- sink.number() > 0 || sink.number("message") != 2 || !isTRUE(getOption("show.error.messages"))
    while (sink.number()) sink()
    sink(type = "message")
    line <- function(...) cat(..., "\n", file = stderr(), sep = "")
    if (diverted) line(sub("\n$", "", words))
    if (nzchar(failed) && !startsWith(words, "Error")) line("Error: ", failed)  # the program chose another language
    tryCatch({
      if (grepl("packages?\\b|namespace|find function|Bioconductor|URL|internet", words))
        for (name in missing_packages()) line("Not installed: ", name)
      if (grepl("open|directory|exist|No such|find", words))
        for (file in files_elsewhere(paste(words, warned))) line("In the upload: ", file)
    }, error = function(e) NULL)
    if (nzchar(at)) line("Stopped at ", at)
    base::quit(save = "no", status = 1)
  }

  # A program's own options(error) keeps R from calling ours; this is reached behind it.
  on.exit(stopped(at = place(here)))
  options(error = function() stopped())
  lines <- read("/code/app.R")
  program <- tryCatch(
    parse(text = lines, keep.source = TRUE, srcfile = srcfilecopy("/code/app.R", lines, isFile = TRUE)),
    error = function(e) {
      words <- conditionMessage(e)
      cat("Error: ", words, "\n", file = stderr(), sep = "")
      number <- sub(".*?:(\\d+):\\d+:.*|.* line (\\d+).*", "\\1\\2", strsplit(words, "\n")[[1]][1], perl = TRUE)
      number <- suppressWarnings(as.integer(number))
      if (is.na(number)) number <- grep("```", lines, fixed = TRUE)[1]  # of which R tells no line
      number <- max(1, min(number, length(lines)))
      stopped(words, if (is.na(number)) "" else paste0("code/app.R, line ", number))
    })
  lines <- attr(program, "srcref")
  withCallingHandlers(
    for (number in seq_along(program)) {
      here <- lines[[number]]
      value <- withVisible(eval(program[[number]], globalenv()))
      if (value$visible) print(value$value)
    },
    # Both only note: an error that is caught, or only signalled, ends nothing.
    warning = function(w) warned <<- conditionMessage(w), error = function(e) failed <<- conditionMessage(e))
  base::quit(save = "no", status = 0)
})()
base::quit(save = "no", status = 1)
