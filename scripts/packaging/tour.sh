# SPDX-License-Identifier: BSD-3-Clause
# The first steps of a new user of the package, in their own folder. Stops at the first failure.
# Usage: bash tour.sh
set -euo pipefail
flows=/usr/share/flotilla/flows
# In a container with one core, ranks have to share it.
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl_vader_single_copy_mechanism=none

flotilla --version
flotilla flow show $flows/six_gaussians.h5
flotilla flow verify $flows/six_gaussians.h5
mpirun -n 2 flotilla sample $flows/six_gaussians.h5 -o run.h5 --quiet --target clipped
flotilla summary run.h5 --strict
flotilla-plot-run run.h5 -o run.png
[[ -s run.png ]]
for page in flotilla flotilla-sample; do
  [[ -e /usr/share/man/man1/$page.1.gz || -e /usr/share/man/man1/$page.1 ]]
done
[[ -e /usr/share/bash-completion/completions/flotilla ]]
[[ -e /usr/share/doc/flotilla/copyright ]]
