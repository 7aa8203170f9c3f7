/*
 * Sends one datagram to a port of 127.0.0.1, from many loopback addresses in turn, at a steady rate.
 * usage: udp_flood PORT PER_SECOND SECONDS SOURCES <DATAGRAM      prints how many were sent
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LARGEST 1500
#define MOST_SOURCES 250
/* A batch each millisecond is as even as a network card makes it. */
#define TICK_NS 1000000L

static struct sockaddr_in address(uint32_t host, uint16_t port) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  to.sin_addr.s_addr = htonl(host);
  return to;
}

static int sender(uint32_t from, uint16_t port) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in own = address(from, 0), to = address(INADDR_LOOPBACK, port);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
      connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
    perror("udp_flood");
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  const long per_second = atol(argv[2]), total = per_second * atol(argv[3]);
  const int sources = atoi(argv[4]);
  if (sources < 1 || sources > MOST_SOURCES) return 2;
  char datagram[LARGEST];
  const ssize_t size = read(0, datagram, sizeof datagram);
  if (size <= 0) return 2;
  int fds[MOST_SOURCES];
  for (int i = 0; i < sources; i += 1) fds[i] = sender(0x7f000001u + (uint32_t)i, (uint16_t)atoi(argv[1]));

  struct timespec start, now;
  clock_gettime(CLOCK_MONOTONIC, &start);
  long tried = 0, sent = 0;
  while (tried < total) {
    clock_gettime(CLOCK_MONOTONIC, &now);
    const double elapsed = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
    long due = (long)(elapsed * (double)per_second);
    if (due > total) due = total;
    for (; tried < due; tried += 1) {
      /* Answers come back to these sockets; nobody reads them, and the kernel drops what does not fit. */
      if (send(fds[tried % sources], datagram, (size_t)size, MSG_DONTWAIT) == size) sent += 1;
    }
    const struct timespec pause = {0, TICK_NS};
    nanosleep(&pause, NULL);
  }
  clock_gettime(CLOCK_MONOTONIC, &now);
  const double took = (double)(now.tv_sec - start.tv_sec) + (double)(now.tv_nsec - start.tv_nsec) / 1e9;
  printf("{\"sent\":%ld,\"perSecond\":%.0f}\n", sent, (double)sent / took);
  return 0;
}
