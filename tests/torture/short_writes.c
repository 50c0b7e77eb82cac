/* Preloaded into a server: pwrite() on its spool writes less than it was asked, as the kernel may.
 *
 * SHORT_SPOOL   a part of the path of the files that are struck
 * SHORT_EVERY   every so many of their calls is short: it writes half, and says so
 * SHORT_FAIL    at call number N of the process (0: never) half is written, and the call after it
 *               fails with SHORT_ERRNO; from then on none is struck
 * A line with the call's number and the moment, in microseconds, is written to SHORT_LOG for the
 * first of each: strace can make a call fail, not shorten it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static atomic_long calls, said;
static _Thread_local long fails_next;

static long number(const char *name) {
  const char *text = getenv(name);
  return text ? atol(text) : 0;
}

static int is_struck(int fd) {
  char link[64], path[4096];
  const char *spool = getenv("SHORT_SPOOL");
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (!spool || length < 0) return 0;
  path[length] = 0;
  return strstr(path, spool) != NULL;
}

static void say(const char *what, long call) {
  const char *path = getenv("SHORT_LOG");
  FILE *log = path && atomic_fetch_add(&said, 1) < 100 ? fopen(path, "a") : NULL;
  if (!log) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  fprintf(log, "%s %ld %lld\n", what, call, (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
  fclose(log);
}

ssize_t pwrite64(int fd, const void *octets, size_t count, off64_t at) {
  static ssize_t (*next)(int, const void *, size_t, off64_t);
  if (!next) next = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
  if (fails_next) {
    say("failed", fails_next);
    fails_next = 0;
    errno = (int)number("SHORT_ERRNO");
    return -1;
  }
  if (count < 2 || !is_struck(fd)) return next(fd, octets, count, at);
  const long call = atomic_fetch_add(&calls, 1) + 1;
  const long every = number("SHORT_EVERY"), fail = number("SHORT_FAIL");
  if (fail > 0 && call == fail) {
    fails_next = call;
    return next(fd, octets, count / 2, at);
  }
  if (every > 0 && call % every == 0) {
    say("short", call);
    return next(fd, octets, count / 2, at);
  }
  return next(fd, octets, count, at);
}

ssize_t pwrite(int fd, const void *octets, size_t count, off_t at) {
  return pwrite64(fd, octets, count, at);
}
