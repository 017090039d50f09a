// SPDX-License-Identifier: BSD-3-Clause
// Coaching effects in eight schools, non-centred.
// Source: D. Rubin, "Estimation in parallel randomized experiments", J. Educ. Stat. 6 (1981).
data {
  int<lower=0> J;
  vector[J] y;
  vector<lower=0>[J] sigma;
}
parameters {
  real mu;
  real<lower=0> tau;
  vector[J] eta;
}
transformed parameters {
  matrix[2, J] theta;  // of the schools, and their distance from the mean
  for (j in 1:J) {
    theta[1, j] = mu + tau * eta[j];
    theta[2, j] = tau * eta[j];
  }
}
model {
  if (mu < -1000) print("mu is ", mu);
  if (mu > 1000) reject("mu is ", mu);
  mu ~ normal(0, 5);
  tau ~ cauchy(0, 5);
  eta ~ normal(0, 1);
  y ~ normal(theta[1]', sigma);
}
generated quantities {
  vector[J] repeated;
  for (j in 1:J) repeated[j] = normal_rng(theta[1, j], sigma[j]);
}
