// SPDX-License-Identifier: BSD-3-Clause
#include "flotilla/run/doctor.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>

#include "flotilla/core/error.hpp"
#include "flotilla/core/version.hpp"
#include "flotilla/parallel/environment.hpp"
#include "io/hdf5.hpp"
#include "io/write_probe.hpp"
#include "parallel/gather_texts.hpp"
#include "run/finding_json.hpp"
#include "run/place_facts.hpp"

namespace flotilla {
namespace {

using Verdict = Finding::Verdict;

/// What the findings stand on: facts of all ranks, and of the ranks of each node.
struct Examination {
  std::string folder;
  std::vector<PlaceFacts> ranks;
  std::map<std::string, std::vector<PlaceFacts>> nodes;  ///< by host name
  WriteProbe probe;
  std::string mpi;
  std::string striping;  ///< of the folder, as Lustre tells it

  const PlaceFacts& first() const { return ranks.front(); }
  const std::string& fact(const char* name) const { return first().at(name); }
};

/// The different values of a fact.
std::set<std::string> values_of(const Examination& all, const char* name) {
  std::set<std::string> values;
  for (const PlaceFacts& rank : all.ranks) values.insert(rank.at(name));
  return values;
}

double number(const std::string& text) {
  return text.empty() ? kUndefined : std::strtod(text.c_str(), nullptr);
}

double smallest(const Examination& all, const char* name) {
  double least = HUGE_VAL;
  for (const PlaceFacts& rank : all.ranks) least = std::fmin(least, number(rank.at(name)));
  return least;
}

std::size_t processors_of(const std::vector<PlaceFacts>& ranks) {
  std::set<std::string> all;
  for (const PlaceFacts& rank : ranks) {
    std::string word;
    for (const char letter : rank.at("processors") + ",") {
      if (letter != ',') {
        word += letter;
      } else if (!word.empty()) {
        all.insert(std::exchange(word, {}));
      }
    }
  }
  return all.size();
}

Finding launch(const Examination& all) {
  const std::optional<std::string>& wrong = launcher_misunderstanding();
  if (wrong) return {"launch", Verdict::kFailed, *wrong};
  std::size_t least = all.ranks.size();
  std::size_t most = 0;
  for (const auto& [host, ranks] : all.nodes) {
    least = std::min(least, ranks.size());
    most = std::max(most, ranks.size());
  }
  if (least == most) {
    return {
        "launch", Verdict::kPassed,
        fmt::format("{} ranks on {} nodes, {} on each", all.ranks.size(), all.nodes.size(), most)};
  }
  return {"launch", Verdict::kNoted,
          fmt::format("{} ranks on {} nodes, from {} to {} on each: those with fewer wait for the "
                      "others: start as many on each (--ntasks-per-node, --map-by ppr:N:node)",
                      all.ranks.size(), all.nodes.size(), least, most)};
}

Finding binding(const Examination& all) {
  for (const auto& [host, ranks] : all.nodes) {
    const std::size_t processors = processors_of(ranks);
    if (processors >= ranks.size()) continue;
    return {"binding", Verdict::kNoted,
            fmt::format("{} ranks share {} processors on {}, and wait for each other: start fewer "
                        "ranks, or let them use more (--bind-to core, --cpus-per-task)",
                        ranks.size(), processors, host)};
  }
  const bool bound = std::all_of(all.nodes.begin(), all.nodes.end(), [](const auto& node) {
    std::set<std::string> sets;
    for (const PlaceFacts& rank : node.second) sets.insert(rank.at("processors"));
    return sets.size() == node.second.size();
  });
  if (bound) {
    return {"binding", Verdict::kPassed, "every rank has processors of its own"};
  }
  return {"binding", Verdict::kNoted,
          "ranks may move between processors: bind them (mpirun --bind-to core, srun "
          "--cpu-bind=cores)"};
}

Finding threads(const Examination& all) {
  std::string set;
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"}) {
    if (!all.fact(name).empty()) set += fmt::format(" {}={}", name, all.fact(name));
  }
  if (all.fact("OMP_NUM_THREADS") == "1") {
    return {"threads", Verdict::kPassed, fmt::format("one of each rank:{}", set)};
  }
  return {
      "threads", Verdict::kNoted,
      fmt::format("a rank has one thread, but OpenMP or a BLAS within a density may start {} in "
                  "each{}: export OMP_NUM_THREADS=1 if yours has them",
                  all.fact("online"), set.empty() ? "" : " (" + set.substr(1) + ")")};
}

Finding mpi_files(const Examination& all) {
  const bool open_mpi = all.mpi.starts_with("Open MPI");
  if (!open_mpi || all.probe.romio || !all.probe.fault.empty()) {
    return {"MPI files", Verdict::kPassed,
            all.mpi + (all.probe.romio ? ", files through ROMIO" : "")};
  }
  return {
      "MPI files", Verdict::kNoted,
      fmt::format("{}, files through OMPIO, which tells of a failed write late or as a success: "
                  "unset OMPI_MCA_io and OMPI_MCA_io_ompio_priority, which leaves them to ROMIO",
                  all.mpi)};
}

Finding shared_pointers(const Examination& all) {
  if (!all.mpi.starts_with("Open MPI")) {
    return {"shared pointers", Verdict::kPassed, "none that this MPI would open by itself"};
  }
  const std::string& chosen = all.fact("OMPI_MCA_sharedfp");
  if (chosen == "sm" || all.probe.romio) {
    return {"shared pointers", Verdict::kPassed, "none, as the program asks"};
  }
  return {"shared pointers", Verdict::kNoted,
          fmt::format("OMPI_MCA_sharedfp={}: a stale one can hang the next run of the same name: "
                      "unset it",
                      chosen)};
}

Finding file_system(const Examination& all) {
  const std::set<std::string> kinds = values_of(all, "file system");
  const double free = smallest(all, "free");
  std::string text =
      fmt::format("{} is on {}, {:.3g} GB free", all.folder, fmt::join(kinds, ", "), free * 1e-9);
  if (kinds.size() > 1) {
    return {"file system", Verdict::kFailed,
            text + ": nodes see different ones there: name a folder that all share"};
  }
  const std::string& kind = *kinds.begin();
  if (kind == "nfs" || kind == "cifs" || kind == "fuse") {
    return {"file system", Verdict::kNoted,
            text +
                ": ranks of several nodes write it slowly, and its locks may be off: write to a "
                "parallel file system where there is one"};
  }
  if (kind == "tmpfs" || kind == "overlay") {
    return {"file system", Verdict::kNoted,
            text + ": it ends with the node or the container: copy runs elsewhere"};
  }
  return {"file system", Verdict::kPassed, text};
}

Finding striping(const Examination& all) {
  if (all.fact("file system") != "lustre") {
    return {"striping", Verdict::kPassed, "none: the folder is not on Lustre"};
  }
  if (all.striping.empty()) {
    return {"striping", Verdict::kNoted,
            "lfs does not tell of the folder: 'lfs setstripe -c 4 FOLDER' lets more servers write"};
  }
  if (all.striping == "1" && all.nodes.size() > 1) {
    return {"striping", Verdict::kNoted,
            "files there go to one server: 'lfs setstripe -c 4 FOLDER' lets more write"};
  }
  return {"striping", Verdict::kPassed, fmt::format("{} servers a file", all.striping)};
}

Finding hdf5_library(const Examination& all) {
  const std::string& locking = all.fact("HDF5_USE_FILE_LOCKING");
  const bool network = all.fact("file system") == "nfs" || all.fact("file system") == "lustre";
  const std::string text = fmt::format("{}, HDF5_USE_FILE_LOCKING {}", hdf5::version(),
                                       locking.empty() ? "not set" : "is " + locking);
  if (network && locking != "FALSE") {
    return {"HDF5", Verdict::kNoted,
            text +
                ": readers may be refused where the file system has no locks: export "
                "HDF5_USE_FILE_LOCKING=FALSE then"};
  }
  return {"HDF5", Verdict::kPassed, text};
}

Finding processors(const Examination& all) {
  const std::set<std::string> models = values_of(all, "model");
  const std::string text = fmt::format("built for {}; nodes have {}", build_facts().instruction_set,
                                       fmt::join(models, ", "));
  if (values_of(all, "build").size() > 1) {
    return {"processors", Verdict::kFailed,
            text + ": nodes run different builds, whose draws have other bits: start one build"};
  }
  if (models.size() > 1) {
    return {"processors", Verdict::kNoted,
            text + ": one build gives the same bits on all, but the slowest sets the pace"};
  }
  return {"processors", Verdict::kPassed, text};
}

Finding shared_memory(const Examination& all) {
  constexpr double kOfRank = 1U << 23U;  // what Open MPI takes of it, about
  for (const auto& [host, ranks] : all.nodes) {
    const double free = number(ranks.front().at("shared memory"));
    const double needed = kOfRank * static_cast<double>(ranks.size());
    if (std::isnan(free) || free >= needed) continue;
    return {"/dev/shm", Verdict::kFailed,
            fmt::format("{:.3g} MB free on {}, of which {} ranks may need {:.3g}: give the "
                        "container more (--shm-size), or remove what others left there",
                        free * 1e-6, host, ranks.size(), needed * 1e-6)};
  }
  const double least = smallest(all, "shared memory");
  return {"/dev/shm", Verdict::kPassed, fmt::format("at least {:.3g} MB free", least * 1e-6)};
}

Finding writing(const Examination& all) {
  const WriteProbe& probe = all.probe;
  if (!probe.fault.empty()) {
    return {"writing", Verdict::kFailed, fmt::format("{}: {}", all.folder, probe.fault)};
  }
  return {"writing", Verdict::kPassed,
          fmt::format("{:.3g} MB written together in odd pieces at {:.3g} MB/s, read back equal at "
                      "{:.3g} MB/s",
                      probe.bytes * 1e-6, probe.bytes * 1e-6 / probe.write_seconds,
                      probe.bytes * 1e-6 / probe.read_seconds)};
}

/// The table: what is looked at, in this order.
constexpr Finding (*kFindings[])(const Examination&) = {
    launch,   binding, threads,      mpi_files,  shared_pointers, file_system,
    striping, writing, hdf5_library, processors, shared_memory,
};

/// The number of servers of a file in a folder of Lustre; empty if the tool does not tell.
std::string stripes_of(const std::string& folder) {
  std::string quoted = "'";
  for (const char letter : folder) quoted += letter == '\'' ? "'\\''" : std::string(1, letter);
  const std::string command = "lfs getstripe -c " + quoted + "' 2>/dev/null";
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  int stripes = 0;
  if (pipe == nullptr || std::fscanf(pipe.get(), "%d", &stripes) != 1) return "";
  return fmt::format("{}", stripes);
}

}  // namespace

std::vector<Option> options_of(DoctorConfig& doctor) {
  return {
      {.name = "folder",
       .place = &doctor.folder,
       .kind = OptionKind::kManner,
       .help = "where a run would write",
       .positional = true},
      {.name = "megabytes",
       .place = &doctor.megabytes,
       .kind = OptionKind::kManner,
       .group = OptionGroup::kHowMuch,
       .help = "that each rank writes there and reads back, about",
       .range = {1, 1U << 16U}},
  };
}

void DoctorConfig::validate() const {
  DoctorConfig doctor = *this;  // options_of() needs a configuration that can be changed
  check_options(options_of(doctor));
}

std::vector<Finding> examine_machine(const DoctorConfig& config, const Communicator& comm) {
  config.validate();
  comm.together([&] {
    std::error_code unknown;
    if (!comm.is_root() || std::filesystem::is_directory(config.folder, unknown)) return;
    throw InputError(fmt::format(
        "{}: there is no such file or folder: name one where a run would write", config.folder));
  });
  Examination all;
  std::string own;
  comm.together([&] { own = as_text(place_facts(config.folder)); });
  for (const std::string& text : gather_texts(comm, own)) all.ranks.push_back(facts_of(text));
  all.probe = probe_writes(comm, config.folder, config.megabytes * (Index{1} << 20U));
  if (!comm.is_root()) return {};
  for (const PlaceFacts& rank : all.ranks) all.nodes[rank.at("host")].push_back(rank);
  std::error_code unknown;
  const std::filesystem::path whole = std::filesystem::absolute(config.folder, unknown);
  all.folder = unknown ? config.folder : whole.lexically_normal().string();
  all.mpi = mpi_version();
  if (all.fact("file system") == "lustre") all.striping = stripes_of(config.folder);
  std::vector<Finding> findings;
  for (const auto& finding : kFindings) findings.push_back(finding(all));
  return findings;
}

std::string doctor_text(const std::vector<Finding>& findings) {
  return findings_text(findings) + (passed(findings)
                                        ? "\nnothing here would break a run\n"
                                        : "\nwhat FAILED would break a run: mend it first\n");
}

std::string doctor_json(const std::vector<Finding>& findings) {
  nlohmann::ordered_json all = nlohmann::ordered_json::object();
  add_findings(all, findings);
  return printed_json(all);
}

}  // namespace flotilla
