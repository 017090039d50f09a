// SPDX-License-Identifier: BSD-3-Clause

// Stands between a program and the system (LD_PRELOAD), and makes calls on files fail on purpose.
//
// It looks at calls that change a file below one folder, and leaves all others alone. What fails is
// set by the environment:
//
//   FAULTS_FOLDER   the folder; without it nothing fails
//   FAULTS_CALL     the kind of call that fails: write, sync, close, rename, resize, reserve
//   FAULTS_AT       the number of the first call of this kind that fails, from 1
//   FAULTS_LAST     the number of the last one; 0: all later calls fail too
//   FAULTS_RANK     the rank on which they fail; -1: on every rank
//   FAULTS_HOW      the number of the error; 0: half of the bytes are written (a write alone);
//                   below 0: nothing fails, but the process sends itself this signal before it
//   FAULTS_COUNTS   a path: the calls of each kind so far are kept in the file "<path>.<rank>"

#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, SYNC, CLOSE, RENAME, RESIZE, RESERVE, KINDS };
static const char* const names[KINDS] = {"write", "sync", "close", "rename", "resize", "reserve"};

static int counts[KINDS];

static int number(const char* name, int otherwise) {
  const char* const text = getenv(name);
  return text == NULL ? otherwise : atoi(text);
}

static bool is_watched(const char* path) {
  const char* const folder = getenv("FAULTS_FOLDER");
  char whole[2 * PATH_MAX] = "";
  if (path[0] != '/' && getcwd(whole, PATH_MAX) != NULL) strcat(whole, "/");
  strncat(whole, path, PATH_MAX - 1);
  return folder != NULL && strncmp(whole, folder, strlen(folder)) == 0;
}

static bool is_open_in_folder(int file) {
  char link[64];
  char path[PATH_MAX + 1] = "";
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  // A pipe or a socket has no path.
  return readlink(link, path, PATH_MAX) > 0 && path[0] == '/' && is_watched(path);
}

static void* system_call(const char* name) {
  return dlsym(RTLD_NEXT, name);
}

static void keep_counts(int rank) {
  const char* const base = getenv("FAULTS_COUNTS");
  if (base == NULL) return;
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s.%d", base, rank);
  FILE* const file = fopen(path, "w");
  if (file == NULL) return;
  for (int k = 0; k < KINDS; ++k) fprintf(file, "%s %d\n", names[k], counts[k]);
  fclose(file);
}

/// Counts a call, and says whether it fails.
static bool fails(enum kind kind) {
  const int rank = number("OMPI_COMM_WORLD_RANK", 0);
  const int count = ++counts[kind];
  keep_counts(rank);
  const char* const call = getenv("FAULTS_CALL");
  if (call == NULL || strcmp(call, names[kind]) != 0) return false;
  const int only = number("FAULTS_RANK", -1);
  if (only >= 0 && only != rank) return false;
  const int last = number("FAULTS_LAST", 0);
  const bool chosen = count >= number("FAULTS_AT", 1) && (last == 0 || count <= last);
  const int how = number("FAULTS_HOW", EIO);
  if (chosen && how < 0) raise(-how);
  return chosen && how >= 0;
}

static int failure(void) {
  errno = number("FAULTS_HOW", EIO);
  return -1;
}

/// How many bytes a write that fails may write: 0 for one that ends with an error.
static size_t written_of(size_t size) {
  return number("FAULTS_HOW", EIO) == 0 ? size / 2 : 0;
}

ssize_t write(int file, const void* bytes, size_t size) {
  ssize_t (*const real)(int, const void*, size_t) = system_call("write");
  if (is_open_in_folder(file) && fails(WRITE)) {
    size = written_of(size);
    if (size == 0) return failure();
  }
  return real(file, bytes, size);
}

ssize_t pwrite(int file, const void* bytes, size_t size, off_t place) {
  ssize_t (*const real)(int, const void*, size_t, off_t) = system_call("pwrite");
  if (is_open_in_folder(file) && fails(WRITE)) {
    size = written_of(size);
    if (size == 0) return failure();
  }
  return real(file, bytes, size, place);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t place) {
  return pwrite(file, bytes, size, place);
}

/// Writes half of the first part: the shortest write of several parts.
static ssize_t write_parts(int file, const struct iovec* parts, int count, off_t place) {
  ssize_t (*const real)(int, const struct iovec*, int, off_t) = system_call("pwritev");
  if (is_open_in_folder(file) && fails(WRITE)) {
    const size_t size = count > 0 ? written_of(parts[0].iov_len) : 0;
    if (size == 0) return failure();
    const struct iovec half = {parts[0].iov_base, size};
    return real(file, &half, 1, place);
  }
  return real(file, parts, count, place);
}

ssize_t pwritev(int file, const struct iovec* parts, int count, off_t place) {
  return write_parts(file, parts, count, place);
}

ssize_t pwritev64(int file, const struct iovec* parts, int count, off64_t place) {
  return write_parts(file, parts, count, place);
}

ssize_t writev(int file, const struct iovec* parts, int count) {
  ssize_t (*const real)(int, const struct iovec*, int) = system_call("writev");
  if (is_open_in_folder(file) && fails(WRITE)) {
    const size_t size = count > 0 ? written_of(parts[0].iov_len) : 0;
    if (size == 0) return failure();
    const struct iovec half = {parts[0].iov_base, size};
    return real(file, &half, 1);
  }
  return real(file, parts, count);
}

int fsync(int file) {
  int (*const real)(int) = system_call("fsync");
  return is_open_in_folder(file) && fails(SYNC) ? failure() : real(file);
}

int fdatasync(int file) {
  int (*const real)(int) = system_call("fdatasync");
  return is_open_in_folder(file) && fails(SYNC) ? failure() : real(file);
}

/// A close that fails closes all the same, as Linux does.
int close(int file) {
  int (*const real)(int) = system_call("close");
  const bool failed = is_open_in_folder(file) && fails(CLOSE);
  const int result = real(file);
  return failed ? failure() : result;
}

int rename(const char* from, const char* to) {
  int (*const real)(const char*, const char*) = system_call("rename");
  return is_watched(to) && fails(RENAME) ? failure() : real(from, to);
}

int ftruncate(int file, off_t size) {
  int (*const real)(int, off_t) = system_call("ftruncate");
  return is_open_in_folder(file) && fails(RESIZE) ? failure() : real(file, size);
}

int ftruncate64(int file, off64_t size) {
  return ftruncate(file, size);
}

/// @returns the number of the error, as the real one does
int posix_fallocate(int file, off_t start, off_t size) {
  int (*const real)(int, off_t, off_t) = system_call("posix_fallocate");
  return is_open_in_folder(file) && fails(RESERVE) ? number("FAULTS_HOW", EIO)
                                                   : real(file, start, size);
}

int posix_fallocate64(int file, off64_t start, off64_t size) {
  return posix_fallocate(file, start, size);
}

int fallocate(int file, int mode, off_t start, off_t size) {
  int (*const real)(int, int, off_t, off_t) = system_call("fallocate");
  return is_open_in_folder(file) && fails(RESERVE) ? failure() : real(file, mode, start, size);
}
