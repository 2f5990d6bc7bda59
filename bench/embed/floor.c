/* floor.c: what one replicated write cannot do without: a hop over loopback, and a sync.
 *
 * usage: floor hop COUNT            half a round trip between two processes that sleep meanwhile
 *        floor sync FILE COUNT      a write of 4 KiB, which was written before, and its sync
 *
 * Prints the median in microseconds.
 */
/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/histogram.h"
#include "runtime/clock.h"

#define SYNC_BYTES 4096
#define FILE_BYTES (4 * 1024 * 1024)
#define HOP_BYTES 64 /* about an entry of 16 bytes with its frame */

static void need(bool is_well, const char *what)
{
    if (!is_well) {
        perror(what);
        exit(1);
    }
}

static void tell(const struct histogram *histogram, double divisor)
{
    printf("%.1f\n", (double)histogram_percentile(histogram, 500000) / 1000 / divisor);
}

static void answer(int listener)
{
    char bytes[HOP_BYTES];
    int yes = 1;
    int peer = accept(listener, NULL, NULL);
    need(peer >= 0, "accept");
    need(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0, "TCP_NODELAY");
    while (recv(peer, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes)) {
        need(send(peer, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
    }
    exit(0);
}

static void hop(uint64_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof(address);
    char bytes[HOP_BYTES] = {0};
    int yes = 1;
    struct histogram histogram;
    histogram_init(&histogram);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    need(listener >= 0 && bind(listener, (struct sockaddr *)&address, length) == 0 &&
             listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &length) == 0,
         "listen");
    pid_t child = fork();
    need(child >= 0, "fork");
    if (child == 0) {
        answer(listener);
    }
    int peer = socket(AF_INET, SOCK_STREAM, 0);
    need(peer >= 0 && connect(peer, (struct sockaddr *)&address, length) == 0, "connect");
    need(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0, "TCP_NODELAY");
    for (uint64_t i = 0; i < count; i++) {
        time_ns began_ns = runtime_now_ns();
        need(send(peer, bytes, sizeof(bytes), 0) == sizeof(bytes), "send");
        need(recv(peer, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes), "recv");
        histogram_record(&histogram, runtime_now_ns() - began_ns);
    }
    close(peer);
    need(waitpid(child, NULL, 0) == child, "waitpid");
    tell(&histogram, 2);
}

static void sync_often(const char *path, uint64_t count)
{
    static uint8_t bytes[SYNC_BYTES];
    struct histogram histogram;
    histogram_init(&histogram);
    int file = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    need(file >= 0, path);
    for (off_t at = 0; at < FILE_BYTES; at += SYNC_BYTES) {
        need(pwrite(file, bytes, sizeof(bytes), at) == sizeof(bytes), path);
    }
    need(fsync(file) == 0, path);
    for (uint64_t i = 0; i < count; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        time_ns began_ns = runtime_now_ns();
        off_t at = (off_t)(i * SYNC_BYTES % FILE_BYTES);
        need(pwrite(file, bytes, sizeof(bytes), at) == sizeof(bytes) && fdatasync(file) == 0, path);
        histogram_record(&histogram, runtime_now_ns() - began_ns);
    }
    close(file);
    tell(&histogram, 1);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "hop") == 0) {
        hop(strtoull(argv[2], NULL, 10));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "sync") == 0) {
        sync_often(argv[2], strtoull(argv[3], NULL, 10));
        return 0;
    }
    fprintf(stderr, "usage: floor hop COUNT | floor sync FILE COUNT\n");
    return 2;
}
