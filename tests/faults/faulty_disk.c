// A FUSE file system that behaves like a disk with a volatile write cache, and fails on command.
//
// Usage: faulty_disk CACHE DISK CONTROL MOUNTPOINT
//
// CACHE holds what was written, DISK what was flushed: killing this program and serving DISK again is a
// power cut. Names (create, rename, unlink, mkdir) are durable at once. CONTROL is read before every
// write and flush and holds four numbers:
//   write errno: a write fails and its bytes are lost, and so does a flush after one that failed (the
//     kernel's loop device takes a write that failed in part for a whole one); 0: it works
//   flush errno: a flush fails, and what it should have flushed never reaches DISK; 0: it works
//   spared: how many flushes still work before that
//   hold: while it is 1, flushes wait; CONTROL.held exists from the first one that does
#define FUSE_USE_VERSION 31

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
  ino_t file;  // in CACHE
  off_t begin, end;
} Range;

static const char *cache_dir, *disk_dir, *control_path;

// Written and not yet flushed.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static Range *dirty;
static size_t dirty_count, dirty_room;
static atomic_bool write_failed;
static atomic_int flushes_spared;

typedef struct {
  int write_errno, flush_errno, spared, hold;
} Control;

static Control read_control(void) {
  Control now = {0, 0, 0, 0};
  FILE *file = fopen(control_path, "r");
  if (file == NULL) return now;
  const int found =
      fscanf(file, "%d %d %d %d", &now.write_errno, &now.flush_errno, &now.spared, &now.hold);
  if (found != 4) abort();
  fclose(file);
  return now;
}

typedef struct {
  char text[PATH_MAX];
} Path;

static Path join(const char *folder, const char *path) {
  Path joined;
  snprintf(joined.text, sizeof joined.text, "%s%s", folder, path);
  return joined;
}

#define IN_CACHE(path) join(cache_dir, path).text
#define IN_DISK(path) join(disk_dir, path).text

static int result_of(int returned) { return returned < 0 ? -errno : 0; }

static int disk_getattr(const char *path, struct stat *found, struct fuse_file_info *info) {
  (void)info;
  return result_of(lstat(IN_CACHE(path), found));
}

static int disk_mkdir(const char *path, mode_t mode) {
  mkdir(IN_DISK(path), mode);
  return result_of(mkdir(IN_CACHE(path), mode));
}

static int disk_unlink(const char *path) {
  unlink(IN_DISK(path));
  return result_of(unlink(IN_CACHE(path)));
}

static int disk_rename(const char *from, const char *to, unsigned flags) {
  if (flags != 0) return -EINVAL;
  rename(IN_DISK(from), IN_DISK(to));
  return result_of(rename(IN_CACHE(from), IN_CACHE(to)));
}

static int disk_truncate(const char *path, off_t size, struct fuse_file_info *info) {
  (void)info;
  return result_of(truncate(IN_CACHE(path), size));
}

static int disk_chmod(const char *path, mode_t mode, struct fuse_file_info *info) {
  (void)info;
  return result_of(chmod(IN_CACHE(path), mode));
}

static int disk_create(const char *path, mode_t mode, struct fuse_file_info *info) {
  const int on_disk = open(IN_DISK(path), O_RDWR | O_CREAT, mode);
  if (on_disk < 0) return -errno;
  close(on_disk);
  const int fd = open(IN_CACHE(path), O_RDWR | O_CREAT, mode);
  info->fh = (uint64_t)fd;
  return result_of(fd);
}

static int disk_open(const char *path, struct fuse_file_info *info) {
  // The kernel reads pages of a file that is open for writing, too.
  const int fd = open(IN_CACHE(path), O_RDWR | (info->flags & O_TRUNC));
  info->fh = (uint64_t)fd;
  return result_of(fd);
}

static int disk_release(const char *path, struct fuse_file_info *info) {
  (void)path;
  return result_of(close((int)info->fh));
}

static int disk_read(const char *path, char *into, size_t size, off_t offset,
                     struct fuse_file_info *info) {
  (void)path;
  const ssize_t got = pread((int)info->fh, into, size, offset);
  return got < 0 ? -errno : (int)got;
}

static void mark_dirty(int fd, off_t begin, off_t end) {
  struct stat found;
  if (fstat(fd, &found) != 0) abort();
  pthread_mutex_lock(&mutex);
  if (dirty_count == dirty_room) {
    dirty_room = dirty_room * 2 + 64;
    dirty = realloc(dirty, dirty_room * sizeof *dirty);
    if (dirty == NULL) abort();
  }
  dirty[dirty_count++] = (Range){found.st_ino, begin, end};
  pthread_mutex_unlock(&mutex);
}

static int disk_write(const char *path, const char *bytes, size_t size, off_t offset,
                      struct fuse_file_info *info) {
  (void)path;
  const Control control = read_control();
  if (control.write_errno != 0) {
    atomic_store(&write_failed, 1);
    return -control.write_errno;
  }
  const ssize_t wrote = pwrite((int)info->fh, bytes, size, offset);
  if (wrote < 0) return -errno;
  mark_dirty((int)info->fh, offset, offset + wrote);
  return (int)wrote;
}

static void copy_range(int from, int to, off_t begin, off_t end) {
  char bytes[1 << 16];
  while (begin < end) {
    const size_t most = end - begin < (off_t)sizeof bytes ? (size_t)(end - begin) : sizeof bytes;
    const ssize_t got = pread(from, bytes, most, begin);
    if (got == 0) return;  // Truncated since it was written.
    if (got < 0 || pwrite(to, bytes, (size_t)got, begin) != got) abort();
    begin += got;
  }
}

// Moves the file's dirty ranges to the disk, or only forgets them.
static void settle(int cache, int disk, int lost) {
  struct stat found;
  if (fstat(cache, &found) != 0) abort();
  pthread_mutex_lock(&mutex);
  size_t kept = 0;
  for (size_t at = 0; at < dirty_count; ++at) {
    if (dirty[at].file != found.st_ino)
      dirty[kept++] = dirty[at];
    else if (!lost)
      copy_range(cache, disk, dirty[at].begin, dirty[at].end);
  }
  dirty_count = kept;
  if (!lost && ftruncate(disk, found.st_size) != 0) abort();
  pthread_mutex_unlock(&mutex);
}

static int disk_fsync(const char *path, int only_data, struct fuse_file_info *info) {
  (void)only_data;
  Control control = read_control();
  if (control.hold) {
    const int held = open(join(control_path, ".held").text, O_WRONLY | O_CREAT, 0600);
    if (held >= 0) close(held);
  }
  for (; control.hold; control = read_control()) poll(NULL, 0, 2);
  int failure = control.flush_errno;
  if (failure == 0)
    atomic_store(&flushes_spared, 0);
  else if (atomic_fetch_add(&flushes_spared, 1) < control.spared)
    failure = 0;
  if (atomic_exchange(&write_failed, 0) && failure == 0) failure = control.write_errno;
  const int disk = open(IN_DISK(path), O_RDWR);
  if (disk < 0) return -errno;
  settle((int)info->fh, disk, failure != 0);
  close(disk);
  return -failure;
}

static int disk_fsyncdir(const char *path, int only_data, struct fuse_file_info *info) {
  (void)path, (void)only_data, (void)info;
  return -read_control().flush_errno;
}

static int disk_readdir(const char *path, void *into, fuse_fill_dir_t fill, off_t offset,
                        struct fuse_file_info *info, enum fuse_readdir_flags flags) {
  (void)offset, (void)info, (void)flags;
  DIR *folder = opendir(IN_CACHE(path));
  if (folder == NULL) return -errno;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
    fill(into, entry->d_name, NULL, 0, 0);
  closedir(folder);
  return 0;
}

static void *start(struct fuse_conn_info *connection, struct fuse_config *config) {
  (void)connection;
  // Pages stay cached over close and open, as on a disk, also those whose write-back has failed.
  config->kernel_cache = 1;
  return NULL;
}

int main(int argc, char **argv) {
  static const struct fuse_operations kOperations = {
      .init = start,
      .getattr = disk_getattr,
      .mkdir = disk_mkdir,
      .unlink = disk_unlink,
      .rename = disk_rename,
      .truncate = disk_truncate,
      .chmod = disk_chmod,
      .create = disk_create,
      .open = disk_open,
      .release = disk_release,
      .read = disk_read,
      .write = disk_write,
      .fsync = disk_fsync,
      .fsyncdir = disk_fsyncdir,
      .readdir = disk_readdir,
  };
  if (argc != 5) {
    fprintf(stderr, "usage: faulty_disk CACHE DISK CONTROL MOUNTPOINT\n");
    return 64;
  }
  cache_dir = argv[1];
  disk_dir = argv[2];
  control_path = argv[3];
  char *arguments[] = {argv[0], "-f", "-o", "allow_other,default_permissions", argv[4], NULL};
  return fuse_main(5, arguments, &kOperations, NULL);
}
