// SPDX-License-Identifier: BSD-3-Clause
#include "run/place_facts.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "flotilla/core/version.hpp"

namespace flotilla {
namespace {

struct FileSystem {
  std::uint64_t magic;
  const char* name;
};
constexpr std::array kFileSystems = {
    FileSystem{0xEF53, "ext4"},      FileSystem{0x58465342, "xfs"},
    FileSystem{0x9123683E, "btrfs"}, FileSystem{0x2FC12FC1, "zfs"},
    FileSystem{0x01021994, "tmpfs"}, FileSystem{0x794C7630, "overlay"},
    FileSystem{0x6969, "nfs"},       FileSystem{0x0BD00BD0, "lustre"},
    FileSystem{0x47504653, "gpfs"},  FileSystem{0x19830326, "beegfs"},
    FileSystem{0x00C36400, "ceph"},  FileSystem{0x65735546, "fuse"},
    FileSystem{0xFF534D42, "cifs"},  FileSystem{0x01021997, "9p"},
    FileSystem{0xAAD7AAEA, "panfs"}, FileSystem{0x20030528, "orangefs"},
};

std::string file_system(const std::string& folder) {
  struct statfs found {};
  if (statfs(folder.c_str(), &found) != 0) return "";
  const auto magic = static_cast<std::uint64_t>(found.f_type) & 0xFFFFFFFFU;
  for (const FileSystem& known : kFileSystems) {
    if (known.magic == magic) return known.name;
  }
  return fmt::format("{:#x}", magic);
}

/// Bytes that are free, or all of them.
std::string bytes_of(const char* folder, bool free) {
  struct statvfs found {};
  if (statvfs(folder, &found) != 0) return "";
  const double blocks = static_cast<double>(free ? found.f_bavail : found.f_blocks);
  return fmt::format("{}", blocks * static_cast<double>(found.f_frsize));
}

/// The processors that this process may use, "0,1,2"; all that one set can hold.
std::string processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return "";
  std::string text;
  for (std::size_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) text += fmt::format("{}{}", text.empty() ? "" : ",", cpu);
  }
  return text;
}

std::string processor_model() {
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "";
}

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

PlaceFacts place_facts(const std::string& folder) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {};
  PlaceFacts facts = {
      {"host", host.data()},
      {"processors", processors()},
      {"model", processor_model()},
      {"build", std::string(build_facts().git_commit) + " " + std::string(build_facts().features)},
      {"file system", file_system(folder)},
      {"free", bytes_of(folder.c_str(), true)},
      {"shared memory", bytes_of("/dev/shm", true)},
      {"online", fmt::format("{}", sysconf(_SC_NPROCESSORS_ONLN))},
  };
  for (const char* name :
       {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "HDF5_USE_FILE_LOCKING",
        "OMPI_MCA_io", "OMPI_MCA_sharedfp", "OMPI_MCA_io_ompio_priority"}) {
    facts[name] = variable(name);
  }
  return facts;
}

std::string as_text(const PlaceFacts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) text += fmt::format("{}\t{}\n", name, value);
  return text;
}

PlaceFacts facts_of(const std::string& text) {
  PlaceFacts facts;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t tab = line.find('\t');
    if (tab != std::string::npos) facts[line.substr(0, tab)] = line.substr(tab + 1);
  }
  return facts;
}

}  // namespace flotilla
