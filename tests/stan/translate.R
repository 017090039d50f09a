# SPDX-License-Identifier: BSD-3-Clause
# Translates a Stan model to C++ with rstan's compiler, and tells the flags that its C++ needs.
#
#     Rscript translate.R MODEL.stan MODEL.cpp
arguments <- commandArgs(trailingOnly = TRUE)
model <- rstan::stanc(arguments[1], model_name = "model")
writeLines(model$cppcode, arguments[2])
cat(paste0("-I", c(
  system.file("include", package = "StanHeaders"),
  system.file("include", "src", package = "StanHeaders"),
  system.file("include", package = "RcppEigen"),
  system.file("include", package = "RcppParallel")
)), "\n")
