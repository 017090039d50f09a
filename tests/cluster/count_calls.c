// SPDX-License-Identifier: BSD-3-Clause
// Counts a process's MPI calls by name, with the bytes that it gives to them, and its memory.
// Preload it. When MPI ends, each rank writes $FLOTILLA_CALLS/RANK: lines of name, calls, bytes,
// then the high-water mark of its memory in kB.
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

enum call {
  kAllgather,
  kAllgatherv,
  kAllreduce,
  kAlltoall,
  kAlltoallv,
  kBarrier,
  kBcast,
  kCommDup,
  kCommSplit,
  kExscan,
  kFileOpen,
  kFileSetSize,
  kFileSetView,
  kFileSync,
  kFileReadAt,
  kFileReadAtAll,
  kFileWriteAt,
  kFileWriteAtAll,
  kGather,
  kGatherv,
  kIallreduce,
  kIsend,
  kReduce,
  kScatterv,
  kCalls
};

static const char* const kNames[kCalls] = {"Allgather",     "Allgatherv",
                                           "Allreduce",     "Alltoall",
                                           "Alltoallv",     "Barrier",
                                           "Bcast",         "Comm_dup",
                                           "Comm_split",    "Exscan",
                                           "File_open",     "File_set_size",
                                           "File_set_view", "File_sync",
                                           "File_read_at",  "File_read_at_all",
                                           "File_write_at", "File_write_at_all",
                                           "Gather",        "Gatherv",
                                           "Iallreduce",    "Isend",
                                           "Reduce",        "Scatterv"};

static long calls[kCalls];
static double bytes[kCalls];

static void count(enum call call, double more) {
  ++calls[call];
  bytes[call] += more;
}

static double size_of(int entries, MPI_Datatype type) {
  int size = 0;
  if (entries > 0) PMPI_Type_size(type, &size);
  return (double)entries * size;
}

static double total(const int* entries, MPI_Datatype type, MPI_Comm comm) {
  int ranks = 0;
  PMPI_Comm_size(comm, &ranks);
  double sum = 0.0;
  for (int rank = 0; rank < ranks; ++rank) sum += size_of(entries[rank], type);
  return sum;
}

static int is_root(int root, MPI_Comm comm) {
  int rank = 0;
  PMPI_Comm_rank(comm, &rank);
  return rank == root;
}

/// VmHWM of this process in kB, or 0.
static long memory(void) {
  FILE* const status = fopen("/proc/self/status", "r");
  if (status == NULL) return 0;
  char line[256];
  long most = 0;
  while (fgets(line, sizeof line, status) != NULL) {
    if (sscanf(line, "VmHWM: %ld", &most) == 1) break;
  }
  fclose(status);
  return most;
}

int MPI_Finalize(void) {
  const char* const folder = getenv("FLOTILLA_CALLS");
  int rank = 0;
  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  char path[4096];
  snprintf(path, sizeof path, "%s/%d", folder == NULL ? "." : folder, rank);
  FILE* const file = fopen(path, "w");
  if (file == NULL) {
    fprintf(stderr, "count_calls: cannot write %s\n", path);
    return PMPI_Abort(MPI_COMM_WORLD, 1);
  }
  for (int call = 0; call < kCalls; ++call) {
    if (calls[call] > 0) fprintf(file, "%s\t%ld\t%.0f\n", kNames[call], calls[call], bytes[call]);
  }
  fprintf(file, "memory\t%ld\t0\n", memory());
  fclose(file);
  return PMPI_Finalize();
}

int MPI_Allgather(const void* from, int sent, MPI_Datatype sent_type, void* to, int received,
                  MPI_Datatype received_type, MPI_Comm comm) {
  count(kAllgather, size_of(sent, sent_type));
  return PMPI_Allgather(from, sent, sent_type, to, received, received_type, comm);
}

int MPI_Allgatherv(const void* from, int sent, MPI_Datatype sent_type, void* to,
                   const int* received, const int* places, MPI_Datatype received_type,
                   MPI_Comm comm) {
  count(kAllgatherv, size_of(sent, sent_type));
  return PMPI_Allgatherv(from, sent, sent_type, to, received, places, received_type, comm);
}

int MPI_Allreduce(const void* from, void* to, int entries, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm) {
  count(kAllreduce, size_of(entries, type));
  return PMPI_Allreduce(from, to, entries, type, op, comm);
}

int MPI_Iallreduce(const void* from, void* to, int entries, MPI_Datatype type, MPI_Op op,
                   MPI_Comm comm, MPI_Request* request) {
  count(kIallreduce, size_of(entries, type));
  return PMPI_Iallreduce(from, to, entries, type, op, comm, request);
}

int MPI_Alltoall(const void* from, int sent, MPI_Datatype sent_type, void* to, int received,
                 MPI_Datatype received_type, MPI_Comm comm) {
  int ranks = 0;
  PMPI_Comm_size(comm, &ranks);
  count(kAlltoall, ranks * size_of(sent, sent_type));
  return PMPI_Alltoall(from, sent, sent_type, to, received, received_type, comm);
}

int MPI_Alltoallv(const void* from, const int* sent, const int* from_places, MPI_Datatype sent_type,
                  void* to, const int* received, const int* to_places, MPI_Datatype received_type,
                  MPI_Comm comm) {
  count(kAlltoallv, total(sent, sent_type, comm));
  return PMPI_Alltoallv(from, sent, from_places, sent_type, to, received, to_places, received_type,
                        comm);
}

int MPI_Barrier(MPI_Comm comm) {
  count(kBarrier, 0.0);
  return PMPI_Barrier(comm);
}

int MPI_Bcast(void* data, int entries, MPI_Datatype type, int root, MPI_Comm comm) {
  count(kBcast, is_root(root, comm) ? size_of(entries, type) : 0.0);
  return PMPI_Bcast(data, entries, type, root, comm);
}

int MPI_Comm_dup(MPI_Comm comm, MPI_Comm* copy) {
  count(kCommDup, 0.0);
  return PMPI_Comm_dup(comm, copy);
}

int MPI_Comm_split(MPI_Comm comm, int group, int key, MPI_Comm* part) {
  count(kCommSplit, 0.0);
  return PMPI_Comm_split(comm, group, key, part);
}

int MPI_Exscan(const void* from, void* to, int entries, MPI_Datatype type, MPI_Op op,
               MPI_Comm comm) {
  count(kExscan, size_of(entries, type));
  return PMPI_Exscan(from, to, entries, type, op, comm);
}

int MPI_Gather(const void* from, int sent, MPI_Datatype sent_type, void* to, int received,
               MPI_Datatype received_type, int root, MPI_Comm comm) {
  count(kGather, size_of(sent, sent_type));
  return PMPI_Gather(from, sent, sent_type, to, received, received_type, root, comm);
}

int MPI_Gatherv(const void* from, int sent, MPI_Datatype sent_type, void* to, const int* received,
                const int* places, MPI_Datatype received_type, int root, MPI_Comm comm) {
  count(kGatherv, size_of(sent, sent_type));
  return PMPI_Gatherv(from, sent, sent_type, to, received, places, received_type, root, comm);
}

int MPI_Isend(const void* data, int entries, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request* request) {
  count(kIsend, size_of(entries, type));
  return PMPI_Isend(data, entries, type, to, tag, comm, request);
}

int MPI_Reduce(const void* from, void* to, int entries, MPI_Datatype type, MPI_Op op, int root,
               MPI_Comm comm) {
  count(kReduce, size_of(entries, type));
  return PMPI_Reduce(from, to, entries, type, op, root, comm);
}

int MPI_Scatterv(const void* from, const int* sent, const int* places, MPI_Datatype sent_type,
                 void* to, int received, MPI_Datatype received_type, int root, MPI_Comm comm) {
  count(kScatterv, is_root(root, comm) ? total(sent, sent_type, comm) : 0.0);
  return PMPI_Scatterv(from, sent, places, sent_type, to, received, received_type, root, comm);
}

int MPI_File_open(MPI_Comm comm, const char* path, int mode, MPI_Info info, MPI_File* file) {
  count(kFileOpen, 0.0);
  return PMPI_File_open(comm, path, mode, info, file);
}

int MPI_File_set_size(MPI_File file, MPI_Offset size) {
  count(kFileSetSize, 0.0);
  return PMPI_File_set_size(file, size);
}

int MPI_File_set_view(MPI_File file, MPI_Offset place, MPI_Datatype entry, MPI_Datatype type,
                      const char* representation, MPI_Info info) {
  count(kFileSetView, 0.0);
  return PMPI_File_set_view(file, place, entry, type, representation, info);
}

int MPI_File_sync(MPI_File file) {
  count(kFileSync, 0.0);
  return PMPI_File_sync(file);
}

int MPI_File_read_at(MPI_File file, MPI_Offset place, void* data, int entries, MPI_Datatype type,
                     MPI_Status* status) {
  count(kFileReadAt, size_of(entries, type));
  return PMPI_File_read_at(file, place, data, entries, type, status);
}

int MPI_File_read_at_all(MPI_File file, MPI_Offset place, void* data, int entries,
                         MPI_Datatype type, MPI_Status* status) {
  count(kFileReadAtAll, size_of(entries, type));
  return PMPI_File_read_at_all(file, place, data, entries, type, status);
}

int MPI_File_write_at(MPI_File file, MPI_Offset place, const void* data, int entries,
                      MPI_Datatype type, MPI_Status* status) {
  count(kFileWriteAt, size_of(entries, type));
  return PMPI_File_write_at(file, place, data, entries, type, status);
}

int MPI_File_write_at_all(MPI_File file, MPI_Offset place, const void* data, int entries,
                          MPI_Datatype type, MPI_Status* status) {
  count(kFileWriteAtAll, size_of(entries, type));
  return PMPI_File_write_at_all(file, place, data, entries, type, status);
}
