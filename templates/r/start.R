# Rscript itself does not say at which line a program stopped. Plots that name no file are results, too.
options(warn = 1, keep.source = TRUE, bitmapType = "cairo",
  device = function(...) pdf("/output/Rplots.pdf", ...), error = quote({
  for (.labd_call in rev(sys.calls())) {
    .labd_at <- attr(.labd_call, "srcref")
    .labd_file <- if (is.null(.labd_at)) "" else attr(.labd_at, "srcfile")$filename
    if (startsWith(.labd_file, "/code/")) break
    .labd_at <- NULL
  }
  if (is.null(.labd_at)) { .labd_at <- .labd_here; .labd_file <- "/code/app.R" }
  if (!is.null(.labd_at)) message("Stopped at ", sub("^/", "", .labd_file), ", line ", .labd_at[1])
  quit(save = "no", status = 1)
}))
.labd_here <- NULL
(function() {
  program <- parse("/code/app.R", keep.source = TRUE, encoding = "UTF-8")
  lines <- attr(program, "srcref")
  for (number in seq_along(program)) {
    assign(".labd_here", lines[[number]], globalenv())
    value <- withVisible(eval(program[[number]], globalenv()))
    if (value$visible) print(value$value)
  }
})()
