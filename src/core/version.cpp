#include "flotilla/core/version.hpp"

#include "build_facts.hpp"

namespace flotilla {

BuildFacts build_facts() {
  return {FLOTILLA_VERSION, FLOTILLA_GIT_COMMIT, FLOTILLA_COMPILER, FLOTILLA_FLAGS};
}

}  // namespace flotilla
