setwd(dirname(rstudioapi::getSourceEditorContext()$path))
print(1)
