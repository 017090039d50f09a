// SPDX-License-Identifier: BSD-3-Clause
#include "io/write_probe.hpp"

#include <fmt/format.h>
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <vector>

namespace flotilla {
namespace {

// Pieces that fill no block of a disk, page, or stripe.
constexpr std::array<Index, 4> kPieces = {1, 4097, 65537, (Index{1} << 20U) + 13};

/// The byte at a place of the file.
unsigned char byte_at(Index place) {
  return static_cast<unsigned char>((place * 2654435761) >> 13U);
}

std::string reason_of(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return {text.data(), static_cast<std::size_t>(length)};
}

/// A setting of Open MPI, as its tools interface has it.
class Setting {
 public:
  explicit Setting(const char* name) {
    int index = 0;
    if (MPI_T_cvar_get_index(name, &index) != MPI_SUCCESS) return;
    MPI_T_cvar_handle_alloc(index, nullptr, &handle_, &count_);
  }
  ~Setting() {
    if (known()) MPI_T_cvar_handle_free(&handle_);
  }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

  bool known() const { return handle_ != MPI_T_CVAR_HANDLE_NULL; }
  int number() const {
    int value = 0;
    if (known()) MPI_T_cvar_read(handle_, &value);
    return value;
  }
  std::string text() const {
    std::string value(static_cast<std::size_t>(count_) + 1, '\0');
    if (known()) MPI_T_cvar_read(handle_, value.data());
    value.resize(value.find('\0'));
    return value;
  }

 private:
  MPI_T_cvar_handle handle_ = MPI_T_CVAR_HANDLE_NULL;
  int count_ = 0;
};

/// Which component serves files: the one that the user chose, else the one of higher priority.
bool files_go_through_romio() {
  int provided = 0;
  if (MPI_T_init_thread(MPI_THREAD_SINGLE, &provided) != MPI_SUCCESS) return false;
  bool romio = false;
  {
    const Setting chosen("io");
    const Setting of_romio("io_romio321_priority");
    const Setting of_ompio("io_ompio_priority");
    const std::string names = chosen.text();
    const bool refused = names.starts_with("^");
    const auto allowed = [&](const char* name) {
      return names.empty() || (names.find(name) != std::string::npos) != refused;
    };
    romio = of_romio.known() && allowed("romio") &&
            (!allowed("ompio") || of_romio.number() > of_ompio.number());
  }
  MPI_T_finalize();
  return romio;
}

/// A file of MPI that ranks write in turns: piece by piece, rank by rank.
class Probe {
 public:
  Probe(const Communicator& comm, std::string path) : comm_(comm), path_(std::move(path)) {}

  WriteProbe run(Index bytes) {
    if (!open()) return found_;
    const Index rounds = std::max<Index>(1, bytes / kPieces.back());
    const double begin = MPI_Wtime();
    bool good = each_piece(rounds, comm_.rank(), [&](Index place, Index size) {
      fill(place, size);
      return MPI_File_write_at_all(file_, place, bytes_.data(), static_cast<int>(size), MPI_BYTE,
                                   MPI_STATUS_IGNORE);
    });
    good = good && agreed(MPI_File_sync(file_), "forcing the file to the disk");
    found_.write_seconds = comm_.largest(MPI_Wtime() - begin);
    if (good) read_back(rounds);
    // Closing a file after a failed write may wait for ranks that wait elsewhere.
    if (good) MPI_File_close(&file_);
    return found_;
  }

 private:
  bool open() {
    const int code = MPI_File_open(comm_.handle(), path_.c_str(), MPI_MODE_CREATE | MPI_MODE_RDWR,
                                   MPI_INFO_NULL, &file_);
    if (!agreed(code, "opening it on all ranks")) return false;
    found_.romio = files_go_through_romio();
    return true;
  }

  void read_back(Index rounds) {
    const double begin = MPI_Wtime();
    Index wrong = 0;
    const int other = (comm_.rank() + 1) % comm_.size();
    const bool good = each_piece(rounds, other, [&](Index place, Index size) {
      std::fill(bytes_.begin(), bytes_.end(), '\0');
      const int code = MPI_File_read_at_all(file_, place, bytes_.data(), static_cast<int>(size),
                                            MPI_BYTE, MPI_STATUS_IGNORE);
      for (Index i = 0; i < size; ++i) {
        wrong += bytes_[static_cast<std::size_t>(i)] != byte_at(place + i);
      }
      return code;
    });
    found_.read_seconds = comm_.largest(MPI_Wtime() - begin);
    const double most = comm_.largest(static_cast<double>(wrong));
    if (good && most > 0.0) {
      found_.fault = fmt::format(
          "a collective write was told as a success, but {} bytes that a rank read back are not "
          "those that another one wrote",
          most);
    }
  }

  /// Calls work(place, size) for the pieces of a rank, until it fails on some rank.
  template <typename Work>
  bool each_piece(Index rounds, int rank, Work work) {
    Index start = 0;
    found_.bytes = 0.0;
    for (Index round = 0; round < rounds; ++round) {
      for (const Index size : kPieces) {
        if (!agreed(work(start + rank * size, size), "writing or reading it together")) {
          return false;
        }
        start += size * comm_.size();
      }
    }
    found_.bytes = static_cast<double>(start);
    return true;
  }

  void fill(Index place, Index size) {
    for (Index i = 0; i < size; ++i) bytes_[static_cast<std::size_t>(i)] = byte_at(place + i);
  }

  bool agreed(int code, const char* doing) {
    if (comm_.all_agree(code == MPI_SUCCESS)) return true;
    std::string reason = code == MPI_SUCCESS ? "it failed on another rank" : reason_of(code);
    comm_.broadcast(reason);
    found_.fault = fmt::format("{} failed: {}", doing, reason);
    return false;
  }

  const Communicator& comm_;
  std::string path_;
  MPI_File file_ = MPI_FILE_NULL;
  std::vector<unsigned char> bytes_ = std::vector<unsigned char>(kPieces.back());
  WriteProbe found_;
};

}  // namespace

WriteProbe probe_writes(const Communicator& comm, const std::string& folder, Index bytes) {
  WriteProbe found;
  std::string path = folder + "/flotilla_doctor.XXXXXX";
  if (comm.is_root()) {
    const int descriptor = mkstemp(path.data());
    if (descriptor < 0) found.fault = fmt::format("no file can be made there: {}", strerror(errno));
    if (descriptor >= 0) close(descriptor);
  }
  comm.broadcast(found.fault);
  if (!found.fault.empty()) return found;
  comm.broadcast(path);
  std::error_code unknown;
  if (comm.all_agree(std::filesystem::exists(path, unknown))) {
    found = Probe(comm, path).run(bytes);
  } else {
    found.fault =
        "what rank 0 makes there is not there for all ranks: name a folder that all nodes share";
  }
  comm.barrier();
  if (comm.is_root()) std::filesystem::remove(path, unknown);
  return found;
}

}  // namespace flotilla
