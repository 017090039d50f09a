# SPDX-License-Identifier: BSD-3-Clause
# Flow files fresh from PyTorch, made when the tests run: one for each activation, two that have every
# layer type and every map together, one for each base density and a conditional one. The suite
# TorchParity asks for the same names.

set(FLOTILLA_PYTHON /usr/bin/python3 CACHE FILEPATH "Python that has torch, h5py and numpy")
set(torch_flows_directory ${CMAKE_CURRENT_BINARY_DIR}/torch_flows)
file(MAKE_DIRECTORY ${torch_flows_directory})

function(flotilla_add_torch_flow name)
  add_test(NAME torch_flow.${name}
           COMMAND ${FLOTILLA_PYTHON} ${PROJECT_SOURCE_DIR}/scripts/random_flow.py -o
                   ${torch_flows_directory}/${name}.h5 ${ARGN})
  set_tests_properties(torch_flow.${name} PROPERTIES FIXTURES_SETUP torch_flows TIMEOUT 120)
endfunction()

set(seed 1)
foreach(activation IN ITEMS tanh relu leaky_relu silu elu gelu)
  flotilla_add_torch_flow(
    ${activation}
    --dim
    7
    --layers
    4
    --widths
    32,17
    --activation
    ${activation}
    --seed
    ${seed})
  math(EXPR seed "${seed} + 1")
endforeach()
foreach(extras IN ITEMS layers curves)
  flotilla_add_torch_flow(
    ${extras}
    --dim
    5
    --layers
    4
    --widths
    16
    --activation
    silu
    --seed
    9
    --extras
    ${extras})
endforeach()
foreach(base IN ITEMS diagonal_normal gaussian_mixture uniform_box circular_normal)
  flotilla_add_torch_flow(
    ${base}
    --dim
    3
    --layers
    2
    --widths
    8
    --base
    ${base})
endforeach()
foreach(extras IN ITEMS layers curves)
  flotilla_add_torch_flow(
    conditional_${extras}
    --dim
    4
    --layers
    2
    --widths
    9,8
    --activation
    leaky_relu
    --context
    3
    --seed
    5
    --extras
    ${extras})
endforeach()
flotilla_add_torch_flow(
  glow
  --kind
  glow
  --dim
  64
  --layers
  2
  --widths
  10,9
  --activation
  silu)
flotilla_add_torch_flow(
  conditional_glow
  --kind
  glow
  --dim
  36
  --layers
  1
  --widths
  7,8
  --activation
  relu
  --context
  2)
