# SPDX-License-Identifier: BSD-3-Clause
# Samples a Stan model with Stan's defaults, on one core, and prints what it gave as JSON:
#
#     Rscript stan.R MODEL.stan DATA.json SEED

suppressPackageStartupMessages({
  library(rstan)
  library(jsonlite)
})

words <- commandArgs(trailingOnly = TRUE)
# Debian keeps Boost's headers outside of R.
model <- stan_model(file = words[1], boost_lib = "/usr/include")
fit <- sampling(model, data = fromJSON(words[2]), seed = as.integer(words[3]), cores = 1, refresh = 0)

draws <- as.array(fit)
# Quantities that are constant, or not a number somewhere, have no effective size.
moving <- dimnames(draws)$parameters[apply(draws, 3, function(one) isTRUE(sd(one) > 0))]
sizes <- sapply(moving, function(name) min(ess_bulk(draws[, , name]), ess_tail(draws[, , name])))
parameters <- get_sampler_params(fit, inc_warmup = FALSE)
cat(toJSON(list(
  gradients = sum(sapply(parameters, function(one) sum(one[, "n_leapfrog__"]))),
  seconds = sum(get_elapsed_time(fit)[, "sample"]),
  rhat = max(sapply(moving, function(name) Rhat(draws[, , name]))),
  ess = as.list(sizes)
), auto_unbox = TRUE, digits = NA), "\n")
